"""Sound played at another speed, which also changes its pitch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mxnet_audio.audio.load import load
from mxnet_audio.audio.source import source_identity, source_name
from mxnet_audio.checks import real_number

__all__ = ["Played"]


@dataclass(frozen=True)
class Played:
    """Source of sound that is played at another speed, which also changes its pitch.

    It can be loaded like any other source.

    Parameters
    ----------
    source : as for `mxnet_audio.audio.load`
        Sound to play.
    speed : float > 0
        Factor of the speed: with 1.1 the sound is 1.1 times as fast and as high.

    Raises
    ------
    ParameterError
        ``speed`` is not a number above 0.

    Attributes
    ----------
    name : str or None
        Path of the source.

    Examples
    --------
    >>> from mxnet_audio.audio.source import resolve
    >>> played = Played((np.zeros(8000), 8000), 1.25)
    >>> resolve(played)[1], source_name(Played("a.wav", 1.25))
    (10000, 'a.wav')
    """

    source: Any
    speed: float

    def __post_init__(self):
        object.__setattr__(self, "speed", real_number("speed", self.speed, above=0))

    @property
    def name(self) -> str | None:
        """Path of the source."""
        return source_name(self.source)

    def identity(self) -> str:
        """Return a text that changes when the sound changes, as `source_identity`."""
        return f"{source_identity(self.source)}\0played at {self.speed}"

    def decoded(self) -> tuple[np.ndarray, int]:
        """Return the samples, and the rate at which they play at this speed; errors as `mxnet_audio.audio.load`."""
        y, rate = load(self.source, mono=False)
        return y, max(round(rate * self.speed), 1)
