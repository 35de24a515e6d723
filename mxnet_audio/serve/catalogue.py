"""Sounds of an index under opaque ids and names that can be shown, and the way back from an id to its sound."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import threading
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mxnet_audio.atomic import contents, replacing
from mxnet_audio.audio import file_of
from mxnet_audio.search import MilvusIndex, VectorIndex
from mxnet_audio.search.entries import Entry, absolute_path
from mxnet_audio.serve.uploads import shown_name

__all__ = ["Catalogue", "CollectionCatalogue", "FolderCatalogue", "catalogue_of", "has_file"]

log = logging.getLogger(__name__)

_ID = re.compile("[0-9a-f]{32}")
_KEY_FILE = "audio-ids.key"
_KEY_BYTES = 32


def has_file(entry: Entry) -> bool:
    """Return True if an entry was read from a file of this machine, and not from an array or an address."""
    return entry.stamp is not None and os.path.isabs(entry.real)  # noqa: PTH117 - names that are not UTF-8


class FolderCatalogue:
    """Ids and names of the sounds of an index in a folder.

    An id is a keyed hash of the real path. It stays the same when the server is started again, and when the index is
    built again in its folder, which keeps the key in a file that only its owner may read. Without the key, nobody can
    tell whether an id is that of a path. The index must not change.

    Parameters
    ----------
    index : VectorIndex
    root : path, optional
        Folder that the names of files in it are relative to; those of others are relative to the common folder of all
        files, as they were named when they were indexed.
    key : bytes
        Key of the ids.

    Examples
    --------
    >>> index = VectorIndex()
    >>> for name in ("/sounds/birds/wren.wav", "/sounds/rain.wav [left]"):
    ...     index.add(name, [1, 2], stamp=(800, 1))
    >>> catalogue = FolderCatalogue(index, None, b"secret")
    >>> [catalogue.name_of(entry) for entry in index.entries]
    ['birds/wren.wav', 'rain.wav [left]']
    >>> catalogue.find(catalogue.id_of(index.entries[0])).real
    '/sounds/birds/wren.wav'
    """

    def __init__(self, index: VectorIndex, root: Path | None, key: bytes):
        self.index, self.key = index, key
        self._root = root
        self._lock = threading.Lock()
        self._common: str | None = None
        self._table: tuple[np.ndarray, np.ndarray] | None = None

    def id_of(self, entry: Entry) -> str:
        """Return the id of an entry: 32 hexadecimal digits."""
        return self._digest(entry.real).hex()

    def find(self, id: str) -> Entry | None:
        """Return the entry with an id; None if there is none. The first call reads all entries."""
        if not _ID.fullmatch(id):
            return None
        with self._lock:
            if self._table is None:
                self._table = self._by_digest()
        keys, entries = self._table
        first, last = (np.searchsorted(keys, np.uint64(int(id[:16], 16)), side) for side in ("left", "right"))
        return next((entry for entry in entries[first:last] if self.id_of(entry) == id), None)

    def name_of(self, entry: Entry) -> str:
        """Return the name to show for an entry; never an absolute path."""
        with self._lock:
            if self._common is None:
                self._common = _common_folder([_indexed_path(each) for each in self.index.entries if has_file(each)])
        return _shown(entry, self._root, self._common)

    def _digest(self, real: str) -> bytes:
        return hashlib.blake2b(real.encode("utf-8", "surrogatepass"), digest_size=16, key=self.key).digest()

    def _by_digest(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the first 8 bytes of the entries' digests as sorted numbers [shape=(n,)], and the entries so sorted.

        They take 16 bytes for each entry, beside the entries themselves, which the index holds.
        """
        entries = self.index.entries
        keys = np.fromiter((int.from_bytes(self._digest(each.real)[:8], "big") for each in entries), np.uint64)
        order = np.argsort(keys)
        table = np.empty(len(entries), object)
        table[:] = entries
        return keys[order], table[order]


class CollectionCatalogue:
    """Ids and names of the sounds of a collection on a server, which is not read as a whole.

    An id consists of the number that the collection gave to the sound, and a hash of it and the name of the file, since
    two writers may have given one number. It stays the same until the collection is created anew.

    Parameters
    ----------
    index : MilvusIndex
    root : path, optional
        Folder that the names of files in it are relative to; of others, the last part of their path is the name.
    """

    def __init__(self, index: MilvusIndex, root: Path | None):
        self.index, self._root = index, root

    def id_of(self, entry: Entry) -> str:
        """Return the id of an entry: 32 hexadecimal digits."""
        number = f"{entry.id % (1 << 64):016x}"
        name = f"{number} {_last_part(entry.real)}".encode("utf-8", "surrogatepass")
        return number + hashlib.blake2b(name, digest_size=8).hexdigest()

    def find(self, id: str) -> Entry | None:
        """Return the entry with an id; None if there is none. SearchError if the server is away."""
        if not _ID.fullmatch(id):
            return None
        number = int.from_bytes(bytes.fromhex(id[:16]), "big", signed=True)
        found = (entry for entries, _ in self.index.batches(where=f"inserted == {number}") for entry in entries)
        return next((entry for entry in found if self.id_of(entry) == id), None)

    def name_of(self, entry: Entry) -> str:
        """Return the name to show for an entry; never an absolute path."""
        return _shown(entry, self._root, "")


Catalogue: TypeAlias = FolderCatalogue | CollectionCatalogue


def catalogue_of(
    index: VectorIndex | MilvusIndex, root: Path | None = None, former: Catalogue | None = None
) -> Catalogue:
    """Return the catalogue of an index.

    Parameters
    ----------
    index : VectorIndex or MilvusIndex
        One that was loaded from a folder gets its key there.
    root : path, optional
        Folder of sound files that requests may name.
    former : Catalogue, optional
        Catalogue of the index that this one replaces. Its key is stored, or else a new one, if the folder has none.

    Returns
    -------
    FolderCatalogue or CollectionCatalogue
    """
    if not isinstance(index, VectorIndex):
        return CollectionCatalogue(index, root)
    new = former.key if isinstance(former, FolderCatalogue) else secrets.token_bytes(_KEY_BYTES)
    return FolderCatalogue(index, root, new if index.directory is None else _key_in(index.directory, new))


def _key_in(directory: str, new: bytes) -> bytes:
    """Return the key of a folder, which is a new one if it has none."""
    path = Path(directory) / _KEY_FILE
    try:
        if len(key := contents(path)) == _KEY_BYTES:
            return key
    except FileNotFoundError:
        pass
    except OSError as error:
        log.warning("%s: cannot be read (%s): the ids of sounds change with each start", path, error.strerror)
        return new
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))  # the file that replaces it has its permissions
        with replacing(path) as temporary:
            temporary.write_bytes(new)
        return contents(path)  # that of the last one, if two servers start at once
    except OSError as error:
        log.warning(
            "%s: cannot be written (%s): the ids of sounds change with each start. Give the user of the server the "
            "right to write there, at least for one start",
            path,
            error.strerror,
        )
        return new


def _indexed_path(entry: Entry) -> str:
    """Return the absolute path under which a file was indexed; links are kept, since their targets have other names."""
    return absolute_path(entry.path)


def _common_folder(paths: list[str]) -> str:
    """Return the innermost folder of all paths; an empty text if it is the root, or there are none."""
    try:
        # All others begin with what the first and the last in alphabetical order have in common.
        common = os.path.commonpath([os.path.dirname(min(paths)), os.path.dirname(max(paths))])  # noqa: PTH120
    except ValueError:  # no paths, or on two drives of Windows
        return ""
    return "" if os.path.dirname(common) == common else common  # noqa: PTH120


def _shown(entry: Entry, root: Path | None, common: str) -> str:
    """Return the path of an entry relative to the root or the common folder; its last part if it is in neither."""
    if has_file(entry):
        path, requests = _indexed_path(entry), "" if root is None else os.fspath(root)
        for folder, name in ((requests, path), (requests, entry.real), (common, path)):
            start = folder.rstrip(os.sep) + os.sep
            if folder and name.startswith(start):
                return shown_name(name[len(start) :].replace(os.sep, "/"), folders=True)
    return shown_name(_last_part(entry.path))


def _last_part(name: str) -> str:
    """Return the last part of a path or an address, without what may follow a question mark there."""
    file = file_of(name)
    address = "://" in file
    return os.path.basename(file.partition("?")[0] if address else file) + name[len(file) :]  # noqa: PTH119
