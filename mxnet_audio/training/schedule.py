"""Schedules of the learning rate: MXNet's schedulers, with lengths in epochs or shares of the run."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

from mxnet_audio.checks import whole_number
from mxnet_audio.engine import mx
from mxnet_audio.errors import ParameterError

__all__ = ["Constant", "Cosine", "Schedule", "Step"]


@dataclass(frozen=True)
class Schedule:
    """Base of the schedules: a learning rate that rises linearly from 0 during a warm-up, and then follows a rule.

    Parameters
    ----------
    warmup : float, 0 or more and below 1
        Share of all steps.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    warmup: float = 0.0

    def __post_init__(self):
        if not isinstance(self.warmup, Real) or not 0 <= self.warmup < 1:
            raise ParameterError(f"warmup must be >= 0 and < 1, a share of all steps, got {self.warmup!r}")

    def scheduler(self, learning_rate: float, epochs: int, steps: int) -> mx.lr_scheduler.LRScheduler:
        """Return a scheduler of MXNet.

        Parameters
        ----------
        learning_rate : float > 0
            Highest learning rate.
        epochs : int > 0
            Number of epochs of the whole run.
        steps : int > 0
            Number of steps of an epoch.
        """
        total = epochs * steps
        warmup_steps = min(int(self.warmup * total), total - 1)
        return self._after_warmup(total, steps, base_lr=learning_rate, warmup_steps=warmup_steps)

    def _after_warmup(self, total: int, steps: int, **common) -> mx.lr_scheduler.LRScheduler:
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(Schedule):
    """Constant learning rate.

    Parameters
    ----------
    warmup : float, 0 or more and below 1
        Share of all steps.

    Examples
    --------
    >>> rate = Constant().scheduler(0.1, epochs=2, steps=10)
    >>> rate(1), rate(20)
    (0.1, 0.1)
    """

    def _after_warmup(self, total: int, steps: int, **common) -> mx.lr_scheduler.LRScheduler:
        return _Steps(total, 1.0, **common)


@dataclass(frozen=True)
class Step(Schedule):
    """Learning rate that is multiplied by a factor at regular intervals.

    Parameters
    ----------
    warmup : float, 0 or more and below 1
        Share of all steps.
    every : int > 0
        Interval in epochs.
    factor : float, above 0 and at most 1
        Factor of the learning rate.

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
        object.__setattr__(self, "every", whole_number("every", self.every))
        if not isinstance(self.factor, Real) or not 0 < self.factor <= 1:
            raise ParameterError(f"factor must be > 0 and <= 1, got {self.factor!r}")

    def _after_warmup(self, total: int, steps: int, **common) -> mx.lr_scheduler.LRScheduler:
        return _Steps(self.every * steps, self.factor, **common)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Learning rate that falls toward 0 along half a cosine (arXiv 1608.03983, without restarts).

    Parameters
    ----------
    warmup : float, 0 or more and below 1
        Share of all steps.

    Examples
    --------
    >>> rate = Cosine(warmup=0.1).scheduler(0.1, epochs=2, steps=10)
    >>> [round(rate(step), 3) for step in (0, 1, 2, 11, 20)]
    [0.0, 0.05, 0.1, 0.054, 0.001]
    """

    def _after_warmup(self, total: int, steps: int, **common) -> mx.lr_scheduler.LRScheduler:
        return mx.lr_scheduler.CosineScheduler(total + 1, **common)  # one more, so that the last step's rate is not 0


class _Steps(mx.lr_scheduler.LRScheduler):
    """MXNet's FactorScheduler, which would configure the root logger."""

    def __init__(self, every: int, factor: float, **common):
        super().__init__(**common)
        self._every, self._factor = every, factor

    def __call__(self, num_update: int) -> float:
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        return self.base_lr * self._factor ** (max(num_update - 1, 0) // self._every)
