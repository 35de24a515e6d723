"""Files become entries of an index: which of them are new, what was skipped, and the journal meanwhile."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from mxnet_audio.audio import file_of
from mxnet_audio.audio.source import source_name
from mxnet_audio.errors import AudioError, ParameterError, SearchError
from mxnet_audio.search import VectorIndex
from mxnet_audio.search.entries import real_path

__all__ = ["IndexReport", "index_files", "path_text", "stamp"]

log = logging.getLogger(__name__)

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
    index: VectorIndex,
    model: Any,
    sources: Iterable[Any],
    channel: str | int,
    save_dir: str | os.PathLike | None,
    checkpoint_every: int,
    progress: bool,
) -> IndexReport:
    """Add sources with names to an index, and to the journal in `save_dir`; as `AudioSearch.index_many`."""
    distinct: dict[str, Any] = {}
    for source in sources:
        distinct.setdefault(real_path(source_name(source) or ""), source)
    stamps = {real: stamp(real, channel) for real in distinct}
    todo = {real: source for real, source in distinct.items() if _is_new(index, real, stamps[real])}
    report = IndexReport(unchanged=len(stamps) - len(todo))
    with contextlib.ExitStack() as stack:
        journal = None
        if save_dir is not None and todo:
            journal = stack.enter_context(index.journal(save_dir, checkpoint_every))
        bar = stack.enter_context(tqdm(total=len(todo), unit="file", disable=not progress))
        for (real, source), encoding in zip(todo.items(), model.encode_many(list(todo.values()))):
            bar.update()
            path, error = source_name(source) or "", encoding.error
            if error is None:
                try:
                    index.add(path, encoding.vector, stamps[real])
                except SearchError as refused:
                    error = refused
            if error is not None:
                log.warning("skipped %s", error)
                report.skipped.append((path, error))
                continue
            report.added += 1
            if journal is not None:
                index.record(journal, path)
    return report


def _is_new(index: VectorIndex, real: str, current: Any) -> bool:
    """Return True if a file must be read: it is not in the index, or has changed since."""
    return current is None or index.stamp(real) != current


def path_text(path: Any) -> str:
    """Return a path as text, in which bytes are the name of a file, and not its content."""
    if isinstance(path, str | bytes | os.PathLike):
        return os.fsdecode(path)
    raise ParameterError(f"path must be a path, got {path!r}")


def stamp(name: str, channel: str | int) -> tuple[int, ...] | None:
    """Return size and time of a file, and the channel if one was chosen; None if it is missing, as reading will say."""
    try:
        status = os.stat(file_of(name))  # noqa: PTH116 - names that are not UTF-8 are kept
    except (OSError, ValueError):
        return None
    chosen = () if channel in ("mix", "each") else (_CHANNELS.get(channel, channel),)
    return status.st_size, status.st_mtime_ns, *chosen
