"""Leave one fold out: train on the others, measure on it; each fold and seed once, side by side where cores allow."""

from __future__ import annotations

import contextlib
import inspect
import logging
import operator
import os
import tempfile
import time
import traceback
from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import mxnet_audio
from mxnet_audio import training
from mxnet_audio.atomic import write_json
from mxnet_audio.cross_validation.results import CrossValidation, FoldRun
from mxnet_audio.cross_validation.store import finished_runs, keep_run, settings_of
from mxnet_audio.engine import mx
from mxnet_audio.errors import ModelError
from mxnet_audio.library import classifiers
from mxnet_audio.library.classifier import AudioClassifier
from mxnet_audio.library.trained_model import features_for_shape, input_shape_of
from mxnet_audio.metrics import precision_at_k
from mxnet_audio.parallel import USABLE_CPUS
from mxnet_audio.training.folds import Fold, assign_folds, fold_order, keep_apart

__all__ = ["CrossValidation", "FoldRun", "cross_validate"]

log = logging.getLogger(__name__)

# What `fit` is told here, fold by fold, and what would let the held-out fold choose the epoch that is measured on it.
OURS = ("model_dir_path", "validation_pairs", "test_size", "groups", "random_state", "resume", "report", "callbacks")
# Where features are kept, when checkpoints are written, and what is seen of it all, changes no figure.
NO_FIGURE = ("cache", "checkpoint_interval", "progress", "early_stopping")
NEIGHBOURS = 5


def cross_validate(
    classifier: type[AudioClassifier] | AudioClassifier | str,
    audio_path_label_pairs: training.Pairs,
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

    What is measured are the parameters that `fit` ends with, never those of the best epoch on the held-out fold. Beside
    accuracy it is precision at 5 of search: held-out clips ask for their five nearest among those trained on.

    Parameters
    ----------
    classifier : class, AudioClassifier or str
        A classifier class, the name of a network, or a classifier whose devices are used; it is not trained itself.
    audio_path_label_pairs : iterable of (path, label)
        As for `AudioClassifier.fit`. Clips that cannot be used are left out, and listed once.
    folds : int >= 2 or sequence of int or str
        The fold of each clip, such as the official ones of a corpus; or how many to draw by the first seed, each with
        every class in proportion as far as groups allow.
    groups : sequence of hashable, optional
        Recording, artist or speaker of each clip; two folds that share one are refused.
    seeds : sequence of int
        Each fold is run once with each, as `random_state` of `fit`.
    n_jobs : int > 0, optional
        Runs at a time, each in a process of its own, which shares the cores with the others; -1: as many as there are
        usable CPUs. That is the default, but 1 on a GPU.
    output_dir : str or os.PathLike, optional
        Keep each finished run here. The same call again, or one with more seeds, goes on with what is missing.
    progress : bool
        Whether to show a progress bar, on standard error.
    **fit_options
        For `AudioClassifier.fit`. `nb_classes` is None by default.

    Returns
    -------
    CrossValidation

    Raises
    ------
    DatasetError
        If folds share a group or a file, are fewer than two, or do not fit the clips; see
        `mxnet_audio.training.folds.assign_folds`.
    ModelError
        If a run fails: the error names its fold, and its attribute `finished` holds the runs that did not, after all
        have been tried. If a process is killed, as for want of memory, the others are ended too: the error names the
        runs that are not finished. If `output_dir` holds runs of other settings. If `early_stopping` is asked for: the
        held-out clips would choose the epoch.
    TypeError
        If `fit` has no such option, or it is set here.

    See Also
    --------
    CrossValidation : the table, the picture and the figures.

    Examples
    --------
    >>> from mxnet_audio import cross_validate                                             # doctest: +SKIP
    >>> result = cross_validate('cifar10', pairs, folds=5, seeds=(0, 1, 2), epochs=60)     # doctest: +SKIP
    >>> print(result)                                                                      # doctest: +SKIP
    >>> result.plot('folds.png')                                                           # doctest: +SKIP
    """
    kind, contexts = _kind(classifier)
    seeds = _checked_seeds(seeds)
    pairs = training.checked_pairs(audio_path_label_pairs)
    options = {"nb_classes": None, "checkpoint_interval": 10**6, **fit_options}  # nobody goes on from a checkpoint
    options = _checked_options(kind, options, seeds)
    n_jobs = _workers(n_jobs, contexts)
    assigned = assign_folds([label for _, label in pairs], folds, groups, random_state=seeds[0])
    keep_apart("file", *_columns((os.path.realpath(s), f) for (s, _), f in zip(pairs, assigned) if isinstance(s, str)))
    order = fold_order(assigned)
    config, recipe = options["feature_config"], options["recipe"]
    n_classes = len(training.class_order([label for _, label in pairs], options["nb_classes"]))
    settings = settings_of(
        kind.network,
        n_classes,
        input_shape_of(kind.network, config or features_for_shape(kind.network, options["input_shape"])),
        [(*pair, fold) for pair, fold in zip(pairs, assigned)],
        {name: value for name, value in options.items() if name not in NO_FIGURE}
        | {"recipe": training.get_recipe(kind.recipe if recipe is None else recipe)},
    )
    kept = [] if output_dir is None else finished_runs(output_dir, settings)
    done = {(run.fold, run.seed): run for run in kept if run.fold in order and run.seed in seeds}
    jobs = [
        _Job(kind, contexts, fold, seed, *_sides(pairs, assigned, fold), options)
        for seed in seeds
        for fold in order
        if (fold, seed) not in done
    ]
    if done:
        log.info("%s: %d of %d runs are there, going on", output_dir, len(done), len(done) + len(jobs))
    failed: list[_Failure] = []
    broken = None
    bar = tqdm(total=len(done) + len(jobs), initial=len(done), desc="folds", unit="run", disable=not progress)
    # One place for what the runs write, taken away here: a process that dies does not clear up.
    with bar, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        try:
            for outcome in _outcomes(jobs, max(1, min(n_jobs, len(jobs))), scratch):
                bar.update()
                if isinstance(outcome, _Failure):
                    log.error("fold %r, seed %d failed: %s", outcome.fold, outcome.seed, outcome.detail)
                    failed.append(outcome)
                    continue
                done[outcome.fold, outcome.seed] = outcome
                if output_dir is not None:
                    keep_run(output_dir, outcome)
                if not progress:
                    log.info("fold %r, seed %d: accuracy %.3f", outcome.fold, outcome.seed, outcome.report.accuracy)
                bar.set_postfix(accuracy=f"{np.mean([run.report.accuracy for run in done.values()]):.3f}")
        except BrokenProcessPool as error:
            broken = error
    runs = [done[fold, seed] for fold in order for seed in seeds if (fold, seed) in done]
    if failed or broken:
        met = done.keys() | {(failure.fold, failure.seed) for failure in failed}
        unfinished = [(fold, seed) for fold in order for seed in seeds if (fold, seed) not in met]
        raise _failure(failed, unfinished, runs, len(order) * len(seeds), output_dir) from broken
    result = CrossValidation(kind.network, tuple(runs), settings)
    for path, reason in result.skipped:
        log.warning("left out: %s: %s", path, reason)
    if output_dir is not None:
        write_json(Path(output_dir) / "cross_validation.json", result.to_dict())
    return result


@dataclass(frozen=True)
class _Job:
    """All that a process needs to know for one run."""

    kind: type[AudioClassifier]
    contexts: dict[str, tuple[str, int]]
    fold: Fold
    seed: int
    train: list
    held_out: list
    options: dict[str, Any]


@dataclass(frozen=True)
class _Failure:
    """Why a run failed: in short, and with where in the program if that is not the input's fault."""

    fold: Fold
    seed: int
    reason: str
    detail: str


def _run(job: _Job, scratch: str) -> FoldRun:
    classifier = job.kind(**{name: mx.Context(*device) for name, device in job.contexts.items()})
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        history = classifier.fit(
            job.train,
            folder,
            validation_pairs=job.held_out,
            random_state=job.seed,
            **{**job.options, "progress": False},
        )
    seconds = time.perf_counter() - started
    report = classifier.evaluate(job.held_out)
    return FoldRun(
        job.fold,
        job.seed,
        report,
        history,
        seconds,
        _precision(classifier, job.train, job.held_out),
        tuple((str(path), error.reason) for path, error in [*classifier.skipped, *report.skipped]),
    )


def _attempt(job: _Job, scratch: str) -> FoldRun | _Failure:
    logger = logging.getLogger("mxnet_audio")
    level = logger.level
    logger.setLevel(logging.ERROR)  # else every run names every clip that cannot be used, and counts its epochs
    try:
        return _run(job, scratch)
    except Exception as error:  # whatever it is: the other runs go on
        known = isinstance(error, mxnet_audio.AudioError)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        return _Failure(job.fold, job.seed, reason, reason if known else traceback.format_exc())
    finally:
        logger.setLevel(level)


def _outcomes(jobs: list[_Job], n_jobs: int, scratch: str) -> Iterator[FoldRun | _Failure]:
    """Do the jobs, and give what became of each as soon as it is known."""
    if n_jobs == 1:
        yield from (_attempt(job, scratch) for job in jobs)
        return
    from joblib import Parallel, delayed, parallel_config

    # Threads of MXNet are numbered when it is imported, by OMP_NUM_THREADS, which joblib sets for its processes.
    # These do not wait for more work as long as they usually would: each holds a network's memory.
    share = max(1, USABLE_CPUS // n_jobs)
    with parallel_config(backend="loky", inner_max_num_threads=share, idle_worker_timeout=5):
        parallel = Parallel(n_jobs, return_as="generator_unordered", batch_size=1)
    with contextlib.closing(parallel(delayed(_attempt)(job, scratch) for job in jobs)) as outcomes:
        yield from outcomes


def _precision(classifier: AudioClassifier, train: list, held_out: list) -> float:
    """Precision at 5 of search by cosine: held-out clips among those trained on."""
    from sklearn.neighbors import NearestNeighbors

    def vectors(pairs: list) -> tuple[list, list]:
        encodings = zip(classifier.encode_many([sound for sound, _ in pairs]), pairs)
        return _columns((encoding.vector, label) for encoding, (_, label) in encodings if encoding.error is None)

    known, labels = vectors(train)
    queries, wanted = vectors(held_out)
    search = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(known)), metric="cosine").fit(np.stack(known))
    nearest = search.kneighbors(np.stack(queries), return_distance=False)
    return precision_at_k(wanted, [[labels[i] for i in row] for row in nearest], NEIGHBOURS)


def _kind(classifier: Any) -> tuple[type[AudioClassifier], dict[str, tuple[str, int]]]:
    """Class of the classifiers to make, and their devices in terms that another process can be told."""
    if isinstance(classifier, str):
        known = classifiers()
        if classifier not in known:
            raise ModelError(f"no network is called {classifier!r}: there are {', '.join(sorted(known))}")
        classifier = known[classifier]
    made = classifier() if isinstance(classifier, type) else classifier
    if not isinstance(made, AudioClassifier):
        raise ModelError(f"expected a classifier, its class or the name of a network, not {classifier!r}")
    return type(made), {name: (ctx.device_type, ctx.device_id) for name, ctx in made._contexts.items()}


def _checked_seeds(seeds: Sequence[int]) -> list[int]:
    try:
        checked = [operator.index(seed) for seed in seeds]
    except TypeError:
        checked = []
    if not checked or len(set(checked)) < len(checked):
        raise ModelError(f"seeds are one or more numbers, all different, not {seeds!r}")
    return checked


def _checked_options(kind: type[AudioClassifier], options: dict[str, Any], seeds: list[int]) -> dict[str, Any]:
    """What `fit` goes by, defaults included; what each run would refuse, or is not for the caller, is refused now."""
    if set_here := [name for name in OURS if name in options]:
        raise TypeError(f"cross_validate itself says fit's {', '.join(set_here)}")
    if options.get("early_stopping") is not None:
        raise ModelError("early_stopping would let the held-out fold choose the epoch that is measured on it")
    fits = [vars(base)["fit"] for base in kind.__mro__[::-1] if "fit" in vars(base)]  # one may hand on what it is given
    known = {name: parameter.default for fit in fits for name, parameter in inspect.signature(fit).parameters.items()}
    if unknown := [name for name in options if name not in known]:
        raise TypeError(f"fit has no option {', '.join(unknown)}")
    defaults = {name: value for name, value in known.items() if value is not inspect.Parameter.empty}
    options = {name: value for name, value in {**defaults, **options}.items() if name not in OURS}
    numbers = ("batch_size", "epochs", "learning_rate", "checkpoint_interval")
    for seed in seeds:
        training.Settings(random_state=seed, **{name: options[name] for name in numbers})
    return options


def _sides(pairs: list, assigned: list[Fold], fold: Fold) -> tuple[list, list]:
    """Clips of the other folds, and of this one."""
    held_out = [pair for pair, where in zip(pairs, assigned) if where == fold]
    return [pair for pair, where in zip(pairs, assigned) if where != fold], held_out


def _workers(n_jobs: int | None, contexts: dict[str, tuple[str, int]]) -> int:
    if n_jobs is None:
        n_jobs = 1 if contexts["model_ctx"][0] == "gpu" else -1
    n_jobs = USABLE_CPUS if n_jobs == -1 else operator.index(n_jobs)
    if n_jobs < 1:
        raise ModelError(f"n_jobs is 1 or more, or -1 for all CPUs, not {n_jobs}")
    return n_jobs


def _failure(
    failed: list[_Failure], unfinished: list[tuple[Fold, int]], runs: list[FoldRun], total: int, output_dir: Any
) -> ModelError:
    where: dict[str, list[tuple[Fold, int]]] = {}  # what failed for one reason is told once
    for failure in failed:
        where.setdefault(failure.reason, []).append((failure.fold, failure.seed))
    if unfinished:
        where["a process was ended, perhaps for want of memory (a smaller n_jobs takes less)"] = unfinished
    reasons = [
        f"{' and '.join(f'fold {fold!r}, seed {seed}' for fold, seed in places)}: {reason}"
        for reason, places in where.items()
    ]
    kept = "" if output_dir is None else f" and kept in {os.fspath(output_dir)}: call again to go on"
    error = ModelError(f"{'; '.join(reasons)}. {len(runs)} of {total} runs are finished{kept}")
    error.finished = tuple(runs)
    return error


def _columns(rows: Iterator[tuple]) -> tuple[list, list]:
    rows = list(rows)
    return [row[0] for row in rows], [row[1] for row in rows]
