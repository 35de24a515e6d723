"""The user's own recordings, in class folders or in a table, as pairs of path and label."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from mxnet_audio.audio import AUDIO_SUFFIXES, find_audio
from mxnet_audio.audio.source import missing_reason
from mxnet_audio.checks import path_argument
from mxnet_audio.datasets.corpus import Clip
from mxnet_audio.datasets.splits import Folds, are_split_folders, is_split_name, of_folds
from mxnet_audio.datasets.tables import Missing, existing_rows, read_rows
from mxnet_audio.errors import DatasetError

__all__ = ["Listed", "clips", "csv", "folder", "list_folders"]

logger = logging.getLogger(__name__)


def folder(path: str | os.PathLike, *, folds: Folds | None = None) -> list[tuple[str, str]]:
    """List a folder of class folders; the label of a clip is the name of its class folder.

    Parameters
    ----------
    path : str or os.PathLike
        Class folders are searched to any depth, also those that are links. Hidden files and folders are ignored. The
        class folders may be in folders of splits (``train``, ``validation``, ``test``) or of folds (``fold1``,
        ``fold2``, …; or 1, 2, … with the same classes in all), or these in the class folders.
    folds : a fold or an iterable of folds, optional
        Splits or folds to list, such as "train" or [1, 2, 3]. By default all; splits give a warning.

    Returns
    -------
    list of (str, str)
        Path and label, sorted by class and path.

    Raises
    ------
    DatasetError
        If the folder is missing, or has no class folders, or none of these has sound files; if it is unclear whether
        folders are splits or classes; if links put one folder into two classes; or if there is no such fold. Class
        folders without sound files are skipped with a warning.
    ParameterError
        If `path` is no path, or `folds` no fold.

    See Also
    --------
    csv : pairs of a table

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     for name in ("train/dog/a.wav", "train/cat/b.ogg", "test/dog/c.wav", "test/cat/d.wav"):
    ...         Path(home, name).parent.mkdir(parents=True)
    ...         _ = Path(home, name).write_bytes(b"")
    ...     [label for _, label in folder(home, folds="train")]
    ['cat', 'dog']
    """
    return [(clip.path, clip.label) for clip in of_folds(_class_folders(path_argument("path", path)), folds, path)]


def _class_folders(path: Path) -> list[Clip]:
    """List the clips in class folders, with their split or fold."""
    if os.path.isfile(path):  # noqa: PTH113 - methods of Path raise OSError for names that are too long
        raise DatasetError("cannot be listed: it is a file, not a folder (datasets.csv reads tables)", path)
    files = list_folders(path, "class")
    if all(file.split is None and file.below and is_split_name(file.below[0]) for file in files):
        files = [file._replace(split=file.below[0]) for file in files]
    return [Clip(file.path, file.name, file.split, file.path) for file in files]


class Listed(NamedTuple):
    """Sound file in the folder of a class or speaker: name of that folder, those below, and the split if known."""

    name: str
    path: str
    below: tuple[str, ...]
    split: str | None = None


def list_folders(
    path: Path, kind: Literal["class", "speaker"], suffixes: Collection[str] = AUDIO_SUFFIXES
) -> list[Listed]:
    """List the sound files in the folders of classes or speakers, which may be in folders of splits.

    Parameters
    ----------
    path : Path
    kind : {'class', 'speaker'}
        Splits have common classes, but not always common speakers.
    suffixes : collection of str
        Suffixes of the files to list.

    Returns
    -------
    list of Listed
        Sorted by class or speaker, and path.

    Raises
    ------
    DatasetError
        If the folder is missing, or there are no folders in it, or no sound files in these; if it is unclear whether
        they are splits; or if links put one folder into two classes.
    """
    folders, loose = _list_folder(path)
    if not folders:
        raise DatasetError(f"there are no {kind} folders: put the clips of each {kind} in a folder of its own", path)
    endings = tuple(suffix.lower() for suffix in suffixes)
    found = [
        Listed(folder.name, file, Path(file).relative_to(folder).parts[:-1])
        for folder in folders
        for file in find_audio(folder)
        if file.lower().endswith(endings)
    ]
    if not found:
        wanted = "sound" if suffixes is AUDIO_SUFFIXES else " or ".join(sorted(endings))
        raise DatasetError(f"there are no {wanted} files in its {kind} folders", path)
    inner: dict[str, set[str]] = {file.name: set() for file in found}
    for file in found:
        inner[file.name].update(file.below[:1])
    outside = [file.name for file in loose if file.name.lower().endswith(endings)]
    if are_split_folders(path, inner, shared=kind == "class"):
        outside += [os.path.relpath(file.path, path) for file in found if not file.below]
        found = [Listed(file.below[0], file.path, file.below[1:], file.name) for file in found if file.below]
        found.sort()
    elif empty := [folder.name for folder in folders if folder.name not in inner]:
        logger.warning("%s: skipped %s folders without sound files: %s", path, kind, ", ".join(empty))
    if outside:
        logger.warning("%s: skipped files outside of %s folders: %s", path, kind, ", ".join(outside))
    _check_links(found, kind)
    return found


def _check_links(files: list[Listed], kind: str) -> None:
    """Raise DatasetError if links put one folder into two classes, such as a link to the folder above."""
    name_of: dict[str, str] = {}
    for folder, name in dict.fromkeys((os.path.dirname(file.path), file.name) for file in files):  # noqa: PTH120
        real = os.path.realpath(folder)
        if (first := name_of.setdefault(real, name)) != name:
            raise DatasetError(f"a link puts {real} into the {kind} folders {first} and {name}: remove it", folder)


def _list_folder(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the sorted folders and files in a folder, without hidden ones; raise DatasetError if that fails."""
    try:
        items = sorted(item for item in path.iterdir() if not item.name.startswith("."))
        return [item for item in items if item.is_dir()], [item for item in items if item.is_file()]
    except FileNotFoundError as error:
        raise DatasetError(missing_reason(path, "folder"), path) from error
    except OSError as error:
        raise DatasetError(f"cannot be listed: {error.strerror}", path) from error


def csv(
    path: str | os.PathLike,
    root: str | os.PathLike | None = None,
    *,
    missing: Missing = "keep",
    folds: Folds | None = None,
    columns: Mapping[str, str] | None = None,
    separator: str | None = None,
    label_separator: str | None = None,
) -> list[tuple[str, Any]]:
    """List the rows of a table of files and labels.

    Parameters
    ----------
    path : str or os.PathLike
        Table in UTF-8 (or UTF-16 with a byte order mark; other tables are read as cp1252, with a warning). The first
        row names the columns: ``path`` and ``label`` or, as in well-known corpora, ``filename`` and ``target``,
        ``fname``, ``slice_file_name``, ``class``, ``category`` and others, in upper or lower case. Other columns are
        ignored, and so are blanks around cells. Labels are strings. A file name may lack its suffix; ``ID`` is such a
        name.
    root : str or os.PathLike, optional
        Folder that relative paths start from; by default that of the table.
    missing : {'keep', 'skip', 'raise'}
        Treatment of rows whose file is missing: keep them, skip them with a warning, or raise DatasetError.
    folds : a fold or an iterable of folds, optional
        Splits or folds to list, by the column ``fold`` or ``split``. By default all; splits give a warning.
    columns : mapping of str to str, optional
        Names of the columns with ``path``, ``label``, ``fold`` (or ``split``) and ``group``, such as
        ``{"path": "recording", "label": "species"}``. Columns that are not chosen are detected.
    separator : str, optional
        Character between cells; by default a comma, a semicolon, a tab or ``|`` is detected.
    label_separator : str, optional
        Text between several labels in a cell, such as ``"|"`` in "dog|rain". Files can then have several labels, in
        one row or in several, or none (an empty cell): all labels are frozensets.

    Returns
    -------
    list of (str, str) or (str, frozenset of str)
        Path and label, in the order of the table.

    Raises
    ------
    DatasetError
        If the table cannot be read, is not a regular file, or has no rows; if a column is missing, or a row has no path
        or, without `label_separator`, no label; if files have several labels without it, or several columns of labels;
        if a file is in several folds or groups; if there is no such fold; if a file is missing, with 'raise', or all
        are, with 'skip'.
    ParameterError
        If `path` or `root` is no path, or another argument is wrong.

    See Also
    --------
    folder : pairs of class folders

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     _ = Path(home, "a.wav").write_bytes(b"")
    ...     _ = Path(home, "list.csv").write_text("filename;species\\na.wav;dog\\nb.wav;cat\\n")
    ...     [label for _, label in csv(Path(home, "list.csv"), columns={"label": "species"}, missing="skip")]
    ['dog']
    """
    listed = read_rows(path, root, columns=columns, separator=separator, label_separator=label_separator)
    rows, _ = existing_rows(of_folds(listed, folds, path), path, missing)
    return [(row.path, row.label) for row in rows]


def clips(
    path: str | os.PathLike,
    *,
    columns: Mapping[str, str] | None = None,
    separator: str | None = None,
    label_separator: str | None = None,
) -> list[Clip]:
    """List class folders or a table, with the fold and the group of each clip.

    Parameters
    ----------
    path : str or os.PathLike
        Folder (see `folder`) or table (see `csv`). A table may have the columns ``fold`` (or ``split``) and ``group``
        (recording, artist or speaker).
    columns, separator, label_separator : optional
        See `csv`; they have no effect on folders, whose files have one label each.

    Returns
    -------
    list of Clip
        ``(path, label, fold, group)``. The fold is the name of the split or fold, None if there is none; the group is
        the path if there is none.

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
    if os.path.isdir(path):  # noqa: PTH112
        return _class_folders(path)
    rows = read_rows(path, columns=columns, separator=separator, label_separator=label_separator)
    return [Clip(row.path, row.label, row.fold, row.group or row.path) for row in rows]
