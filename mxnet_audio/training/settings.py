"""The numbers of a training run, checked before anything is done by them."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass

from mxnet_audio.errors import ModelError

__all__ = ["Settings"]


@dataclass
class Settings:
    """How long to train, how fast, from which seed; `AudioClassifier.fit` says what each means.

    Numbers become Python's own: JSON knows no others.

    Parameters
    ----------
    batch_size, epochs, checkpoint_interval : int > 0
    random_state : int in [0, 2**32)
    learning_rate : float > 0

    Raises
    ------
    ModelError
        If one of them is out of range.

    Examples
    --------
    >>> Settings(batch_size=0, epochs=1, random_state=42, learning_rate=0.001, checkpoint_interval=1)
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ModelError: batch_size is 1 or more, not 0
    """

    batch_size: int
    epochs: int
    random_state: int
    learning_rate: float
    checkpoint_interval: int

    def __post_init__(self):
        for name in ("batch_size", "epochs", "checkpoint_interval"):
            value = getattr(self, name)
            setattr(self, name, operator.index(value))
            if value < 1:
                raise ModelError(f"{name} is 1 or more, not {value}")
        self.random_state = operator.index(self.random_state)
        if not 0 <= self.random_state < 2**32:
            raise ModelError(f"random_state is 0 or more and below 2**32, not {self.random_state}")
        self.learning_rate = float(self.learning_rate)
        if not 0 < self.learning_rate < math.inf:
            raise ModelError(f"learning_rate is above 0, not {self.learning_rate}")

    def identity(self) -> dict[str, int | float]:
        """What must be the same for a run to go on as if never interrupted."""
        return {name: getattr(self, name) for name in ("batch_size", "learning_rate", "random_state")}
