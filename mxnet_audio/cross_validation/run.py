"""Cross-validation of a classifier: each fold is held out once with each seed."""

from __future__ import annotations

import contextlib
import inspect
import logging
import operator
import os
import tempfile
from collections.abc import Hashable, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mxnet_audio import training
from mxnet_audio.checks import iterable_argument, path_argument
from mxnet_audio.cross_validation.jobs import CrossValidationError, FailedRun, Job, count_workers, run_jobs
from mxnet_audio.cross_validation.results import CrossValidation
from mxnet_audio.cross_validation.store import load_runs, locked_runs, run_settings, save_run, write_document
from mxnet_audio.datasets.labels import Pair, Pairs
from mxnet_audio.errors import ParameterError
from mxnet_audio.library import classifiers
from mxnet_audio.library.classifier import AudioClassifier
from mxnet_audio.library.inputs import input_shape_of
from mxnet_audio.training.folds import Fold, assign_folds, check_disjoint, fold_order

__all__ = ["cross_validate"]

log = logging.getLogger(__name__)

# Arguments of `fit` that are set for each fold, or would let the held-out fold choose the epoch that is measured.
RESERVED = (
    "model_dir_path",
    "validation_pairs",
    "test_size",
    "groups",
    "random_state",
    "resume",
    "overwrite",
    "report",
    "callbacks",
    "kvstore",
)
# Arguments of `fit` that change no result.
WITHOUT_EFFECT = ("cache", "checkpoint_interval", "progress", "early_stopping")


def cross_validate(
    classifier: type[AudioClassifier] | AudioClassifier | str,
    audio_path_label_pairs: Pairs,
    folds: int | Sequence[Fold],
    *,
    groups: Sequence[Hashable] | None = None,
    seeds: Sequence[int] = (42,),
    n_jobs: int | None = None,
    output_dir: str | os.PathLike | None = None,
    progress: bool = True,
    **fit_options: Any,
) -> CrossValidation:
    """Measure a classifier on every clip, each time trained on the folds that the clip is not in.

    The parameters after the last epoch are measured, never those of the best epoch on the held-out fold. Besides the
    accuracy, the precision at 5 of search is measured: held-out clips are the queries, training clips the index. If
    clips have several labels, the mean average precision and F1 are measured; the thresholds are those that a last
    layer on an encoder finds on the training clips, and 0.5 for networks.

    Parameters
    ----------
    classifier : class, AudioClassifier or str
        A classifier, which is not trained itself; its class, or the name of a network or of a pretrained encoder.
    audio_path_label_pairs : iterable of (path, label)
        As for `AudioClassifier.fit`. Clips that cannot be used are left out, and listed once.
    folds : int >= 2 or sequence of int or str
        Fold of each clip, such as the official folds of a corpus; or the number of folds to draw with the first seed,
        stratified by class as far as groups allow.
    groups : sequence of hashable, optional
        Recording, artist or speaker of each clip; folds that share a group are refused.
    seeds : sequence of int
        Values of `random_state`: each fold is run once with each.
    n_jobs : int > 0, optional
        Runs at a time, each in its own process with its share of the cores; -1 for as many as there are usable CPUs.
        The default is 1 on a GPU and -1 otherwise.
    output_dir : str or os.PathLike, optional
        Directory for finished runs. The same call again, or one with more seeds, only runs what is missing. Calls in
        several processes wait for each other.
    progress : bool
        Show a progress bar on standard error.
    **fit_options
        Further arguments of `AudioClassifier.fit`.

    Returns
    -------
    CrossValidation

    Raises
    ------
    DatasetError
        If folds share a group or a file, are fewer than two, or do not fit the clips; see
        `mxnet_audio.training.folds.assign_folds`.
    ParameterError
        If an argument is out of range or of the wrong type, or `early_stopping` is given: the held-out clips would
        choose the epoch.
    CrossValidationError
        If a run fails. All others are run first; the error names the folds and seeds of failed runs, and its attribute
        `finished` holds the finished ones. If a process is killed, for instance for lack of memory, all others are
        stopped, and the error names the unfinished runs.
    ModelError
        If `output_dir` cannot be written to, or holds runs with other settings.
    TypeError
        If `fit` has no such argument, or it is set here.

    See Also
    --------
    CrossValidation : the table, the figure and the measures.

    Examples
    --------
    >>> from mxnet_audio import cross_validate                                             # doctest: +SKIP
    >>> result = cross_validate('cifar10', pairs, folds=5, seeds=(0, 1, 2), epochs=60)     # doctest: +SKIP
    >>> print(result)                                                                      # doctest: +SKIP
    >>> result.plot('folds.png')                                                           # doctest: +SKIP
    """
    classifier = _untrained(classifier)
    seeds = _checked_seeds(seeds)
    pairs = training.checked_pairs(
        audio_path_label_pairs, "audio_path_label_pairs", label_separator=fit_options.get("label_separator")
    )
    options = {"checkpoint_interval": 10**6, **fit_options}  # checkpoints are never resumed from
    options = _complete_options(classifier, pairs, seeds, options)
    if output_dir is not None:
        path_argument("output_dir", output_dir)
    n_jobs = count_workers(n_jobs, classifier.model_ctx)
    groups = None if groups is None else list(iterable_argument("groups", groups))
    assigned = assign_folds([label for _, label in pairs], folds, groups, random_state=seeds[0])
    files = [(os.path.realpath(sound), fold) for (sound, _), fold in zip(pairs, assigned) if isinstance(sound, str)]
    check_disjoint("file", [file for file, _ in files], [fold for _, fold in files])
    order = fold_order(assigned)
    inner_groups = groups if classifier.has_inner_groups else None  # the jobs of others do not split again
    settings = _settings(classifier, pairs, assigned, options, inner_groups)
    with contextlib.nullcontext() if output_dir is None else locked_runs(output_dir):
        saved = [] if output_dir is None else load_runs(output_dir, settings)
        done = {(run.fold, run.seed): run for run in saved if run.fold in order and run.seed in seeds}
        missing = [(fold, seed) for seed in seeds for fold in order if (fold, seed) not in done]
        jobs = [_job(classifier, pairs, assigned, fold, seed, options, inner_groups) for fold, seed in missing]
        if done:
            log.info("%s: %d of %d runs are finished, continuing", output_dir, len(done), len(done) + len(jobs))
        failed: list[FailedRun] = []
        killed_by = None
        bar = tqdm(total=len(done) + len(jobs), initial=len(done), desc="folds", unit="run", disable=not progress)
        # The temporary files of all runs are removed here, since a killed process does not remove its own.
        with bar, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            try:
                if (n_jobs := min(n_jobs, len(jobs))) > 1:
                    classifier.fill_cache([sound for sound, _ in pairs], options["cache"], progress)
                for run in run_jobs(jobs, max(1, n_jobs), scratch):
                    bar.update()
                    if isinstance(run, FailedRun):
                        log.error("fold %r, seed %d failed: %s", run.fold, run.seed, run.detail)
                        failed.append(run)
                        continue
                    done[run.fold, run.seed] = run
                    if output_dir is not None:
                        save_run(output_dir, run)
                    if not progress:
                        measure = run.measure.replace("_", " ")
                        log.info("fold %r, seed %d: %s %.3f", run.fold, run.seed, measure, run.accuracy)
                    bar.set_postfix({run.measure: f"{np.mean([run.accuracy for run in done.values()]):.3f}"})
            except BrokenProcessPool as error:
                killed_by = error
        runs = [done[fold, seed] for fold in order for seed in seeds if (fold, seed) in done]
        if failed or killed_by:
            ended = done.keys() | {(run.fold, run.seed) for run in failed}
            killed = [(fold, seed) for fold in order for seed in seeds if (fold, seed) not in ended]
            raise CrossValidationError.of_runs(failed, killed, runs, output_dir) from killed_by
        result = CrossValidation(classifier.model_name, tuple(runs), settings)
        for path, reason in result.skipped:
            log.warning("left out: %s: %s", path, reason)
        if output_dir is not None:
            write_document(Path(output_dir) / "cross_validation.json", result.to_dict())
    return result


def _untrained(classifier: Any) -> AudioClassifier:
    """Return a classifier without a model, given one, its class or its name."""
    if isinstance(classifier, str):
        by_name = classifiers()
        if classifier not in by_name:
            raise ParameterError(f"classifier must be one of {', '.join(sorted(by_name))}; got {classifier!r}")
        classifier = by_name[classifier]()
    instance = classifier() if isinstance(classifier, type) else classifier
    if not isinstance(instance, AudioClassifier):
        raise ParameterError(f"classifier must be a classifier, its class or a network's name, got {classifier!r}")
    return instance.untrained()


def _checked_seeds(seeds: Sequence[int]) -> list[int]:
    try:
        checked = [operator.index(seed) for seed in seeds]
    except TypeError:
        checked = []
    if not checked or len(set(checked)) < len(checked):
        raise ParameterError(f"seeds must be one or more integers, all different, got {seeds!r}")
    return checked


def _complete_options(
    classifier: AudioClassifier, pairs: list[Pair], seeds: list[int], options: dict[str, Any]
) -> dict[str, Any]:
    """Return all arguments of `fit`, with defaults; raise now what each run would raise."""
    if reserved := [name for name in RESERVED if name in options]:
        raise TypeError(f"cross_validate itself sets these arguments of fit: {', '.join(reserved)}")
    if options.get("early_stopping") is not None:
        raise ParameterError("early_stopping must be None: the held-out fold would choose the epoch that is measured")
    bases = type(classifier).__mro__[::-1]
    fits = [vars(base)["fit"] for base in bases if "fit" in vars(base)]  # a fit may pass **options on
    parameters = {name: parameter for fit in fits for name, parameter in inspect.signature(fit).parameters.items()}
    if unknown := [name for name in options if name not in parameters]:
        raise TypeError(f"fit has no argument {', '.join(unknown)}")
    defaults = {name: p.default for name, p in parameters.items() if p.default is not inspect.Parameter.empty}
    options = {name: value for name, value in {**defaults, **options}.items() if name not in RESERVED}
    numbers = ("batch_size", "epochs", "learning_rate", "checkpoint_interval")
    for seed in seeds:
        training.Settings(random_state=seed, **{name: options[name] for name in numbers})
    sounds = [sound for sound, _ in pairs]
    config = classifier.choose_features(sounds, options["input_shape"], options["feature_config"])
    training.cache_options(config, options["cache"])
    if options["input_shape"] is None or options["feature_config"] is not None:
        options["feature_config"] = config  # the same length in all folds
    return options


def _settings(
    classifier: AudioClassifier,
    pairs: list[Pair],
    assigned: list[Fold],
    options: dict[str, Any],
    groups: list[Hashable] | None,
) -> dict[str, Any]:
    """Return the settings that saved runs must share."""
    config = classifier.choose_features([], options["input_shape"], options["feature_config"])
    recipe = training.get_recipe(options["recipe"], classifier.recipe)
    clips: list[tuple] = [(*pair, fold) for pair, fold in zip(pairs, assigned)]
    if groups:
        clips = [(*clip, str(group)) for clip, group in zip(clips, groups)]
    return run_settings(
        classifier.network,
        len(training.class_order([label for _, label in pairs], options["nb_classes"])),
        input_shape_of(classifier.network, config),
        clips,
        {name: value for name, value in options.items() if name not in WITHOUT_EFFECT}
        | {"recipe": recipe, **classifier.settings},
        classifier.architecture,
    )


def _job(
    classifier: AudioClassifier,
    pairs: list[Pair],
    assigned: list[Fold],
    held_out: Fold,
    seed: int,
    options: dict[str, Any],
    groups: list[Hashable] | None,
) -> Job:
    """Return the run that holds out one fold."""
    others = [row for row, fold in enumerate(assigned) if fold != held_out]
    return Job(
        classifier,
        held_out,
        seed,
        [pairs[row] for row in others],
        [pair for pair, fold in zip(pairs, assigned) if fold == held_out],
        options,
        groups and [groups[row] for row in others],
    )
