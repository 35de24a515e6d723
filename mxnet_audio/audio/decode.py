"""Decoders: files become blocks of float32 samples, by soundfile (libsndfile), else by PyAV, else by audioread."""

from __future__ import annotations

import io
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile as sf

from mxnet_audio.audio.container import check_complete
from mxnet_audio.audio.mp3 import length_slack, with_length
from mxnet_audio.audio.source import missing_reason, naming_errors, resolve, source_name
from mxnet_audio.audio.stream import AudioInfo, Stream
from mxnet_audio.errors import AudioDecodeError, TruncatedAudioError

__all__ = ["info", "open_stream"]

BLOCK_FRAMES = 1 << 16  # frames per read: few reads, and little memory beside the result
_MP3_PREROLL = 32 * 1152  # samples decoded before a seek's target: frames borrow bits from those before them
_MAX_OGG_PAGE_FRAMES = 1 << 18  # 255 packets of 1,024 samples
_UNKNOWN_FRAMES = 1 << 60  # libsndfile's frame count of a stream of unknown length is near 2**63
_AUDIOREAD_LOCK = threading.Lock()
_SYSTEM_ERROR, _MALFORMED_FILE = 2, 3  # error codes of libsndfile


def info(source: str | os.PathLike | BinaryIO | Any) -> AudioInfo:
    """Read the header of a sound file.

    Parameters
    ----------
    source : as for `load`
        File, its bytes, or an entry of a data set; for an array, the facts of the array.

    Returns
    -------
    AudioInfo
        Rate, channels, length, format and decoder.

    Raises
    ------
    AudioDecodeError
        The file cannot be opened, or no decoder can read it.
    TruncatedAudioError
        The file is shorter than its header declares.
    InvalidAudioError
        An array, or its rate, cannot be used.

    Examples
    --------
    >>> import io, numpy, soundfile
    >>> file = io.BytesIO()
    >>> soundfile.write(file, numpy.zeros(4000), 8000, format="WAV")
    >>> info(file).duration
    0.5
    """
    name = source_name(source)
    with naming_errors(name):
        target = resolve(source)
        if isinstance(target, tuple):
            y, sr = target
            channels, frames = (1, *y.shape)[-2:]
            return AudioInfo(name, sr, channels, frames, frames / sr, "array", "numpy")
        with open_stream(target) as stream:
            duration = None if stream.frames is None else stream.frames / stream.sr
            return AudioInfo(name, stream.sr, stream.channels, stream.frames, duration, stream.format, stream.decoder)


@contextmanager
def open_stream(source: str | os.PathLike | BinaryIO) -> Iterator[Stream]:
    """Open a sound file with the first decoder that can read it.

    If the file has a format of libsndfile but is damaged or truncated, this raises without trying the other decoders,
    which would silently return shorter sound.

    Parameters
    ----------
    source : str, os.PathLike or binary file object
        A file object is read from its beginning, and stays open.

    Yields
    ------
    Stream

    Raises
    ------
    AudioDecodeError
        The file is missing, a directory, not permitted, or no decoder can read it; each decoder's reason is given.
    TruncatedAudioError
        The file is shorter than its header declares.
    """
    with ExitStack() as stack:
        file, path = _open_bytes(source, stack)
        check_complete(file, path)
        # libsndfile opens a path by itself: reading through a Python object would need the GIL at each step.
        target = path if isinstance(source, str | os.PathLike) else file
        refusals = []
        for open_one in (_open_soundfile, _open_av, _open_audioread):
            file.seek(0)
            try:
                stream = open_one(target, file, path, stack)
            except _Refused as refused:
                refusals.append(str(refused))
            else:
                yield stream
                return
        raise AudioDecodeError("no decoder reads this as sound (" + "; ".join(refusals) + ")", path)


class _Refused(Exception):
    """Raised if one decoder cannot read the format, and the next is to be tried."""


def _open_bytes(source: Any, stack: ExitStack) -> tuple[BinaryIO, str | None]:
    if isinstance(source, str | os.PathLike):
        path = os.fspath(source)
        try:
            if Path(path).is_dir():
                raise AudioDecodeError("this is a directory, not a sound file", path)
            return stack.enter_context(open(path, "rb")), path  # noqa: PTH123 - bytes paths are strings here
        except FileNotFoundError:
            raise AudioDecodeError(missing_reason(path), path) from None
        except PermissionError:
            raise AudioDecodeError("no permission to read this file", path) from None
        except (OSError, ValueError) as error:
            raise AudioDecodeError(f"cannot be opened: {error}", path) from error
    name = getattr(source, "name", None)
    path = name if isinstance(name, str) else None
    try:
        if not (hasattr(source, "seekable") and source.seekable()):
            return io.BytesIO(source.read()), path
        source.read(0)  # fails here if the file object is closed, or open for writing only
    except (OSError, TypeError, ValueError) as error:
        raise AudioDecodeError(f"the file object cannot be read: {error}", path) from error
    return source, path


class _SoundFile(sf.SoundFile):
    """Sound file that is read without seeking.

    soundfile seeks to the current position after every read, and after a seek the first frames of an MP3 decode to
    silence, since they borrow bits from the frames before them: every block of an MP3 would begin with a gap.
    """

    def seekable(self) -> bool:
        return False


def _open_soundfile(target: Any, file: BinaryIO, path: str | None, stack: ExitStack) -> Stream:
    # soundfile refuses names that are not Unicode; as bytes, every name works.
    name = os.fsencode(target) if isinstance(target, str) else target
    try:
        sound = stack.enter_context(_SoundFile(name))
        layer3 = sound.format == "MP3" and sound.subtype == "MPEG_LAYER_III"
        slack = length_slack(file) if layer3 else 0
        if slack is None and (counted := with_length(file)):
            sound = stack.enter_context(_SoundFile(counted))
    except sf.LibsndfileError as error:
        if error.code == _MALFORMED_FILE:
            raise AudioDecodeError(f"damaged: {error.error_string}", path) from error
        # For junk called ".mp3" its message is "file does not exist", which is wrong: the file was opened above.
        reason = "Format not recognised." if error.code == _SYSTEM_ERROR else error.error_string
        raise _Refused(f"soundfile: {reason}") from error
    except TypeError as error:  # the suffix ".raw" requires parameters that are unknown
        raise _Refused(f"soundfile: {error}") from error
    if sound.format == "RAW":  # libsndfile reads junk with a suffix like ".au" as raw samples
        raise _Refused("soundfile: Format not recognised.")
    frames = sound.frames if sound.frames < _UNKNOWN_FRAMES else None
    if frames is None or (sound.subtype.startswith("MPEG") and not layer3):
        slack = None  # nothing is declared, or only an estimate

    def blocks(start: int, count: int | None) -> Iterator[np.ndarray]:
        remaining = count if count is not None else _UNKNOWN_FRAMES
        done = start
        try:
            if start:
                target = _seek_target(sound, start)
                sound.seek(target)
                sound.read(start - target, dtype="float32")
            while remaining > 0:
                block = sound.read(min(BLOCK_FRAMES, remaining), dtype="float32", always_2d=True)
                if len(block) == 0:
                    return
                yield block
                remaining -= len(block)
                done += len(block)
        except sf.LibsndfileError as error:
            after = f"after {done / sound.samplerate:.3f} s: {error.error_string}"
            raise TruncatedAudioError(f"damaged or truncated: decoding stopped {after}", path) from error

    return Stream(path, sound.samplerate, sound.channels, frames, slack, sound.format, "soundfile", blocks)


def _seek_target(sound: sf.SoundFile, start: int) -> int:
    """Return the frame to seek to and read on from, so that samples equal those of a read without a seek."""
    if sound.subtype.startswith("MPEG"):
        return max(0, start - _MP3_PREROLL)
    if sound.subtype == "VORBIS":
        # Encoders shorten the last page, and libvorbis counts back from its end: seeks into it are wrong.
        return min(start, max(0, sound.frames - _MAX_OGG_PAGE_FRAMES))
    return start


def _open_av(target: Any, file: BinaryIO, path: str | None, stack: ExitStack) -> Stream:
    try:
        import av  # optional, and slow to import
    except ImportError:
        raise _Refused("PyAV, which reads m4a/AAC, is not installed: pip install 'mxnet-audio[av]'") from None
    from mxnet_audio.audio.decode_av import open_av

    try:
        return open_av(file, path, stack)
    except (av.error.FFmpegError, ValueError) as error:
        raise _Refused(f"PyAV: {getattr(error, 'strerror', None) or error}") from error


def _open_audioread(target: Any, file: BinaryIO, path: str | None, stack: ExitStack) -> Stream:
    if not isinstance(target, str):
        raise _Refused("audioread: needs a path")
    try:
        audioread = _import_audioread()
    except ImportError:
        raise _Refused("audioread: not installed") from None
    # Its reader of raw WAV, AU and AIFF accepts more than libsndfile, which has refused the file already.
    raw = audioread.rawread.RawAudioFile
    backends = [backend for backend in audioread.available_backends() if backend is not raw]
    try:
        sound = stack.enter_context(audioread.audio_open(target, backends=backends))
    except (audioread.DecodeError, OSError, EOFError) as error:
        raise _Refused(f"audioread: {str(error) or 'no system codec reads it'}") from error
    if not (sound.samplerate and sound.channels):
        raise _Refused("audioread: the sound states no sampling rate or channels")
    frames = round(sound.duration * sound.samplerate) if sound.duration else None

    def blocks(start: int, count: int | None) -> Iterator[np.ndarray]:
        remaining = count if count is not None else _UNKNOWN_FRAMES
        position, rest = 0, b""
        try:
            for data in sound:
                data = rest + data  # its blocks may end within a frame
                complete = len(data) - len(data) % (2 * sound.channels)
                data, rest = data[:complete], data[complete:]
                block = np.frombuffer(data, dtype="<i2").reshape(-1, sound.channels)
                skip = max(0, start - position)
                position += len(block)
                block = block[skip : skip + remaining]
                remaining -= len(block)
                if len(block):
                    yield block.astype(np.float32) / np.float32(32768)
                if remaining <= 0:
                    return
        except (audioread.DecodeError, OSError, EOFError) as error:
            raise AudioDecodeError(f"damaged: {error}", path) from error

    # Its durations are parsed from rounded text: only a gap of more than a tenth of a second counts.
    slack = sound.samplerate // 10
    return Stream(path, sound.samplerate, sound.channels, frames, slack, "unknown", "audioread", blocks)


def _import_audioread() -> Any:
    """Import audioread without the warnings of its reader of raw sound, which is imported but not used here."""
    with _AUDIOREAD_LOCK:  # warning filters belong to the whole process
        if "audioread.rawread" in sys.modules:
            import audioread
        else:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"audioread\.rawread")
                import audioread.rawread
    return audioread
