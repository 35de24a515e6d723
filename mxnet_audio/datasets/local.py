"""The user's own recordings as pairs of path and label."""

from __future__ import annotations

import csv as tables
import logging
import os
from pathlib import Path

from mxnet_audio.audio import AUDIO_SUFFIXES, find_audio
from mxnet_audio.errors import DatasetError

__all__ = ["csv", "folder"]

logger = logging.getLogger(__name__)


def folder(path: str | os.PathLike) -> list[tuple[str, str]]:
    """List a folder of class folders: a clip's label is the name of the class folder that it is in.

    Parameters
    ----------
    path : str or os.PathLike
        Class folders are searched to any depth. Hidden files and folders are left out.

    Returns
    -------
    list of (str, str)
        Path and label, sorted by class and path.

    Raises
    ------
    DatasetError
        If there is no such folder, no class folder in it, or no sound in any. One without sound is left out and logged.

    See Also
    --------
    csv : pairs of a table

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     for name in ("dog/a.wav", "cat/b.ogg"):
    ...         Path(home, name).parent.mkdir()
    ...         _ = Path(home, name).write_bytes(b"")
    ...     [label for _, label in folder(home)]
    ['cat', 'dog']
    """
    path = Path(path)
    try:
        inside = sorted(item for item in path.iterdir() if not item.name.startswith("."))
    except OSError as error:
        raise DatasetError(f"cannot be listed: {error.strerror}", path) from error
    classes = [item for item in inside if item.is_dir()]
    if not classes:
        raise DatasetError("holds no class folders: put the clips of each class in a folder of its own", path)
    found = {item: find_audio(item) for item in classes}
    if not any(found.values()):
        raise DatasetError("holds no sound files", path)
    if empty := [item.name for item, clips in found.items() if not clips]:
        logger.warning("%s: class folders without sound files are left out: %s", path, ", ".join(empty))
    if loose := [item for item in inside if item.is_file() and item.suffix.lower() in AUDIO_SUFFIXES]:
        logger.warning(
            "%s: left out, as they are in no class folder: %s", path, ", ".join(sorted(f.name for f in loose))
        )
    return [(clip, item.name) for item, clips in found.items() for clip in clips]


def csv(path: str | os.PathLike, root: str | os.PathLike | None = None) -> list[tuple[str, str]]:
    """List the rows of a CSV table with the columns ``path`` and ``label``.

    Parameters
    ----------
    path : str or os.PathLike
        UTF-8, comma-separated, the first row naming the columns. Others than the two are ignored. Labels are strings.
    root : str or os.PathLike, optional
        What relative paths start from; by default the table's own folder.

    Returns
    -------
    list of (str, str)
        Path and label, in the order of the table. Files are not looked for: whoever reads them names those missing.

    Raises
    ------
    DatasetError
        If the table cannot be read, a column is missing, there are no rows, or a row has no path or no label.

    See Also
    --------
    folder : pairs of class folders

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     _ = Path(home, "a.wav").write_bytes(b"")
    ...     _ = Path(home, "list.csv").write_text("path,label\\na.wav,dog\\n")
    ...     [label for _, label in csv(Path(home, "list.csv"))]
    ['dog']
    """
    path = Path(path)
    root = path.parent if root is None else Path(root)
    pairs = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = tables.DictReader(file, strict=True)
            columns = table.fieldnames or ()
            if absent := [name for name in ("path", "label") if name not in columns]:
                raise DatasetError(
                    f"no column {' and no column '.join(absent)} among {', '.join(columns)}: the first row must name "
                    "path and label, with commas between",
                    path,
                )
            for row in table:
                if not row["path"] or not row["label"]:
                    raise DatasetError(f"line {table.line_num}: the path or the label is empty", path)
                pairs.append((str(root / row["path"]), row["label"]))
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", path) from error
    except (UnicodeDecodeError, ValueError, tables.Error) as error:
        raise DatasetError(f"is not a CSV table in UTF-8: {error}", path) from error
    if not pairs:
        raise DatasetError("the table has no rows", path)
    return pairs
