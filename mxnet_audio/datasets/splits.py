"""Splits and folds that the names of folders and the cells of a table declare."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Protocol, TypeVar

from mxnet_audio.checks import iterable_argument
from mxnet_audio.errors import DatasetError, ParameterError

__all__ = [
    "SPLITS",
    "Folds",
    "are_split_folders",
    "by_split",
    "canonical_fold",
    "is_split_name",
    "of_folds",
    "requested_folds",
]

logger = logging.getLogger(__name__)

Folds = int | str | Iterable[int | str]

#: Names of the splits, in lower case; the first is the one that others are compared by.
SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "development"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SPLIT_OF_NAME = {name: split for split, names in SPLITS.items() for name in names}
_FOLD = re.compile(r"(fold[ _-]?)?0*([0-9]+)(\.0)?")  # programs write 1 as 1.0 where rows have no fold


class _InFold(Protocol):
    @property
    def fold(self) -> int | str | None: ...


Item = TypeVar("Item", bound=_InFold)


def canonical_fold(fold: int | str) -> str:
    """Return the name that equal folds share: a key of `SPLITS`, the number of a fold, or the fold itself.

    Examples
    --------
    >>> [canonical_fold(fold) for fold in ("Val", "testing", "fold_01", 3, "3.0", "Berlin")]
    ['validation', 'test', '1', '3', '3', 'Berlin']
    """
    name = str(fold).strip().lower()
    if match := _FOLD.fullmatch(name):
        return match[2]
    return _SPLIT_OF_NAME.get(name, str(fold).strip())


def is_split_name(name: str) -> bool:
    """Return True for names of splits and of folds ("fold3"), but not for numbers."""
    match = _FOLD.fullmatch(name.lower())
    return name.lower() in _SPLIT_OF_NAME or bool(match and match[1])


def requested_folds(folds: Folds) -> dict[str, int | str]:
    """Return the folds of an argument by their canonical names; raise ParameterError if there are none."""
    several = [folds] if isinstance(folds, str | Real) else list(iterable_argument("folds", folds, "folds"))
    if not several:
        raise ParameterError("folds must be one fold or more, got none; None is all")
    return {canonical_fold(fold): fold for fold in several}


def by_split(items: Iterable[Item]) -> dict[str, list[Item]]:
    """Return the items of each split that occurs, in the order of `SPLITS`; items of no split are left out."""
    parts: dict[str, list[Item]] = {split: [] for split in SPLITS}
    for item in items:
        if item.fold is not None and (split := canonical_fold(item.fold)) in parts:
            parts[split].append(item)
    return {split: members for split, members in parts.items() if members}


def of_folds(items: Sequence[Item], folds: Folds | None, source: str | os.PathLike) -> list[Item]:
    """Return the items of some folds.

    Parameters
    ----------
    items : sequence
        Clips or rows with an attribute ``fold``.
    folds : a fold or an iterable of folds, optional
        Folds to return; names of one split are equal ("val" and "validation"), and so are "fold1", "1" and 1. By
        default all; then a warning says if several splits are listed together.
    source : str or os.PathLike
        Folder or table, for messages.

    Raises
    ------
    DatasetError
        If no item is in a fold.
    ParameterError
        If `folds` is not a fold or folds, or is empty.
    """
    if folds is None:
        if len(parts := by_split(items)) > 1:
            counts = ", ".join(f"{split} ({len(members)} clips)" for split, members in parts.items())
            logger.warning("%s: lists the splits together: %s; folds= chooses some of them", source, counts)
        return list(items)
    requested = requested_folds(folds)
    names = {canonical_fold(item.fold): item.fold for item in items if item.fold is not None}
    for fold in requested.keys() - names.keys():
        known = f"there are {', '.join(sorted(map(str, names.values())))}" if names else "there are no folds"
        raise DatasetError(f"no clip is in fold {requested[fold]!r}: {known}", source)
    return [item for item in items if item.fold is not None and canonical_fold(item.fold) in requested]


def are_split_folders(root: Path, contents: Mapping[str, set[str]], shared: bool = True) -> bool:
    """Return True if the folders in a folder are splits or folds, and not classes or speakers.

    Parameters
    ----------
    root : Path
        The folder, for messages.
    contents : mapping of str to set of str
        Name of each folder in it, and the names of the folders with sound files in that one; none if sound files are
        in it.
    shared : bool
        True if splits must have common folders, as they do if these are classes; False for speakers. Then numbers can
        be folds, too: 1, 2, … with the same folders in all.

    Raises
    ------
    DatasetError
        If some of the folders are splits and others are not, or have other contents.

    Examples
    --------
    >>> are_split_folders(Path("songs"), {"train": {"jazz", "rock"}, "test": {"jazz", "rock"}})
    True
    >>> are_split_folders(Path("vehicles"), {"train": set(), "bus": set()})
    False
    """
    inner = list(contents.values())
    if shared and set(contents) == {str(number) for number in range(1, len(contents) + 1)}:
        if len(contents) > 1 and len(inner[0]) > 1 and all(names == inner[0] for names in inner):
            logger.warning("%s: the folders 1 to %d are folds, as they hold the same folders", root, len(contents))
            return True
        return False
    splits = set(filter(is_split_name, contents))
    common = set.intersection(*(contents[name] for name in splits)) if splits else set()
    others = sorted(contents.keys() - splits)
    if others:
        if len(splits) > 1 and common:
            raise DatasetError(
                f"the folders {', '.join(sorted(splits))} hold the same folders, like splits, but there are others: "
                f"{', '.join(others)}; list one split, or move the others",
                root,
            )
        return False
    if flat := sorted(name for name in splits if not contents[name]):
        raise DatasetError(
            f"its folders {', '.join(sorted(splits))} are named like splits, but there are no folders in "
            f"{', '.join(flat)}: put the clips of each class in a folder of its own, or list them in a table",
            root,
        )
    if shared and not common:
        raise DatasetError(
            f"its folders {', '.join(sorted(splits))} are named like splits, but share no class folder", root
        )
    return True
