"""Honest splits: stratified, and no group on both sides."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from mxnet_audio.errors import DatasetError

__all__ = ["split"]


def split(
    targets: np.ndarray, test_size: float, random_state: int, groups: Sequence[Hashable] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Divide clips into training and test, every class on both sides as far as groups allow.

    Parameters
    ----------
    targets : np.ndarray [shape=(n,)]
        Class indices.
    test_size : float in (0, 1)
        Share of each class to test on; at least one clip, and never all.
    random_state : int
        Seed.
    groups : sequence of hashable, optional
        Recording, artist or speaker of each clip: none is on both sides. The test side is then one of
        ``round(1 / test_size)`` equal parts, two at least, as nearly as whole groups allow.

    Returns
    -------
    train, test : np.ndarray
        Positions, ascending.

    Raises
    ------
    DatasetError
        If there is no such division.

    Examples
    --------
    >>> train, test = split(np.array([0, 0, 1, 1]), 0.5, random_state=0)
    >>> len(train), len(test)
    (2, 2)
    """
    if not 0 < test_size < 1:
        raise DatasetError(f"test_size is a share between 0 and 1, not {test_size}")
    positions = np.arange(len(targets))
    counts = Counter(targets.tolist())
    if groups is None:
        if min(counts.values()) < 2:
            single = sum(count < 2 for count in counts.values())
            raise DatasetError(
                f"{single} of {len(counts)} classes have one readable clip only: it cannot be trained on and tested "
                "on; add clips, or give validation_pairs"
            )
        # Class by class, since stratifying in one go may leave a small class out of the smaller side.
        parts = [
            train_test_split(
                positions[targets == target],
                test_size=min(max(round(test_size * count), 1), count - 1),
                random_state=random_state,
            )
            for target, count in sorted(counts.items())
        ]
        train, test = (np.sort(np.concatenate(side)) for side in zip(*parts))
        return train, test
    codes = np.unique([str(group) for group in groups], return_inverse=True)[1]
    folds = min(max(round(1 / test_size), 2), codes.max() + 1, max(counts.values()))
    if folds < 2:
        raise DatasetError("all clips are of one group: there is none left to test on")
    folder = StratifiedGroupKFold(folds, shuffle=True, random_state=random_state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes smaller than the number of folds
        divisions = [
            parts for parts in folder.split(positions, targets, codes) if len(set(targets[parts[0]])) == len(counts)
        ]
    if not divisions:
        raise DatasetError("a class whose clips are all of one group cannot be trained on and tested on")
    # Most classes to test on, then the nearest in size: a class of few groups is not in every fold, or makes it large.
    return min(
        divisions, key=lambda parts: (-len(set(targets[parts[1]])), abs(len(parts[1]) - test_size * len(targets)))
    )
