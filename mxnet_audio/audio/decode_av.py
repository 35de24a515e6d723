"""Decoder by PyAV: m4a/AAC, sound tracks of video, and the other formats of FFmpeg."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from typing import Any, BinaryIO

import av
import numpy as np

from mxnet_audio.audio.stream import Stream
from mxnet_audio.audio.track import MATROSKA, MP4, Track, place_track, with_silence
from mxnet_audio.errors import TruncatedAudioError

__all__ = ["open_av"]

# In these, FFmpeg finds positions by time, in Matroska to a millisecond. Others are decoded from their start: what it
# finds in ASF, MPEG, FLV or AMR is too late, within a frame, or without its time.
_SEEKABLE = (
    MP4,
    MATROSKA,
    "aac",
    "ac3",
    "aiff",
    "ape",
    "au",
    "caf",
    "eac3",
    "flac",
    "mpegts",
    "tta",
    "w64",
    "wav",
    "wv",
)
_PREROLL = 0.25  # seconds decoded before a seek's target, until overlapping transforms have settled


class _Nameless:
    """File without its name, by whose suffix FFmpeg would choose a format."""

    def __init__(self, file: BinaryIO):
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def open_av(file: BinaryIO, path: str | None, formats: str, stack: ExitStack) -> Stream:
    """Open the first sound track of a file with PyAV.

    Parameters
    ----------
    file : binary file object
        At position 0.
    path : str or None
        Path to name in errors.
    formats : str
        FFmpeg's names of the formats that the file may have, separated by commas.
    stack : contextlib.ExitStack
        Closes the container.

    Returns
    -------
    Stream
        Sample 0 is the start of the container: a track that starts later begins with silence.

    Raises
    ------
    av.error.FFmpegError
        FFmpeg cannot read the format.
    ValueError
        There is no sound track, or its codec is unknown.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    options = {"format_whitelist": formats, "protocol_whitelist": "none"}  # it opens no other file
    try:
        container = stack.enter_context(av.open(_Nameless(file), mode="r", metadata_errors="ignore", options=options))
    except av.error.ArgumentError:
        raise ValueError("the file is not of the format that its first bytes tell") from None
    if not container.streams.audio:
        raise ValueError("there is no sound track in it")
    track: Any = container.streams.audio[0]
    if track.codec_context is None:
        raise ValueError("FFmpeg does not know the codec of its sound track")
    sr, channels = track.codec_context.sample_rate, track.codec_context.channels
    if not sr or not channels:
        raise ValueError("the sound track states no sampling rate")
    unit, is_alone = Fraction(1, av.time_base), len(container.streams) == 1
    times = Track(
        container.format.name,
        _seconds(container.start_time, unit) or 0.0,
        _seconds(track.start_time, track.time_base),
        _seconds(track.duration, track.time_base),
        _seconds(container.duration, unit) if is_alone else None,
    )
    delay, frames = place_track(times, sr, size, path)
    # The encoder's padding at both ends makes the length uncertain by some frames of 1,024 or 2,048 samples.
    slack = None if frames is None else max(4096, sr // 10)

    def blocks(start: int, count: int | None) -> Iterator[np.ndarray]:
        try:
            yield from _cut_part(_decode(container, track, start / sr, sr), start, count)
        except av.error.FFmpegError as error:
            raise TruncatedAudioError(f"damaged or truncated: {error.strerror or error}", path) from error

    padded, seeks = with_silence(blocks, delay, channels), times.container in _SEEKABLE
    return Stream(path, sr, channels, frames, slack, times.container, "av", padded, seeks)


def _seconds(time: int | None, base: Fraction) -> float | None:
    return None if time is None else float(time * base)


def _decode(container: Any, track: Any, start: float, sr: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (position in frames, block [shape=(n, channels)]), beginning at or before ``start`` seconds."""
    origin = track.start_time or 0
    is_from_start = start <= _PREROLL or container.format.name not in _SEEKABLE
    if not is_from_start:
        container.seek(origin + int((start - _PREROLL) / track.time_base), stream=track)
    position = 0 if is_from_start else None
    layout = track.codec_context.layout
    resampler: Any = None
    form: Any = None
    for frame in container.decode(track):
        if position is None:
            position = max(0, round(float(((frame.pts or 0) - origin) * frame.time_base) * sr))
        pieces: list[Any] = []
        if form != (form := (frame.format.name, frame.layout.name, frame.sample_rate)):  # may change within a track
            pieces += resampler.resample(None) if resampler else []
            resampler = av.AudioResampler(format="flt", layout=layout, rate=sr)
        for piece in [*pieces, *resampler.resample(frame)]:
            block = piece.to_ndarray().reshape(-1, piece.layout.nb_channels)
            yield position, block
            position += len(block)


def _cut_part(pieces: Iterator[tuple[int, np.ndarray]], start: int, count: int | None) -> Iterator[np.ndarray]:
    """Yield ``count`` frames from frame ``start`` on."""
    stop = None if count is None else start + count
    for position, block in pieces:
        piece = block[max(0, start - position) : None if stop is None else max(0, stop - position)]
        if len(piece):
            yield piece
        if stop is not None and position + len(block) >= stop:
            return
