"""Atomic writes: a file is replaced completely or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["replacing", "write_json"]


@contextlib.contextmanager
def replacing(path: str | os.PathLike, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path in the same folder, and rename it to `path` if the block ends without an error.

    A killed run leaves the old file unchanged, and at most one ``.<name>.<unique>.tmp`` beside it. Several writers of
    one path are safe: each has its own temporary file, and the last one wins.

    Parameters
    ----------
    path : str or os.PathLike
        File to write.
    sync : bool
        True forces the content to the disk before the rename, which takes milliseconds. Without it, a power failure
        after the rename may leave an empty file.

    Yields
    ------
    Path
        Temporary path to write to.

    Examples
    --------
    >>> folder = getfixture('tmp_path')
    >>> with replacing(folder / 'a.txt') as temporary:
    ...     _ = temporary.write_text('complete')
    >>> [p.name for p in folder.iterdir()]
    ['a.txt']
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        if sync:
            with temporary.open("rb+") as file:  # Windows syncs only files that are open for writing
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | os.PathLike, document: Any) -> None:
    """Write a document atomically as strict, readable JSON in UTF-8.

    Parameters
    ----------
    path : str or os.PathLike
        File to write.
    document : object
        Anything that `json.dumps` takes; NaN and infinity raise ValueError.
    """
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        # A file name that is not valid Unicode contains lone surrogates: as escapes they are valid JSON.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
