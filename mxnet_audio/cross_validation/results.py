"""Results of a cross-validation, by fold and seed. Needs no MXNet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mxnet_audio.errors import AudioError, ParameterError
from mxnet_audio.metrics import ClassificationReport, MultiLabelReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CrossValidation", "FoldRun"]


@dataclass(frozen=True, eq=False, repr=False)
class FoldRun:
    """Result of one training with one fold held out.

    Parameters
    ----------
    fold : int or str
        Fold that was held out and measured.
    seed : int
        Random state of the training.
    report : ClassificationReport or MultiLabelReport
        Measures on the held-out clips, with the parameters after the last epoch; the latter if clips have several
        labels.
    history : dict of str to list of float
        Result of `fit`; its test measures are those of the held-out clips.
    seconds : float [s]
        Duration of `fit`.
    precision_at_5 : float, 0 to 1
        Share of clips of the query's class among the five nearest training clips, over all held-out clips; with several
        labels a clip, of those with a label in common, over all held-out clips with labels.
    skipped : tuple of (path, reason)
        Training and held-out clips that cannot be used.
    """

    fold: int | str
    seed: int
    report: ClassificationReport | MultiLabelReport
    history: dict[str, list[float]]
    seconds: float
    precision_at_5: float
    skipped: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(fold={self.fold!r}, seed={self.seed}, {self.measure}={self.accuracy:.3f})"

    @property
    def measure(self) -> str:
        """Name of the measure that `accuracy` is: 'accuracy' or 'mean_average_precision'."""
        return "mean_average_precision" if isinstance(self.report, MultiLabelReport) else "accuracy"

    @property
    def accuracy(self) -> float:
        """Accuracy on the held-out clips, 0 to 1; with several labels a clip, their mean average precision."""
        return float(getattr(self.report, self.measure))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serializable dictionary, for `from_dict`."""
        report = self.report.to_dict()
        common = {
            "fold": self.fold,
            "seed": self.seed,
            self.measure: report[self.measure],
            "precision_at_5": self.precision_at_5,
            "seconds": round(self.seconds, 3),
        }
        skipped = [list(item) for item in self.skipped]
        if isinstance(self.report, MultiLabelReport):
            return {**common, "report": report, "history": self.history, "skipped": skipped}
        return {
            **common,
            "labels": report["labels"],
            "confusion": report["confusion"],
            "history": self.history,
            "unmeasured": report["skipped"],
            "skipped": skipped,
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> FoldRun:
        """Make a run from the result of `to_dict`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the dictionary lacks an entry, or one is wrong.
        """
        report: ClassificationReport | MultiLabelReport
        if "report" in document:
            report = MultiLabelReport.from_dict(document["report"])
        else:
            unmeasured = [(item["path"], AudioError(item["reason"], item["path"])) for item in document["unmeasured"]]
            report = ClassificationReport(document["labels"], np.array(document["confusion"], dtype=int), unmeasured)
        return cls(
            document["fold"],
            document["seed"],
            report,
            document["history"],
            document["seconds"],
            document["precision_at_5"],
            tuple((path, reason) for path, reason in document["skipped"]),
        )


@dataclass(frozen=True, eq=False, repr=False)
class CrossValidation:
    """Result of `cross_validate`; as text, a table.

    Every fold is run with every seed, and every run counts equally, whatever the size of its fold. If clips have
    several labels, the mean average precision is measured in place of the accuracy.

    Parameters
    ----------
    network : str
        Name of the network.
    runs : tuple of FoldRun
        The runs, sorted by fold, then by seed.
    settings : dict
        Arguments of `fit`, and a digest of the clips.

    Examples
    --------
    >>> def run(fold, seed, right):
    ...     report = ClassificationReport(['cat', 'dog'], [[right, 4 - right], [0, 4]])
    ...     return FoldRun(fold, seed, report, {}, seconds=60.0, precision_at_5=0.5)
    >>> result = CrossValidation('cifar10', (run(1, 0, 4), run(1, 1, 2), run(2, 0, 0), run(2, 1, 2)))
    >>> print(result)
    fold    clips  seed 0  seed 1   mean  prec. at 5
    1           8   1.000   0.750  0.875       0.500
    2           8   0.500   0.750  0.625       0.500
    mean       16   0.750   0.750  0.750       0.500
    cifar10: accuracy 0.750, standard deviation 0.177 over folds, 0.000 over seeds; 60 s a run
    >>> result
    CrossValidation('cifar10', 2 folds x 2 seeds, accuracy 0.750)
    >>> result.pooled().accuracy
    0.75
    """

    network: str
    runs: tuple[FoldRun, ...]
    settings: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        runs = f"{len(self.folds)} folds x {len(self.seeds)} seeds"
        return f"{type(self).__name__}({self.network!r}, {runs}, {self.measure} {self.accuracy:.3f})"

    @property
    def measure(self) -> str:
        """Name of the measure: 'accuracy', or 'mean average precision' if clips have several labels."""
        return self.runs[0].measure.replace("_", " ")

    @property
    def folds(self) -> list[int | str]:
        """The folds, in order."""
        return list(dict.fromkeys(run.fold for run in self.runs))

    @property
    def seeds(self) -> list[int]:
        """The seeds, in the given order."""
        return list(dict.fromkeys(run.seed for run in self.runs))

    @property
    def accuracies(self) -> np.ndarray:
        """Accuracy, or mean average precision, of each run [shape=(folds, seeds)]."""
        return self._table(run.accuracy for run in self.runs)

    @property
    def accuracy(self) -> float:
        """Mean of `accuracies`, 0 to 1."""
        return float(self.accuracies.mean())

    @property
    def std_over_folds(self) -> float:
        """Sample standard deviation of the folds' accuracies, each the mean over its seeds."""
        return float(self.accuracies.mean(axis=1).std(ddof=1))

    @property
    def std_over_seeds(self) -> float | None:
        """Sample standard deviation of the seeds' accuracies, each the mean over its folds; None for one seed."""
        return float(self.accuracies.mean(axis=0).std(ddof=1)) if len(self.seeds) > 1 else None

    @property
    def precision_at_5(self) -> float:
        """Mean precision at 5 of search of all runs, 0 to 1."""
        return float(np.mean([run.precision_at_5 for run in self.runs]))

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """Path and reason of each clip that cannot be used, once."""
        return list(dict(item for run in self.runs for item in run.skipped).items())

    @property
    def f1(self) -> dict[str, tuple[float, float]]:
        """Mean ``micro_f1`` and ``macro_f1``, and sample standard deviation over folds; empty for one label a clip."""
        tables = {
            name: self._table(getattr(run.report, name) for run in self.runs)
            for name in ("micro_f1", "macro_f1")
            if isinstance(self.runs[0].report, MultiLabelReport)
        }
        return {name: (float(t.mean()), float(t.mean(axis=1).std(ddof=1))) for name, t in tables.items()}

    def pooled(self, seed: int | None = None) -> ClassificationReport | MultiLabelReport:
        """Sum the confusion matrices over folds and seeds; with several labels a clip, the counts of each class.

        The average precision and the threshold of a class are then means over the runs.

        Parameters
        ----------
        seed : int, optional
            Sum over the runs with this seed only, so that every clip is counted once.

        Raises
        ------
        ParameterError
            If there is no run with this seed.
        """
        runs = [run for run in self.runs if seed is None or run.seed == seed]
        if not runs:
            raise ParameterError(f"seed must be one of {', '.join(map(str, self.seeds))}, got {seed!r}")
        skipped = [(path, AudioError(reason, path)) for path, reason in self.skipped]
        if several := [run.report for run in runs if isinstance(run.report, MultiLabelReport)]:
            return _sum_of_counts(several, skipped)
        confusion = np.sum(
            [run.report.confusion for run in runs if isinstance(run.report, ClassificationReport)], axis=0
        )
        return ClassificationReport(runs[0].report.labels, confusion, skipped)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serializable dictionary with all measures and runs."""
        by_fold, by_seed = self.accuracies.mean(axis=1), self.accuracies.mean(axis=0)
        measure = self.runs[0].measure
        return {
            "network": self.network,
            measure: self.accuracy,
            "std_over_folds": self.std_over_folds,
            "std_over_seeds": self.std_over_seeds,
            **{name: {"mean": mean, "std_over_folds": std} for name, (mean, std) in self.f1.items()},
            "precision_at_5": self.precision_at_5,
            f"{measure}_by_fold": [[fold, float(value)] for fold, value in zip(self.folds, by_fold)],
            f"{measure}_by_seed": [[seed, float(value)] for seed, value in zip(self.seeds, by_seed)],
            "pooled": {
                "n_seeds": len(self.seeds),
                **self.pooled().to_dict(),
            },  # each clip is counted once for each seed
            "skipped": [{"path": path, "reason": reason} for path, reason in self.skipped],
            "settings": self.settings,
            "runs": [run.to_dict() for run in self.runs],
        }

    def plot(self, path: str | os.PathLike | None = None) -> Figure:
        """Draw the accuracy by fold, with a dot for each seed, beside the pooled confusion matrix or measures by class.

        See `mxnet_audio.viz.plot_folds`.
        """
        from mxnet_audio.viz import plot_folds

        return plot_folds(dict(zip(self.folds, self.accuracies.tolist())), self.pooled(), path, len(self.seeds))

    def _table(self, values: Iterable[float]) -> np.ndarray:
        return np.reshape(list(values), (len(self.folds), len(self.seeds)))

    def __str__(self) -> str:
        accuracies, precisions = self.accuracies, self._table(run.precision_at_5 for run in self.runs).mean(axis=1)
        clips = self._table(run.report.n_clips for run in self.runs)[:, 0].astype(int)
        heads = [f"seed {seed}" for seed in self.seeds]
        width = max(6, *(len(str(fold)) for fold in self.folds))

        def row(name: Any, n: int, values: np.ndarray, precision: float) -> str:
            cells = "".join(f"  {value:{max(6, len(head))}.3f}" for value, head in zip(values, heads))
            return f"{name!s:<{width}}  {n:5d}{cells}  {values.mean():5.3f}  {precision:10.3f}"

        lines = [f"{'fold':<{width}}  clips{''.join(f'  {head:>6}' for head in heads)}   mean  prec. at 5"]
        lines += [row(*cells) for cells in zip(self.folds, clips, accuracies, precisions)]
        lines.append(row("mean", clips.sum(), accuracies.mean(axis=0), precisions.mean()))
        spread = f"{self.std_over_folds:.3f} over folds"
        if self.std_over_seeds is not None:
            spread += f", {self.std_over_seeds:.3f} over seeds"
        seconds = np.mean([run.seconds for run in self.runs])
        lines.append(
            f"{self.network}: {self.measure} {self.accuracy:.3f}, standard deviation {spread}; {seconds:.0f} s a run"
        )
        lines += [
            f"{name.replace('_f1', ' F1')} {mean:.3f}, standard deviation {std:.3f} over folds"
            for name, (mean, std) in self.f1.items()
        ]
        if self.skipped:
            lines.append(f"skipped {len(self.skipped)}:")
            lines += [f"  {path}: {reason}" for path, reason in self.skipped]
        return "\n".join(lines)


def _sum_of_counts(reports: list[MultiLabelReport], skipped: Sequence[tuple[str, Exception]]) -> MultiLabelReport:
    """Sum the counts of reports on different clips; means of thresholds and, where it is defined, average precision."""
    precisions = np.array([report.average_precision for report in reports])
    is_defined = ~np.isnan(precisions)
    times = is_defined.sum(axis=0)
    return MultiLabelReport(
        reports[0].labels,
        np.mean([report.thresholds for report in reports], axis=0),
        np.sum([report.true_positives for report in reports], axis=0),
        np.sum([report.false_positives for report in reports], axis=0),
        np.sum([report.false_negatives for report in reports], axis=0),
        np.where(times, np.where(is_defined, precisions, 0).sum(axis=0) / np.maximum(times, 1), np.nan),
        sum(report.n_clips for report in reports),
        sum(report.n_exact for report in reports),
        skipped,
    )
