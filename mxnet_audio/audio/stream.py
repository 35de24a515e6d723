"""Descriptions of sound files: the facts in a header, and an opened file that is ready to be decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

__all__ = ["AudioInfo", "Stream"]


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says.

    Attributes
    ----------
    path : str or None
        The file; None for a file object without a name.
    sr : int [Hz]
        Sampling rate.
    channels : int
        Number of channels.
    frames : int or None
        Samples in each channel; None when the file does not say.
    duration : float or None [s]
        ``frames / sr``.
    format : str
        The container as the decoder names it, such as ``'WAV'``.
    decoder : str
        ``'soundfile'``, ``'av'`` or ``'audioread'``; ``'numpy'`` for an array.
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
    """An opened file, ready to be decoded.

    Attributes
    ----------
    frames : int or None
        Samples in each channel; None when unknown.
    slack : int or None
        How many of ``frames`` may fail to come without the file being truncated; None when ``frames`` is
        an estimate and says nothing.
    blocks : callable
        ``blocks(start, count)`` yields float32 blocks [shape=(n, channels)] from frame ``start`` on, at most
        ``count`` frames together (None: to the end).
    """

    path: str | None
    sr: int
    channels: int
    frames: int | None
    slack: int | None
    format: str
    decoder: str
    blocks: Callable[[int, int | None], Iterator[np.ndarray]]
