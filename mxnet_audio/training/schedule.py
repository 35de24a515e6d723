"""How the learning rate changes from step to step: MXNet's schedulers, with their lengths given in epochs or shares."""

from __future__ import annotations

import operator
from dataclasses import dataclass

from mxnet_audio.engine import mx
from mxnet_audio.errors import ModelError

__all__ = ["Constant", "Cosine", "Schedule", "Step"]


@dataclass(frozen=True)
class Schedule:
    """A learning rate that grows evenly from 0 over the warm-up, and then follows a rule.

    Parameters
    ----------
    warmup : float, 0 to 1
        Share of all steps.

    Raises
    ------
    ModelError
        If a number is out of range.
    """

    warmup: float = 0.0

    def __post_init__(self):
        if not 0 <= self.warmup < 1:
            raise ModelError(f"warmup is a share of the steps, 0 or more and below 1, not {self.warmup}")

    def scheduler(self, learning_rate: float, epochs: int, steps: int) -> mx.lr_scheduler.LRScheduler:
        """MXNet's scheduler.

        Parameters
        ----------
        learning_rate : float > 0
            The highest.
        epochs : int > 0
            Length of the whole run.
        steps : int > 0
            Of an epoch.
        """
        total = epochs * steps
        return self._after(total, steps, base_lr=learning_rate, warmup_steps=min(int(self.warmup * total), total - 1))


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate to the end.

    Examples
    --------
    >>> rate = Constant().scheduler(0.1, epochs=2, steps=10)
    >>> rate(1), rate(20)
    (0.1, 0.1)
    """

    def _after(self, total: int, steps: int, **common) -> mx.lr_scheduler.LRScheduler:
        return _Steps(total, 1.0, **common)


@dataclass(frozen=True)
class Step(Schedule):
    """A rate that is multiplied by a factor every so many epochs.

    Parameters
    ----------
    every : int > 0
        Epochs.
    factor : float, above 0 and at most 1

    Examples
    --------
    >>> rate = Step(every=2, factor=0.1).scheduler(0.1, epochs=4, steps=10)
    >>> rate(20), round(rate(21), 6)
    (0.1, 0.01)
    """

    every: int = 20
    factor: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        if operator.index(self.every) < 1 or not 0 < self.factor <= 1:
            raise ModelError(f"a step is every 1 epoch or more, by a factor of at most 1, not {self}")

    def _after(self, total: int, steps: int, **common) -> mx.lr_scheduler.LRScheduler:
        return _Steps(self.every * steps, self.factor, **common)


@dataclass(frozen=True)
class Cosine(Schedule):
    """A rate that falls towards 0 along half a cosine (arXiv 1608.03983, without restarts).

    Examples
    --------
    >>> rate = Cosine(warmup=0.1).scheduler(0.1, epochs=2, steps=10)
    >>> [round(rate(step), 3) for step in (0, 1, 2, 11, 20)]
    [0.0, 0.05, 0.1, 0.054, 0.001]
    """

    def _after(self, total: int, steps: int, **common) -> mx.lr_scheduler.LRScheduler:
        return mx.lr_scheduler.CosineScheduler(total + 1, **common)  # the last step moves too


class _Steps(mx.lr_scheduler.LRScheduler):
    """MXNet's FactorScheduler without its habit of setting up the root logger."""

    def __init__(self, every: int, factor: float, **common):
        super().__init__(**common)
        self._every, self._factor = every, factor

    def __call__(self, num_update: int) -> float:
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        return self.base_lr * self._factor ** (max(num_update - 1, 0) // self._every)
