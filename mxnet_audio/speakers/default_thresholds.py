"""Thresholds of published encoders that hold until a recognizer is calibrated. Needs no MXNet."""

from __future__ import annotations

from mxnet_audio.speakers.calibration import ErrorRates
from mxnet_audio.speakers.enrollment import EnrolledSpeakers
from mxnet_audio.speakers.scoring import Cohort, SpeakerScorer

__all__ = ["DEFAULT_THRESHOLDS", "default_scorer"]

_SOURCE = "FSDD, single words of four speakers; {:.0%} of words pass as another enrolled speaker"
# Threshold and rates by encoder, without and with centering; `benchmarks/speakers.py pretrained` prints them. Free
# Spoken Digit Dataset, takes 0 to 24 of ten words by four speakers, who are strangers to the encoder: all pairs of
# different words. The threshold is the one that 5% of the pairs of two speakers pass. With centering: pairs of the
# words of two speakers, with the words of the other two as the cohort, all six ways together. Enrolled: with 25 words,
# against single words of others.
DEFAULT_THRESHOLDS: dict[str, dict[bool, tuple[float, ErrorRates]]] = {
    "resemblyzer": {
        False: (0.788, ErrorRates(0.051, 0.338, 0.158, 112_500, 337_500, _SOURCE.format(0.224))),
        True: (0.585, ErrorRates(0.050, 0.335, 0.153, 337_500, 337_500, _SOURCE.format(0.163))),
    },
}


def default_scorer(
    encoder: str, enrolled: EnrolledSpeakers | None = None, cohort: Cohort | None = None, *, normalize: bool = False
) -> SpeakerScorer:
    """Make the scorer of a published encoder with its default threshold; a cohort is for centering, or for the S-norm.

    Encoders whose threshold was not measured here have none until they are calibrated; neither have normalized scores,
    whose scale depends on the cohort.

    Examples
    --------
    >>> default_scorer("resemblyzer").threshold
    0.788
    """
    centered = cohort is not None and not normalize
    defaults = {} if normalize else DEFAULT_THRESHOLDS.get(encoder, {})
    threshold, rates = defaults.get(centered, (None, None))
    return SpeakerScorer(enrolled, cohort, threshold, normalize, centered=centered, rates=rates)
