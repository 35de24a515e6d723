"""Vectors and scores of sounds by models of the hub, compared with transformers' feature extractors and pipelines."""

import numpy as np
import pytest

from mxnet_audio import load_encoder
from mxnet_audio.features import extract
from tests.models.hub_folders import HUB, assert_close, expected


@pytest.mark.parametrize(("name", "folder"), [("whisper", "whisper_classifier"), ("ast", "ast_classifier")])
def test_scores_of_a_sound_equal_those_of_the_pipeline(name, folder):
    arrays = expected(folder)
    encoder = load_encoder(name, source=HUB / folder)
    sound = (arrays["sound"], 16_000)
    assert_close(extract(*sound, encoder.feature_config), arrays["sound_features"])
    ((_, scores, vector, error),) = encoder.forward_many([sound])
    assert error is None
    assert_close(scores, arrays["sound_scores"])
    assert_close(vector, encoder.encode_audio(sound))


def test_vectors_of_whisper_are_those_of_the_sound():
    arrays = expected("whisper_classifier")
    encoder = load_encoder("whisper", source=HUB / "whisper_classifier", reduce_output="max", layer=1)
    vectors, times = encoder.encode_frames((arrays["sound"], 16_000))
    assert vectors.shape == (30, 16)
    np.testing.assert_allclose(times[[0, -1]], [[0, 0.02], [0.58, 0.6]])
    assert_close(encoder.encode_audio((arrays["sound"], 16_000)), vectors.max(axis=0))
