"""Preparation of training: from labelled clips to loaders of usable clips, split into training and test set."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from mxnet_audio.audio.source import resolve, source_identity, source_name
from mxnet_audio.checks import iterable_argument
from mxnet_audio.data import AudioDataset, AudioLoader
from mxnet_audio.datasets.labels import Label, Pair, Pairs, as_label_sets, checked_pairs, class_order, to_targets
from mxnet_audio.errors import AudioError, DatasetError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.metrics.multilabel import label_matrix
from mxnet_audio.training.batches import Batches
from mxnet_audio.training.distributed import ALONE, Workers
from mxnet_audio.training.open_input import OpenInput
from mxnet_audio.training.recipe import Recipe
from mxnet_audio.training.settings import Settings
from mxnet_audio.training.split import check_test_size, split

__all__ = ["Prepared", "Skipped", "prepare", "usable_samples"]

log = logging.getLogger(__name__)

MIN_VARIANCE = 1e-12  # of the features of a corpus

Moments = dict[int, tuple[float, float]]  # mean and mean square of each clip's features, by its index
Skipped = list[tuple[str, AudioError]]


@dataclass(frozen=True)
class Prepared:
    """Clips that a network can be trained on.

    Parameters
    ----------
    labels : list of int or str
        Classes, in the order of the scores.
    train, train_plain, test : AudioLoader
        Usable clips: the training clips, shuffled and augmented as in the recipe; the same, shuffled, without
        augmentation; and the test clips, None if there are none. Batches are (inputs, targets), or (inputs, lengths,
        targets) if inputs have different lengths.
    targets : np.ndarray [shape=(n,) or (n, classes)]
        Class indices of the training clips; or, if clips have several labels, 1 for each label, else 0.
    held_out : list of (path, label)
        Test clips; several labels are frozensets.
    counts_as : np.ndarray [shape=(classes,)]
        Class that each class counts as for the accuracy: itself, or that of the label that it is an alias of.
    mean, std : float
        Mean and standard deviation of the features of the training clips.
    skipped : list of (path, AudioError)
        Unusable files and their errors.
    digests : dict of str to str
        Digests of the training and test clips, which must be equal for a run to be resumed.
    groups : list of hashable, optional
        Recording, artist or speaker of each training clip.
    """

    labels: list[Label]
    train: AudioLoader
    train_plain: AudioLoader
    test: AudioLoader | None
    targets: np.ndarray
    held_out: list[Pair]
    counts_as: np.ndarray
    mean: float
    std: float
    skipped: Skipped
    digests: dict[str, str]
    groups: list[Hashable] | None = None

    @property
    def multi_label(self) -> bool:
        """True if clips have several labels each, or none."""
        return self.targets.ndim == 2


@dataclass(frozen=True)
class _Clip:
    """Labelled sound, identified once: a file by its real path, other sounds by their content."""

    sound: Any
    label: Any  # int or str, or a frozenset of them
    identity: str

    @classmethod
    def of(cls, pair: Pair) -> _Clip:
        return cls(*pair, _identity(pair[0]))


def prepare(
    pairs: Pairs,
    load: Callable[[AudioDataset], AudioLoader],
    transforms: Sequence[Callable],
    config: AudioFeatureConfig,
    settings: Settings,
    recipe: Recipe,
    *,
    nb_classes: int | None,
    test_size: float,
    validation_pairs: Pairs | None = None,
    groups: Sequence[Hashable] | None = None,
    inner_groups: bool = False,
    label_aliases: Mapping[Label, Label] | None = None,
    open_input: OpenInput | None = None,
    label_separator: str | None = None,
    workers: Workers = ALONE,
    show: bool = True,
) -> Prepared:
    """Check the labels, read every file once, leave out unusable files, and split the others.

    Parameters
    ----------
    pairs : iterable of (path, label)
        Clips. If one has several labels, all of them have sets of labels; see `checked_pairs`.
    load : callable
        Function that makes the loader of a dataset.
    transforms : sequence of callable
        Steps from a file to the input of a network. They raise AudioError for an unusable file.
    config : AudioFeatureConfig
        Features that the transforms compute.
    settings : Settings
        Batch size and seed.
    recipe : Recipe
        Augmentation and order of the training clips.
    nb_classes : int or None
        Number of classes; None are the labels that occur. See `class_order`.
    test_size : float, 0 or more and below 1
        Share of the clips in the test set. With 0 there is none.
    groups : sequence of hashable, optional
        Recording, artist or speaker of each clip; see `split`.
    validation_pairs : iterable of (path, label), optional
        Test clips, in place of a share of `pairs`. They cannot be combined with `groups`, except for `inner_groups`.
    inner_groups : bool
        True if the training clips will be split, too.
    label_aliases : mapping of label to label, optional
        For a label, another that counts as right, too.
    open_input : OpenInput, optional
        Step from samples to inputs of different lengths, the last of `transforms`. Clips of similar length are then
        batched together, padded or repeated to one of few lengths, and batches have the lengths of their inputs.
    label_separator : str, optional
        Text between the labels of a clip.
    workers : Workers
        Workers that train together: loaders read the share of this one of each batch.
    show : bool
        Show a progress bar.

    Raises
    ------
    DatasetError
        If the labels or the split are impossible, a clip occurs twice, or no file can be used.
    ParameterError
        If `groups` and `validation_pairs` are both given, without `inner_groups`, `groups` is not iterable, `test_size`
        is out of range, or the recipe does not suit clips with several labels.
    """
    splits = validation_pairs is None and test_size != 0
    if validation_pairs is None:
        check_test_size(test_size, allow_zero=True)
    pairs, held_out_pairs = checked_pairs(pairs, label_separator=label_separator), []
    if validation_pairs is not None:
        held_out_pairs = checked_pairs(validation_pairs, "validation_pairs", label_separator=label_separator)
    multi_label = any(isinstance(label, frozenset) for _, label in [pairs[0], *held_out_pairs[:1]])
    if multi_label:
        _check_recipe(recipe)
        pairs, held_out_pairs = as_label_sets(pairs), as_label_sets(held_out_pairs)
    clips, held_out = ([_Clip.of(pair) for pair in some] for some in (pairs, held_out_pairs))
    groups = _checked_groups(groups, clips, refused=bool(held_out) and not inner_groups)
    _check_repeated(clips, held_out)
    labels = class_order([clip.label for clip in clips], nb_classes)
    every = clips + held_out
    if multi_label:
        targets = label_matrix([clip.label for clip in every], labels).astype(np.float32)
    else:
        targets = to_targets([clip.label for clip in every], labels)
    if splits:  # an impossible split is refused before the clips are read
        split(targets, test_size, settings.random_state, groups, labels)
    sounds = [clip.sound for clip in every]
    plain = load(_dataset(sounds, targets, transforms))

    skipped: Skipped = []
    moments: Moments = {}
    lengths = np.zeros(len(every), dtype=int)
    for index, (x, _) in usable_samples(plain, skipped, show):
        moments[index] = x.mean(dtype=np.float64), np.square(x, dtype=np.float64).mean()
        lengths[index] = x.shape[-1]
    train, test = _usable(moments, skipped, len(clips), len(every))
    if splits:
        kept_groups = groups and [groups[i] for i in train]
        sides = split(targets[train], test_size, settings.random_state, kept_groups, labels)
        train, test = (train[side] for side in sides)
    _check_classes(targets[: len(clips)], targets[train], labels)
    mean, square = np.mean([moments[i] for i in train], axis=0)

    augmented = plain
    if steps := recipe.waveform_steps(config, settings.random_state, open_input):
        augmented = load(_dataset(sounds, targets, steps))
    batches = Batches(settings, recipe, len(labels), len(train), workers)
    if open_input is not None:
        batches.bucket(lengths, open_input)
    return Prepared(
        labels=labels,
        train=batches.training(augmented, train, targets[train]),
        train_plain=batches.plain(plain, train, shuffle=True),
        test=batches.plain(plain, test) if len(test) else None,
        targets=targets[train],
        held_out=[(every[i].sound, every[i].label) for i in test],
        counts_as=to_targets([(label_aliases or {}).get(label, label) for label in labels], labels),
        mean=mean,
        std=max(square - mean**2, MIN_VARIANCE) ** 0.5,
        skipped=skipped,
        digests={
            "training clips": _digest([every[i] for i in train]),
            "test clips": _digest([every[i] for i in test]),
        },
        groups=groups and [groups[i] for i in train],
    )


def _check_recipe(recipe: Recipe) -> None:
    """Raise ParameterError if a recipe needs clips with one label each."""
    if recipe.loss != "softmax":
        reason = "(then the binary cross-entropy) for clips with several labels each"
        raise ParameterError(f"recipe: loss must be 'softmax' {reason}, got {recipe.loss!r}")
    if recipe.splice:
        raise ParameterError(f"recipe: splice must be 0 for clips with several labels each, got {recipe.splice}")


class _LabelSets(AudioDataset):
    """Sounds with several labels each; their targets are rows [shape=(classes,)]."""

    def __init__(self, sounds: list[Any], targets: np.ndarray, transforms: Sequence[Callable]):
        super().__init__(sounds, range(len(sounds)), transforms=transforms)
        self._targets = targets

    def label(self, index: int) -> np.ndarray:  # type: ignore[override]
        """Return the targets of an item."""
        return self._targets[super().label(index)]


def _dataset(sounds: list[Any], targets: np.ndarray, transforms: Sequence[Callable]) -> AudioDataset:
    if targets.ndim == 2:
        return _LabelSets(sounds, targets, transforms)
    return AudioDataset(sounds, targets.tolist(), transforms=transforms)


def _identity(sound: Any) -> str:
    """Return what is equal for two names of the same sound: the real path of a file, else the content."""
    if hasattr(sound, "change"):  # played at another speed, or one channel
        return f"{_identity(sound.source)}\0{sound.change}"
    source = resolve(sound)
    return os.path.realpath(source) if isinstance(source, str | os.PathLike) else source_identity(source)


def _checked_groups(groups: Sequence[Hashable] | None, clips: list[_Clip], refused: bool) -> list[Hashable] | None:
    if groups is None:
        return None
    if refused:
        raise ParameterError("groups and validation_pairs cannot be combined: with the latter, nothing is split")
    groups = list(iterable_argument("groups", groups))
    if len(groups) != len(clips):
        raise DatasetError(f"{len(groups)} groups for {len(clips)} clips: pass one for each clip")
    return groups


def _check_repeated(clips: list[_Clip], held_out: list[_Clip]) -> None:
    """Refuse a clip that could be in both training and test set."""
    rows: dict[str, int] = {}
    for row, clip in enumerate(clips):
        first = rows.setdefault(clip.identity, row)
        if first != row and not held_out:
            reason = f"is listed twice (rows {first} and {row}), so that a split could put it into both sets"
            raise DatasetError(reason, source_name(clip.sound))
    for row, clip in enumerate(held_out):
        if clip.identity in rows:
            reason = f"is among both the training and the validation clips (rows {rows[clip.identity]} and {row})"
            raise DatasetError(reason, source_name(clip.sound))


def usable_samples(loader: AudioLoader, skipped: Skipped, show: bool) -> Iterator[tuple[int, Any]]:
    """Read all clips, and yield the position and the sample of each usable one.

    Parameters
    ----------
    loader : AudioLoader
        Loader of the clips.
    skipped : list of (path, AudioError)
        List to which the errors of the others are added; they are logged, too.
    show : bool
        Show a progress bar.
    """
    with (
        contextlib.closing(loader.samples()) as samples,
        tqdm(samples, total=loader.size, desc="features", unit="clip", disable=not show) as bar,
    ):
        for index, sample, error in bar:
            if error is None:
                yield index, sample
            else:
                log.warning("left out: %s", error)
                skipped.append((error.path or f"item {index}", error))


def _usable(moments: Moments, skipped: Skipped, n_clips: int, n_every: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the usable clips and of the usable held-out clips; refuse to go on without any."""
    usable = np.array(sorted(moments))
    train, test = usable[usable < n_clips], usable[usable >= n_clips]
    n_held_out = n_every - n_clips
    for indices, size, first in ((train, n_clips, 0), (test, n_held_out, -n_held_out)):
        if size and not len(indices):
            raise DatasetError(f"none of the {size} files can be used; the first: {skipped[first][1]}")
    return train, test


def _check_classes(targets: np.ndarray, train_targets: np.ndarray, labels: list[Label]) -> None:
    """Refuse classes all of whose clips are unusable."""
    if targets.ndim == 2:
        targets, train_targets = (np.flatnonzero(rows.any(axis=0)) for rows in (targets, train_targets))
    if lost := sorted({str(labels[target]) for target in targets} - {str(labels[t]) for t in train_targets}):
        raise DatasetError(f"no clip of {', '.join(lost)} can be used for training: its files cannot be read")


def _digest(clips: list[_Clip]) -> str:
    """Return a digest of paths, as given, or identities of other sounds, and labels; it is stored in checkpoints."""
    names = [
        (
            clip.sound if isinstance(clip.sound, str) else clip.identity,
            sorted(clip.label) if isinstance(clip.label, frozenset) else clip.label,
        )
        for clip in clips
    ]
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]
