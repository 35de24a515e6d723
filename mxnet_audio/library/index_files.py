"""Files become entries of an index: which of them are new, and what was skipped."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from mxnet_audio.audio import file_of
from mxnet_audio.audio.source import source_name
from mxnet_audio.errors import AudioError, ParameterError, SearchError
from mxnet_audio.library.indexes import Index, Stamp, Write
from mxnet_audio.search.entries import real_path
from mxnet_audio.search.vectors import check_vectors

__all__ = ["IndexReport", "index_files", "path_text", "stamp"]

log = logging.getLogger(__name__)

STAMPS_AT_ONCE = 1000  # files whose stamps are asked of a server in one call
_CHANNELS: dict[str | int, int] = {"left": 0, "right": 1}


@dataclass
class IndexReport:
    """Result of :meth:`AudioSearch.index_many`; each distinct file is counted once.

    Attributes
    ----------
    added : int
        Files that were indexed, also those indexed again because they had changed.
    unchanged : int
        Files that were in the index already, with the same size and time.
    skipped : list of (str, AudioError)
        Files that cannot be used, and the reasons.
    """

    added: int = 0
    unchanged: int = 0
    skipped: list[tuple[str, AudioError]] = field(default_factory=list)


def index_files(
    index: Index,
    model: Any,
    sources: Iterable[Any],
    channel: str | int,
    writer: AbstractContextManager[Write],
    progress: bool,
) -> IndexReport:
    """Add sources with names to an index by a writer, which is opened if there are new ones; as `index_many`."""
    distinct: dict[str, Any] = {}
    for source in sources:
        distinct.setdefault(real_path(source_name(source) or ""), source)
    todo = _new_files(index, list(distinct), channel)
    report = IndexReport(unchanged=len(distinct) - len(todo))
    with contextlib.ExitStack() as stack:
        write = stack.enter_context(writer) if todo else None
        bar = stack.enter_context(tqdm(total=len(todo), unit="file", disable=not progress))
        for (real, current), encoding in zip(todo.items(), model.encode_many([distinct[real] for real in todo])):
            bar.update()
            path, error = source_name(distinct[real]) or "", encoding.error
            if error is None:
                try:
                    check_vectors(encoding.vector, index.dim, index.metric, path)
                except SearchError as refused:
                    error = refused
            if error is not None:
                log.warning("skipped %s", error)
                report.skipped.append((path, error))
                continue
            assert write is not None
            write(path, encoding.vector, current)
            report.added += 1
    return report


def _new_files(index: Index, reals: list[str], channel: str | int) -> dict[str, Stamp]:
    """Return the stamps of the files that must be read, by real path: they are not in the index, or have changed."""
    new = {}
    for start in range(0, len(reals), STAMPS_AT_ONCE):
        part = reals[start : start + STAMPS_AT_ONCE]
        known = index.lookup(part)
        for real in part:
            current = stamp(real, channel)
            if current is None or real not in known or known[real].stamp != current:
                new[real] = current
    return new


def path_text(path: Any) -> str:
    """Return a path as text, in which bytes are the name of a file, and not its content."""
    if isinstance(path, str | bytes | os.PathLike):
        return os.fsdecode(path)
    raise ParameterError(f"path must be a path, got {path!r}")


def stamp(name: str, channel: str | int) -> Stamp:
    """Return size and time of a file, and the channel if one was chosen; None if it is missing, as reading will say."""
    try:
        status = os.stat(file_of(name))  # noqa: PTH116 - names that are not UTF-8 are kept
    except (OSError, ValueError):
        return None
    chosen = () if channel in ("mix", "each") else (_CHANNELS.get(channel, channel),)
    return status.st_size, status.st_mtime_ns, *chosen
