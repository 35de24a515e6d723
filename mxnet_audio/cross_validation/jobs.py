"""Jobs of a cross-validation: each trains with one fold held out, in this process or in several at a time."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import tempfile
import time
import traceback
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from mxnet_audio.cross_validation.results import FoldRun
from mxnet_audio.datasets.labels import Label, Pair
from mxnet_audio.engine import mx
from mxnet_audio.errors import AudioError, DatasetError, ModelError, ParameterError
from mxnet_audio.library.classifier import AudioClassifier
from mxnet_audio.metrics import MultiLabelReport, precision_at_k
from mxnet_audio.parallel import usable_cpus
from mxnet_audio.training.folds import Fold

__all__ = ["CrossValidationError", "FailedRun", "Job", "count_workers", "run_jobs"]

TOP_K = 5  # nearest clips of the precision of search
_IDLE_SECONDS = 5  # after which a process ends: sooner than by default, since each holds the memory of a network


@dataclass(frozen=True)
class Job:
    """Everything that a process needs for one run.

    Parameters
    ----------
    classifier : AudioClassifier
        Classifier to train; a copy of it is trained.
    fold : int or str
        Fold that is held out.
    seed : int
        Random state of `fit`.
    train, held_out : list of (path, label)
        Clips of the other folds, and of this one.
    options : dict
        Further arguments of `fit`.
    groups : list of hashable or None
        Recording, artist or speaker of each training clip, for classifiers that split these again.
    """

    classifier: AudioClassifier
    fold: Fold
    seed: int
    train: list[Pair]
    held_out: list[Pair]
    options: dict[str, Any]
    groups: list[Hashable] | None


@dataclass(frozen=True)
class FailedRun:
    """Run that raised an error.

    Parameters
    ----------
    fold : int or str
    seed : int
    reason : str
        The error in one line.
    detail : str
        The reason; with the traceback if the error is not one of the package's.
    """

    fold: Fold
    seed: int
    reason: str
    detail: str


class CrossValidationError(ModelError):
    """Raised if runs of a cross-validation fail.

    Attributes
    ----------
    finished : tuple of FoldRun
        Runs that did not fail.
    """

    finished: tuple[FoldRun, ...] = ()

    @classmethod
    def of_runs(
        cls,
        failed: Sequence[FailedRun],
        killed: Sequence[tuple[Fold, int]],
        finished: Sequence[FoldRun],
        output_dir: str | os.PathLike | None,
    ) -> CrossValidationError:
        """Make the error that names the folds and seeds of failed runs, and of those whose process was killed."""
        runs_by_reason: dict[str, list[tuple[Fold, int]]] = {}  # each reason is named once
        for run in failed:
            runs_by_reason.setdefault(run.reason, []).append((run.fold, run.seed))
        if killed:
            reason = "a process was killed, perhaps for lack of memory (a smaller n_jobs needs less)"
            runs_by_reason[reason] = list(killed)
        reasons = [
            f"{' and '.join(f'fold {fold!r}, seed {seed}' for fold, seed in runs)}: {reason}"
            for reason, runs in runs_by_reason.items()
        ]
        saved = "" if output_dir is None else f" and saved in {os.fspath(output_dir)}: call again to continue"
        total = len(failed) + len(killed) + len(finished)
        error = cls(f"{'; '.join(reasons)}. {len(finished)} of {total} runs are finished{saved}")
        error.finished = tuple(finished)
        return error


def count_workers(n_jobs: int | None, ctx: mx.Context) -> int:
    """Return the number of runs at a time: `n_jobs`, or one on a GPU, or as many as there are usable CPUs.

    Raises
    ------
    ParameterError
        If `n_jobs` is no integer, or below 1 and not -1.
    """
    if n_jobs is None:
        n_jobs = 1 if ctx.device_type == "gpu" else -1
    if not isinstance(n_jobs, Integral) or (n_jobs < 1 and n_jobs != -1):
        raise ParameterError(f"n_jobs must be an integer >= 1, or -1 for all CPUs, got {n_jobs!r}")
    return usable_cpus() if n_jobs == -1 else int(n_jobs)


def run_jobs(jobs: Sequence[Job], n_jobs: int, scratch: str) -> Iterator[FoldRun | FailedRun]:
    """Run jobs, and yield the results as they are finished.

    Parameters
    ----------
    jobs : sequence of Job
    n_jobs : int > 0
        Jobs at a time; with 1 they run in this process.
    scratch : str
        Directory for temporary files.
    """
    if n_jobs == 1:
        yield from (_try(job, scratch) for job in jobs)
        return
    from joblib import Parallel, delayed, parallel_config

    # MXNet reads its number of threads at import, from OMP_NUM_THREADS, which joblib sets for its processes.
    threads = max(1, usable_cpus() // n_jobs)
    with parallel_config(backend="loky", inner_max_num_threads=threads, idle_worker_timeout=_IDLE_SECONDS):
        parallel = Parallel(n_jobs, return_as="generator_unordered", batch_size=1)
    with contextlib.closing(parallel(delayed(_try)(job, scratch) for job in jobs)) as results:
        yield from results


def _try(job: Job, scratch: str) -> FoldRun | FailedRun:
    logger = logging.getLogger("mxnet_audio")
    level = logger.level
    logger.setLevel(logging.ERROR)  # otherwise every run would list the unusable clips and its epochs
    try:
        return _run(job, scratch)
    except Exception as error:  # any error: the other runs continue
        is_own = isinstance(error, AudioError)
        reason = str(error) if is_own else f"{type(error).__name__}: {error}"
        return FailedRun(job.fold, job.seed, reason, reason if is_own else traceback.format_exc())
    finally:
        logger.setLevel(level)


def _run(job: Job, scratch: str) -> FoldRun:
    classifier = job.classifier.untrained()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        history = classifier.fit(
            job.train,
            folder,
            validation_pairs=job.held_out,
            groups=job.groups,
            random_state=job.seed,
            **{**job.options, "progress": False},
        )
    seconds = time.perf_counter() - start
    if classifier.thresholds is not None and "vectors" not in classifier.model.extras:
        classifier.model.thresholds = np.full(len(classifier.labels), 0.5)  # not those with the best F1 on this fold
    report = classifier.evaluate(job.held_out)
    if isinstance(report, MultiLabelReport) and math.isnan(report.mean_average_precision):
        raise DatasetError("no clip of this fold that can be used has a label, so that nothing can be measured")
    return FoldRun(
        job.fold,
        job.seed,
        report,
        history,
        seconds,
        _search_precision(classifier, job.train, job.held_out),
        tuple((str(path), getattr(e, "reason", str(e))) for path, e in [*classifier.skipped, *report.skipped]),
    )


def _search_precision(classifier: AudioClassifier, train: list[Pair], held_out: list[Pair]) -> float:
    """Compute the precision at 5 of search by cosine: held-out clips are the queries, training clips the index.

    Of several labels a clip, neighbours with a label in common are right, and clips without labels are no queries.
    """
    from sklearn.neighbors import NearestNeighbors

    def encode(pairs: list[Pair]) -> tuple[np.ndarray, list[Label]]:
        encodings = zip(classifier.encode_many([sound for sound, _ in pairs]), pairs)
        usable = [(encoding.vector, label) for encoding, (_, label) in encodings if encoding.vector is not None]
        return np.stack([vector for vector, _ in usable]), [label for _, label in usable]

    indexed, labels = encode(train)
    queries, query_labels = encode([pair for pair in held_out if pair[1] != frozenset()])
    search = NearestNeighbors(n_neighbors=min(TOP_K, len(indexed)), metric="cosine").fit(indexed)
    nearest = search.kneighbors(queries, return_distance=False)
    return precision_at_k(query_labels, [[labels[i] for i in row] for row in nearest], TOP_K)
