"""Sound of any length as a stream of mono blocks, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mxnet_audio.audio.channel import check_channel, one_channel
from mxnet_audio.audio.opened import Source, open_source
from mxnet_audio.audio.reading import check_not_silent, check_part, check_reached_end, valid_audio
from mxnet_audio.audio.shape import check_enlargement
from mxnet_audio.audio.source import naming_errors, source_name
from mxnet_audio.checks import real_number
from mxnet_audio.errors import InvalidAudioError

if TYPE_CHECKING:
    from mxnet_audio.audio.stream import Stream

__all__ = ["blocks"]

_MAX_SAMPLES = 1 << 22  # in a block after resampling


def blocks(
    source: Source,
    sr: int | None = None,
    *,
    seconds: float = 10.0,
    allow_silence: bool = True,
    channel: str | int = "mix",
) -> Iterator[np.ndarray]:
    """Yield a sound as consecutive mono blocks; together they equal ``load(source, sr, channel=channel)[0]``.

    Memory does not grow with the length of a file.

    Parameters
    ----------
    source : str, os.PathLike, binary file object, bytes, (array, rate), a Hugging Face audio entry, Played or Channel
        Sound, as for `load`.
    sr : int > 0 or None [Hz]
        Rate to resample to; None keeps the file's.
    seconds : float > 0 [s]
        Length of a block at most, before it is resampled. Blocks may be shorter.
    allow_silence : bool
        False refuses sound with a peak below -100 dBFS; this is known only at its end.
    channel : {'mix', 'left', 'right'} or int >= 0
        Channel, as for `load`.

    Yields
    ------
    np.ndarray [shape=(n,)], float32
        Samples; `n` is above 0.

    Raises
    ------
    AudioDecodeError, TruncatedAudioError, InvalidAudioError, ParameterError
        As `load`; errors that show only within the file are raised when they are reached.

    See Also
    --------
    load : all samples at once.

    Examples
    --------
    >>> [len(block) for block in blocks((np.ones(2500), 1000), seconds=1)]
    [1000, 1000, 500]
    """
    check_part(sr, 0.0, real_number("seconds", seconds, maximum=1e9, above=0))
    channel = check_channel(channel)
    name = source_name(source)
    with naming_errors(name), open_source(source) as stream:
        yield from _checked(_decoded(one_channel(stream, channel, name), seconds, sr), stream.sr, sr, allow_silence)


def _decoded(stream: Stream, seconds: float, sr: int | None) -> Iterator[np.ndarray]:
    """Yield the blocks of a stream of one channel, and check its length at the end."""
    ratio = 1 if sr is None else sr / stream.sr
    step, done = max(1, round(min(seconds * stream.sr, _MAX_SAMPLES / ratio))), 0
    for block in stream.blocks(0, None):
        y = block[:, 0]
        done += len(y)
        for start in range(0, len(y), step):
            yield y[start : start + step]
    check_reached_end(stream, done)


def _checked(parts: Iterator[np.ndarray], rate: int, sr: int | None, allow_silence: bool) -> Iterator[np.ndarray]:
    """Check and resample mono blocks."""
    resampler = None
    if sr is not None and sr != rate:
        import soxr

        check_enlargement(0, rate, sr)
        resampler = soxr.ResampleStream(rate, sr, 1, dtype="float32", quality="HQ")
    peak, any_input, any_output = 0.0, False, False
    for part in parts:
        if not len(part):
            continue
        any_input = True
        valid_audio(part)
        peak = max(peak, -float(part.min()), float(part.max()))
        y = part if resampler is None else resampler.resample_chunk(np.ascontiguousarray(part))
        if len(y):
            any_output = True
            yield y
    if not any_input:
        raise InvalidAudioError("there are no samples")
    if not allow_silence:
        check_not_silent(peak)
    if resampler is not None and len(y := resampler.resample_chunk(np.empty(0, np.float32), last=True)):
        any_output = True
        yield y
    if not any_output:
        raise InvalidAudioError(f"too short to be resampled to {sr} Hz")
