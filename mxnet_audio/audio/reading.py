"""Load sound as float32 samples, from files, file objects, bytes and arrays."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import numpy as np

from mxnet_audio.audio.channel import check_channel, one_channel
from mxnet_audio.audio.opened import Source, open_source
from mxnet_audio.audio.shape import resample
from mxnet_audio.audio.source import MAX_RATE, is_rate, naming_errors, source_name
from mxnet_audio.audio.stream import UNKNOWN_FRAMES
from mxnet_audio.checks import real_number
from mxnet_audio.errors import AudioDecodeError, InvalidAudioError, ParameterError, TruncatedAudioError

if TYPE_CHECKING:
    from mxnet_audio.audio.stream import Stream

__all__ = ["load", "valid_audio"]

SILENCE_PEAK = 1e-5  # -100 dBFS
HIGHEST_PEAK = 1e12  # sound lies between -1 and 1; powers of much larger samples overflow


def load(
    source: Source,
    sr: int | None = None,
    mono: bool = True,
    offset: float = 0.0,
    duration: float | None = None,
    *,
    channel: str | int = "mix",
) -> tuple[np.ndarray, int]:
    """Load sound as float32 samples.

    Only the requested part is decoded (the system's codecs decode what precedes it, too). Channels are averaged block
    by block, so an hour of stereo needs the memory of an hour of mono. Unlike `librosa.load`, the sampling rate of the
    file is kept by default.

    Parameters
    ----------
    source : str, os.PathLike, binary file object, bytes, (array, rate), a Hugging Face audio entry, Played or Channel
        Sound. WAV, AU, FLAC, Ogg Vorbis, Opus, MP3 and AIFF are read by libsndfile; M4A/AAC and video by PyAV (extra
        ``[av]``); others by the system's codecs. A file object is read from its beginning. Bytes are an encoded file.
        An array has shape (n,) or (channels, n). Integers of int16, int8 and uint8 are scaled to [-1, 1) by the range
        of their type, and so are those of int32 if some are above 2**24. Other wide integers have no known scale, and
        are refused: divide them by their full scale, as ``array / 2**15`` for 16-bit sound. An entry is a mapping with
        ``array`` and ``sampling_rate``, or with ``bytes`` or ``path``.
    sr : int > 0 or None [Hz]
        Rate to resample to, at most 10 million; None keeps the file's.
    mono : bool
        True averages the channels. Where they cancel each other, since one is inverted, the first that has sound is
        used alone, and a warning names the file.
    offset : float >= 0 [s]
        Start of the part to load.
    duration : float > 0 or None [s]
        Length of the part to load; None, or more than the rest of the sound, loads to the end.
    channel : {'mix', 'left', 'right'} or int >= 0
        'mix' uses all channels, as ``mono`` says; 'left' (0), 'right' (1) or a number loads that channel alone.

    Returns
    -------
    y : np.ndarray [shape=(n,) or (channels, n)], float32
        Two-dimensional only with ``mono=False`` and more than one channel.
    sr : int [Hz]
        Sampling rate of ``y``.

    Raises
    ------
    AudioDecodeError
        The file is missing, cannot be read, or is not sound.
    TruncatedAudioError
        The file ends before the length that it declares.
    InvalidAudioError
        There are no samples (or none after ``offset``), some are NaN, infinite or above 1e12, the sound does not have
        this channel, or it does not fit in memory at this rate (see `resample`).
    ParameterError
        ``sr``, ``offset``, ``duration`` or ``channel`` is out of range, or ``source`` is no sound of these forms.

    See Also
    --------
    info : the header of a file.
    valid_audio : a check that can also refuse silence.

    Examples
    --------
    >>> y, sr = load((np.array([[0, 16384], [0, 0]], dtype=np.int16), 8000))
    >>> y, sr
    (array([0.  , 0.25], dtype=float32), 8000)
    """
    check_part(sr, offset, duration)
    channel = check_channel(channel)
    name = source_name(source)
    with naming_errors(name):
        with open_source(source) as stream:
            if mono or channel != "mix":
                stream = one_channel(stream, channel, name)
            try:
                y, rate = _read(stream, offset, duration), stream.sr
            except MemoryError:
                raise InvalidAudioError("does not fit in memory: load parts of it, or use `blocks`") from None
        if len(y) == 1:
            y = y[0]
        valid_audio(y)
        if sr is not None and sr != rate:
            y = resample(y, rate, sr)
            rate = int(sr)
            if y.shape[-1] == 0:
                raise InvalidAudioError(f"too short to be resampled to {sr} Hz")
    return y, rate


def valid_audio(y: np.ndarray, path: str | os.PathLike | None = None, allow_silence: bool = True) -> np.ndarray:
    """Check that samples can be used.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (channels, n)]
        Samples.
    path : str or os.PathLike, optional
        Path to name in the error.
    allow_silence : bool
        False also refuses a peak below -100 dBFS.

    Returns
    -------
    np.ndarray
        ``y`` itself.

    Raises
    ------
    InvalidAudioError
        The samples are not a float array of one or two dimensions, or are empty, not finite, above 1e12, or silent.

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
    low, high = float(y.min()), float(y.max())  # NaN spreads to both, and no mask as large as the sound is allocated
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InvalidAudioError("some samples are NaN or infinite", path)
    if max(-low, high) > HIGHEST_PEAK:
        raise InvalidAudioError(f"samples of up to {max(-low, high):.3g} are no sound, which lies in [-1, 1]", path)
    if not allow_silence:
        check_not_silent(max(-low, high), path)
    return y


def check_not_silent(peak: float, path: str | os.PathLike | None = None) -> None:
    """Raise InvalidAudioError if the peak of a sound is below -100 dBFS."""
    if peak < SILENCE_PEAK:
        raise InvalidAudioError("silent: the peak is below -100 dBFS", path)


def check_part(sr: int | None, offset: float, duration: float | None) -> None:
    """Raise ParameterError if a rate or a part of a sound is out of range."""
    if sr is not None and not is_rate(sr):
        raise ParameterError(f"sr must be a whole number of Hz from 1 to {MAX_RATE}, got {sr!r}")
    real_number("offset", offset, 0)
    if duration is not None:
        real_number("duration", duration, above=0)


def _frame_range(
    frames: int | None, sr: int, offset: float, duration: float | None, path: str | None
) -> tuple[int, int | None]:
    """Convert offset and duration to the first frame and the number of frames (None: to an unknown end)."""
    start = round(min(offset * sr, UNKNOWN_FRAMES))
    count = None if duration is None else max(1, round(min(duration * sr, UNKNOWN_FRAMES)))
    if frames is None:
        return start, count
    if start and start >= frames:
        length = frames / sr
        raise InvalidAudioError(f"offset {offset:g} s is beyond the end of the sound ({length:g} s)", path)
    return start, frames - start if count is None else min(count, frames - start)


def _read(stream: Stream, offset: float, duration: float | None) -> np.ndarray:
    """Decode a part of a stream into [shape=(channels, n)]."""
    declared = None if stream.slack is None else stream.frames
    start, count = _frame_range(declared, stream.sr, offset, duration, stream.path)
    expected = 0 if declared is None or count is None else count
    try:
        y = np.empty((stream.channels, expected), dtype=np.float32)
    except (MemoryError, ValueError):
        raise AudioDecodeError(f"declares {expected} frames, which do not fit in memory", stream.path) from None
    extra, done = [], 0
    # A declared length may be a little short (slack), so that without a duration everything is read.
    for block in stream.blocks(start, None if duration is None else count):
        block = block.T
        fits = max(0, min(block.shape[1], y.shape[1] - done))
        y[:, done : done + fits] = block[:, :fits]
        if fits < block.shape[1]:
            extra.append(block[:, fits:])
        done += block.shape[1]
    if declared is None:
        if start and not done:
            raise InvalidAudioError(f"offset {offset:g} s is beyond the end of the sound", stream.path)
    else:
        check_reached_end(stream, start + done, start + expected)
    return np.concatenate([y, *extra], axis=1) if extra else y[:, :done]


def check_reached_end(stream: Stream, done: int, expected: int | None = None) -> None:
    """Raise TruncatedAudioError if a stream ended before the frame `expected`, by default its declared end."""
    if stream.slack is None or stream.frames is None:  # nothing is declared, or only an estimate
        return
    if done < (stream.frames if expected is None else expected) - stream.slack:
        seconds, decoded = stream.frames / stream.sr, done / stream.sr
        raise TruncatedAudioError(f"truncated: declares {seconds:.3f} s, decodes to {decoded:.3f} s", stream.path)
