"""Decoder by PyAV: m4a/AAC, sound tracks of video, and the other formats of FFmpeg."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO

import av
import numpy as np

from mxnet_audio.audio.stream import Stream
from mxnet_audio.errors import TruncatedAudioError

__all__ = ["open_av"]

# Containers with an index that declares the length. For others ("aac", "mpegts", …) FFmpeg estimates it.
_CONTAINERS_WITH_LENGTH = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "asf", "caf", "wav", "aiff", "ape", "wv", "tta")
_PREROLL = 0.25  # seconds decoded before a seek's target, until overlapping transforms have settled


class _Nameless:
    """File without its name: by a suffix such as ``.g722`` FFmpeg would read any bytes as sound."""

    def __init__(self, file: BinaryIO):
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def open_av(file: BinaryIO, path: str | None, stack: ExitStack) -> Stream:
    """Open the first sound track of a file with PyAV.

    Parameters
    ----------
    file : binary file object
        At position 0.
    path : str or None
        Path to name in errors.
    stack : contextlib.ExitStack
        Closes the container.

    Returns
    -------
    Stream

    Raises
    ------
    av.error.FFmpegError
        FFmpeg cannot read the format.
    ValueError
        There is no sound track.
    """
    container = stack.enter_context(av.open(_Nameless(file), mode="r", metadata_errors="ignore"))
    if not container.streams.audio:
        raise ValueError("there is no sound track in it")
    track: Any = container.streams.audio[0]
    sr, channels = track.codec_context.sample_rate, track.codec_context.channels
    if not sr or not channels:
        raise ValueError("the sound track states no sampling rate")
    frames = slack = None
    if container.format.name in _CONTAINERS_WITH_LENGTH:
        if track.duration is not None:
            frames = round(float(track.duration * track.time_base) * sr)
        elif container.duration is not None and len(container.streams) == 1:
            frames = round(container.duration / av.time_base * sr)
        # The encoder's padding at both ends makes the length uncertain by some frames of 1,024 or 2,048 samples.
        slack = None if frames is None else max(4096, sr // 10)

    def blocks(start: int, count: int | None) -> Iterator[np.ndarray]:
        try:
            yield from _cut_part(_decode(container, track, start / sr, sr), start, count)
        except av.error.FFmpegError as error:
            raise TruncatedAudioError(f"damaged or truncated: {error.strerror or error}", path) from error

    return Stream(path, sr, channels, frames, slack, container.format.name, "av", blocks)


def _decode(container: Any, track: Any, start: float, sr: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (position in frames, block [shape=(n, channels)]), beginning at or before ``start`` seconds."""
    origin = track.start_time or 0
    if start > _PREROLL:
        container.seek(origin + int((start - _PREROLL) / track.time_base), stream=track)
    layout = track.codec_context.layout.name
    resampler = av.AudioResampler(format="flt", layout=layout, rate=sr)
    position = None
    for frame in container.decode(track):
        if position is None:
            stamp = frame.pts
            position = 0 if stamp is None else max(0, round(float((stamp - origin) * frame.time_base) * sr))
        for piece in resampler.resample(frame):
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
