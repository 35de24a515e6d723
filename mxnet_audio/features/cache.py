"""Features kept on disk, so that a sound is decoded and transformed once."""

from __future__ import annotations

import hashlib
import json
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
from mxnet_audio.atomic import replacing
from mxnet_audio.audio.source import source_identity
from mxnet_audio.errors import AudioError

__all__ = ["FeatureCache"]

logger = logging.getLogger(__name__)

_FORMAT = 2
_SUFFIX = ".features"
_SHARD, _WAIT = 32 << 20, 10.0  # bytes gathered in memory, and seconds, until they are written
_OLD = 3600.0  # seconds after which an unfinished file has no writer any more


class FeatureCache:
    """Arrays made of sounds in one way, in files that are mapped into memory.

    A sound is known by its real path, size and time of change (by its content, if it is none of a file), so a
    changed one misses; another `key` or another version of this package has another folder, and nothing removes
    old ones. Arrays gather in memory and are written together, beside their place, then renamed: a file is whole
    or not there, several runs may write at once and share what was there when they began, and a kill loses 32 MiB
    or 10 s of work at most. Each array carries a checksum; a damaged one is a miss. Where the folder cannot be
    written (permission, full disk) a warning is logged once and everything goes on without.

    Parameters
    ----------
    key : str
        All that the arrays depend on beside the sound, such as `AudioFeatureConfig.key`.
    directory : str or os.PathLike, optional
        Default: the folder ``features`` in the user's cache directory of ``mxnet-audio``, such as
        ``~/.cache/mxnet-audio/features``. Delete it at will.

    See Also
    --------
    mxnet_audio.data.AudioLoader : its mode ``lazy_cached`` is this.

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
        if directory is None:
            directory = platformdirs.user_cache_path("mxnet-audio") / "features"
        self.directory = Path(directory)
        folder = hashlib.sha256(f"{mxnet_audio.__version__} {_FORMAT} {key}".encode()).hexdigest()[:32]
        self._folder = self.directory / folder
        self._lock = threading.Lock()
        self._arrays: dict[str, np.ndarray] = {}
        self._unchecked: dict[str, str] = {}  # checksums of arrays that have not been read yet
        self._waiting: dict[str, np.ndarray] = {}
        self._bytes, self._written = 0, time.monotonic()  # of those waiting; and when others were written
        self._off = False
        self._open()

    def __repr__(self) -> str:
        return f"FeatureCache({str(self.directory)!r})"

    def name(self, sound: Any) -> str | None:
        """Name under which a sound's array is kept.

        Parameters
        ----------
        sound : whatever `audio.load` takes

        Returns
        -------
        str or None
            None for what is not there, or no sound: whoever loads it will say so.
        """
        try:
            identity = source_identity(sound)
        except (OSError, ValueError, AudioError):
            return None
        return hashlib.sha256(os.fsencode(identity)).hexdigest()[:32]

    def __contains__(self, name: str | None) -> bool:
        return name in self._arrays

    def get(self, name: str | None) -> np.ndarray | None:
        """Read an array by `name`; it cannot be written to. None when there is none that is whole."""
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
        """Read a sound's array, or compute and keep it.

        Parameters
        ----------
        sound : whatever `audio.load` takes
        compute : callable
            Makes the array; what it raises passes through and nothing is kept.
        name : str, optional
            The sound's name, if it is known already: it is then not looked at again.

        Returns
        -------
        np.ndarray
            It cannot be written to.
        """
        name = name or self.name(sound)
        array = self.get(name)
        if array is None:
            array = np.array(compute(), order="C")
            array.flags.writeable = False  # what one caller changed would be kept for all
            # A file that changed meanwhile must not leave its old features under its new identity.
            if name is not None and not self._off and array.dtype.kind in "biufc" and self.name(sound) == name:
                self._put(name, array)
        return array

    def flush(self) -> None:
        """Write what is still in memory; call it when a pass over the sounds ends, however it ends."""
        with self._lock:
            self._write()

    def _put(self, name: str, array: np.ndarray) -> None:
        with self._lock:
            self._arrays[name] = self._waiting[name] = array
            self._bytes += array.nbytes
            if self._bytes >= _SHARD or time.monotonic() - self._written >= _WAIT:
                self._write()

    def _write(self) -> None:
        waiting, self._waiting, self._bytes, self._written = self._waiting, {}, 0, time.monotonic()
        if not waiting or self._off:
            return
        shard = self._folder / f"{time.time_ns():020d}-{uuid.uuid4().hex}{_SUFFIX}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with replacing(shard, sync=False) as temporary:  # a damaged array is only a miss
                save_file(waiting, temporary, metadata={name: _checksum(array) for name, array in waiting.items()})
            # From now on they are the system's to keep in memory or not.
            self._arrays.update(_mapped(shard)[0])
        except (OSError, SafetensorError, KeyError) as error:  # KeyError: of a type that the format does not know
            self._off = True
            for name in waiting:
                self._arrays.pop(name, None)
            logger.warning("features are not cached in %s: %s", self.directory, error)

    def _open(self) -> None:
        """Map what earlier runs have written; remove what killed or damaged ones left behind."""
        for temporary in self._folder.glob(".*.tmp"):
            with suppress(OSError):
                if time.time() - temporary.stat().st_mtime > _OLD:
                    temporary.unlink()
        for shard in sorted(self._folder.glob(f"*{_SUFFIX}")):  # the youngest last: it may stand for a damaged one
            try:
                arrays, checksums = _mapped(shard)
            except OSError:
                continue
            except (ValueError, KeyError, TypeError):  # damaged
                with suppress(OSError):
                    shard.unlink()
                continue
            self._arrays.update(arrays)
            self._unchecked.update(checksums)


def _checksum(array: np.ndarray) -> str:
    return f"{zlib.crc32(array):08x}"


def _mapped(shard: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays of a safetensors file as views of the file, and their checksums.

    Its own reader copies each tensor, at several times the cost of a view; the format is a length, a JSON header
    and the bytes (https://github.com/huggingface/safetensors#format). Not ``.npy``: NumPy parses its header with
    `ast`, which threads cannot do at the same time on CPython 3.11 (python/cpython#106905).
    """
    data = np.asarray(np.memmap(shard, mode="r"))  # a memmap's own slices cost twenty times as much
    start = 8 + int.from_bytes(data[:8].tobytes(), "little")
    header = json.loads(data[8:start].tobytes())
    checksums = header.pop("__metadata__")
    arrays = {}
    for name, tensor in header.items():
        first, last = (start + offset for offset in tensor["data_offsets"])
        if last > len(data):
            raise ValueError(f"{shard} is cut off")
        kind, bits = tensor["dtype"][0], tensor["dtype"][1:]  # F32, I64, U8; or BOOL
        dtype = "?" if kind == "B" else f"{kind.lower()}{int(bits) // 8}"
        arrays[name] = data[first:last].view(dtype).reshape(tensor["shape"])
    return arrays, {name: checksums[name] for name in arrays}
