"""Parquet files of results, one for each partition, each of which holds the list of the files that it is of.

A part is complete or missing, and a rerun reads from the footers what is done. Thus there is no further state that
could disagree with the results, and whoever deletes a part gets it computed again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mxnet_audio.audio import file_of
from mxnet_audio.cluster import storage
from mxnet_audio.cluster.partition import Partition, digest
from mxnet_audio.cluster.storage import RemoteFile
from mxnet_audio.cluster.urls import display_name, join
from mxnet_audio.errors import AudioDecodeError, AudioError
from mxnet_audio.parallel import map_ordered

__all__ = ["DoneFiles", "import_pyarrow", "is_part", "part_url", "write_part"]

KEY = b"mxnet_audio"  # of the description in the footer
READERS = 16  # threads that read footers, which takes a store tens of milliseconds each


def import_pyarrow() -> Any:
    """Import pyarrow with its reader of Parquet; AudioError if it is not installed."""
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError as error:
        raise AudioError(f"this needs pyarrow, which is not installed ({error}): pip install 'pyarrow<26'") from error
    return pa


def is_part(name: str) -> bool:
    """Return True for the name of a part."""
    return name.startswith("part-") and name.endswith(".parquet")


def part_url(output: str, partition: Partition) -> str:
    """Return the URL of the part of a partition."""
    return join(output, f"part-{partition.id}.parquet")


def write_part(
    url: str,
    schema: Any,
    rows: Iterable[Mapping[str, Any]],
    description: Mapping[str, Any],
    files: Sequence[RemoteFile],
) -> None:
    """Write the results of a partition, completely or not at all.

    Parameters
    ----------
    url : str
    schema : pyarrow.Schema
    rows : sequence of dict
        Values by column.
    description : dict
        Job and identity of the model, in JSON's types.
    files : sequence of RemoteFile
        Files that are done, also those without any row.
    """
    pa = import_pyarrow()
    names = [dict(row, path=_text(row["path"])) for row in rows]
    claims = [(display_name(file.url), file.stamp) for file in files]
    _write(url, pa.Table.from_pylist(names, schema), {**description, "files": claims})


def _write(url: str, table: Any, description: Mapping[str, Any]) -> None:
    pa = import_pyarrow()
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(table.replace_schema_metadata({KEY: json.dumps(description)}), sink)
    storage.write(url, sink.getvalue().to_pybytes())


def _text(path: str) -> str:
    """Return a name in which bytes that are not UTF-8 are escaped, since Parquet refuses them."""
    return path.encode("utf-8", "backslashreplace").decode()


def _read_description(url: str) -> dict[str, Any]:
    """Read the description in the footer of a part."""
    pa = import_pyarrow()
    with storage.open_file(url) as file:
        try:
            metadata = pa.parquet.read_metadata(file).metadata or {}
            description = json.loads(metadata[KEY])
            description["files"] = [(str(name), str(stamp)) for name, stamp in description["files"]]
            return description
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
            raise _unreadable(url, error) from error


def _unreadable(url: str, error: Exception) -> AudioError:
    cause = f"not a result of this toolkit, or cannot be read ({error})"
    return AudioError(f"{cause}: remove it if it is damaged, or choose another output", display_name(url))


class DoneFiles:
    """Files whose results an output holds, as sorted arrays of digests: 24 bytes for each file.

    Parameters
    ----------
    output : str
        Folder of the parts.
    description : dict
        Job and identity of the model, in JSON's types.

    Raises
    ------
    AudioError
        If a part cannot be read, or is of another job or model.
    """

    def __init__(self, output: str, description: Mapping[str, Any]):
        self.urls = [join(output, name) for name in storage.list_names(output) if is_part(name)]
        claims = [np.empty((0, 3), np.uint64)]
        for number, (url, found, error) in enumerate(map_ordered(_read_description, self.urls, workers=READERS)):
            if isinstance(error, AudioDecodeError):  # removed in the meantime, by another run
                continue
            if error is not None:
                raise error
            _check_same(url, found, description)
            rows = [(*_digests(name, stamp), number) for name, stamp in found["files"]]
            claims.append(np.array(rows, np.uint64).reshape(-1, 3))
        found = np.concatenate(claims)
        # Digests of names, digests of names with stamps, and the numbers of the parts, in the order of the second.
        self._names, self._files, self._parts = found[np.argsort(found[:, 1], kind="stable")].T
        self._known, counts = np.unique(self._names, return_counts=True)
        self._twice = set(self._known[counts > 1].tolist())
        self._current: dict[int, int] = {}  # of files whose former results are removed: names, names with stamps

    def is_done(self, file: RemoteFile) -> bool:
        """Return True if there are results of a file with this stamp."""
        name, key = _digests(display_name(file.url), file.stamp)
        row = int(np.searchsorted(self._files, np.uint64(key)))
        found = row < len(self._files) and int(self._files[row]) == key
        if found and name in self._twice:  # a run was killed before it had removed the former result
            self._current[name] = key
        return found

    def add(self, files: Iterable[RemoteFile]) -> None:
        """Note files that were done in this run, if the output holds results of former versions of them."""
        for name, key in (_digests(display_name(file.url), file.stamp) for file in files):
            row = int(np.searchsorted(self._known, np.uint64(name)))
            if row < len(self._known) and int(self._known[row]) == name:
                self._current[name] = key

    def remove_former(self) -> None:
        """Remove the results of former versions of files, and those that are there twice."""
        drop = np.zeros(len(self._files), bool)
        same_file, same_part = (values[1:] == values[:-1] for values in (self._files, self._parts))
        drop[1:] = same_file & ~same_part
        names = np.array(list(self._current), np.uint64)
        for row in np.flatnonzero(np.isin(self._names, names)).tolist():
            drop[row] |= self._current[int(self._names[row])] != int(self._files[row])
        for number in np.unique(self._parts[drop]).tolist():
            of_part = drop & (self._parts == number)
            with contextlib.suppress(AudioDecodeError):  # removed in the meantime, by another run
                _remove_files(self.urls[number], set(self._files[of_part].tolist()))


def _digests(name: str, stamp: str) -> tuple[int, int]:
    return digest(name), digest(name, stamp)


def _remove_files(url: str, files: set[int]) -> None:
    """Remove the rows of files, given the digests of their names with stamps, from a part."""
    pa = import_pyarrow()
    description = _read_description(url)
    kept = [claim for claim in description["files"] if digest(*claim) not in files]
    if not kept:
        storage.remove(url)
        return
    former = {_text(name) for name, _ in description["files"]} - {_text(name) for name, _ in kept}
    with storage.open_file(url) as file:
        try:
            table = pa.parquet.read_table(file)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(url, error) from error
    keep = [path not in former and file_of(path) not in former for path in table.column("path").to_pylist()]
    _write(url, table.filter(pa.array(keep)), {**description, "files": kept})


def _check_same(url: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise AudioError if a part is of another job or model."""
    for name in sorted({*expected, *found} - {"files", "version"}):
        if found.get(name) != expected.get(name):
            raise AudioError(
                f"holds results with {name} {found.get(name)!r}, not {expected.get(name)!r} as now: choose another "
                "output, or replace all of its results by --overwrite (in Python, resume=False)",
                display_name(url),
            )
