"""Report of all verification measures, to print or to store as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mxnet_audio.errors import DatasetError
from mxnet_audio.metrics.intervals import bootstrap
from mxnet_audio.metrics.trials import Labels, Numbers, SpeakerPairs, checked_trials
from mxnet_audio.metrics.verification import eer, min_dcf, pair_accuracy, tar_at_far

__all__ = ["VerificationReport", "verification_report"]


@dataclass(frozen=True)
class VerificationReport:
    """Results of speaker verification.

    Parameters
    ----------
    n_target, n_impostor : int
        Number of trials of one speaker, and of two speakers.
    eer, eer_threshold : float
        Equal error rate, 0 to 1, and the score at which it is reached; see :func:`eer`.
    min_dcf : float
        Minimum detection cost with VoxCeleb1's parameters; see :func:`min_dcf`.
    tar_at_far : dict of float to float
        True accept rate for each allowed false accept rate; see :func:`tar_at_far`.
    pair_accuracy, pair_accuracy_std : float, optional
        Mean and standard deviation of the accuracy over ten folds, 0 to 1; None if there are fewer than ten trials
        of one kind.
    eer_interval : (float, float), optional
        95% confidence interval of the equal error rate over other speakers; None if the speakers are unknown.
    at_threshold : dict of str to float, optional
        ``threshold`` of a system, and its error rates ``far`` and ``frr``: the share of the trials of two speakers
        with a score of at least the threshold, and of the trials of one speaker below it.
    skipped : sequence of (path, error)
        Recordings that could not be read; their trials are not counted.

    Examples
    --------
    >>> print(verification_report([1, 1, 1, 0, 0, 0], [0.9, 0.7, 0.3, 0.5, 0.2, 0.1]))
    equal error rate      0.333, at 0.5
    min DCF (p = 0.01)    0.333
    trials                3 of one speaker, 3 of two
    """

    n_target: int
    n_impostor: int
    eer: float
    eer_threshold: float
    min_dcf: float
    tar_at_far: dict[float, float]
    pair_accuracy: float | None = None
    pair_accuracy_std: float | None = None
    eer_interval: tuple[float, float] | None = None
    at_threshold: dict[str, float] | None = None
    skipped: Sequence[tuple[str, Exception]] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "skipped", tuple(self.skipped))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as lists, numbers and strings that JSON can hold."""
        return {
            "n_target": self.n_target,
            "n_impostor": self.n_impostor,
            "eer": self.eer,
            "eer_threshold": self.eer_threshold,
            "eer_interval": None if self.eer_interval is None else list(self.eer_interval),
            "min_dcf": self.min_dcf,
            "tar_at_far": {f"{far:g}": tar for far, tar in self.tar_at_far.items()},
            "pair_accuracy": self.pair_accuracy,
            "pair_accuracy_std": self.pair_accuracy_std,
            "at_threshold": self.at_threshold,
            "skipped": [{"path": str(p), "reason": getattr(e, "reason", str(e))} for p, e in self.skipped],
        }

    def __str__(self) -> str:
        interval = ""
        if self.eer_interval is not None:
            interval = " (95%: {:.3f} to {:.3f})".format(*self.eer_interval)
        rows = [("equal error rate", f"{self.eer:.3f}{interval}, at {self.eer_threshold:.4g}")]
        rows.append(("min DCF (p = 0.01)", f"{self.min_dcf:.3f}"))
        rows += [(f"TAR at FAR {far:g}", f"{tar:.3f}") for far, tar in self.tar_at_far.items()]
        if self.pair_accuracy is not None:
            rows.append(("pair accuracy", f"{self.pair_accuracy:.3f} ± {self.pair_accuracy_std:.3f}"))
        if self.at_threshold is not None:
            rates = "{far:.3f} of impostors accepted, {frr:.3f} of speakers rejected".format(**self.at_threshold)
            rows.append(("at {threshold:.4g}".format(**self.at_threshold), rates))
        rows.append(("trials", f"{self.n_target} of one speaker, {self.n_impostor} of two"))
        lines = [f"{name:<20}  {value}" for name, value in rows]
        if self.skipped:
            lines.append(f"skipped {len(self.skipped)}:")
            lines += [f"  {path}: {getattr(error, 'reason', error)}" for path, error in self.skipped]
        return "\n".join(lines)


def verification_report(
    labels: Labels,
    scores: Numbers,
    speakers: SpeakerPairs | None = None,
    skipped: Sequence[tuple[str, Exception]] = (),
    threshold: float | None = None,
) -> VerificationReport:
    """Evaluate the scores of trials by all measures.

    True accept rates are given at false accept rates of 0.01 and 0.1 if there are at least 100 and 10 trials of two
    speakers; pair accuracy if there are at least ten trials of each kind.

    Parameters
    ----------
    labels, scores
        The trials, see :func:`roc`.
    speakers : sequence [n] of (speaker, speaker), optional
        The speakers of the two recordings of each trial, for the confidence interval of the equal error rate; see
        :func:`bootstrap`.
    skipped : sequence of (path, error)
        Recordings that could not be read, listed in the report.
    threshold : float, optional
        Threshold of the system: trials with at least this score are accepted as one speaker.

    Returns
    -------
    VerificationReport

    Raises
    ------
    DatasetError, ParameterError
        See :func:`roc` and :func:`bootstrap`.

    Examples
    --------
    >>> verification_report([1, 1, 0, 0], [0.9, 0.7, 0.3, 0.1]).eer
    0.0
    """
    if not len(labels) and skipped:
        raise DatasetError(
            f"there are no trials to evaluate: {len(skipped)} were skipped, the first because {skipped[0][1]}"
        )
    same, scores, _ = checked_trials(labels, scores, None)
    n_target, n_impostor = int(same.sum()), int((~same).sum())
    mean, std = pair_accuracy(same, scores)[:2] if min(n_target, n_impostor) >= 10 else (None, None)
    at_threshold = None
    if threshold is not None:
        far, frr = float((scores[~same] >= threshold).mean()), float((scores[same] < threshold).mean())
        at_threshold = {"threshold": float(threshold), "far": far, "frr": frr}
    return VerificationReport(
        n_target,
        n_impostor,
        *eer(same, scores),
        min_dcf(same, scores)[0],
        {far: float(tar_at_far(same, scores, far)) for far in (0.01, 0.1) if n_impostor * far >= 1},
        mean,
        std,
        None if speakers is None else bootstrap(eer, same, scores, speakers),
        at_threshold,
        skipped,
    )
