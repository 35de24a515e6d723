"""The one way in: a file, a file object or an array becomes float32 samples."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from mxnet_audio.audio.shape import resample
from mxnet_audio.audio.source import is_rate, naming_errors, resolve, source_name
from mxnet_audio.errors import AudioDecodeError, InvalidAudioError, TruncatedAudioError

if TYPE_CHECKING:
    from mxnet_audio.audio.stream import Stream

__all__ = ["load", "valid_audio"]

SILENCE = 1e-5  # -100 dBFS


def load(
    source: str | os.PathLike | BinaryIO | bytes | tuple[np.ndarray, float] | Mapping,
    sr: int | None = None,
    mono: bool = True,
    offset: float = 0.0,
    duration: float | None = None,
) -> tuple[np.ndarray, int]:
    """Load sound as float32 samples.

    Only the part asked for is decoded (by the system's codecs, what lies before it too). Channels are averaged
    block by block, so an hour of stereo needs the memory of an hour of mono.

    Parameters
    ----------
    source : str, os.PathLike, binary file object, bytes, (array, rate), or a Hugging Face audio entry
        WAV, AU, FLAC, Ogg Vorbis, Opus, MP3 and AIFF by libsndfile; M4A/AAC and video by PyAV (extra
        ``[av]``); others by the system's codecs. A file object is read from its beginning. An array has
        shape (n,) or (channels, n); integers are scaled to [-1, 1) by the range of their type. Bytes are an
        encoded file. An entry is ``{"array", "sampling_rate"}`` or ``{"bytes", "path"}``; see `resolve`.
    sr : int > 0 or None [Hz]
        Rate wanted; None keeps the file's.
    mono : bool
        Average the channels.
    offset : float >= 0 [s]
        Where to start.
    duration : float > 0 or None [s]
        How much to read; None, or more than there is, reads to the end.

    Returns
    -------
    y : np.ndarray [shape=(n,) or (channels, n)], float32
        Two-dimensional only with ``mono=False`` and more than one channel.
    sr : int [Hz]
        Sampling rate of ``y``.

    Raises
    ------
    AudioDecodeError
        The file is missing, unreadable or not sound.
    TruncatedAudioError
        It ends before the length that it declares.
    InvalidAudioError
        No samples, NaN or infinity among them, or ``sr``, ``offset`` or ``duration`` out of range.

    See Also
    --------
    resolve : what a source may be.
    valid_audio : the gate that also refuses silence.

    Examples
    --------
    >>> y, sr = load((np.array([[0, 16384], [0, 0]], dtype=np.int16), 8000))
    >>> y, sr
    (array([0.  , 0.25], dtype=float32), 8000)
    """
    _check_request(sr, offset, duration)
    with naming_errors(source_name(source)):
        target = resolve(source)
        if isinstance(target, tuple):
            y, rate = _from_array(*target, mono, offset, duration)
        else:
            from mxnet_audio.audio.decode import open_stream  # arrays need no decoder

            with open_stream(target) as stream:
                y, rate = _read(stream, mono, offset, duration), stream.sr
        if y.ndim == 2 and len(y) == 1:
            y = y[0]
        valid_audio(y)
        if sr is not None and sr != rate:
            y = resample(y, rate, sr)
            rate = int(sr)
            if y.shape[-1] == 0:
                raise InvalidAudioError(f"too short to be resampled to {sr} Hz")
    return y, rate


def valid_audio(y: np.ndarray, path: str | os.PathLike | None = None, allow_silence: bool = True) -> np.ndarray:
    """Refuse samples that nothing can be done with.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (channels, n)]
        Samples.
    path : str or os.PathLike, optional
        Named in the error.
    allow_silence : bool
        False refuses a peak below -100 dBFS as well.

    Returns
    -------
    np.ndarray
        ``y`` itself.

    Raises
    ------
    InvalidAudioError
        Not an array of floats of one or two dimensions, empty, not finite, or silent.

    Examples
    --------
    >>> valid_audio(np.zeros(8), "quiet.wav", allow_silence=False)
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.InvalidAudioError: quiet.wav: silent: the peak is below -100 dBFS
    """
    if not isinstance(y, np.ndarray) or not np.issubdtype(y.dtype, np.floating):
        kind = getattr(y, "dtype", type(y).__name__)
        raise InvalidAudioError(f"expected an array of floats, got {kind}", path)
    if y.ndim not in (1, 2):
        raise InvalidAudioError(f"expected shape (n,) or (channels, n), got {y.shape}", path)
    if y.size == 0:
        raise InvalidAudioError("there are no samples", path)
    low, high = float(y.min()), float(y.max())  # NaN spreads to both; no mask as large as the sound is made
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InvalidAudioError("some samples are NaN or infinite", path)
    if not allow_silence and max(-low, high) < SILENCE:
        raise InvalidAudioError("silent: the peak is below -100 dBFS", path)
    return y


def _check_request(sr: Any, offset: Any, duration: Any) -> None:
    if sr is not None and not is_rate(sr):
        raise InvalidAudioError(f"sr must be a whole number of Hz above 0, got {sr}")
    if not (offset >= 0 and math.isfinite(offset)):
        raise InvalidAudioError(f"offset must be 0 s or more, got {offset}")
    if duration is not None and not (duration > 0 and math.isfinite(duration)):
        raise InvalidAudioError(f"duration must be above 0 s, got {duration}")


def _from_array(y: np.ndarray, rate: int, mono: bool, offset: float, duration: float | None) -> tuple[np.ndarray, int]:
    start, count = _span(y.shape[-1], rate, offset, duration, None)
    y = y[..., start : start + count]
    if np.issubdtype(y.dtype, np.integer):
        limits = np.iinfo(y.dtype)
        half = (int(limits.max) - int(limits.min) + 1) // 2
        y = y.astype(np.float64) / half - (limits.min == 0)  # unsigned samples have their zero in the middle
    if mono and y.ndim == 2 and len(y):
        y = y.mean(axis=0)
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, and the gate says so
        return np.array(y, dtype=np.float32), rate


def _span(
    frames: int | None, sr: int, offset: float, duration: float | None, path: str | None
) -> tuple[int, int | None]:
    """Offset and duration as (first frame, number of frames)."""
    start = round(offset * sr)
    count = None if duration is None else max(1, round(duration * sr))
    if frames is None:
        return start, count
    if start and start >= frames:
        end = frames / sr
        raise InvalidAudioError(f"offset {offset:g} s is beyond the end of the sound ({end:g} s)", path)
    return start, frames - start if count is None else min(count, frames - start)


def _read(stream: Stream, mono: bool, offset: float, duration: float | None) -> np.ndarray:
    """Decode a part of a stream into [shape=(n,)] (mono) or [shape=(channels, n)]."""
    known = stream.frames is not None and stream.slack is not None
    start, count = _span(stream.frames if known else None, stream.sr, offset, duration, stream.path)
    rows = 1 if mono else stream.channels
    try:
        y = np.empty((rows, count if known else 0), dtype=np.float32)
    except (MemoryError, ValueError):
        raise AudioDecodeError(f"declares {count} frames, more than the memory holds", stream.path) from None
    extra, done = [], 0
    # A declared length may be a little short (slack), so the rest of an open-ended read is taken too.
    wanted = None if duration is None else count
    for block in stream.blocks(start, wanted):
        if block.shape[1] != stream.channels:
            raise AudioDecodeError("the number of channels changes in mid-file", stream.path)
        block = _downmix(block) if mono else block.T
        fits = max(0, min(block.shape[1], y.shape[1] - done))
        y[:, done : done + fits] = block[:, :fits]
        if fits < block.shape[1]:
            extra.append(block[:, fits:])
        done += block.shape[1]
    if known and done < count - (stream.slack or 0):
        declared, decoded = stream.frames / stream.sr, (start + done) / stream.sr
        reason = f"truncated: it declares {declared:.3f} s and decodes to {decoded:.3f} s"
        raise TruncatedAudioError(reason, stream.path)
    if not known and start and not done:
        raise InvalidAudioError(f"offset {offset:g} s is beyond the end of the sound", stream.path)
    y = np.concatenate([y, *extra], axis=1) if extra else y[:, :done]
    return y[0] if mono else y


def _downmix(block: np.ndarray) -> np.ndarray:
    """Mean of the channels of a block [shape=(n, channels)] as [shape=(1, n)]."""
    if block.shape[1] == 1:
        return block.T
    # Column by column: NumPy's mean over an axis of two is several times slower.
    total = block[:, 0] + block[:, 1]
    for channel in range(2, block.shape[1]):
        total += block[:, channel]
    total *= np.float32(1 / block.shape[1])
    return total[np.newaxis]
