"""Sound files joined to one, after one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from mxnet_audio.audio.mix import mixed
from mxnet_audio.audio.stream import Stream
from mxnet_audio.errors import AudioDecodeError, TruncatedAudioError

__all__ = ["join"]

_MAX_RATIO = 100  # of sampling rates: no sound, and it would be much larger than the file


def join(streams: Sequence[Stream]) -> Stream:
    """Join streams of known length to one, with the sampling rate and the channels of the first.

    Parts at another rate are resampled. Parts with other channels are mixed to one channel, which all channels of the
    first repeat.

    Parameters
    ----------
    streams : sequence of Stream
        Parts of one file. The number of frames is known.

    Returns
    -------
    Stream
        Its blocks raise TruncatedAudioError where a part ends early.

    Raises
    ------
    AudioDecodeError
        A part has a hundred times the sampling rate of the first, or a hundredth.
    """
    first = streams[0]
    for number, stream in enumerate(streams, 1):
        if max(stream.sr, first.sr) > _MAX_RATIO * min(stream.sr, first.sr):
            reason = f"damaged: part {number} of {len(streams)} has {stream.sr} Hz, the first {first.sr} Hz"
            raise AudioDecodeError(reason, first.path)
    lengths = [round((stream.frames or 0) * first.sr / stream.sr) for stream in streams]
    slacks = [stream.slack for stream in streams if stream.slack is not None]

    def blocks(start: int, count: int | None) -> Iterator[np.ndarray]:
        stop = sum(lengths) if count is None else min(sum(lengths), start + count)
        origin = 0
        for number, (stream, length) in enumerate(zip(streams, lengths, strict=True), 1):
            begin, end = max(0, start - origin), min(length, stop - origin)
            origin += length
            if begin >= end:
                continue
            done = begin
            for block in _part(stream, first, begin, end):
                done += len(block)
                yield block
            if stream.slack is not None and done < end - stream.slack:
                name = f"part {number} of {len(streams)} declares {(stream.frames or 0) / stream.sr:.3f} s"
                raise TruncatedAudioError(f"truncated: {name}, decodes to {done / first.sr:.3f} s", first.path)

    slack = sum(slacks) if len(slacks) == len(streams) else None
    return replace(first, frames=sum(lengths), slack=slack, blocks=blocks)


def _part(stream: Stream, like: Stream, begin: int, end: int) -> Iterator[np.ndarray]:
    """Yield the frames from ``begin`` to ``end`` of a part, at the rate and with the channels of another stream."""
    repeats = 1
    if stream.channels != like.channels:
        stream, repeats = mixed(stream, stream.path), like.channels
    if stream.sr == like.sr:
        decoded = stream.blocks(begin, end - begin)
    else:
        decoded = _cut(_resampled(stream, like.sr), begin, end)
    for block in decoded:
        yield block if repeats == 1 else np.repeat(block, repeats, axis=1)


def _resampled(stream: Stream, sr: int) -> Iterator[np.ndarray]:
    """Yield all of a stream at another sampling rate, and as much silence as rounding may need at the end."""
    import soxr

    resampler = soxr.ResampleStream(stream.sr, sr, stream.channels, dtype="float32", quality="HQ")
    done = 0
    for block in stream.blocks(0, None):
        done += len(block)
        yield resampler.resample_chunk(np.ascontiguousarray(block)).reshape(-1, stream.channels)
    rest = np.empty((0, stream.channels), np.float32)
    yield resampler.resample_chunk(rest, last=True).reshape(-1, stream.channels)
    if done == stream.frames:
        yield np.zeros((2, stream.channels), np.float32)


def _cut(pieces: Iterator[np.ndarray], begin: int, end: int) -> Iterator[np.ndarray]:
    """Yield the frames from ``begin`` to ``end``."""
    position = 0
    for block in pieces:
        piece = block[max(0, begin - position) : max(0, end - position)]
        if len(piece):
            yield piece
        position += len(block)
        if position >= end:
            return
