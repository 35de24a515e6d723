"""The user's own recordings as pairs of path and label."""

from __future__ import annotations

import csv as tables
import itertools
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from mxnet_audio.audio import AUDIO_SUFFIXES, find_audio
from mxnet_audio.datasets.corpus import Clip
from mxnet_audio.errors import DatasetError

__all__ = ["Row", "clips", "csv", "folder", "present", "read_rows"]

logger = logging.getLogger(__name__)


class Row(NamedTuple):
    """A row of a table: path and label, the line that it is in, fold and group if it has them."""

    path: str
    label: str
    line: int
    fold: str | None = None
    group: str | None = None


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


def csv(
    path: str | os.PathLike,
    root: str | os.PathLike | None = None,
    *,
    missing: Literal["keep", "skip", "raise"] = "keep",
) -> list[tuple[str, str]]:
    """List the rows of a CSV table with the columns ``path`` and ``label``.

    Parameters
    ----------
    path : str or os.PathLike
        UTF-8, comma-separated, the first row naming the columns. Others than the two are ignored. Labels are strings.
    root : str or os.PathLike, optional
        What relative paths start from; by default the table's own folder.
    missing : {'keep', 'skip', 'raise'}
        What becomes of a row whose file is not there: it is kept, and whoever reads it names it; it is left
        out, with a warning; or it is an error.

    Returns
    -------
    list of (str, str)
        Path and label, in the order of the table.

    Raises
    ------
    DatasetError
        If the table cannot be read, a column is missing, there are no rows, or a row has no path or no label; if a
        file is not there, with 'raise', or none is, with 'skip'.

    See Also
    --------
    folder : pairs of class folders

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     _ = Path(home, "a.wav").write_bytes(b"")
    ...     _ = Path(home, "list.csv").write_text("path,label\\na.wav,dog\\nb.wav,cat\\n")
    ...     [label for _, label in csv(Path(home, "list.csv"), missing="skip")]
    ['dog']
    """
    rows, _ = present(read_rows(path, root), path, missing)
    return [(row.path, row.label) for row in rows]


def clips(path: str | os.PathLike) -> list[Clip]:
    """List a folder of class folders, or a table, with the fold and the group of each clip.

    Parameters
    ----------
    path : str or os.PathLike
        As for `folder`, or for `csv`. Of a table, the columns ``fold`` and ``group`` (recording, artist or speaker)
        are read too, where there are such.

    Returns
    -------
    list of Clip
        ``(path, label, fold, group)``. Without a fold it is None; a clip of no group is one by itself, and named by
        its path.

    Raises
    ------
    DatasetError
        As `folder` and `csv`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     _ = Path(home, "list.csv").write_text("path,label,fold\\n/a.wav,dog,1\\n/b.wav,cat,2\\n")
    ...     clips(Path(home, "list.csv"))[0]
    Clip(path='/a.wav', label='dog', fold='1', group='/a.wav')
    """
    if Path(path).is_dir():
        return [Clip(clip, label, None, clip) for clip, label in folder(path)]
    return [Clip(row.path, row.label, row.fold, row.group or row.path) for row in read_rows(path)]


def read_rows(
    path: str | os.PathLike,
    root: str | os.PathLike | None = None,
    *,
    skip_rows: int = 0,
    suffix: str = "",
    named: bool = True,
) -> list[Row]:
    """Read a table of files and labels.

    Parameters
    ----------
    path, root
        As for `csv`.
    skip_rows : int >= 0
        Lines to leave out at the beginning.
    suffix : str
        Added to file names that do not end in it.
    named : bool
        The first row must name the columns ``path`` and ``label``. If False, it may: it is no header if it has
        neither of these words, or if its first cell is a file that is there, such as a clip with the label
        ``label``. Then the first column holds the files, the second the labels.

    Returns
    -------
    list of Row

    Raises
    ------
    DatasetError
        As `csv`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     _ = Path(home, "train.csv").write_text("ID,Class\\n17,siren\\n")
    ...     [row] = read_rows(Path(home, "train.csv"), "audio", skip_rows=1, suffix=".wav", named=False)
    >>> row
    Row(path='audio/17.wav', label='siren', line=2, fold=None, group=None)
    """
    path = Path(path)
    root = path.parent if root is None else Path(root)
    rows = []

    def place(name: str) -> str:
        return str(root / (name if name.lower().endswith(suffix.lower()) else name + suffix))

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for _ in range(skip_rows):
                file.readline()
            table = tables.reader(file, strict=True)
            first = next(table, [])
            words = not {"path", "label"}.isdisjoint(first)
            if named or (words and not os.path.isfile(place(first[0]))):  # noqa: PTH113 - as below
                at, body = _columns(first, path), table
            else:
                at, body = (0, 1, None, None), itertools.chain([first], table)
            for cells in filter(None, body):
                line = skip_rows + table.line_num
                name, label, fold, group = (
                    cells[column] if column is not None and column < len(cells) else "" for column in at
                )
                label = label.strip()
                if not name.strip() or not label:
                    raise DatasetError(f"line {line}: the path or the label is empty", path)
                rows.append(Row(place(name), label, line, fold.strip() or None, group.strip() or None))
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", path) from error
    except (UnicodeDecodeError, ValueError, tables.Error) as error:
        raise DatasetError(f"is not a CSV table in UTF-8: {error}", path) from error
    if not rows:
        raise DatasetError("the table has no rows", path)
    return rows


def present(
    rows: Sequence[Row], table: str | os.PathLike, missing: Literal["keep", "skip", "raise"]
) -> tuple[list[Row], list[tuple[str, DatasetError]]]:
    """Look for the files of a table.

    Parameters
    ----------
    rows : sequence of Row
    table : str or os.PathLike
        Where they are from.
    missing : {'keep', 'skip', 'raise'}
        As for `csv`.

    Returns
    -------
    rows : list of Row
        Those to use.
    skipped : list of (str, DatasetError)
        Path of those left out, and why. They are logged.

    Raises
    ------
    DatasetError
        As `csv`.
    """
    if missing not in ("keep", "skip", "raise"):
        raise DatasetError(f"missing is 'keep', 'skip' or 'raise', not {missing!r}")
    if missing == "keep":
        return list(rows), []
    here, skipped = [], []
    for row in rows:
        if os.path.isfile(row.path):  # noqa: PTH113 - Path.is_file raises where a folder may not be entered
            here.append(row)
        else:
            skipped.append((row.path, DatasetError(f"no such file (line {row.line} of {table})", row.path)))
    if skipped and missing == "raise":
        raise skipped[0][1]
    if not here:
        raise DatasetError(f"none of its files is there, such as {skipped[0][0]} in line {rows[0].line}", table)
    for _, error in skipped:
        logger.warning("left out: %s", error)
    return here, skipped


def _columns(names: Sequence[str], path: Path) -> tuple[int, int, int | None, int | None]:
    """Where the header has path and label, and fold and group, which may not be there."""
    if absent := [name for name in ("path", "label") if name not in names]:
        raise DatasetError(
            f"no column {' and no column '.join(absent)} among {', '.join(names)}: the first row must name "
            "path and label, with commas between",
            path,
        )
    fold, group = (names.index(name) if name in names else None for name in ("fold", "group"))
    return names.index("path"), names.index("label"), fold, group
