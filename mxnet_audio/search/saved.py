"""State of a saved index: read it while others write, and know it again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from mxnet_audio.errors import SearchError
from mxnet_audio.search import store
from mxnet_audio.search.contents import Contents
from mxnet_audio.search.entries import real_path
from mxnet_audio.search.journal import journal_length

__all__ = ["Saved", "read"]

_ATTEMPTS = 5


@dataclass(frozen=True)
class Saved:
    """State of an index in a directory.

    Attributes
    ----------
    directory : str
        Real path.
    manifest : dict
        Manifest, which is never changed.
    journal_length : int [bytes]
    """

    directory: str
    manifest: dict[str, Any]
    journal_length: int

    @classmethod
    def now(cls, directory: str | os.PathLike) -> Saved:
        """Read the present state; SearchError as `store.read_manifest`."""
        manifest = store.read_manifest(directory)
        length = journal_length(store.generation_folder(directory, manifest["generation"]))
        return cls(real_path(directory), manifest, length)

    @property
    def version(self) -> tuple[str, int]:
        """Generation and length of the journal, which change with the entries and their vectors."""
        return self.manifest["generation"], self.journal_length

    @property
    def header(self) -> dict[str, Any]:
        """The fields `model_id`, `model` and `notes`."""
        return {name: self.manifest[name] for name in ("model_id", "model", "notes")}


def read(directory: str | os.PathLike) -> tuple[Contents, Saved]:
    """Read an index; one that another process replaces meanwhile is read again.

    Raises
    ------
    SearchError
        If the index is missing, damaged or of a newer format.
    """
    for _ in range(_ATTEMPTS):
        manifest = store.read_manifest(directory)
        try:
            found = _read(directory, manifest)
        except SearchError:
            if store.read_manifest(directory)["generation"] == manifest["generation"]:
                raise
        else:
            if store.generation_folder(directory, manifest["generation"]).exists():
                return found
    with store.locked(directory):  # others write faster than this process reads
        return _read(directory, store.read_manifest(directory))


def _read(directory: str | os.PathLike, manifest: dict[str, Any]) -> tuple[Contents, Saved]:
    contents, length = Contents.read(store.verify(directory, manifest), manifest)
    return contents, Saved(real_path(directory), manifest, length)
