"""Files that are whole or not there: written beside their place, then renamed."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

__all__ = ["replacing", "write_json"]


@contextlib.contextmanager
def replacing(path: str | os.PathLike, sync: bool = True) -> Iterator[Path]:
    """Hand out a temporary path beside `path`, and move it there once the block ends without an error.

    A run that is killed leaves the old file as it was, and at most one ``.<name>.<unique>.tmp`` beside it.
    Concurrent writers of one path are safe: each has its own temporary file, and the last one wins.

    Parameters
    ----------
    path : str or os.PathLike
        The file to be.
    sync : bool
        Force it to the disk first: without that, a power cut after the rename may leave an empty file under
        the final name. It costs milliseconds.

    Yields
    ------
    Path
        Where to write.

    Examples
    --------
    >>> folder = getfixture('tmp_path')
    >>> with replacing(folder / 'a.txt') as temporary:
    ...     _ = temporary.write_text('whole')
    >>> [p.name for p in folder.iterdir()]
    ['a.txt']
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        if sync:
            with temporary.open("rb+") as file:  # Windows forces only what is open for writing
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | os.PathLike, document) -> None:
    """Write a document as strict, readable JSON in UTF-8, whole or not at all."""
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        # A file name that is not valid Unicode holds lone surrogates: as escapes they are JSON, and survive.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
