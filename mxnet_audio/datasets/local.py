"""The user's own recordings, in class folders or in a table, as pairs of path and label."""

from __future__ import annotations

import csv as csv_module
import itertools
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from mxnet_audio.audio import AUDIO_SUFFIXES, find_audio
from mxnet_audio.audio.source import missing_reason
from mxnet_audio.checks import one_of, path_argument, whole_number
from mxnet_audio.datasets.corpus import Clip
from mxnet_audio.errors import DatasetError

__all__ = ["Row", "clips", "csv", "existing_rows", "folder", "list_folder", "read_rows"]

logger = logging.getLogger(__name__)

Missing = Literal["keep", "skip", "raise"]


class Row(NamedTuple):
    """Row of a table: path and label, the number of its line, and its fold and group (None if missing)."""

    path: str
    label: str
    line: int
    fold: str | None = None
    group: str | None = None


def folder(path: str | os.PathLike) -> list[tuple[str, str]]:
    """List a folder of class folders; the label of a clip is the name of its class folder.

    Parameters
    ----------
    path : str or os.PathLike
        Class folders are searched to any depth. Hidden files and folders are ignored.

    Returns
    -------
    list of (str, str)
        Path and label, sorted by class and path.

    Raises
    ------
    DatasetError
        If the folder is missing, or has no class folders, or none of these has sound files. Class folders without sound
        files are skipped with a warning.
    ParameterError
        If `path` is no path.

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
    path = path_argument("path", path)
    if path.is_file():
        raise DatasetError("cannot be listed: it is a file, not a folder (datasets.csv reads tables)", path)
    classes, files = list_folder(path)
    if not classes:
        raise DatasetError("there are no class folders: put the clips of each class in a folder of its own", path)
    found = {item: find_audio(item) for item in classes}
    if not any(found.values()):
        raise DatasetError("there are no sound files", path)
    if empty := [item.name for item, clips in found.items() if not clips]:
        logger.warning("%s: skipped class folders without sound files: %s", path, ", ".join(empty))
    if loose := [file.name for file in files if file.suffix.lower() in AUDIO_SUFFIXES]:
        logger.warning("%s: skipped files outside of class folders: %s", path, ", ".join(loose))
    return [(clip, item.name) for item, clips in found.items() for clip in clips]


def list_folder(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the sorted folders and files in a folder, without hidden ones; raise DatasetError if that fails."""
    try:
        items = sorted(item for item in path.iterdir() if not item.name.startswith("."))
        return [item for item in items if item.is_dir()], [item for item in items if item.is_file()]
    except FileNotFoundError as error:
        raise DatasetError(missing_reason(path, "folder"), path) from error
    except OSError as error:
        raise DatasetError(f"cannot be listed: {error.strerror}", path) from error


def csv(
    path: str | os.PathLike, root: str | os.PathLike | None = None, *, missing: Missing = "keep"
) -> list[tuple[str, str]]:
    """List the rows of a CSV table with the columns ``path`` and ``label``, or ``ID`` and ``Class``.

    Parameters
    ----------
    path : str or os.PathLike
        Comma-separated table in UTF-8; the first row names the columns. Other columns are ignored. Labels are strings.
        In a table whose first columns are ``ID,Class`` (MXNet's Urban Sounds), an ID is a file name without its audio
        suffix.
    root : str or os.PathLike, optional
        Folder that relative paths start from; by default that of the table.
    missing : {'keep', 'skip', 'raise'}
        Treatment of rows whose file is missing: keep them, skip them with a warning, or raise DatasetError.

    Returns
    -------
    list of (str, str)
        Path and label, in the order of the table.

    Raises
    ------
    DatasetError
        If the table cannot be read or has no rows, a column is missing, or a row has no path or no label; if a file is
        missing, with 'raise', or all are, with 'skip'.
    ParameterError
        If `path` or `root` is no path, or `missing` is unknown.

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
    rows, _ = existing_rows(read_rows(path, root), path, missing)
    return [(row.path, row.label) for row in rows]


def clips(path: str | os.PathLike) -> list[Clip]:
    """List class folders or a table, with the fold and the group of each clip.

    Parameters
    ----------
    path : str or os.PathLike
        Folder (see `folder`) or table (see `csv`). A table may have the columns ``fold`` and ``group`` (recording,
        artist or speaker).

    Returns
    -------
    list of Clip
        ``(path, label, fold, group)``. The fold is None if it is missing, and the group is the path.

    Raises
    ------
    DatasetError, ParameterError
        See `folder` and `csv`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     _ = Path(home, "list.csv").write_text("path,label,fold\\n/a.wav,dog,1\\n/b.wav,cat,2\\n")
    ...     clips(Path(home, "list.csv"))[0]
    Clip(path='/a.wav', label='dog', fold='1', group='/a.wav')
    """
    path = path_argument("path", path)
    if path.is_dir():
        return [Clip(clip, label, None, clip) for clip, label in folder(path)]
    return [Clip(row.path, row.label, row.fold, row.group or row.path) for row in read_rows(path)]


def read_rows(
    path: str | os.PathLike,
    root: str | os.PathLike | None = None,
    *,
    skip_rows: int = 0,
    suffix: str = "",
    require_header: bool = True,
) -> list[Row]:
    """Read a table of files and labels.

    Parameters
    ----------
    path, root
        See `csv`.
    skip_rows : int >= 0
        Number of lines to skip at the beginning.
    suffix : str
        Suffix of the file names; it is added to names without it.
    require_header : bool
        If False, the first row may be data: it is a header if it has a column ``path`` or ``label`` or begins with
        ``ID,Class``, and its first cell is not an existing file. Without a header, the first column holds the files and
        the second the labels.

    Returns
    -------
    list of Row

    Raises
    ------
    DatasetError
        See `csv`; or several files have the same ID.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     _ = Path(home, "train.csv").write_text("ID,Class\\n17,siren\\n")
    ...     [row] = read_rows(Path(home, "train.csv"), "audio")
    >>> row
    Row(path='audio/17.wav', label='siren', line=2, fold=None, group=None)
    """
    path = path_argument("path", path)
    root = path.parent if root is None else path_argument("root", "." if root == "" else root)
    rows, skip_rows = [], whole_number("skip_rows", skip_rows, 0)
    locate = _suffix_locator(root, suffix)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for _ in range(skip_rows):
                if not file.readline():  # the end of the table
                    break
            table = csv_module.reader(file, strict=True)
            first = next(table, [])
            if not any(first) and require_header:
                raise DatasetError("is empty or has no header: the first row must name path and label", path)
            has_ids = [name.strip().lower() for name in first[:2]] == ["id", "class"]
            is_header = has_ids or not {"path", "label"}.isdisjoint(first)
            if require_header or (is_header and not os.path.isfile(locate(first[0]))):  # noqa: PTH113 - as below
                columns = _columns(first, path, has_ids)
                if has_ids and not suffix:
                    locate = _id_locator(root)
                body: Iterable[list[str]] = table
            else:
                columns, body = (0, 1, None, None), itertools.chain([first], table)
            for cells in filter(None, body):
                line = skip_rows + table.line_num
                name, label, fold, group = (
                    cells[column] if column is not None and column < len(cells) else "" for column in columns
                )
                label = label.strip()
                if not name.strip() or not label:
                    raise DatasetError(f"line {line}: the path or the label is empty", path)
                rows.append(Row(locate(name), label, line, fold.strip() or None, group.strip() or None))
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", path) from error
    except (UnicodeDecodeError, ValueError, csv_module.Error) as error:
        raise DatasetError(f"is not a CSV table in UTF-8: {error}", path) from error
    if not rows:
        raise DatasetError("the table has no rows", path)
    return rows


def existing_rows(
    rows: Sequence[Row], table: str | os.PathLike, missing: Missing
) -> tuple[list[Row], list[tuple[str, DatasetError]]]:
    """Check which files of a table exist.

    Parameters
    ----------
    rows : sequence of Row
    table : str or os.PathLike
        File of the table, for messages.
    missing : {'keep', 'skip', 'raise'}
        See `csv`.

    Returns
    -------
    rows : list of Row
        Rows whose file exists; all rows, with 'keep'.
    skipped : list of (str, DatasetError)
        Path and error of the other rows; the errors are logged.

    Raises
    ------
    DatasetError, ParameterError
        See `csv`.
    """
    one_of("missing", missing, get_args(Missing))
    if missing == "keep":
        return list(rows), []
    existing, skipped = [], []
    for row in rows:
        if os.path.isfile(row.path):  # noqa: PTH113 - Path.is_file raises if the folder may not be entered
            existing.append(row)
        else:
            skipped.append((row.path, DatasetError(f"no such file (line {row.line} of {table})", row.path)))
    if skipped and missing == "raise":
        raise skipped[0][1]
    if not existing:
        raise DatasetError(f"none of its files exists, such as {skipped[0][0]} in line {rows[0].line}", table)
    for _, error in skipped:
        logger.warning("skipped %s", error)
    return existing, skipped


def _columns(names: Sequence[str], path: Path, has_ids: bool) -> tuple[int, int, int | None, int | None]:
    """Return the indices of the columns of path, label, fold and group; the last two are None if missing."""
    fold, group = (names.index(name) if name in names else None for name in ("fold", "group"))
    if has_ids:
        return 0, 1, fold, group
    if missing := [name for name in ("path", "label") if name not in names]:
        raise DatasetError(
            f"no column {' and no column '.join(missing)} among {', '.join(names)}: the first row must name path "
            "and label, separated by commas",
            path,
        )
    return names.index("path"), names.index("label"), fold, group


def _suffix_locator(root: Path, suffix: str) -> Callable[[str], str]:
    """Return a function that makes a path of a name, with the suffix added if it is missing."""
    return lambda name: str(root / (name if name.lower().endswith(suffix.lower()) else name + suffix))


def _id_locator(root: Path) -> Callable[[str], str]:
    """Return a function that makes a path of an ID, with the suffix of the existing file, ``.wav`` if there is none."""
    suffixes: dict[Path, dict[str, list[str]]] = {}  # by folder and stem

    def locate(name: str) -> str:
        path = root / name
        if path.suffix.lower() in AUDIO_SUFFIXES:
            return str(path)
        if path.parent not in suffixes:
            suffixes[path.parent] = {}
            for file in sorted(path.parent.iterdir()) if path.parent.is_dir() else ():
                if file.suffix.lower() in AUDIO_SUFFIXES:
                    suffixes[path.parent].setdefault(file.stem, []).append(file.suffix)
        matches = suffixes[path.parent].get(path.name, [".wav"])
        if len(matches) > 1:
            raise DatasetError(f"several files have this ID ({', '.join(matches)}): list names with suffixes", path)
        return f"{path}{matches[0]}"

    return locate
