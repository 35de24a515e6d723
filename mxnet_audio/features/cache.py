"""Cache of features on disk, so that a sound is decoded and transformed once."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import threading
import time
import uuid
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from safetensors import SafetensorError
from safetensors.numpy import save_file

import mxnet_audio
from mxnet_audio.atomic import parse_json, replacing
from mxnet_audio.audio.source import source_identity
from mxnet_audio.errors import AudioError

__all__ = ["FeatureCache", "cache_folder"]

logger = logging.getLogger(__name__)

_FORMAT = 2
_SUFFIX = ".features"
# Arrays are gathered in memory, and written once they reach this size, or this age.
_SHARD_BYTES = 32 << 20
_MAX_DELAY = 10.0  # seconds
_ABANDONED_AFTER = 3600.0  # seconds: an unfinished file this old has lost its writer


def cache_folder() -> Path:
    """Return the default folder of cached features, such as ``~/.cache/mxnet-audio/features``."""
    return platformdirs.user_cache_path("mxnet-audio") / "features"


class FeatureCache:
    """Arrays computed from sounds in one way, in files that are mapped into memory.

    A sound is identified by its real path, size and time of change (without a file, by its content), so that a changed
    sound is computed again. Each `key` and each version of this package has its own folder; old folders are never
    removed. Arrays are gathered in memory, written together to a temporary file, and renamed: a file is complete or
    absent, several runs may write at the same time and share the files that existed when they began, and a killed run
    loses at most 32 MiB or 10 s of work. Each array has a checksum; a damaged one is computed again. If the folder
    cannot be written (permission, full disk), a warning is logged once and nothing more is stored.

    Parameters
    ----------
    key : str
        Everything that the arrays depend on except the sound, such as `AudioFeatureConfig.key`.
    directory : str or os.PathLike, optional
        Default: the folder ``features`` in the user's cache directory of ``mxnet-audio``, such as
        ``~/.cache/mxnet-audio/features``. It can be deleted at any time.

    See Also
    --------
    mxnet_audio.data.AudioLoader : uses this cache in its mode ``lazy_cached``.

    Examples
    --------
    >>> folder = getfixture('tmp_path')
    >>> cache, sound = FeatureCache("ones", folder), (np.zeros(800), 8000)
    >>> cache.fetch(sound, lambda: np.ones((2, 5), np.float32)).shape
    (2, 5)
    >>> cache.flush()
    >>> again = FeatureCache("ones", folder)
    >>> again.get(again.name(sound)).shape
    (2, 5)
    """

    def __init__(self, key: str, directory: str | os.PathLike | None = None):
        self.directory = cache_folder() if directory is None else Path(directory)
        folder = hashlib.sha256(f"{mxnet_audio.__version__} {_FORMAT} {key}".encode()).hexdigest()[:32]
        self._folder = self.directory / folder
        self._lock = threading.Lock()
        self._arrays: dict[str, np.ndarray] = {}
        self._unchecked: dict[str, str] = {}  # checksums of arrays that have not been read yet
        self._pending: dict[str, np.ndarray] = {}  # not written yet
        self._pending_bytes, self._last_write = 0, time.monotonic()
        self._disabled = False
        self._open()

    def __repr__(self) -> str:
        return f"FeatureCache({str(self.directory)!r})"

    def name(self, sound: Any) -> str | None:
        """Return the name under which a sound's array is stored.

        Parameters
        ----------
        sound : as for `audio.load`

        Returns
        -------
        str or None
            None for a missing file or an object that is no sound: loading it raises the error.
        """
        try:
            identity = source_identity(sound)
        except (OSError, ValueError, AudioError):
            return None
        return hashlib.sha256(os.fsencode(identity)).hexdigest()[:32]

    def __contains__(self, name: str | None) -> bool:
        return name in self._arrays

    def get(self, name: str | None) -> np.ndarray | None:
        """Return the array stored under `name`, read-only; None if there is none, or it is damaged."""
        if name is None:
            return None
        array, expected = self._arrays.get(name), self._unchecked.get(name)
        if array is None or expected is None:
            return array
        if _checksum(array) == expected:
            self._unchecked.pop(name, None)
            return array
        with self._lock:
            if self._arrays.get(name) is array:
                del self._arrays[name], self._unchecked[name]
        return None

    def fetch(self, sound: Any, compute: Callable[[], np.ndarray], name: str | None = None) -> np.ndarray:
        """Return a sound's array, computed and stored if it is missing.

        Parameters
        ----------
        sound : as for `audio.load`
        compute : callable
            Function that returns the array. Its exceptions pass through, and nothing is stored.
        name : str, optional
            The sound's name, if it was computed before; it saves reading the sound's identity.

        Returns
        -------
        np.ndarray
            Read-only.
        """
        name = name or self.name(sound)
        array = self.get(name)
        if array is None:
            array = np.array(compute(), order="C")
            array.flags.writeable = False  # all callers share it
            # If the file changed meanwhile, its old features must not be stored under its new identity.
            if name is not None and not self._disabled and array.dtype.kind in "biufc" and self.name(sound) == name:
                self._store(name, array)
        return array

    def flush(self) -> None:
        """Write the arrays that are still in memory; call it when a pass over the sounds ends or fails."""
        with self._lock:
            self._write()

    def _store(self, name: str, array: np.ndarray) -> None:
        with self._lock:
            self._arrays[name] = self._pending[name] = array
            self._pending_bytes += array.nbytes
            if self._pending_bytes >= _SHARD_BYTES or time.monotonic() - self._last_write >= _MAX_DELAY:
                self._write()

    def _write(self) -> None:
        pending, self._pending, self._pending_bytes, self._last_write = self._pending, {}, 0, time.monotonic()
        if not pending or self._disabled:
            return
        shard = self._folder / f"{time.time_ns():020d}-{uuid.uuid4().hex}{_SUFFIX}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with replacing(shard, sync=False) as temporary:  # a damaged array is computed again
                save_file(pending, temporary, metadata={name: _checksum(array) for name, array in pending.items()})
            # From here on, the system decides whether they stay in memory.
            self._arrays.update(_map_file(shard)[0])
        except (OSError, SafetensorError, KeyError) as error:  # KeyError: the format lacks the dtype
            self._disabled = True
            for name in pending:
                self._arrays.pop(name, None)
            logger.warning("features are not cached in %s: %s", self.directory, error)

    def _open(self) -> None:
        """Map the files of earlier runs; remove damaged files, and those of killed runs."""
        for temporary in self._folder.glob(".*.tmp"):
            with suppress(OSError):
                if time.time() - temporary.stat().st_mtime > _ABANDONED_AFTER:
                    temporary.unlink()
        for shard in sorted(self._folder.glob(f"*{_SUFFIX}")):  # newest last: it may replace a damaged array
            try:
                arrays, checksums = _map_file(shard)
            except OSError:
                continue
            except Exception:  # damaged, in one of many ways
                with suppress(OSError):
                    shard.unlink()
                continue
            self._arrays.update(arrays)
            self._unchecked.update(checksums)


def _checksum(array: np.ndarray) -> str:
    return f"{zlib.crc32(array.data):08x}"


def _map_file(shard: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays of a safetensors file as views of the file, and their checksums.

    The reader of safetensors copies each tensor, at several times the cost of a view. The format is a length, a JSON
    header and the bytes (https://github.com/huggingface/safetensors#format). It is not ``.npy``, because NumPy parses
    that header with `ast`, which fails in several threads at a time on CPython 3.11 (python/cpython#106905).
    """
    if not shard.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(shard))  # a pipe would block
    data = np.asarray(np.memmap(shard, mode="r"))  # slices of a memmap itself cost twenty times as much
    start = 8 + int.from_bytes(data[:8].tobytes(), "little")
    header = parse_json(data[8:start].tobytes())
    checksums = header.pop("__metadata__")
    arrays = {}
    for name, tensor in header.items():
        begin, end = (start + offset for offset in tensor["data_offsets"])
        if not start <= begin <= end <= len(data):
            raise ValueError(f"{shard} is truncated")
        kind, bits = tensor["dtype"][0], tensor["dtype"][1:]  # F32, I64, U8; or BOOL
        dtype = "?" if kind == "B" else f"{kind.lower()}{int(bits) // 8}"
        arrays[name] = data[begin:end].view(dtype).reshape(tensor["shape"])
    return arrays, {name: checksums[name] for name in arrays}
