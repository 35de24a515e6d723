"""Splits and samples of clips that have several labels each, or none."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from mxnet_audio.errors import DatasetError

__all__ = ["distribute", "rarest_label", "split_label_sets"]


def distribute(
    targets: np.ndarray, wanted: np.ndarray, random_state: int, groups: Sequence[Hashable] | None = None
) -> np.ndarray:
    """Distribute clips over parts, each with its share of the clips of every class (iterative stratification).

    Class by class, that with the fewest clips left first, each clip goes to the part that needs most clips of the class
    (K. Sechidis et al., "On the stratification of multi-label data", ECML PKDD 2011).

    Parameters
    ----------
    targets : np.ndarray [shape=(n, classes)]
        1 for each label of a clip, else 0.
    wanted : np.ndarray [shape=(parts, classes + 1)]
        Number of clips of each class in each part, and of all clips.
    random_state : int
        Seed of the order of the clips.
    groups : sequence of hashable, optional
        Recording, artist or speaker of each clip; the clips of a group go to the same part.

    Returns
    -------
    np.ndarray [shape=(n,)], int
        Part of each clip.

    Examples
    --------
    >>> targets = np.array([[1, 0], [1, 1], [0, 1], [1, 0], [0, 0], [0, 0]])
    >>> parts = distribute(targets, np.array([[1.5, 1, 3], [1.5, 1, 3]]), random_state=0)
    >>> np.bincount(parts), targets[parts == 0].sum(axis=0)[1]
    (array([3, 3]), 1)
    """
    number = {} if groups is None else {group: index for index, group in enumerate(dict.fromkeys(groups))}
    units = np.arange(len(targets)) if groups is None else np.array([number[group] for group in groups])
    counts = np.zeros((units.max() + 1, targets.shape[1] + 1))
    np.add.at(counts, units, np.column_stack([targets, np.ones(len(targets))]))
    order = np.random.default_rng(random_state).permutation(len(counts))
    part_of, left, wanted = np.full(len(counts), -1), counts.sum(axis=0), np.array(wanted, float)
    while left[-1]:
        column = np.argmin(np.where(left > 0, left, np.inf))  # the last one, all clips, has the most
        waiting = order[(part_of[order] < 0) & (counts[order, column] > 0)]
        for unit in waiting[np.argsort(-counts[waiting, column], kind="stable")]:  # large groups first
            part = np.lexsort((wanted[:, -1], wanted[:, column]))[-1]
            part_of[unit] = part
            wanted[part] -= counts[unit]
            left -= counts[unit]
    return part_of[units]


def split_label_sets(
    targets: np.ndarray, test_size: float, random_state: int, groups: Sequence[Hashable] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Split clips into a training and a test set, with every class in both as far as the clips and groups allow.

    Each class is in the training set. Parameters and returned values are those of `split`, with targets
    [shape=(n, classes)] that are 1 for each label of a clip, else 0.

    Raises
    ------
    DatasetError
        If no clip is left for the test set.
    """
    counts = np.append(targets.sum(axis=0), len(targets))
    test = np.minimum(np.maximum(np.round(test_size * counts), 1), np.maximum(counts - 1, 0))
    is_test = distribute(targets, np.stack([counts - test, test]), random_state, groups) == 1
    names = np.arange(len(targets)) if groups is None else np.array([str(group) for group in groups])
    for column in np.flatnonzero(targets.any(axis=0)):
        has_label = targets[:, column] > 0
        if is_test[has_label].all():  # the clips were drawn for other classes: one is taken back, with its group
            is_test[names == names[has_label][0]] = False
    if not is_test.any():
        raise DatasetError("no clips are left for the test set: add clips, or train on all clips (test_size=0)")
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)


def rarest_label(targets: np.ndarray) -> np.ndarray:
    """Return the class of each clip [shape=(n,)] that the fewest clips have; `classes` for one without labels.

    Examples
    --------
    >>> rarest_label(np.array([[1, 1], [1, 0], [0, 0]]))
    array([1, 0, 2])
    """
    rarity = np.where(targets > 0, targets.sum(axis=0), np.inf)
    return np.where(targets.any(axis=1), rarity.argmin(axis=1), targets.shape[1])
