"""Folds for cross-validation, given or drawn, and checks that their results are not biased."""

from __future__ import annotations

import logging
import warnings
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from mxnet_audio.checks import iterable_argument
from mxnet_audio.datasets.missing import is_missing
from mxnet_audio.errors import DatasetError, ParameterError
from mxnet_audio.metrics.multilabel import label_matrix
from mxnet_audio.training.label_sets import distribute

__all__ = ["assign_folds", "check_disjoint", "fold_order"]

log = logging.getLogger(__name__)

Fold = int | str


def assign_folds(
    labels: Sequence[Hashable],
    folds: int | Sequence[Fold],
    groups: Sequence[Hashable] | None = None,
    random_state: int = 42,
) -> list[Fold]:
    """Return the fold of each clip.

    Parameters
    ----------
    labels : sequence [n]
        Classes of the clips; frozensets of them if clips can have several.
    folds : int >= 2 or sequence [n] of int or str
        Number of folds to draw, stratified as far as groups allow; or the fold of each clip.
    groups : sequence [n], optional
        Recording, artist or speaker of each clip; all clips of a group must be in the same fold.
    random_state : int
        Seed of the draw.

    Returns
    -------
    list [n] of int or str
        The given folds, or numbers from 1 to `folds`.

    Raises
    ------
    ParameterError
        If the number of folds is below 2, or `folds` or `groups` is of another type.
    DatasetError
        If lengths differ, there is one fold only, a clip has no fold, two folds share a group, or a class is in one
        fold only, so that it could not be learned when that fold is held out, or no clip of a fold has a label.

    Examples
    --------
    >>> sorted(zip(assign_folds(['cat', 'cat', 'dog', 'dog'], 2), ['cat', 'cat', 'dog', 'dog']))
    [(1, 'cat'), (1, 'dog'), (2, 'cat'), (2, 'dog')]
    >>> assign_folds(['cat', 'dog', 'cat', 'dog'], [1, 1, 2, 2], groups=['Ann', 'Ben', 'Ann', 'Cem'])
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.DatasetError: group 'Ann' is in folds 1 and 2, so that it would be both trained and tested on
    """
    if groups is not None:
        groups = list(iterable_argument("groups", groups))
        if len(groups) != len(labels):
            raise DatasetError(f"{len(groups)} groups for {len(labels)} clips: pass one for each clip")
        if any(map(is_missing, groups)):
            raise DatasetError("the group is missing", f"row {next(i for i, g in enumerate(groups) if is_missing(g))}")
    if isinstance(folds, int | np.integer):
        assigned = _draw(labels, int(folds), groups, random_state)
    else:
        assigned = _checked(labels, iterable_argument("folds", folds, "folds, or their number"))
    order = fold_order(assigned)
    if len(order) < 2:
        raise DatasetError(f"there is one fold only ({order[0]!r}), so that no clips are left to train on")
    if groups is not None:
        check_disjoint("group", groups, assigned)
    measured = {fold for label, fold in zip(labels, assigned) if label != frozenset()}
    if empty := [fold for fold in order if fold not in measured]:
        raise DatasetError(f"no clip of fold {empty[0]!r} has a label, so that nothing can be measured there")
    folds_of_class = defaultdict(set)
    for label, fold in zip(labels, assigned):
        for one in _labels_of(label):
            folds_of_class[one].add(fold)
    for label, found in folds_of_class.items():
        if len(found) == 1:
            [fold] = found
            raise DatasetError(f"class {label!r} is in fold {fold!r} only, and cannot be learned without that fold")
    for fold in order:
        if missing := [str(label) for label, found in folds_of_class.items() if fold not in found]:
            log.warning("fold %r has no clips of %s: they are not tested there", fold, ", ".join(missing))
    return assigned


def fold_order(folds: Sequence[Fold]) -> list[Fold]:
    """List the distinct folds: numbers and names that are numbers first, in numerical order.

    Examples
    --------
    >>> fold_order(['10', '9', '9', 'test'])
    ['9', '10', 'test']
    """
    return sorted(set(folds), key=lambda fold: (0, int(fold), "") if str(fold).isdecimal() else (1, 0, str(fold)))


def check_disjoint(kind: str, keys: Sequence[Hashable], folds: Sequence[Fold]) -> None:
    """Raise DatasetError if two folds share a key, such as a group or a file."""
    fold_of: dict[Hashable, Fold] = {}
    for key, fold in zip(keys, folds):
        if (other := fold_of.setdefault(key, fold)) != fold:
            one, two = fold_order([other, fold])
            reason = f"{kind} {key!r} is in folds {one} and {two}, so that it would be both trained and tested on"
            raise DatasetError(reason)


def _checked(labels: Sequence[Hashable], folds: Sequence[Fold]) -> list[Fold]:
    """Return given folds as Python's int or str, all of one type."""
    given: list[Any] = list(folds)
    if len(given) != len(labels):
        raise DatasetError(f"{len(given)} folds for {len(labels)} clips: pass one for each clip, or a number of folds")
    assigned = []
    for row, fold in enumerate(given):
        if is_missing(fold):
            raise DatasetError("the clip is in no fold", f"row {row}")
        if isinstance(fold, float) and fold.is_integer():  # from a column of whole numbers that had gaps
            fold = int(fold)
        assigned.append(fold.item() if isinstance(fold, np.generic) else fold)
    if not (
        all(isinstance(fold, str) for fold in assigned)
        or all(isinstance(fold, int) and not isinstance(fold, bool) for fold in assigned)
    ):
        kinds = ", ".join(sorted({type(fold).__name__ for fold in assigned}))
        raise DatasetError(f"folds must be all int or all str, got {kinds}")
    return assigned


def _draw(labels: Sequence[Hashable], k: int, groups: Sequence[Hashable] | None, random_state: int) -> list[Fold]:
    if k < 2:
        raise ParameterError(f"folds must be >= 2, got {k}")
    # Groups as numbers, in the order of their first clip, since groups of several types cannot be sorted.
    group_index = {group: index for index, group in enumerate(dict.fromkeys(groups or ()))}
    group_indices = groups and [group_index[group] for group in groups]
    if groups is not None and len(group_index) < k:
        raise DatasetError(f"{k} folds, but there are only {len(group_index)} groups: use fewer folds")
    counts = Counter(one for label in labels for one in _labels_of(label))
    if k > (largest := max(counts.values(), default=0)):
        raise DatasetError(f"{k} folds, but no class has more than {largest} clips: use fewer folds")
    if any(isinstance(label, frozenset) for label in labels):
        matrix = label_matrix([_labels_of(label) for label in labels], sorted(counts, key=str))
        wanted = np.append(matrix.sum(axis=0), len(matrix)) / k
        return (1 + distribute(matrix, np.tile(wanted, (k, 1)), random_state, group_indices)).tolist()
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    targets = np.unique([str(label) for label in labels], return_inverse=True)[1]
    splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
    assigned: list[Fold] = [0] * len(targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes smaller than the number of folds, which are logged
        parts = splitter(k, shuffle=True, random_state=random_state).split(targets, targets, group_indices)
        for fold, (_, held_out) in enumerate(parts, start=1):
            for index in held_out:
                assigned[index] = fold
    return assigned


def _labels_of(label: Hashable) -> tuple[Hashable, ...]:
    """Return the labels of a clip, in an order that does not depend on the process."""
    return tuple(sorted(label, key=str)) if isinstance(label, frozenset) else (label,)
