"""Decoded sounds of requests, limited in length whatever their headers declare."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np

from mxnet_audio.audio import load
from mxnet_audio.audio.opened import open_source
from mxnet_audio.audio.source import naming_errors
from mxnet_audio.audio.stream import Stream
from mxnet_audio.serve.problems import TooLong

__all__ = ["Sound", "decode"]

_FULL_RATE = 48_000  # [Hz] at which a sound may have the full length, so that memory is bounded at any rate


@dataclass(frozen=True, eq=False)
class Sound:
    """Decoded sound of a request.

    Attributes
    ----------
    name : str
        Name to show; never a path of the server.
    samples : np.ndarray [shape=(n,)], float32
    rate : int [Hz]
        Sampling rate of the file.
    prepared : tuple or None
        Model that is to answer, and the inputs that its network takes of this sound, if they are computed already.

    Examples
    --------
    >>> sound = Sound("a.wav", np.zeros(4000, np.float32), 8000)
    >>> sound.seconds, sound.source[1]
    (0.5, 8000)
    """

    name: str
    samples: np.ndarray
    rate: int
    prepared: tuple[Any, np.ndarray] | None = None

    @property
    def source(self) -> tuple[np.ndarray, int]:
        """Samples and rate, as every function of the package takes them."""
        return self.samples, self.rate

    @property
    def nbytes(self) -> int:
        """Size in memory [bytes]."""
        return self.samples.nbytes + (0 if self.prepared is None else self.prepared[1].nbytes)

    @property
    def seconds(self) -> float:
        """Length [s]."""
        return len(self.samples) / self.rate


def decode(file: BinaryIO, name: str, max_seconds: float, channel: str | int = "mix") -> Sound:
    """Decode a file into mono samples at its own rate, block by block, and stop if it is too long.

    Parameters
    ----------
    file : binary file object
        Seekable; it stays open.
    name : str
        Name to show in errors and results.
    max_seconds : float > 0 [s]
        Greatest length. Above 48 kHz, the greatest number of samples is that of 48 kHz.
    channel : {'mix', 'left', 'right'} or int >= 0
        Channel, as for `mxnet_audio.audio.load`.

    Returns
    -------
    Sound

    Raises
    ------
    TooLong
        The sound is longer.
    AudioDecodeError, InvalidAudioError, ParameterError
        As `mxnet_audio.audio.load`.

    Examples
    --------
    >>> import io
    >>> decode(io.BytesIO(b"text"), "a.wav", 60)
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.AudioDecodeError: a.wav: no decoder reads this as sound (soundfile: Format not recognised.; \
PyAV, ffmpeg, audioread: the first bytes are of no known format)
    """
    with naming_errors(name):
        samples, rate = load(_Limited(file, max_seconds), channel=channel)
    return Sound(name, samples, rate)


@dataclass(frozen=True)
class _Limited:
    """Source of sound whose stream raises TooLong beyond a length."""

    file: BinaryIO
    max_seconds: float

    @contextmanager
    def opened(self) -> Iterator[Stream]:
        with open_source(self.file) as stream:
            limit = self.max_seconds * min(stream.sr, _FULL_RATE)

            def check(frames: int) -> None:
                if frames > limit:
                    longest = f"{self.max_seconds:g} s" + (f" at {_FULL_RATE} Hz" if stream.sr > _FULL_RATE else "")
                    raise TooLong(f"the sound is longer than {longest}: send a part of it")

            if stream.slack is not None and stream.frames is not None:  # declared, not estimated
                check(stream.frames - stream.slack)

            def blocks(start: int, count: int | None) -> Iterator[np.ndarray]:
                done = 0
                for block in stream.blocks(start, count):
                    done += len(block)
                    check(done)
                    yield block

            yield replace(stream, blocks=blocks)
