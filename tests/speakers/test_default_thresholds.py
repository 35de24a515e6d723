"""Default thresholds: with and without a cohort, and none for normalized scores."""

import numpy as np
import pytest

from mxnet_audio.errors import ModelError
from mxnet_audio.speakers.default_thresholds import DEFAULT_THRESHOLDS, default_scorer
from mxnet_audio.speakers.enrollment import EnrolledSpeakers
from mxnet_audio.speakers.scoring import Cohort
from mxnet_audio.speakers.state import PUBLISHED_ENCODERS

COHORT = Cohort(np.eye(3))


@pytest.mark.parametrize("encoder", PUBLISHED_ENCODERS)
def test_every_published_encoder_has_thresholds_with_their_rates(encoder):
    plain, centered = default_scorer(encoder), default_scorer(encoder, cohort=COHORT)
    assert (plain.threshold, plain.rates) == DEFAULT_THRESHOLDS[encoder][False]
    assert (centered.threshold, centered.rates) == DEFAULT_THRESHOLDS[encoder][True]
    assert (plain.centered, centered.centered, plain.normalize) == (False, True, False)
    for rates in (plain.rates, centered.rates):
        assert rates.far == pytest.approx(0.05, abs=0.005) and "FSDD" in rates.source


def test_normalized_scores_have_no_default():
    enrolled = EnrolledSpeakers({"ann": np.eye(3)[:1]})
    scorer = default_scorer("resemblyzer", enrolled, COHORT, normalize=True)
    assert (scorer.normalize, scorer.centered, scorer.enrolled) == (True, False, enrolled)
    with pytest.raises(ModelError, match="calibrate"):
        _ = scorer.threshold
