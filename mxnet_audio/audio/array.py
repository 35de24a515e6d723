"""Arrays as sound: their form is checked, integers are scaled, and they are read like files, in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mxnet_audio.audio.stream import Stream
from mxnet_audio.errors import InvalidAudioError

__all__ = ["array_stream", "check_array"]

_BLOCK_FRAMES = 1 << 16  # as of files: little memory beside the result
_SCALED_TYPES = ("i1", "u1", "i2")  # integers whose range is the range of the sound, in either byte order
_MAX_CHANNELS = 1024  # libsndfile's own limit


def check_array(array: Any) -> np.ndarray:
    """Return samples as an array of NumPy; raise InvalidAudioError if their form is wrong."""
    try:
        y = array.asnumpy() if hasattr(array, "asnumpy") else np.asarray(array)
    except ValueError as error:  # rows of different lengths
        raise InvalidAudioError(f"expected shape (n,) or (channels, n): {error}") from None
    if y.ndim not in (1, 2):
        raise InvalidAudioError(f"expected shape (n,) or (channels, n), got {y.shape}")
    if y.ndim == 2 and not len(y):
        raise InvalidAudioError("there are no samples")
    if y.ndim == 2 and len(y) > _MAX_CHANNELS:
        raise InvalidAudioError(f"shape {y.shape} means {len(y)} channels: transpose it to (channels, n)")
    if y.dtype.kind not in "iuf":
        raise InvalidAudioError(f"expected integers or floats, got {y.dtype}")
    if y.dtype.kind != "f" and y.dtype.str[1:] not in _SCALED_TYPES and y.size:
        _check_full_scale(y)
    return y


def array_stream(y: np.ndarray, rate: int) -> Stream:
    """Return checked samples [shape=(n,) or (channels, n)] as a stream, as if they were a file."""
    rows = np.atleast_2d(y)
    frames = rows.shape[1]

    def blocks(start: int, count: int | None) -> Iterator[np.ndarray]:
        stop = frames if count is None else min(frames, start + count)
        for first in range(start, stop, _BLOCK_FRAMES):
            yield _as_float32(rows[:, first : min(stop, first + _BLOCK_FRAMES)]).T

    return Stream(None, rate, len(rows), frames, 0, "array", "numpy", blocks)


def _check_full_scale(y: np.ndarray) -> None:
    """Refuse wide integers unless they are plainly 32-bit sound, as `scipy.io.wavfile` reads it.

    They may as well be 8- to 24-bit sound, such as a list of Python's integers, which would become up to 144 dB too
    quiet.
    """
    peak = max(int(y.max()), -int(y.min()))
    if peak and not (y.dtype.str[1:] == "i4" and peak > 1 << 24):
        remedy = "as array / 2**15 for 16-bit, / 2**23 for 24-bit and / 2**31 for 32-bit sound"
        raise InvalidAudioError(f"{y.dtype} samples up to {peak} have no known full scale: divide them by it, {remedy}")


def _as_float32(y: np.ndarray) -> np.ndarray:
    if y.dtype.kind != "f":
        limits = np.iinfo(y.dtype)
        half = (int(limits.max) - int(limits.min) + 1) // 2
        y = y.astype(np.float64) / half - (limits.min == 0)  # the zero of unsigned samples is in the middle
    with np.errstate(over="ignore"):  # too large values become infinite, and are refused later
        return y.astype(np.float32)
