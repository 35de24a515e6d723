"""Sound played at another speed, which also changes its pitch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from mxnet_audio.audio.opened import open_source
from mxnet_audio.audio.source import MAX_RATE, source_identity, source_name
from mxnet_audio.audio.stream import Stream
from mxnet_audio.checks import real_number
from mxnet_audio.errors import InvalidAudioError

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
        ``speed`` is not a number above 0. One at which the rate is below 1 Hz or above 10 million is an
        InvalidAudioError of `load`.

    Attributes
    ----------
    name : str or None
        Path of the source.

    Examples
    --------
    >>> import numpy as np
    >>> from mxnet_audio import audio
    >>> audio.info(Played((np.zeros(8000), 8000), 1.25)).duration, Played("a.wav", 1.25).name
    (0.8, 'a.wav')
    """

    source: Any
    speed: float

    def __post_init__(self):
        object.__setattr__(self, "speed", real_number("speed", self.speed, above=0))

    @property
    def name(self) -> str | None:
        """Path of the source."""
        return source_name(self.source)

    @property
    def change(self) -> str:
        """Text that tells this speed from others."""
        return f"played at {self.speed}"

    def identity(self) -> str:
        """Return a text that changes when the sound changes, as `source_identity`."""
        return f"{source_identity(self.source)}\0{self.change}"

    @contextmanager
    def opened(self) -> Iterator[Stream]:
        """Open the sound at the rate at which it plays at this speed; errors as `mxnet_audio.audio.load`."""
        with open_source(self.source) as stream:
            rate = stream.sr * self.speed
            if not 1 <= rate <= MAX_RATE:
                raise InvalidAudioError(f"{stream.sr} Hz {self.change} is not from 1 to {MAX_RATE} Hz", stream.path)
            yield replace(stream, sr=round(rate))
