"""Lists of speaker verification trials, such as VoxCeleb's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from mxnet_audio.atomic import contents
from mxnet_audio.checks import user_path_argument
from mxnet_audio.errors import DatasetError

__all__ = ["Trial", "find_listed_files", "parse_trials", "read_fields", "read_trials"]


class Trial(NamedTuple):
    """Comparison of two recordings: the label is 1 for the same speaker and 0 for two speakers."""

    label: int
    first: str
    second: str


def read_trials(pairs_file: str | os.PathLike, root: str | os.PathLike | None = None) -> list[Trial]:
    """Read a list of trials and check that their files exist.

    Parameters
    ----------
    pairs_file : str or os.PathLike
        Lines of three fields separated by spaces: ``label path path``, as in VoxCeleb, or ``path path label``, all in
        the same order. If paths contain spaces, the fields are separated by tabs. The label is 1 for the same speaker
        and 0 for two speakers.
    root : str or os.PathLike, optional
        Folder that relative paths start from; by default that of the list.

    Returns
    -------
    list of Trial
        In the order of the list.

    Raises
    ------
    DatasetError
        If the list cannot be read or is empty; if a line does not have three fields or its label is not 0 or 1 (the
        line is named); or if files are missing (they are counted, and the first is named).

    See Also
    --------
    mxnet_audio.datasets.voxceleb.verification : VoxCeleb1's lists, for all layouts of its files

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as home:
    ...     for name in ("a.wav", "b.wav"):
    ...         _ = Path(home, name).write_bytes(b"")
    ...     _ = Path(home, "trials.txt").write_text("1 a.wav a.wav\\n0 a.wav b.wav\\n")
    ...     [trial.label for trial in read_trials(Path(home, "trials.txt"))]
    [1, 0]
    """
    table = user_path_argument("pairs_file", pairs_file)
    root = table.parent if root is None else user_path_argument("root", root)

    def find(name: str) -> str | None:
        path = str(root / name)
        return path if os.path.isfile(path) else None  # noqa: PTH113 - Path.is_file raises in closed folders

    trials, lines = parse_trials(table)
    paths = find_listed_files(lines, find, table, root)
    return [Trial(label, paths[first], paths[second]) for label, first, second in trials]


def parse_trials(pairs_file: str | os.PathLike) -> tuple[list[Trial], dict[str, int]]:
    """Read a list of trials without access to the files.

    Parameters
    ----------
    pairs_file
        See `read_trials`.

    Returns
    -------
    trials : list of Trial
        With the names of the list in place of paths.
    lines : dict of str to int
        Number of the first line of each name.

    Raises
    ------
    DatasetError
        See `read_trials`.

    Examples
    --------
    >>> path = getfixture('tmp_path') / "trials.txt"
    >>> _ = path.write_text("a.wav b.wav 0\\n")
    >>> parse_trials(path)
    ([Trial(label=0, first='a.wav', second='b.wav')], {'a.wav': 1, 'b.wav': 1})
    """
    rows = list(read_fields(pairs_file, 3, "a label and two paths"))
    # The order of the majority of the lines is that of the list; a line of the other order is an error.
    n_first, n_last = (sum(fields[column] in ("0", "1") for _, fields in rows) for column in (0, 2))
    label_first = n_first >= n_last
    trials: list[Trial] = []
    lines: dict[str, int] = {}
    for line, fields in rows:
        label, *names = fields if label_first else (fields[2], *fields[:2])
        if label not in ("0", "1"):
            position = ("first" if label_first else "last") if n_first or n_last else "first or the last"
            raise DatasetError(
                f"line {line}: the {position} field must be the label, 0 or 1, got {label!r}", pairs_file
            )
        trials.append(Trial(int(label), *names))
        for name in names:
            lines.setdefault(name, line)
    return trials, lines


def read_fields(path: str | os.PathLike, count: int, description: str) -> Iterator[tuple[int, list[str]]]:
    """Read lines with a fixed number of fields, separated by spaces, or by tabs if fields contain spaces.

    Parameters
    ----------
    path : str or os.PathLike
        Text file in UTF-8. Empty lines are ignored.
    count : int > 0
        Number of fields.
    description : str
        Description of the fields, for messages.

    Yields
    ------
    line : int
        Number of the line, from 1.
    fields : list of str

    Raises
    ------
    DatasetError
        If the file cannot be read or is empty, or a line has another number of fields.

    Examples
    --------
    >>> path = getfixture('tmp_path') / "split.txt"
    >>> _ = path.write_text("1 a.wav\\n\\n3 b.wav\\n")
    >>> list(read_fields(path, 2, "a number and a path"))
    [(1, ['1', 'a.wav']), (3, ['3', 'b.wav'])]
    """
    try:
        text = contents(path).decode("utf-8-sig")
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", path) from error
    except ValueError as error:
        raise DatasetError(f"is not text in UTF-8: {error}", path) from error
    if not text.strip():
        raise DatasetError("the list is empty", path)
    for line, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        fields = [field.strip() for field in row.split("\t")]
        if len(fields) != count or not all(fields):
            fields = row.split()
        if len(fields) != count:
            expected = f"expected {description}, separated by tabs if they contain spaces"
            raise DatasetError(f"line {line}: {expected}, got {len(fields)} fields", path)
        yield line, fields


def find_listed_files(
    lines: Mapping[str, int], find: Callable[[str], str | None], table: str | os.PathLike, root: str | os.PathLike
) -> dict[str, str]:
    """Find the files of a list.

    Parameters
    ----------
    lines : mapping of str to int
        The names, and the number of the first line of each.
    find : callable
        ``find(name)`` returns the path, or None if there is none.
    table, root : str or os.PathLike
        The list and the folder of its files, for messages.

    Returns
    -------
    dict of str to str
        Path of each name.

    Raises
    ------
    DatasetError
        If files are missing: they are counted, and the first is named.

    Examples
    --------
    >>> find_listed_files({"a.wav": 1}, {"a.wav": "/data/a.wav"}.get, "list.txt", "/data")
    {'a.wav': '/data/a.wav'}
    """
    paths: dict[str, str] = {}
    missing = []
    for name in lines:
        if (path := find(name)) is None:
            missing.append(name)
        else:
            paths[name] = path
    if missing:
        first = f"the first is {missing[0]} in line {lines[missing[0]]}"
        raise DatasetError(f"{len(missing)} of its {len(lines)} sounds are not in {os.fspath(root)}: {first}", table)
    return paths
