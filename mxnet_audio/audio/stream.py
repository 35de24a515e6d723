"""Descriptions of sound files: the facts in a header, and an opened file that is ready to decode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

__all__ = ["UNKNOWN_FRAMES", "AudioInfo", "Refused", "Stream"]

UNKNOWN_FRAMES = 1 << 60  # more frames than any file has; libsndfile's count of an unknown length is near 2**63


@dataclass(frozen=True)
class AudioInfo:
    """Facts in the header of a sound file.

    Attributes
    ----------
    path : str or None
        Path of the file; None for a file object without a name.
    sr : int [Hz]
        Sampling rate.
    channels : int
        Number of channels.
    frames : int or None
        Samples in each channel; None if the file does not declare them.
    duration : float or None [s]
        Length: ``frames / sr``.
    format : str
        Container, by the decoder's name for it, such as ``'WAV'``.
    decoder : str
        Program that reads it: ``'soundfile'``, ``'av'``, ``'ffmpeg'`` or ``'audioread'``; ``'numpy'`` for an array.
    """

    path: str | None
    sr: int
    channels: int
    frames: int | None
    duration: float | None
    format: str
    decoder: str


@dataclass(frozen=True)
class Stream:
    """Opened sound file that is ready to decode.

    Attributes
    ----------
    path : str or None
        Path of the file; None for a file object without a name.
    sr : int [Hz]
        Sampling rate.
    channels : int
        Number of channels.
    frames : int or None
        Samples in each channel; None if unknown.
    slack : int or None
        Number of ``frames`` that may be missing although the file is complete; None if ``frames`` is an estimate.
    format : str
        Container, by the decoder's name for it.
    decoder : str
        Program that reads it: ``'soundfile'``, ``'av'``, ``'ffmpeg'`` or ``'audioread'``.
    blocks : callable
        Function ``blocks(start, count)`` that yields float32 blocks [shape=(n, channels)] from frame ``start`` on, at
        most ``count`` frames in total (None: to the end). It can be called once.
    seeks : bool
        False if it decodes what precedes ``start``.
    """

    path: str | None
    sr: int
    channels: int
    frames: int | None
    slack: int | None
    format: str
    decoder: str
    blocks: Callable[[int, int | None], Iterator[np.ndarray]]
    seeks: bool = True


class Refused(Exception):
    """Raised if one decoder cannot read the format, and the next is to be tried."""
