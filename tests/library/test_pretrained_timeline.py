"""Windows of a long sound by a classifier on an encoder: their length, their number, the patches in them."""

import numpy as np
import pytest

from mxnet_audio import PretrainedAudioClassifier
from mxnet_audio.errors import ParameterError
from mxnet_audio.inference import window_vectors as module

SECONDS = 12


@pytest.fixture(scope="module")
def sound():
    """Noise whose level changes."""
    t = np.arange(SECONDS * 16000) / 16000
    return np.random.default_rng(0).normal(0, 0.1, len(t)) * (1 + np.sin(t)), 16000


@pytest.fixture
def patches(monkeypatch):
    """List of the numbers of patches that the embeddings of windows are pooled over."""
    counts = []

    class Counted(module.Pool):
        def add(self, vectors, weights=None):
            counts.append(len(vectors))
            super().add(vectors, weights)

    monkeypatch.setattr(module, "Pool", Counted)
    return counts


def test_a_window_has_enough_patches_for_a_deviation(pretrained, sound, patches):
    windows = pretrained.predict_timeline(sound)
    assert set(patches[:-1]) == {3} and patches[-1] in (3, 4) and windows[-1].end == pytest.approx(SECONDS, abs=0.01)
    assert all(w.end - w.start == pytest.approx(1.935) for w in windows)
    starts = np.array([w.start for w in windows])
    np.testing.assert_allclose(np.diff(starts)[:-1], 1.935 / 2)
    assert {w.encoder for w in windows} == {"yamnet"} and windows[0].as_dict()["encoder"] == "yamnet"


def test_a_window_of_a_mean_is_a_patch(corpus, vector_cache, published, sound, patches, tmp_path):
    classifier = PretrainedAudioClassifier(published("yamnet"), embedding="mean")
    classifier.fit(corpus, tmp_path, cache=vector_cache, progress=False)
    windows = classifier.predict_timeline(sound, hop=0.48)
    assert all(w.end - w.start == pytest.approx(0.975) for w in windows) and set(patches[:-1]) == {1}


@pytest.mark.parametrize(
    ("window", "hop", "count"), [(2.0, 1.0, {3, 4}), (1.0, 0.7, {1, 2}), (0.2, 0.1, {1}), (1.5, 1.5, {2, 3})]
)
def test_windows_that_begin_anywhere_have_enough_patches(pretrained, sound, patches, window, hop, count):
    windows = pretrained.predict_timeline(sound, window, hop)
    assert set(patches[:-1]) <= count
    assert len(windows) == np.ceil((SECONDS - window) / hop - 1e-6) + 1


@pytest.mark.parametrize("wrong", [{"window": 0.01}, {"hop": 1e-9}, {"window": 1, "hop": 1.01}, {"window": np.inf}])
def test_impossible_windows(pretrained, sound, wrong):
    with pytest.raises(ParameterError, match=r"window|hop"):
        pretrained.predict_timeline(sound, **wrong)


def test_silence_has_no_label(pretrained):
    y = np.random.default_rng(0).normal(0, 0.1, 16000 * 9).astype(np.float32)
    y[48000:112000] = 0  # 3 s to 7 s
    for window in (0.5, 1.935):
        timeline = pretrained.predict_timeline((y, 16000), window, unknown=True)
        silent = [part for part in timeline if part.label is None]
        assert silent and all(part.probabilities is None and part.known is None for part in silent)
        assert all(part.start > 2.4 and part.end < 7.6 for part in silent)
        assert all(part.known is not None for part in timeline if part.label is not None)


def test_one_channel_of_a_sound(pretrained, sound):
    noise = np.random.default_rng(1).normal(0, 0.1, len(sound[0]))
    stereo = (np.stack([noise, sound[0]]), sound[1])
    for call in (pretrained.encode_audio, lambda *a, **o: pretrained.predict_timeline(*a, **o)[2].probabilities):
        np.testing.assert_allclose(call(stereo, channel="right"), call(sound), atol=1e-5)
