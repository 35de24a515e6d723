"""Folds to cross-validate on, given or drawn, and what would make their figures untrue."""

from __future__ import annotations

import logging
import numbers
import warnings
from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from mxnet_audio.datasets.missing import is_missing
from mxnet_audio.errors import DatasetError

__all__ = ["assign_folds", "fold_order", "keep_apart"]

log = logging.getLogger(__name__)

Fold = int | str


def assign_folds(
    labels: Sequence[Hashable],
    folds: int | Sequence[Fold],
    groups: Sequence[Hashable] | None = None,
    random_state: int = 42,
) -> list[Fold]:
    """Say in which fold each clip is.

    Parameters
    ----------
    labels : sequence [n]
        Classes of the clips.
    folds : int >= 2 or sequence [n] of int or str
        Number of folds to draw, each with every class in proportion as far as groups allow; or the fold of each clip.
    groups : sequence [n], optional
        Recording, artist or speaker of each clip: none is in two folds.
    random_state : int
        Seed of the draw.

    Returns
    -------
    list [n] of int or str
        Those given, or 1 to `folds`.

    Raises
    ------
    DatasetError
        If lengths differ, there are fewer than two folds, a clip is in none, two share a group, or a class is in one
        fold only: with that held out, it could not be learned.

    Examples
    --------
    >>> sorted(zip(assign_folds(['cat', 'cat', 'dog', 'dog'], 2), ['cat', 'cat', 'dog', 'dog']))
    [(1, 'cat'), (1, 'dog'), (2, 'cat'), (2, 'dog')]
    >>> assign_folds(['cat', 'dog', 'cat', 'dog'], [1, 1, 2, 2], groups=['Ann', 'Ben', 'Ann', 'Cem'])
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.DatasetError: group 'Ann' is in folds 1 and 2: its clips would be trained on and measured on
    """
    if groups is not None:
        groups = list(groups)
        if len(groups) != len(labels):
            raise DatasetError(f"{len(groups)} groups for {len(labels)} clips: give one for each")
        if any(map(is_missing, groups)):
            raise DatasetError("the group is missing", f"row {next(i for i, g in enumerate(groups) if is_missing(g))}")
    if isinstance(folds, numbers.Integral):
        assigned = _draw(labels, int(folds), groups, random_state)
    else:
        assigned = _given(labels, folds)
    order = fold_order(assigned)
    if len(order) < 2:
        raise DatasetError(f"one fold only ({order[0]!r}): with that held out, there is nothing to train on")
    if groups is not None:
        keep_apart("group", groups, assigned)
    there = defaultdict(set)
    for label, fold in zip(labels, assigned):
        there[label].add(fold)
    for label, where in there.items():
        if len(where) == 1:
            [fold] = where
            raise DatasetError(f"class {label!r} is in fold {fold!r} only: with that held out, it cannot be learned")
    for fold in order:
        if absent := [str(label) for label, where in there.items() if fold not in where]:
            log.warning("fold %r has no clips of %s: they are not measured there", fold, ", ".join(absent))
    return assigned


def fold_order(folds: Sequence[Fold]) -> list[Fold]:
    """List the different folds, those with numbers for names in their order.

    Examples
    --------
    >>> fold_order(['10', '9', '9', 'test'])
    ['9', '10', 'test']
    """
    return sorted(set(folds), key=lambda fold: (0, int(fold), "") if str(fold).isdecimal() else (1, 0, str(fold)))


def keep_apart(what: str, keys: Sequence[Hashable], folds: Sequence[Fold]) -> None:
    """Refuse folds that share something; DatasetError names it and them."""
    first: dict[Hashable, Fold] = {}
    for key, fold in zip(keys, folds):
        if (other := first.setdefault(key, fold)) != fold:
            one, two = fold_order([other, fold])
            reason = f"{what} {key!r} is in folds {one} and {two}: its clips would be trained on and measured on"
            raise DatasetError(reason)


def _given(labels: Sequence[Hashable], folds: Sequence[Fold]) -> list[Fold]:
    given = list(folds)
    if len(given) != len(labels):
        raise DatasetError(f"{len(given)} folds for {len(labels)} clips: give one for each, or how many to draw")
    assigned = []
    for row, fold in enumerate(given):
        if is_missing(fold):
            raise DatasetError("the clip is in no fold", f"row {row}")
        if isinstance(fold, float) and fold.is_integer():  # a column of whole numbers that once had gaps
            fold = int(fold)
        assigned.append(fold.item() if isinstance(fold, np.generic) else fold)
    if not (
        all(isinstance(fold, str) for fold in assigned)
        or all(isinstance(fold, int) and not isinstance(fold, bool) for fold in assigned)
    ):
        kinds = ", ".join(sorted({type(fold).__name__ for fold in assigned}))
        raise DatasetError(f"folds are all int or all str, not {kinds}")
    return assigned


def _draw(labels: Sequence[Hashable], k: int, groups: Sequence[Hashable] | None, random_state: int) -> list[int]:
    if k < 2:
        raise DatasetError(f"folds are 2 or more, not {k}: with the only one held out, there is nothing to train on")
    targets = np.unique([str(label) for label in labels], return_inverse=True)[1]
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    # As numbers, in the order of their first clip: groups of several types cannot be sorted.
    numbers_of = {group: number for number, group in enumerate(dict.fromkeys(groups or ()))}
    codes = groups and [numbers_of[group] for group in groups]
    if groups is not None and len(numbers_of) < k:
        raise DatasetError(f"{k} folds of {len(numbers_of)} groups: a group is not divided, so ask for fewer")
    if k > (largest := int(np.bincount(targets).max())):
        raise DatasetError(f"{k} folds, but no class has more than {largest} clips: ask for fewer")
    assigned = [0] * len(targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes smaller than the number of folds: said by the caller
        parts = kind(k, shuffle=True, random_state=random_state).split(targets, targets, codes)
        for number, (_, held_out) in enumerate(parts, start=1):
            for position in held_out:
                assigned[position] = number
    return assigned
