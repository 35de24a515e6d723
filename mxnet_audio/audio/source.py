"""Sources of sound: files, their bytes, samples with their rate, entries of a data set."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import Any, BinaryIO

import numpy as np

from mxnet_audio.audio.array import check_array
from mxnet_audio.errors import AudioDecodeError, AudioError, InvalidAudioError, ParameterError

__all__ = ["MAX_RATE", "is_rate", "missing_reason", "naming_errors", "resolve", "source_identity", "source_name"]

MAX_RATE = 10_000_000  # [Hz], far above any recorder's; soxr hangs or crashes at rates of 2**31 and more
_READ_BYTES = 1 << 20
_REMOTE = re.compile(r"([A-Za-z][\w+.-]+):/")  # one letter would be a drive of Windows


def resolve(source: Any) -> str | os.PathLike | BinaryIO | tuple[np.ndarray, int]:
    """Convert a source to one of the forms that can be decoded.

    Parameters
    ----------
    source : path, binary file object, bytes, (array, rate), an audio entry, or one of them `Played` or a `Channel`
        ``bytes``, ``bytearray`` and ``memoryview`` hold an encoded file. An array, or an object with ``asnumpy()``, has
        shape (n,) or (channels, n). An entry is one of Hugging Face's datasets: a mapping with ``array`` and
        ``sampling_rate`` (or an ``AudioDecoder`` of datasets 4 and later), or without decoding, with ``bytes`` or
        ``path``. Of a played sound or a channel, the sound that it was made of is returned: `open_source` opens them.

    Returns
    -------
    str, os.PathLike, binary file object or (np.ndarray [shape=(n,) or (channels, n)], int [Hz])

    Raises
    ------
    ParameterError
        The source is none of these.
    AudioDecodeError
        The entry is empty, or cannot be decoded.
    InvalidAudioError
        The array or its rate cannot be used.

    Examples
    --------
    >>> resolve({"array": [0.0, 0.5], "sampling_rate": 8000, "path": "a.wav"})
    (array([0. , 0.5]), 8000)
    >>> resolve({"bytes": None, "path": "a.wav"})
    'a.wav'
    """
    if isinstance(source, os.PathLike):
        return os.fsdecode(source)  # a string: some paths are named tuples, and os.DirEntry may hold bytes
    if isinstance(source, str) or hasattr(source, "read"):
        if isinstance(getattr(source, "file", source), io.TextIOBase):  # temporary files wrap another in `file`
            raise ParameterError("the sound is a file in text mode: open the file in binary mode, as open(path, 'rb')")
        return source
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(source)
    if hasattr(source, "opened"):
        return resolve(source.source)
    if isinstance(source, tuple):
        if len(source) != 2:
            raise InvalidAudioError(f"expected (array, rate), got a tuple of {len(source)}")
        return _rated(*source)
    if _is_entry(source):
        if (array := _item(source, "array")) is not None:
            return _rated(array, _item(source, "sampling_rate"))
        for key in ("bytes", "path"):
            if (inner := _item(source, key)) is not None:
                return resolve(inner)
        raise AudioDecodeError("the audio entry is empty: it has no array, no bytes and no path")
    raise ParameterError(
        "a sound must be a path, a binary file object, bytes, (array, rate) or a Hugging Face audio entry, "
        f"got {type(source).__name__}"
    )


def source_name(source: Any) -> str | None:
    """Return the name of a source for messages.

    Parameters
    ----------
    source : as for `resolve`

    Returns
    -------
    str or None
        Path of the file or of the entry; None for a source without a name.

    Examples
    --------
    >>> source_name({"array": [0.0], "sampling_rate": 8000, "path": "a.wav"}), source_name(b"RIFF")
    ('a.wav', None)
    """
    if isinstance(source, str | os.PathLike):
        return os.fsdecode(source)
    name = _item(source, "path") if isinstance(source, Mapping) else getattr(source, "name", None)
    return os.fsdecode(name) if isinstance(name, str | os.PathLike) else None


def source_identity(source: Any) -> str:
    """Return a text that changes when the sound changes.

    Parameters
    ----------
    source : as for `resolve`
        An object with a method ``identity()`` provides the text itself.

    Returns
    -------
    str
        For a file, its real path, size and time of change; for bytes and arrays, a digest of the content, with the
        rate. Names that are not Unicode contain surrogates: encode the text with `os.fsencode`.

    Raises
    ------
    OSError
        The file is missing, or it is a stream that cannot be read twice.
    AudioError
        As `resolve`.

    Examples
    --------
    >>> source_identity((np.zeros(4), 8000)) == source_identity({"array": np.zeros(4), "sampling_rate": 8000})
    True
    >>> source_identity((np.zeros(4), 8000)) == source_identity((np.zeros(4), 16000))
    False
    """
    if hasattr(source, "identity"):
        return source.identity()
    target = resolve(source)
    if isinstance(target, str | os.PathLike):
        try:
            real = os.path.realpath(target)
            stat = os.stat(real)  # noqa: PTH116 - `Path.resolve` raises RuntimeError for a loop of links
        except ValueError as error:  # a NUL in the name
            raise FileNotFoundError(str(error)) from None
        return "\0".join(map(str, ("file", real, stat.st_size, stat.st_mtime_ns)))
    digest = hashlib.sha256()
    if isinstance(target, tuple):
        y, rate = target
        digest.update(np.ascontiguousarray(y).data)
        return "\0".join(map(str, ("array", y.dtype.str, y.shape, rate, digest.hexdigest())))
    try:
        back = target.tell()
        target.seek(0)
        while block := target.read(_READ_BYTES):
            digest.update(block)
        target.seek(back)
    except Exception as error:  # a file object may raise anything, such as an archive's errors
        raise OSError(f"the file object cannot be read twice: {error}") from error
    return f"bytes\0{digest.hexdigest()}"


@contextmanager
def naming_errors(name: str | os.PathLike | None) -> Iterator[None]:
    """Add the name of a source to errors that have none.

    Parameters
    ----------
    name : str, os.PathLike or None
        Name of the source; None changes nothing.

    Examples
    --------
    >>> with naming_errors("item 12"):
    ...     raise InvalidAudioError("there are no samples")
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.InvalidAudioError: item 12: there are no samples
    """
    try:
        yield
    except AudioError as error:
        if error.path is None and name is not None:
            raise type(error)(error.reason, name) from error
        raise


def is_rate(sr: Any) -> bool:
    """Return True if an object is a sampling rate: a whole number of Hz from 1 to 10 million."""
    try:
        return isinstance(sr, Real) and 1 <= float(sr) <= MAX_RATE and float(sr).is_integer()
    except OverflowError:
        return False


def missing_reason(path: str | os.PathLike, kind: str = "file") -> str:
    """Return the message for a path that does not exist; for a remote path, with the remedy.

    Parameters
    ----------
    path : str or os.PathLike
        Path without a file.
    kind : str
        Word for what is missing, such as ``'folder'``.

    Examples
    --------
    >>> missing_reason("a.wav"), missing_reason("s3://bucket/a.wav")
    ('no such file', 'a remote path (s3://): download it first, and give the path of the local copy')
    """
    if remote := _REMOTE.match(os.fsdecode(path)):
        return f"a remote path ({remote[1]}://): download it first, and give the path of the local copy"
    return f"no such {kind}"


def _is_entry(source: Any) -> bool:
    """Return True for a mapping, and for an object with items by name, like torchcodec's decoders in datasets."""
    sequence = isinstance(source, list) or hasattr(source, "shape")
    return isinstance(source, Mapping) or (hasattr(source, "__getitem__") and not sequence)


def _item(source: Any, key: str) -> Any:
    try:
        return source[key]
    except (KeyError, TypeError, IndexError):
        return None
    except RuntimeError as error:  # torchcodec decodes on access
        raise AudioDecodeError(f"the audio entry cannot be decoded: {error}") from error


def _rated(array: Any, rate: Any) -> tuple[np.ndarray, int]:
    """Return samples and their rate; raise InvalidAudioError if their form is wrong."""
    if not is_rate(rate):
        raise InvalidAudioError(f"expected (array, rate) with a whole rate from 1 to {MAX_RATE} Hz, got rate {rate!r}")
    return check_array(array), int(rate)
