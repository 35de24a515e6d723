"""Everything that a sound may come as: a file, its bytes, samples with their rate, an entry of a data set."""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import Any, BinaryIO

import numpy as np

from mxnet_audio.errors import AudioDecodeError, AudioError, InvalidAudioError

__all__ = ["is_rate", "naming_errors", "resolve", "source_identity", "source_name"]

_MAX_CHANNELS = 1024  # libsndfile's own limit
_BLOCK = 1 << 20


def resolve(source: Any) -> str | os.PathLike | BinaryIO | tuple[np.ndarray, int]:
    """Bring a source to one of the three forms that the decoders know.

    Parameters
    ----------
    source : path, binary file object, bytes, (array, rate), an audio entry, or one of them `Played`
        ``bytes``, ``bytearray`` and ``memoryview`` are an encoded file. An array, or anything with
        ``asnumpy()``, has shape (n,) or (channels, n). An entry is Hugging Face's: a mapping with ``array``
        and ``sampling_rate`` (or an ``AudioDecoder`` of datasets 4 and later), or, undecoded, with ``bytes``
        or else ``path``.

    Returns
    -------
    str, os.PathLike, binary file object or (np.ndarray [shape=(n,) or (channels, n)], int [Hz])

    Raises
    ------
    AudioDecodeError
        The source is none of these, or an entry that holds nothing.
    InvalidAudioError
        The array or its rate is out of range.

    Examples
    --------
    >>> resolve({"array": [0.0, 0.5], "sampling_rate": 8000, "path": "a.wav"})
    (array([0. , 0.5]), 8000)
    >>> resolve({"bytes": None, "path": "a.wav"})
    'a.wav'
    """
    if isinstance(source, str | os.PathLike) or hasattr(source, "read"):
        return source
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(source)
    if hasattr(source, "decoded"):
        return source.decoded()
    if isinstance(source, tuple):
        if len(source) != 2:
            raise InvalidAudioError(f"expected (array, rate), got {len(source)} things")
        return _checked(*source)
    if _is_entry(source):
        if (array := _item(source, "array")) is not None:
            return _checked(array, _item(source, "sampling_rate"))
        for key in ("bytes", "path"):
            if (inner := _item(source, key)) is not None:
                return resolve(inner)
        raise AudioDecodeError("the audio entry is empty: it holds no array, no bytes and no path")
    raise AudioDecodeError(
        "expected a path, a binary file object, bytes, (array, rate) or a Hugging Face audio entry, "
        f"got {type(source).__name__}"
    )


def source_name(source: Any) -> str | None:
    """Name a source in messages.

    Parameters
    ----------
    source : as for `resolve`

    Returns
    -------
    str or None
        The path of a file or of an entry; None for what has no name.

    Examples
    --------
    >>> source_name({"array": [0.0], "sampling_rate": 8000, "path": "a.wav"}), source_name(b"RIFF")
    ('a.wav', None)
    """
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    name = _item(source, "path") if isinstance(source, Mapping) else getattr(source, "name", None)
    return os.fspath(name) if isinstance(name, str | os.PathLike) else None


def source_identity(source: Any) -> str:
    """State what changes when the sound changes.

    Parameters
    ----------
    source : as for `resolve`
        An object with a method ``identity()`` answers for itself.

    Returns
    -------
    str
        For a file its real path, size and time of change; for bytes and arrays a digest of the content, with
        the rate. Names that are not Unicode have surrogates: encode it with `os.fsencode`.

    Raises
    ------
    OSError
        The file is not there, or a stream that cannot be read twice.
    AudioDecodeError, InvalidAudioError
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
    back = target.tell()
    target.seek(0)
    while block := target.read(_BLOCK):
        digest.update(block)
    target.seek(back)
    return f"bytes\0{digest.hexdigest()}"


@contextmanager
def naming_errors(name: str | os.PathLike | None) -> Iterator[None]:
    """Give errors that name no file the name of the source at work.

    Parameters
    ----------
    name : str, os.PathLike or None
        None changes nothing.

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
    """Tell whether something is a sampling rate: a whole number above 0."""
    return isinstance(sr, Real) and sr > 0 and math.isfinite(sr) and sr == int(sr)


def _is_entry(source: Any) -> bool:
    """A mapping, or something that is asked for items by name, as torchcodec's decoders in datasets are."""
    sequence = isinstance(source, list) or hasattr(source, "shape")
    return isinstance(source, Mapping) or (hasattr(source, "__getitem__") and not sequence)


def _item(source: Any, key: str) -> Any:
    try:
        return source[key]
    except (KeyError, TypeError, IndexError):
        return None
    except RuntimeError as error:  # torchcodec's, which decodes when asked
        raise AudioDecodeError(f"the audio entry cannot be decoded: {error}") from error


def _checked(array: Any, rate: Any) -> tuple[np.ndarray, int]:
    """Samples and their rate, or what is wrong with their form."""
    if not is_rate(rate):
        raise InvalidAudioError(f"expected (array, rate) with a whole rate above 0 Hz, got rate {rate!r}")
    try:
        y = array.asnumpy() if hasattr(array, "asnumpy") else np.asarray(array)
    except ValueError as error:  # rows of different lengths
        raise InvalidAudioError(f"expected shape (n,) or (channels, n): {error}") from None
    if y.ndim not in (1, 2):
        raise InvalidAudioError(f"expected shape (n,) or (channels, n), got {y.shape}")
    if y.ndim == 2 and len(y) > _MAX_CHANNELS:
        raise InvalidAudioError(f"shape {y.shape} means {len(y)} channels: transpose it to (channels, n)")
    if not np.issubdtype(y.dtype, np.integer) and not np.issubdtype(y.dtype, np.floating):
        raise InvalidAudioError(f"expected integers or floats, got {y.dtype}")
    return y, int(rate)
