"""Encoder: windows of a recording, pauses, and embeddings of length 1."""

import numpy as np
import pytest

from mxnet_audio.audio import load
from mxnet_audio.errors import InvalidAudioError, ModelError, ParameterError
from mxnet_audio.features import as_image, extract
from mxnet_audio.speakers.encoder import SpeakerEncoder


@pytest.fixture(scope="module")
def encoder(model_dir):
    """The trained encoder."""
    encoder = SpeakerEncoder("sincnet")
    encoder.load_model(model_dir)
    return encoder


def test_embeddings_have_length_1(encoder, recordings):
    paths = [path for path, _ in recordings("ann", "bob", takes=(8, 9))]
    vectors = np.stack([encoding.vector for encoding in encoder.encode_many(paths)])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_audio(paths[1]), vectors[1], atol=1e-5)
    in_pairs = [encoding.vector for encoding in encoder.encode_many(paths, batch_size=2)]
    np.testing.assert_allclose(in_pairs, vectors, atol=1e-5)


def test_short_sound_is_repeated(encoder, people):
    config = encoder.feature_config
    y, sr = load(people / "ann" / "8.wav", sr=None)
    short = y[2000:4000]
    assert len(short) < config.n_samples
    repeated = np.tile(short, 4)[: config.n_samples]
    np.testing.assert_allclose(encoder.encode_audio((short, sr)), encoder.encode_audio((repeated, sr)), atol=1e-5)


def test_the_embedding_of_long_sound_is_the_mean_over_its_windows(encoder, people):
    n = encoder.feature_config.n_samples
    y, sr = load(people / "ann" / "8.wav", sr=None)
    long = np.concatenate([y, y, y])
    windows = encoder.windows((long, sr))
    assert len(windows) == 1 + -(-2 * (len(long) - n) // n)
    vectors = encoder.model.forward(windows)[1]
    mean = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(encoder.encode_audio((long, sr)), mean / np.linalg.norm(mean), atol=1e-5)


def test_pauses_are_left_out(encoder, people):
    y, sr = load(people / "ann" / "8.wav", sr=None)
    pause = np.zeros(4 * encoder.feature_config.n_samples, np.float32)
    with_pause, without = np.concatenate([y, pause, y]), np.tile(y, 6)[: 2 * len(y) + len(pause)]
    assert len(encoder.windows((with_pause, sr))) < len(encoder.windows((without, sr)))


def test_many_windows_are_thinned_out(encoder, people, monkeypatch):
    monkeypatch.setattr("mxnet_audio.speakers.encoder.MAX_WINDOWS", 3)
    y, sr = load(people / "ann" / "8.wav", sr=None)
    assert len(encoder.windows((np.tile(y, 9), sr))) == 3


def test_recordings_are_encoded_once_for_all_their_trials(encoder, recordings, tmp_path):
    (ann, _), (bob, _) = recordings("ann", "bob", takes=(8,))
    missing, sound = str(tmp_path / "missing.wav"), load(ann, sr=None)
    vectors, rows = encoder.encode_trials([(1, ann, sound), (0, ann, bob), (0, missing, bob), (1, sound, sound)])
    assert rows == [(0, 1), (0, 2), (None, 2), (1, 1)]
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)
    assert [path for path, _ in encoder.skipped] == [missing]


def test_what_cannot_be_encoded(encoder, recordings):
    with pytest.raises(InvalidAudioError, match=r"0\.050 s"):
        encoder.encode_audio((np.ones(400), 8000))
    with pytest.raises(InvalidAudioError):
        encoder.encode_audio((np.zeros(8000), 8000))
    with pytest.raises(ParameterError, match="batch_size"):
        list(encoder.encode_many([], batch_size=0))
    with pytest.raises(ModelError, match="fit or load"):
        SpeakerEncoder("sincnet").encode_audio("a.wav")
    for network in ("resnet19", "cifar10"):
        with pytest.raises(ParameterError, match=f"ecapa_tdnn.*'{network}'"):
            SpeakerEncoder(network)


def test_one_window_is_what_the_features_give(encoder, people):
    config = encoder.feature_config
    y, sr = load(people / "dan" / "3.wav", sr=config.sr)
    window = y[: config.n_samples]
    expected = as_image(extract(window, sr, config), config.time_axis)
    np.testing.assert_allclose(encoder.windows((window, sr))[0], expected, atol=1e-5)
