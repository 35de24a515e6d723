"""Calls that users of packages of pretrained networks know."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio import AudioTagger, load_encoder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def inputs():
    """Return the module that makes the inputs of the published outputs."""
    spec = importlib.util.spec_from_file_location("published_outputs", ROOT / "benchmarks" / "published_outputs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_voice_has_the_vector_of_embed_utterance(published, inputs):
    expected = np.load(ROOT / "tests" / "models" / "published_outputs.npz")["resemblyzer_sound"]
    encoder = load_encoder(published("resemblyzer"))
    (sound,) = inputs.waveforms(4, 1, 50_239)
    np.testing.assert_allclose(encoder.encode_audio((sound, 16000)), expected, rtol=0, atol=1e-4)
    partials, times = encoder.encode_frames((sound, 16000))
    assert partials.shape == (3, 256) and np.allclose(times[:, 0], [0, 0.77, 1.54])


def test_a_sound_has_scores_and_vectors_every_half_second(published, inputs):
    encoder = load_encoder(published("yamnet"))
    assert len(encoder.labels) == 521 and encoder.labels[:2] == ["Speech", "Child speech, kid speaking"]
    sound = np.concatenate(inputs.waveforms(96, 3, 15_600))
    ((vectors, times, scores),) = encoder.iter_frames((sound, 16000))
    assert vectors.shape == (6, 1024) and scores.shape == (6, 521)
    assert np.allclose(times[:3, 0], [0, 0.48, 0.96]) and times[-1, 1] == pytest.approx(sound.size / 16000, abs=0.01)


@pytest.mark.parametrize("name", ["musicnn", "musicnn_vgg_mtt"])
def test_a_song_has_tags(name, published, inputs):
    (song,) = inputs.waveforms(1, 1, 48_000)
    tags = AudioTagger(published(name)).predict((song, 16000)).top(3)
    assert [len(pair) for pair in tags] == [2, 2, 2] and tags[0][1] >= tags[1][1] >= tags[2][1] > 0
