"""Sound played at another speed, and so at another pitch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from mxnet_audio.audio.load import load
from mxnet_audio.audio.source import source_identity, source_name
from mxnet_audio.errors import InvalidAudioError

__all__ = ["Played"]


@dataclass(frozen=True)
class Played:
    """A source played at another speed, and so at another pitch.

    Parameters
    ----------
    source : as for `resolve`
    speed : float > 0
        1.1 makes sound shorter and higher by a tenth.

    Raises
    ------
    InvalidAudioError
        It is no speed.

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
        if not (isinstance(self.speed, Real) and 0 < self.speed < math.inf):
            raise InvalidAudioError(f"a speed is a number above 0, not {self.speed!r}")
        object.__setattr__(self, "speed", float(self.speed))

    @property
    def name(self) -> str | None:
        """Name of the source."""
        return source_name(self.source)

    def identity(self) -> str:
        """See `source_identity`."""
        return f"{source_identity(self.source)}\0played at {self.speed}"

    def decoded(self) -> tuple[np.ndarray, int]:
        """Samples, and the rate that makes them sound so; errors as `mxnet_audio.audio.load`."""
        y, rate = load(self.source, mono=False)
        return y, max(round(rate * self.speed), 1)
