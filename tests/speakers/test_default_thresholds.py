"""Default thresholds: with and without a cohort, and none for normalized scores."""

import numpy as np
import pytest

from mxnet_audio.errors import ModelError
from mxnet_audio.speakers.default_thresholds import DEFAULT_THRESHOLDS, default_scorer
from mxnet_audio.speakers.enrollment import EnrolledSpeakers
from mxnet_audio.speakers.scoring import Cohort
from mxnet_audio.speakers.state import PUBLISHED_ENCODERS

COHORT = Cohort(np.eye(3))


@pytest.mark.parametrize("encoder", DEFAULT_THRESHOLDS)
def test_measured_thresholds_have_their_rates(encoder):
    plain, centered = default_scorer(encoder), default_scorer(encoder, cohort=COHORT)
    assert (plain.threshold, plain.rates) == DEFAULT_THRESHOLDS[encoder][False]
    assert (centered.threshold, centered.rates) == DEFAULT_THRESHOLDS[encoder][True]
    assert (plain.centered, centered.centered, plain.normalize) == (False, True, False)
    for rates in (plain.rates, centered.rates):
        assert rates.far == pytest.approx(0.05, abs=0.005) and "FSDD" in rates.source


@pytest.mark.parametrize("encoder", [name for name in PUBLISHED_ENCODERS if name not in DEFAULT_THRESHOLDS])
def test_other_encoders_have_none_until_they_are_calibrated(encoder):
    for cohort in (None, COHORT):
        with pytest.raises(ModelError, match="calibrate"):
            _ = default_scorer(encoder, cohort=cohort).threshold


def test_normalized_scores_have_no_default():
    enrolled = EnrolledSpeakers({"ann": np.eye(3)[:1]})
    scorer = default_scorer("resemblyzer", enrolled, COHORT, normalize=True)
    assert (scorer.normalize, scorer.centered, scorer.enrolled) == (True, False, enrolled)
    with pytest.raises(ModelError, match="calibrate"):
        _ = scorer.threshold
