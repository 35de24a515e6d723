"""From labelled files to what the fit loop wants: usable clips, class order, an honest split, the corpus' moments."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from mxnet_audio.audio import typical_length
from mxnet_audio.audio.headers import rates
from mxnet_audio.audio.source import resolve, source_identity, source_name
from mxnet_audio.audio.speed import Played
from mxnet_audio.data import AudioDataset, AudioLoader, BalancedSampler, ClassBatchSampler, Mixup, Splice
from mxnet_audio.datasets.labels import Label, Pair, Pairs, checked_pairs, class_order, to_targets
from mxnet_audio.engine import gluon
from mxnet_audio.errors import AudioError, DatasetError, ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models import MINIMUM
from mxnet_audio.training.recipe import Recipe
from mxnet_audio.training.settings import Settings
from mxnet_audio.training.split import split

__all__ = ["Prepared", "check_batch", "complete_config", "keeping", "prepare"]

log = logging.getLogger(__name__)

LONGEST = 1366  # frames
UTTERANCES = 4  # of a speaker in a batch, for a loss that compares them


@dataclass(frozen=True)
class Prepared:
    """Clips that a network can train on.

    Parameters
    ----------
    labels : list of int or str
        Classes, in the order in which scores stand for them.
    train, train_plain, test : AudioLoader
        Usable clips: to train on, shuffled and augmented as the recipe says; the same as they are, shuffled too; and
        those to measure on, None if there are none.
    targets : np.ndarray [shape=(n,)]
        Class indices of the training clips.
    held_out : list of (path, label)
        The clips to measure on.
    counts_as : np.ndarray [shape=(classes,)]
        Class that each counts as where right answers are counted: itself, or the label that it is an alias of.
    mean, std : float
        Of the features of the training clips.
    skipped : list of (path, AudioError)
        Files that cannot be used.
    digests : dict of str to str
        What a checkpoint remembers of the clips, to know them again.
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
    skipped: list[tuple[str, AudioError]]
    digests: dict[str, str]


def complete_config(paths: Sequence[str], config: AudioFeatureConfig | None = None) -> AudioFeatureConfig:
    """Fill in what a network needs to have inputs of one size.

    Parameters
    ----------
    paths : sequence of str
        The clips.
    config : AudioFeatureConfig, optional
        What is to be made; log-mel by default.

    Returns
    -------
    AudioFeatureConfig
        With as many frames, where none are given, as a typical clip has, within what networks take and 29.12 s, their
        default, at most; and at the most frequent rate of the clips, where none is given. What is chosen is logged.

    Examples
    --------
    >>> complete_config(['missing.wav']).n_frames
    1366
    """
    config = config or AudioFeatureConfig()
    found: dict[str, int] = {}
    if config.sr is None and (there := rates(paths)):
        found["sr"] = there.most_common(1)[0][0]
        say = log.warning if len(there) > 1 else log.info
        say("no sr is given: features are made at %d Hz, of the rates %s", found["sr"], sorted(there))
    if config.time_axis == -1 and config.n_frames is None:
        seconds = typical_length(paths)
        found["n_frames"] = LONGEST if seconds is None else min(max(config.frames_in(seconds), MINIMUM), LONGEST)
    return config.model_copy(update=found)


def keeping(config: AudioFeatureConfig, cache: bool | str | os.PathLike) -> dict[str, Any]:
    """How a loader keeps features: what the configuration was given, else on disk, or not at all.

    Raises
    ------
    DatasetError
        If both say something, and not the same.

    Examples
    --------
    >>> keeping(AudioFeatureConfig(), cache=True), keeping(AudioFeatureConfig(), cache=False)
    ({'mode': 'lazy_cached', 'cache_dir': None}, {'mode': 'lazy', 'cache_dir': None})
    """
    mode = "lazy_cached" if cache else "lazy"
    if "mode" in config.model_fields_set:
        if cache is not True and mode != config.mode:
            raise DatasetError(f"cache={cache!r} contradicts mode={config.mode!r} in feature_config")
        mode = config.mode
    return {"mode": mode, "cache_dir": None if isinstance(cache, bool) else cache}


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
    label_aliases: Mapping[Label, Label] | None = None,
    show: bool = True,
) -> Prepared:
    """Check labels, read every file once, leave out what cannot be used, and split the rest.

    Parameters
    ----------
    pairs : iterable of (path, label)
        Clips.
    load : callable
        Makes the loader of a dataset.
    transforms : sequence of callable
        From a file to the input of a network; they raise AudioError for a file that cannot be used.
    config : AudioFeatureConfig
        What they make.
    settings : Settings
    recipe : Recipe
        What is done to the training clips.
    nb_classes : int or None
        See `class_order`.
    test_size, groups
        See `split`; a share of 0 holds out nothing.
    validation_pairs : iterable of (path, label), optional
        Clips to measure on, in place of a share of `pairs`; not with `groups`.
    label_aliases : mapping of label to label, optional
        Of a label, the one that counts as right for it, too.
    show : bool
        Whether to show a progress bar.

    Raises
    ------
    DatasetError
        If the labels or the split do not work out, or no file can be used.
    """
    pairs = checked_pairs(pairs)
    held_out = [] if validation_pairs is None else checked_pairs(validation_pairs)
    if groups is not None:
        groups = list(groups)
        if held_out:
            raise DatasetError("give groups or validation_pairs, not both: groups say how to split, and nothing is")
        if len(groups) != len(pairs):
            raise DatasetError(f"{len(groups)} groups for {len(pairs)} clips: give one for each")
    _once(pairs, held_out)
    labels = class_order([label for _, label in pairs], nb_classes)
    every = pairs + held_out
    targets = to_targets([label for _, label in every], labels)
    sounds = [sound for sound, _ in every]
    loader = load(AudioDataset(sounds, targets.tolist(), transforms=transforms))
    moments, skipped = _readable(loader, show)
    usable = np.array(sorted(moments))
    train, test = usable[usable < len(pairs)], usable[usable >= len(pairs)]
    for side, kept in ((pairs, train), (held_out, test)):
        if side and not len(kept):
            first = skipped[0 if side is pairs else -len(side)]
            raise DatasetError(f"none of the {len(side)} files can be used; the first: {first[1]}")
    if not held_out and test_size != 0:
        sides = split(targets[train], test_size, settings.random_state, groups and [groups[i] for i in train])
        train, test = (train[side] for side in sides)
    lost = sorted({str(labels[target]) for target in targets[: len(pairs)]} - {str(labels[t]) for t in targets[train]})
    if lost:
        raise DatasetError(f"no clip of {', '.join(lost)} can be trained on: its files cannot be used")
    mean, square = np.mean([moments[i] for i in train], axis=0)
    seed, batch_size = settings.random_state, settings.batch_size
    source = loader
    if anew := recipe.from_samples(config, seed):
        source = load(AudioDataset(sounds, targets.tolist(), transforms=anew))
    return Prepared(
        labels,
        source.take(
            train,
            batch_size,
            shuffle=True,
            sampler=_order(recipe, targets[train], settings),
            transforms=recipe.of_input(seed),
            batchify_fn=_batches(recipe, len(labels), seed),
        ),
        loader.take(train, batch_size, shuffle=True),
        loader.take(test, batch_size) if len(test) else None,
        targets[train],
        [every[i] for i in test],
        to_targets([(label_aliases or {}).get(label, label) for label in labels], labels),
        mean,
        max(square - mean**2, 1e-12) ** 0.5,
        skipped,
        {"training clips": _digest(every, train), "test clips": _digest(every, test)},
    )


def check_batch(recipe: Recipe, settings: Settings) -> None:
    """Raise ModelError if the recipe's loss can do nothing with batches of this size."""
    if recipe.loss == "ge2e" and settings.batch_size % UTTERANCES:
        reason = f"compares {UTTERANCES} recordings of each speaker: batch_size is a multiple of that"
        raise ModelError(f"the loss 'ge2e' {reason}, not {settings.batch_size}")


def _order(recipe: Recipe, targets: np.ndarray, settings: Settings) -> gluon.data.Sampler | None:
    """In which order clips are trained on, where it is not just shuffled."""
    if recipe.loss == "ge2e":  # which compares those of a speaker with one another
        return ClassBatchSampler(targets, settings.batch_size, UTTERANCES, settings.random_state)
    return BalancedSampler(targets, settings.random_state) if recipe.balance == "batches" else None


def _batches(recipe: Recipe, classes: int, seed: int) -> Callable | None:
    """What makes batches of training clips, where it is more than to stack them."""
    if recipe.mixup:
        return Mixup(recipe.mixup, classes, seed)
    return Splice(recipe.splice, seed) if recipe.splice else None


def _once(pairs: list[Pair], held_out: list[Pair]) -> None:
    """Refuse a clip that could be trained on and measured on."""
    seen: dict[str, int] = {}
    for row, (sound, _) in enumerate(pairs):
        first = seen.setdefault(_real(sound), row)
        if first != row and not held_out:
            reason = f"is listed more than once (rows {first} and {row}): a split could put it on both sides"
            raise DatasetError(reason, source_name(sound))
    for row, (sound, _) in enumerate(held_out):
        if _real(sound) in seen:
            reason = f"is among the training and the validation clips (rows {seen[_real(sound)]} and {row})"
            raise DatasetError(reason, source_name(sound))


def _real(sound: Any) -> str:
    """What two names of one sound have in common."""
    if isinstance(sound, Played):
        return f"{_real(sound.source)}\0played at {sound.speed}"
    sound = resolve(sound)
    return os.path.realpath(sound) if isinstance(sound, str | os.PathLike) else source_identity(sound)


def _readable(loader: AudioLoader, show: bool) -> tuple[dict[int, tuple[float, float]], list[tuple[str, AudioError]]]:
    """Mean and mean square of each sound's features, by its position; and the others' errors, which are logged."""
    moments, skipped = {}, []
    with (
        contextlib.closing(loader.samples()) as samples,
        tqdm(samples, total=loader.size, desc="features", unit="clip", disable=not show) as bar,
    ):
        for position, sample, error in bar:
            if error is None:
                x = sample[0]
                moments[position] = (x.mean(dtype=np.float64), np.square(x, dtype=np.float64).mean())
            else:
                log.warning("left out: %s", error)
                skipped.append((error.path or f"item {position}", error))
    return moments, skipped


def _digest(pairs: list[Pair], positions: Iterable[int]) -> str:
    chosen = (pairs[position] for position in positions)
    clips = [(sound if isinstance(sound, str) else _real(sound), label) for sound, label in chosen]
    return hashlib.sha256(json.dumps(clips).encode()).hexdigest()[:16]
