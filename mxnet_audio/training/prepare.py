"""From labelled files to what the fit loop wants: usable clips, class order, an honest split, the corpus' moments."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from mxnet_audio.audio import typical_length
from mxnet_audio.data import batches, map_ordered
from mxnet_audio.errors import AudioError, DatasetError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models import MINIMUM
from mxnet_audio.training.loop import Clips
from mxnet_audio.training.split import Label, class_order, split, to_targets

__all__ = ["Pairs", "Prepared", "checked_pairs", "prepare", "usual_shape"]

log = logging.getLogger(__name__)

LONGEST = 1366  # frames

Pair = tuple[str, Label]
Pairs = Iterable[tuple[str | os.PathLike, Label]]
Read = Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Prepared:
    """Clips that a network can train on.

    Parameters
    ----------
    labels : list of int or str
        Classes, in the order in which scores stand for them.
    train, test : list of (path, label)
        Usable clips to train on, and to measure on.
    mean, std : float
        Of the features of the training clips.
    skipped : list of (path, AudioError)
        Files that cannot be used.
    read : callable
        Path to features.
    """

    labels: list[Label]
    train: list[Pair]
    test: list[Pair]
    mean: float
    std: float
    skipped: list[tuple[str, AudioError]]
    read: Read

    def clips(self, pairs: list[Pair], batch_size: int) -> Clips:
        """Make clips readable in batches."""
        paths = np.array([path for path, _ in pairs], dtype=object)
        targets = to_targets([label for _, label in pairs], self.labels)
        return Clips(len(pairs), lambda order: batches(self.read, paths[order], targets[order], batch_size))

    def digests(self) -> dict[str, str]:
        """What a checkpoint remembers of the clips, to know them again."""
        sides = {"training clips": self.train, "test clips": self.test}
        return {side: hashlib.sha256(json.dumps(pairs).encode()).hexdigest()[:16] for side, pairs in sides.items()}


def checked_pairs(pairs: Pairs) -> list[Pair]:
    """Pairs as a list with paths as strings and labels as Python's own.

    Raises
    ------
    DatasetError
        If there are none, or something in them is not a pair of path and label.
    """
    checked = []
    for pair in pairs:
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2 and isinstance(pair[0], (str, os.PathLike))):
            raise DatasetError(f"each clip is a pair (path, label), not {pair!r}")
        path, label = pair
        checked.append((os.fspath(path), label.item() if isinstance(label, np.generic) else label))
    if not checked:
        raise DatasetError("no clips: give pairs of path and label")
    return checked


def usual_shape(paths: Sequence[str]) -> tuple[int, int, int]:
    """An `input_shape` as long as a typical clip: within what networks take, and 29.12 s, their default, at most.

    Examples
    --------
    >>> usual_shape(['missing.wav'])
    (1, 96, 1366)
    """
    config = AudioFeatureConfig()
    seconds = typical_length(paths)
    frames = LONGEST if seconds is None else min(max(config.frames_in(seconds), MINIMUM), LONGEST)
    return 1, config.n_mels, frames


def prepare(
    pairs: Pairs,
    read: Read,
    *,
    nb_classes: int | None,
    test_size: float,
    random_state: int,
    validation_pairs: Pairs | None = None,
    groups: Sequence[Hashable] | None = None,
    show: bool = True,
) -> Prepared:
    """Check labels, read every file once, leave out what cannot be used, and split the rest.

    Parameters
    ----------
    pairs : iterable of (path, label)
        Clips.
    read : callable
        Path to features [shape=(n_mels, frames)]; raises AudioError for a file that cannot be used.
    nb_classes : int or None
        See `class_order`.
    test_size, random_state, groups
        See `split`.
    validation_pairs : iterable of (path, label), optional
        Clips to measure on, in place of a share of `pairs`; not with `groups`.
    show : bool
        Whether to show a progress bar.

    Raises
    ------
    DatasetError
        If the labels or the split do not work out, or no file can be used.
    """
    pairs = checked_pairs(pairs)
    held_out = None if validation_pairs is None else checked_pairs(validation_pairs)
    if groups is not None:
        groups = list(groups)
        if held_out is not None:
            raise DatasetError("give groups or validation_pairs, not both: groups say how to split, and nothing is")
        if len(groups) != len(pairs):
            raise DatasetError(f"{len(groups)} groups for {len(pairs)} clips: give one for each")
    if held_out is None:
        counts = Counter(os.path.realpath(path) for path, _ in pairs)
        if (most := counts.most_common(1)[0])[1] > 1:
            raise DatasetError("is listed more than once: a split could put it on both sides", most[0])
    labels = class_order([label for _, label in pairs], nb_classes)
    skipped: list[tuple[str, AudioError]] = []
    kept, moments = _readable(read, [path for path, _ in pairs], skipped, show)
    pairs = [pairs[i] for i in kept]
    if held_out is None:
        targets = to_targets([label for _, label in pairs], labels)
        train, test = split(targets, test_size, random_state, groups and [groups[i] for i in kept])
        pairs, held_out, moments = [pairs[i] for i in train], [pairs[i] for i in test], moments[train]
    else:
        shared = {os.path.realpath(path) for path, _ in pairs} & {os.path.realpath(path) for path, _ in held_out}
        if shared:
            raise DatasetError("is among the training and the validation clips", min(shared))
        to_targets([label for _, label in held_out], labels)
        usable, _ = _readable(read, [path for path, _ in held_out], skipped, show)
        held_out = [held_out[i] for i in usable]
    mean, square = moments.mean(axis=0)
    return Prepared(labels, pairs, held_out, mean, max(square - mean**2, 1e-12) ** 0.5, skipped, read)


def _readable(read: Read, paths: Sequence[str], skipped: list, show: bool) -> tuple[list[int], np.ndarray]:
    """Positions of the files that become features, and the mean and mean square of each one's.

    The others are logged and added to `skipped`.
    """
    kept, moments = [], []
    with (
        contextlib.closing(map_ordered(read, paths)) as results,
        tqdm(results, total=len(paths), desc="features", unit="clip", disable=not show) as bar,
    ):
        for position, (path, x, error) in enumerate(bar):
            if error is None:
                kept.append(position)
                moments.append((x.mean(dtype=np.float64), np.square(x, dtype=np.float64).mean()))
            else:
                log.warning("left out: %s", error)
                skipped.append((path, error))
    if not kept:
        raise DatasetError(f"none of the {len(paths)} files can be used; the first: {skipped[-len(paths)][1]}")
    return kept, np.array(moments)
