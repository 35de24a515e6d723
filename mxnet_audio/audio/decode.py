"""Files become blocks of float32 samples: soundfile (libsndfile) first, then PyAV, then audioread."""

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
from mxnet_audio.audio.source import naming_errors, resolve, source_name
from mxnet_audio.audio.stream import AudioInfo, Stream
from mxnet_audio.errors import AudioDecodeError, TruncatedAudioError

__all__ = ["info", "open_stream"]

BLOCK = 1 << 16  # frames to a read: large enough to be rare, small enough to be nothing beside the result
_MP3_RUN_UP = 32 * 1152  # samples decoded ahead of a seek's aim, until no frame borrows from before it
_OGG_LAST_PAGE = 1 << 18  # samples: 255 packets of 1,024
_NO_COUNT = 1 << 60  # libsndfile's frame count of a stream that does not say is near 2**63
_IMPORTING = threading.Lock()
_SYSTEM, _MALFORMED = 2, 3  # libsndfile's codes: "the system refuses"; "a format that I know, but damaged"


def info(source: str | os.PathLike | BinaryIO | Any) -> AudioInfo:
    """Read a sound file's header, and nothing more.

    Parameters
    ----------
    source : as for `load`
        A file, its bytes or an entry; an array is asked itself.

    Returns
    -------
    AudioInfo
        Rate, channels, length, format and the decoder that reads it.

    Raises
    ------
    AudioDecodeError
        The file cannot be opened or is not sound.
    TruncatedAudioError
        The header shows that bytes are missing.
    InvalidAudioError
        An array or its rate is out of range.

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

    A file that is of a format libsndfile knows but is damaged or cut off is an error there and then: a more
    forgiving decoder further down the chain would make shorter sound of it.

    Parameters
    ----------
    source : str, os.PathLike or binary file object
        A file object is read from its beginning and left open.

    Yields
    ------
    Stream

    Raises
    ------
    AudioDecodeError
        Missing, a directory, no permission, or no decoder reads it; the reason names what each one said.
    TruncatedAudioError
        The header shows that bytes are missing.
    """
    with ExitStack() as stack:
        file, path = _open_bytes(source, stack)
        check_complete(file, path)
        # A path goes to libsndfile as it is: reading through a Python object would need the GIL at each step.
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
    """One decoder does not know the format; the next may."""


def _open_bytes(source: Any, stack: ExitStack) -> tuple[BinaryIO, str | None]:
    if isinstance(source, str | os.PathLike):
        path = os.fspath(source)
        try:
            if Path(path).is_dir():
                raise AudioDecodeError("this is a directory, not a sound file", path)
            return stack.enter_context(open(path, "rb")), path  # noqa: PTH123 - bytes paths are strings here
        except FileNotFoundError:
            raise AudioDecodeError("no such file", path) from None
        except PermissionError:
            raise AudioDecodeError("no permission to read this file", path) from None
        except (OSError, ValueError) as error:
            raise AudioDecodeError(f"cannot be opened: {error}", path) from error
    name = getattr(source, "name", None)
    path = name if isinstance(name, str) else None
    if not (hasattr(source, "seekable") and source.seekable()):
        source = io.BytesIO(source.read())
    return source, path


class _SoundFile(sf.SoundFile):
    """A sound file that is read straight on.

    soundfile seeks to where it is after every read, and after a seek the first frames of an MP3 decode to
    nothing: they borrow bits from those before them. Read in blocks, an MP3 would have a hole in each.
    """

    def seekable(self) -> bool:
        return False


def _open_soundfile(target: Any, file: BinaryIO, path: str | None, stack: ExitStack) -> Stream:
    # soundfile would refuse a name that is not Unicode; as bytes, any name passes.
    name = os.fsencode(target) if isinstance(target, str) else target
    try:
        sound = stack.enter_context(_SoundFile(name))
        layer3 = sound.format == "MP3" and sound.subtype == "MPEG_LAYER_III"
        slack = length_slack(file) if layer3 else 0
        if slack is None and (counted := with_length(file)):
            sound = stack.enter_context(_SoundFile(counted))
    except sf.LibsndfileError as error:
        if error.code == _MALFORMED:
            raise AudioDecodeError(f"damaged: {error.error_string}", path) from error
        # Its "file does not exist" for junk called ".mp3" would mislead: the file has been opened above.
        reason = "Format not recognised." if error.code == _SYSTEM else error.error_string
        raise _Refused(f"soundfile: {reason}") from error
    except TypeError as error:  # a suffix ".raw" asks for parameters that nobody has
        raise _Refused(f"soundfile: {error}") from error
    if sound.format == "RAW":  # junk with a suffix like ".au": libsndfile takes any bytes for samples then
        raise _Refused("soundfile: Format not recognised.")
    frames = sound.frames if sound.frames < _NO_COUNT else None
    if frames is None or (sound.subtype.startswith("MPEG") and not layer3):
        slack = None  # nothing declared, or an estimate

    def blocks(start: int, count: int | None) -> Iterator[np.ndarray]:
        left = count if count is not None else _NO_COUNT
        done = start
        try:
            if start:
                landing = _landing(sound, start)
                sound.seek(landing)
                sound.read(start - landing, dtype="float32")
            while left > 0:
                block = sound.read(min(BLOCK, left), dtype="float32", always_2d=True)
                if len(block) == 0:
                    return
                yield block
                left -= len(block)
                done += len(block)
        except sf.LibsndfileError as error:
            after = f"after {done / sound.samplerate:.3f} s: {error.error_string}"
            raise TruncatedAudioError(f"damaged or truncated: decoding stopped {after}", path) from error

    return Stream(path, sound.samplerate, sound.channels, frames, slack, sound.format, "soundfile", blocks)


def _landing(sound: sf.SoundFile, start: int) -> int:
    """Where to seek to, and read on from, so that samples are those of an unbroken read."""
    if sound.subtype.startswith("MPEG"):
        return max(0, start - _MP3_RUN_UP)
    if sound.subtype == "VORBIS":
        # Encoders cut the last page short, and libvorbis counts back from its end: seeks into it miss.
        return min(start, max(0, sound.frames - _OGG_LAST_PAGE))
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
        raise _Refused("audioread: reads only files by path")
    try:
        audioread = _import_audioread()
    except ImportError:
        raise _Refused("audioread: not installed") from None
    # Its reader of raw WAV, AU and AIFF asks fewer questions than libsndfile, which has refused by now.
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
        left = count if count is not None else _NO_COUNT
        position, rest = 0, b""
        try:
            for data in sound:
                data = rest + data  # its blocks are of so many bytes, wherever a frame may end
                whole = len(data) - len(data) % (2 * sound.channels)
                data, rest = data[:whole], data[whole:]
                block = np.frombuffer(data, dtype="<i2").reshape(-1, sound.channels)
                skip = max(0, start - position)
                position += len(block)
                block = block[skip : skip + left]
                left -= len(block)
                if len(block):
                    yield block.astype(np.float32) / np.float32(32768)
                if left <= 0:
                    return
        except (audioread.DecodeError, OSError, EOFError) as error:
            raise AudioDecodeError(f"damaged: {error}", path) from error

    # Its durations come from tools' printed text, rounded: only a gap of a tenth of a second is one.
    slack = sound.samplerate // 10
    return Stream(path, sound.samplerate, sound.channels, frames, slack, "unknown", "audioread", blocks)


def _import_audioread() -> Any:
    """Import audioread without the warnings of its reader of raw sound, which is imported and never used here."""
    with _IMPORTING:  # filters are the process's own, so they are touched once
        if "audioread.rawread" in sys.modules:
            import audioread
        else:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"audioread\.rawread")
                import audioread.rawread
    return audioread
