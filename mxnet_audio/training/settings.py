"""Numbers of a training run, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mxnet_audio.checks import whole_number
from mxnet_audio.errors import ParameterError

__all__ = ["Settings"]


@dataclass
class Settings:
    """Length, learning rate and seed of a training run, as explained for `AudioClassifier.fit`.

    Numbers are converted to Python's types, since JSON has no others.

    Parameters
    ----------
    batch_size, epochs, checkpoint_interval : int > 0
    random_state : int in [0, 2**32)
    learning_rate : float > 0

    Raises
    ------
    ParameterError
        If one of them is out of range or not a number.

    Examples
    --------
    >>> Settings(batch_size=0, epochs=1, random_state=42, learning_rate=0.001, checkpoint_interval=1)
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: batch_size must be a whole number >= 1, got 0
    """

    batch_size: int
    epochs: int
    random_state: int
    learning_rate: float
    checkpoint_interval: int

    def __post_init__(self):
        for name in ("batch_size", "epochs", "checkpoint_interval"):
            setattr(self, name, whole_number(name, getattr(self, name)))
        self.random_state = whole_number("random_state", self.random_state, 0)
        if self.random_state >= 2**32:
            raise ParameterError(f"random_state must be < 2**32, got {self.random_state}")
        try:
            self.learning_rate = float(self.learning_rate)
        except (TypeError, ValueError):
            raise ParameterError(f"learning_rate must be a number, got {self.learning_rate!r}") from None
        if not 0 < self.learning_rate < math.inf:
            raise ParameterError(f"learning_rate must be > 0 and finite, got {self.learning_rate}")

    def identity(self) -> dict[str, int | float]:
        """Return the settings that must be equal for a run to be resumed."""
        return {name: getattr(self, name) for name in ("batch_size", "learning_rate", "random_state")}
