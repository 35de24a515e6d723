"""All measures of a comparison of speakers together, to be printed or kept."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from mxnet_audio.errors import DatasetError
from mxnet_audio.metrics.intervals import bootstrap
from mxnet_audio.metrics.trials import checked_trials
from mxnet_audio.metrics.verification import eer, min_dcf, pair_accuracy, tar_at_far

__all__ = ["VerificationReport", "verification_report"]


@dataclass(frozen=True)
class VerificationReport:
    """How well speakers are told apart.

    Parameters
    ----------
    n_target, n_impostor : int
        Number of trials of one speaker, and of two.
    eer, eer_threshold : float
        Equal error rate, 0 to 1, and the score where it is; see :func:`eer`.
    min_dcf : float
        Least detection cost with VoxCeleb1's parameters; see :func:`min_dcf`.
    tar_at_far : dict of float to float
        True accept rate by the false accept rate that is allowed; see :func:`tar_at_far`.
    pair_accuracy, pair_accuracy_std : float, optional
        Accuracy over ten folds, 0 to 1; None where there are fewer than ten trials of one kind.
    eer_interval : (float, float), optional
        Where 95% of the equal error rates lie when other speakers are drawn; None where the speakers are not known.
    at_threshold : dict of str to float, optional
        ``threshold`` that a system goes by, and its ``far`` and ``frr``: shares of the trials of two speakers that
        score as high as that, and of those of one that do not.
    skipped : sequence of (path, error)
        Sounds that could not be read, and so are in no trial.

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

    def to_dict(self) -> dict:
        """Return the whole report in lists, numbers and strings, as JSON takes them."""
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
            rates = "of impostors {far:.3f} let in, of speakers {frr:.3f} turned away".format(**self.at_threshold)
            rows.append(("at {threshold:.4g}".format(**self.at_threshold), rates))
        rows.append(("trials", f"{self.n_target} of one speaker, {self.n_impostor} of two"))
        lines = [f"{name:<20}  {value}" for name, value in rows]
        if self.skipped:
            lines.append(f"skipped {len(self.skipped)}:")
            lines += [f"  {path}: {getattr(error, 'reason', error)}" for path, error in self.skipped]
        return "\n".join(lines)


def verification_report(
    labels: Sequence[int],
    scores: Sequence[float],
    speakers: Sequence[tuple[Hashable, Hashable]] | None = None,
    skipped: Sequence[tuple[str, Exception]] = (),
    threshold: float | None = None,
) -> VerificationReport:
    """Judge the scores of trials by all measures.

    True accept rates are given at false accept rates of 0.01 and 0.1, each where there are trials of two speakers
    enough for one to be that share of them (100 and 10); pair accuracy from ten trials of each kind on.

    Parameters
    ----------
    labels, scores
        The trials, see :func:`roc`.
    speakers : sequence [n] of (speaker, speaker), optional
        Whose the two sounds of each trial are: gives the interval of the equal error rate, by :func:`bootstrap`.
    skipped : sequence of (path, error)
        Sounds that could not be read, to be named in the report.
    threshold : float, optional
        What the system goes by: scores from there on count as one speaker's.

    Returns
    -------
    VerificationReport

    Raises
    ------
    DatasetError
        See :func:`roc` and :func:`bootstrap`.
    """
    if not len(labels) and skipped:
        raise DatasetError(f"no trial to judge: {len(skipped)} were skipped, the first because {skipped[0][1]}")
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
        {far: tar_at_far(same, scores, far) for far in (0.01, 0.1) if n_impostor * far >= 1},
        mean,
        std,
        None if speakers is None else bootstrap(eer, same, scores, speakers),
        at_threshold,
        skipped,
    )
