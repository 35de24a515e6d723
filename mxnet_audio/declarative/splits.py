"""Splits of the rows of a table into training, validation and test rows."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mxnet_audio.checks import nearest
from mxnet_audio.datasets.splits import SPLITS
from mxnet_audio.declarative.label_encodings import CategoryEncoding
from mxnet_audio.declarative.sounds import FilledSounds
from mxnet_audio.declarative.table import Table
from mxnet_audio.errors import DatasetError

if TYPE_CHECKING:
    from mxnet_audio.declarative.config import RunConfig

__all__ = ["Split", "split_rows"]

PARTS = tuple(SPLITS)  # train, validation, test


class Split(NamedTuple):
    """Numbers of the rows of each part, ascending."""

    train: list[int]
    validation: list[int]
    test: list[int]


def split_rows(config: RunConfig, table: Table, rows: Sequence[int] | None = None) -> Split:
    """Split the rows of a table as ``preprocessing.split`` and ``random_seed`` say.

    Rows with the same sound, in any of the audio columns, stay together; by type ``groups``, rows of one group, too.

    Parameters
    ----------
    config : RunConfig
    table : Table
    rows : sequence of int, optional
        Rows to split; by default all. See `complete_rows`.

    Returns
    -------
    Split

    Raises
    ------
    DatasetError
        If a column is missing, or has a missing or unknown value; if a part would be empty, or a class too small for
        it; if a fixed split puts a group or a sound on two sides; or if a class is in no training row.

    Examples
    --------
    >>> from mxnet_audio.declarative import RunConfig, read_table
    >>> table = read_table({"clip": ["a.wav", "b.wav"], "y": [1.5, 2.5], "side": ["train", "test"]})
    >>> config = RunConfig(input_features=[{"name": "clip", "type": "audio"}], trainer={"early_stop": 0},
    ...                    output_features=[{"name": "y", "type": "number"}],
    ...                    preprocessing={"split": {"type": "fixed", "column": "side"}})
    >>> split_rows(config, table)
    Split(train=[0], validation=[], test=[1])
    """
    split = config.preprocessing.split
    chosen = np.arange(len(table)) if rows is None else np.asarray(rows, int)
    group_column = split.column if split.type == "groups" else getattr(split, "groups", None)
    sounds = [FilledSounds(feature, table) for feature in config.input_features if feature.type == "audio"]
    links = [[[key for column in sounds if (key := column.key(row)) is not None] for row in chosen]]
    if group_column is not None:
        links.append([[group] for group in _cells(table, group_column, chosen)])
    if split.type == "fixed":
        part_of = _fixed(table, split.column, chosen)
        filled = np.any([column.filled[chosen] for column in sounds], axis=0) if sounds else np.zeros(len(chosen), bool)
        _check_links(table, chosen, links, part_of, filled)
    else:
        strata = ["the table"] * len(chosen)
        if split.type == "stratify":
            cells = _cells(table, split.column, chosen)
            strata = [f"class {cell!r} of column {split.column!r}" for cell in cells]
        rng = np.random.default_rng(config.random_seed)
        try:
            part_of = _drawn(_connected(links), strata, np.array(split.probabilities), rng)
        except DatasetError as error:
            raise DatasetError(error.reason, table.path) from None
    parts = Split(*(chosen[part_of == part].tolist() for part in range(len(PARTS))))
    _check_parts(parts, config, table)
    _check_classes(parts, config, table)
    return parts


def _cells(table: Table, name: str, rows: np.ndarray) -> list[Hashable]:
    """Return the values of a column in some rows; raise DatasetError if one is missing."""
    column = table.column(name)
    for row in rows:
        if column[row] is None:
            raise DatasetError(f"{table.row_name(row)}: the value of column {name!r} is missing", table.path)
    return [value if isinstance(value, Hashable) else str(value) for value in (column[row] for row in rows)]


def _connected(links: list[list[list[Hashable]]]) -> np.ndarray:
    """Number the units of rows [shape=(n,)] that must stay together, since they share a sound or a group."""
    n = len(links[0])
    numbers: dict[tuple[int, Hashable], int] = {}
    pairs: list[tuple[int, int]] = []
    for kind, keys_of in enumerate(links):
        for row, keys in enumerate(keys_of):
            pairs += [(row, n + numbers.setdefault((kind, key), len(numbers))) for key in keys]
    size = n + len(numbers)
    ends = np.array(pairs, int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(pairs), bool), (ends[0], ends[1])), shape=(size, size))
    return connected_components(graph, directed=False)[1][:n]


def _drawn(unit_of: np.ndarray, strata: Sequence[str], shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the part of each row [shape=(n,)]: units of rows stay together, and each stratum has the same shares."""
    units, first, numbers, sizes = np.unique(unit_of, return_index=True, return_inverse=True, return_counts=True)
    members: dict[str, list[int]] = {}
    for unit, row in enumerate(first):
        members.setdefault(strata[row], []).append(unit)
    part_of_unit = np.zeros(len(units), int)
    for stratum, some in sorted(members.items()):
        part_of_unit[some] = _assigned(stratum, sizes[some], shares, rng)
    return part_of_unit[numbers]


def _assigned(stratum: str, sizes: np.ndarray, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the part of each unit [shape=(n,)]: the largest first, each to the part that lacks the most rows."""
    total, needed = int(sizes.sum()), np.count_nonzero(shares)
    if len(sizes) < needed:
        rows = f"{total} row{'s' if total > 1 else ''}"
        linked = f" in {len(sizes)} groups of rows that share a sound or a group" if len(sizes) < total else ""
        mend = "add rows, set a probability to 0, or give split: {type: fixed}"
        raise DatasetError(f"{stratum[:200]} has only {rows}{linked}, and {needed} parts need some: {mend}")
    lacking = total * shares
    lacking[1:] = np.where(shares[1:] > 0, np.maximum(lacking[1:], 1), -np.inf)  # small classes are in all parts
    lacking[0] = total - lacking[1:][shares[1:] > 0].sum()
    order = rng.permutation(len(sizes))
    part_of = np.zeros(len(sizes), int)
    empty = {part for part, share in enumerate(shares) if share}
    for rank, unit in enumerate(order[np.argsort(-sizes[order], kind="stable")]):
        possible = sorted(empty) if len(order) - rank <= len(empty) else range(len(shares))
        part = max(possible, key=lambda part: lacking[part])
        part_of[unit] = part
        lacking[part] -= sizes[unit]
        empty.discard(part)
    return part_of


def _fixed(table: Table, column: str, rows: np.ndarray) -> np.ndarray:
    """Read the part of each row [shape=(n,)] from a column."""
    numbers = {name: part for part, names in enumerate(SPLITS.values()) for name in (*names, str(part), f"{part}.0")}
    part_of = np.zeros(len(rows), int)
    for index, (row, cell) in enumerate(zip(rows, _cells(table, column, rows))):
        part = numbers.get(str(cell).strip().lower())
        if part is None:
            mend = nearest(str(cell).strip(), list(numbers))
            if re.fullmatch(r"\s*\d+(\.0)?\s*", str(cell)[:100]):
                mend = (
                    f"; for numbers of folds, give split: {{type: groups, column: {column}}}, which keeps folds whole"
                )
            raise DatasetError(
                f"{table.row_name(row)}: column {column!r} must be 0 (train), 1 (validation) or 2 (test), or these "
                f"names, got {reprlib.repr(cell)}{mend}",
                table.path,
            )
        part_of[index] = part
    return part_of


def _check_links(
    table: Table, rows: np.ndarray, links: list[list[list[Hashable]]], part_of: np.ndarray, filled: np.ndarray
) -> None:
    """Raise DatasetError if a sound, or a group, is in two parts; `filled` rows have the sound of another row."""
    for kind, keys_of in zip(("sound", "group"), links):
        first: dict[Hashable, int] = {}
        for index, keys in enumerate(keys_of):
            for key in keys:
                other = first.setdefault(key, index)
                if part_of[other] == part_of[index]:
                    continue
                name = "a sound" if kind == "sound" and "\0" in str(key) else f"{kind} {key!r}"  # or a digest
                found = f"{PARTS[part_of[other]]} ({table.row_name(rows[other])})"
                again = f"{PARTS[part_of[index]]} ({table.row_name(rows[index])})"
                mend = "put all its rows into one part"
                if kind == "sound" and (filled[other] or filled[index]):
                    row = table.row_name(rows[other if filled[other] else index])
                    mend = (
                        f"{row} has no sound, and missing_value_strategy gives it that of another row; "
                        "drop_row leaves such rows out"
                    )
                raise DatasetError(f"{name} is in two parts, {found} and {again}: {mend}", table.path)


def _check_parts(parts: Split, config: RunConfig, table: Table) -> None:
    """Raise DatasetError if a fixed split has no training rows, or no validation rows that the training stops by."""
    needed = ("train", "validation") if config.trainer.early_stop > 0 else ("train",)
    for name, rows in zip(PARTS, parts):
        if not rows and name in needed and config.preprocessing.split.type == "fixed":
            column = config.preprocessing.split.column
            mend = f"write {PARTS.index(name)} or {name!r} into column {column!r} of some rows"
            other = " (or train without them, by trainer.early_stop: -1)" if name == "validation" else ""
            raise DatasetError(f"no row is in the {name} part: {mend}{other}", table.path)


def _check_classes(parts: Split, config: RunConfig, table: Table) -> None:
    """Raise DatasetError if a class of an output is in no training row."""
    for feature in config.output_features:
        if feature.type != "category":
            continue
        labels, lowercase = table.column(feature.column), feature.preprocessing.lowercase
        train = (labels[row] for row in parts.train)
        known = CategoryEncoding.fit((label for label in train if label is not None), lowercase=lowercase)
        for name, rows in zip(PARTS[1:], parts[1:]):
            label = next((labels[row] for row in rows if labels[row] is not None and not known.has(labels[row])), None)
            if label is None:
                continue
            count = labels.count(label)
            found = f"class {reprlib.repr(label)} of column {feature.column!r} ({count} row{'s' if count > 1 else ''})"
            mend = f"add rows, or give split: {{type: stratify, column: {feature.column}}}"
            raise DatasetError(f"{found} is in the {name} part, and in no training row: {mend}", table.path)
