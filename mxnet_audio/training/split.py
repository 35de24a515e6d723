"""Stratified splits that keep groups together."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Hashable, Sequence
from numbers import Real

import numpy as np

from mxnet_audio.errors import DatasetError, ParameterError
from mxnet_audio.training.label_sets import split_label_sets

__all__ = ["check_test_size", "split"]


def check_test_size(test_size: float, *, allow_zero: bool = False) -> None:
    """Raise ParameterError unless a share of a test set is above 0 and below 1, or 0 where that is allowed."""
    if not isinstance(test_size, Real) or not (0 < test_size < 1 or (allow_zero and test_size == 0)):
        raise ParameterError(f"test_size must be {'>=' if allow_zero else '>'} 0 and < 1, got {test_size!r}")


def split(
    targets: np.ndarray,
    test_size: float,
    random_state: int,
    groups: Sequence[Hashable] | None = None,
    labels: Sequence[Hashable] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Split clips into a training and a test set, with every class in both as far as groups allow.

    Parameters
    ----------
    targets : np.ndarray [shape=(n,) or (n, classes)]
        Class indices; or, if clips have several labels, 1 for each label, else 0: see `split_label_sets`.
    test_size : float in (0, 1)
        Share of each class in the test set; at least one clip, and never all.
    random_state : int
        Seed.
    groups : sequence of hashable, optional
        Recording, artist or speaker of each clip; all clips of a group go to the same set. The test set is then one of
        ``round(1 / test_size)`` parts, at least two, as equal as whole groups allow.
    labels : sequence of hashable, optional
        Names of the classes, for messages; their indices by default.

    Returns
    -------
    train, test : np.ndarray
        Indices of the clips, ascending.

    Raises
    ------
    ParameterError
        If `test_size` is out of range.
    DatasetError
        If there is no such split.

    Examples
    --------
    >>> train, test = split(np.array([0, 0, 1, 1]), 0.5, random_state=0)
    >>> len(train), len(test)
    (2, 2)
    """
    check_test_size(test_size)
    if targets.ndim == 2:
        return split_label_sets(targets, test_size, random_state, groups)
    from sklearn.model_selection import StratifiedGroupKFold, train_test_split  # 0.4 s, which predictions do not need

    indices = np.arange(len(targets))
    counts = Counter(targets.tolist())
    if groups is None:
        if single := [target if labels is None else labels[target] for target in sorted(counts) if counts[target] < 2]:
            shown = ", ".join(map(repr, single[:10])) + (f" and {len(single) - 10} more" if len(single) > 10 else "")
            has = f"class {shown} has" if len(single) == 1 else f"{len(single)} classes ({shown}) have"
            raise DatasetError(
                f"{has} only one readable clip, and each class needs one to train on and one to test on: add clips, "
                "pass validation_pairs, or train on all clips (test_size=0)"
            )
        # Class by class, since stratifying all at once may leave a small class out of the smaller set.
        parts = [
            train_test_split(
                indices[targets == target],
                test_size=min(max(round(test_size * count), 1), count - 1),
                random_state=random_state,
            )
            for target, count in sorted(counts.items())
        ]
        train, test = (np.sort(np.concatenate(side)) for side in zip(*parts))
        return train, test
    group_indices = np.unique([str(group) for group in groups], return_inverse=True)[1]
    folds = min(max(round(1 / test_size), 2), group_indices.max() + 1, max(counts.values()))
    if folds < 2:
        raise DatasetError("all clips are of one group, so that none are left for the test set")
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=random_state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes smaller than the number of folds
        splits = [
            sides
            for sides in splitter.split(indices, targets, group_indices)
            if len(set(targets[sides[0]])) == len(counts)
        ]
    if not splits:
        raise DatasetError("a class whose clips are all of one group cannot be in both training and test set")
    # The most classes in the test set, then the closest size: a class of few groups is missing in some folds, or makes
    # its fold large.
    return min(splits, key=lambda sides: (-len(set(targets[sides[1]])), abs(len(sides[1]) - test_size * len(targets))))
