"""Decoder by the command ffmpeg, where it is installed and PyAV is not."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Any

import numpy as np

from mxnet_audio.audio.stream import UNKNOWN_FRAMES, Refused, Stream
from mxnet_audio.audio.track import Track, place_track, with_silence
from mxnet_audio.errors import TruncatedAudioError

__all__ = ["open_ffmpeg"]

_MAX_WAIT = 60.0  # [s] for a block of samples
_BLOCK_FRAMES = 1 << 16
_AU_HEADER = struct.Struct(">4s5I")  # magic, size of the header, size of the samples, encoding, rate, channels
_MAX_REPORT = 1 << 20  # bytes of ffmpeg's messages that are read


def open_ffmpeg(own_path: str | None, formats: str, path: str | None, stack: ExitStack) -> Stream:
    """Open the first sound track of a file with the command ffmpeg.

    Parameters
    ----------
    own_path : str or None
        Path of the file; None if there is only a file object.
    formats : str
        FFmpeg's names of the formats that the file may have, separated by commas.
    path : str or None
        Path to name in errors.
    stack : contextlib.ExitStack
        Ends the command.

    Returns
    -------
    Stream
        Sample 0 is the start of the container: a track that starts later begins with silence. Its blocks can be
        iterated once.

    Raises
    ------
    Refused
        ffmpeg is not installed, or cannot read the format.
    """
    if own_path is None:
        raise Refused("ffmpeg: needs a path")
    command = shutil.which("ffmpeg")
    if command is None:
        raise Refused("ffmpeg: not installed")
    log = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    # The real path, since /dev/fd/3 is another file in a child; with "file:", since FFmpeg would take names such as
    # "http:/x" for addresses. It may open no other file, and only the formats that the first bytes tell.
    source = ["-protocol_whitelist", "file", "-format_whitelist", formats, "-i", f"file:{os.path.realpath(own_path)}"]
    process = subprocess.Popen(
        [command, "-nostdin", "-hide_banner", "-nostats", "-xerror", *source]
        + ["-map", "0:a:0", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
    )
    stack.callback(_end, process)
    header = _read(process, _AU_HEADER.size)
    if len(header) < _AU_HEADER.size:
        process.wait(_MAX_WAIT)
        raise Refused(f"ffmpeg: {_last_line(log)}")
    _, header_size, _, _, sr, channels = _AU_HEADER.unpack(header)
    _read(process, header_size - _AU_HEADER.size)
    if not sr or not channels:
        raise Refused("ffmpeg: the sound track states no sampling rate")
    times = _times(log)
    delay, frames = place_track(times, sr, os.path.getsize(own_path), path)  # noqa: PTH202
    # The encoder's padding at both ends makes the length uncertain by some frames of 1,024 or 2,048 samples.
    slack = None if frames is None else max(4096, sr // 10)

    def blocks(start: int, count: int | None) -> Iterator[np.ndarray]:
        position, stop = 0, UNKNOWN_FRAMES if count is None else start + count
        while position < stop and (data := _read(process, 4 * channels * _BLOCK_FRAMES)):
            block = np.frombuffer(data[: len(data) - len(data) % (4 * channels)], dtype=">f4").reshape(-1, channels)
            piece = block[max(0, start - position) : stop - position]
            position += len(block)
            if len(piece):
                yield piece.astype(np.float32)
        if position < stop and process.wait(_MAX_WAIT):
            raise TruncatedAudioError(f"damaged or truncated: ffmpeg: {_last_line(log)}", path)

    padded = with_silence(blocks, delay, channels)
    return Stream(path, sr, channels, frames, slack, times.container, "ffmpeg", padded, seeks=False)


def _times(log: IO[bytes]) -> Track:
    """Read the times of the first sound track from ffmpeg's report on its input."""
    report = _report(log).partition("\nStream mapping:")[0]
    name = re.search(r"^Input #0, (\S+), from", report, re.MULTILINE)
    start = re.search(r"^ *Duration: .*?\bstart: (-?[\d.]+)", report, re.MULTILINE)
    length = re.search(r"^ *Duration: (\d+):(\d+):(\d+\.?\d*)", report, re.MULTILINE)
    tracks = re.findall(r"^ *Stream #0:.*$", report, re.MULTILINE)
    sound = next((track for track in tracks if ": Audio: " in track), "")
    track_start = re.search(r", start (-?[\d.]+)", sound)
    is_alone = len([track for track in tracks if "(attached pic)" not in track]) == 1
    seconds = None
    if length and is_alone:
        seconds = sum(float(part) * unit for part, unit in zip(length.groups(), (3600, 60, 1)))
    return Track(
        name[1] if name else "unknown",
        float(start[1]) if start else 0.0,
        float(track_start[1]) if track_start else None,
        seconds,
        seconds,
    )


def _read(process: Any, count: int) -> bytes:
    """Read what ffmpeg writes; it is ended if it writes nothing for long."""
    timer = threading.Timer(_MAX_WAIT, process.kill)
    timer.start()
    try:
        return process.stdout.read(count)
    finally:
        timer.cancel()


def _end(process: Any) -> None:
    process.kill()
    process.stdout.close()
    process.wait()


def _last_line(log: IO[bytes]) -> str:
    return _report(log).strip().rpartition("\n")[2]


def _report(log: IO[bytes]) -> str:
    """Read what ffmpeg has reported, without moving the position, which is its own, too: it may be writing."""
    return os.pread(log.fileno(), _MAX_REPORT, 0).decode("utf-8", "replace")
