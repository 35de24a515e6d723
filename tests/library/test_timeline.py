"""Windows of long sound by networks with inputs of one length: streamed, of any length, with and without silence."""

import copy
import functools
import itertools

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import Cifar10AudioClassifier, M5AudioClassifier, audio
from mxnet_audio.engine import mx
from mxnet_audio.errors import InvalidAudioError, ModelError
from mxnet_audio.features import AudioFeatureConfig, as_image, extract
from mxnet_audio.library.trained_model import TrainedModel

SR = 8000
LENGTH = 0.5  # of the network's input, about
LIMIT = {"audio_file_length_limit_in_s": LENGTH, "sr": SR}
BANDS = {"sr": SR, "n_fft": 256, "hop_length": 128, "n_mels": 16, "n_frames": 32}
CONFIGS = {
    "log_mel": BANDS,
    "peak": {**BANDS, "ref": "max"},
    "mel": {**BANDS, "type": "mel"},
    "mfcc": {**BANDS, "type": "mfcc", "n_mfcc": 16},
    "fbank": {**LIMIT, "type": "fbank", "num_filter_bands": 16},
    "normalized": {**LIMIT, "type": "fbank", "num_filter_bands": 16, "norm": "per_file"},
    "middle": {**LIMIT, "type": "fbank", "num_filter_bands": 16, "crop": "middle"},
    "stft": {**LIMIT, "type": "stft"},
    "raw": {**LIMIT, "type": "raw"},
    "raw normalized": {**LIMIT, "type": "raw", "norm": "per_file", "crop": "middle"},
}


@functools.cache
def classifier_of(kind, views=None, **changed):
    """Return a classifier with random parameters."""
    config = AudioFeatureConfig(**CONFIGS[kind] | changed)
    name = "m5" if config.type == "raw" else "cifar10"
    classifier = (M5AudioClassifier if name == "m5" else Cifar10AudioClassifier)()
    context = {"model_ctx": mx.cpu(), "data_ctx": mx.cpu(), "random_state": 0}
    classifier._model = TrainedModel(name, ["a", "b", "c"], config, views=views, **context)
    classifier._model.net.standardize.set(0.0, 5.0)
    return classifier


def outputs_of(classifier, samples):
    """Return the mean probabilities and vector of the network for samples of one or more inputs."""
    config = classifier.feature_config
    x = as_image(np.stack([extract(y, SR, config) for y in samples]), config.time_axis)
    return [output.mean(axis=0) for output in classifier.model.forward(x)]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """File of 2.8 s in stereo, at another rate than the features'."""
    rate, path = 44100, tmp_path_factory.mktemp("timeline") / "long.flac"
    t = np.arange(int(2.8 * rate)) / rate
    noise = np.random.default_rng(0).normal(0, 0.05, (len(t), 2))
    sf.write(path, noise * (1.2 + np.sin(t * 3))[:, None] + 0.1 * np.sin(3000 * t * (1 + t))[:, None], rate)
    return path


@pytest.mark.parametrize(
    ("kind", "window"), [*((kind, 1.3) for kind in CONFIGS), *itertools.product(("log_mel", "normalized"), (None, 0.2))]
)
def test_streamed_windows_are_those_of_the_whole_sound(kind, window, sound):
    classifier = classifier_of(kind)
    y, n = audio.load(sound, sr=SR)[0], classifier.feature_config.n_samples
    found = list(classifier.iter_timeline(sound, window))
    size = n if window is None else int(window * SR)
    starts = [*range(0, len(y) - size + 1, round((window or n / SR) / 2 * SR))]
    starts += [len(y) - size] if starts[-1] + size < len(y) else []
    assert [part.start for part in found] == pytest.approx([start / SR for start in starts])
    assert [part.end for part in found] == pytest.approx([(start + size) / SR for start in starts])
    for part, start in zip(found, starts):
        first = min(max(0, (2 * start + size - n) // 2), len(y) - n) if size < n else start
        samples = y[first : first + max(size, n)]
        parts = audio.views(samples, n, int(np.ceil(len(samples) / n - 0.1)))
        np.testing.assert_allclose(part.probabilities, outputs_of(classifier, parts)[0], atol=1e-4)


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_long_sound_is_the_mean_over_parts_that_cover_it(kind, sound):
    classifier = classifier_of(kind)
    y, n = audio.load(sound, sr=SR)[0], classifier.feature_config.n_samples
    probabilities, vector = outputs_of(classifier, audio.views(y, n, int(np.ceil(len(y) / n - 0.1))))
    prediction = classifier.predict(sound)
    np.testing.assert_allclose(prediction.probabilities, probabilities, atol=1e-4)
    np.testing.assert_allclose(classifier.encode_audio(sound), vector, atol=1e-4 * np.abs(vector).max())
    assert prediction.seconds is None and "seconds" not in prediction.as_dict()


def test_a_prediction_says_how_much_was_used(sound):
    prediction = classifier_of("raw", audio_file_length_limit_in_s=0.1).predict(sound)
    assert prediction.seconds == pytest.approx(2.8, abs=1e-3) and prediction.seconds_used == 1.0
    assert prediction.as_dict()["seconds_used"] == prediction.seconds_used
    prediction = classifier_of("log_mel", views=1).predict(sound)
    assert prediction.seconds_used == pytest.approx(LENGTH, abs=0.01)


def test_the_identity_of_embeddings_follows_the_number_of_parts():
    ids = [classifier_of("log_mel", views).model_id for views in (None, 1, 2)]
    assert len(set(ids)) == 3


def test_models_of_earlier_versions_keep_their_single_part_and_identity(tmp_path, sound):
    model = copy.deepcopy(classifier_of("log_mel", views=1).model)
    model.notes = {"training": {}, "skipped": []}
    for views in (1, None):
        model.views = views
        model.__dict__.pop("id", None)
        model.save(tmp_path)
        loaded = Cifar10AudioClassifier()
        loaded.load_model(tmp_path)
        assert loaded.views == views and loaded.model_id == model.id


def test_silence_has_no_label():
    classifier = classifier_of("log_mel")
    y = np.random.default_rng(0).normal(0, 0.1, 3 * SR).astype(np.float32)
    y[SR : 2 * SR] = 0
    for window in (0.1, 0.5, 1.0):
        timeline = classifier.predict_timeline((y, SR), window)
        for part in timeline:
            silent = part.start >= 1 - 1e-9 and part.end <= 2 + 1e-9
            assert (part.label is None) == (part.probabilities is None) == silent
            assert part.known is None
        quiet = next(part for part in timeline if part.label is None)
        assert quiet.top() == [] and quiet.probability is None and quiet.as_dict()["label"] is None
        assert "None" in repr(quiet)
    with pytest.raises(InvalidAudioError, match="silent"):
        classifier.predict_timeline((np.zeros_like(y), SR))


def test_long_silence():
    classifier = classifier_of("raw")
    y = np.zeros(60 * SR, np.float32)
    y[-1] = 1
    windows = classifier.predict_timeline((y, SR), 0.5, 0.5)
    assert [part.label is None for part in windows] == [True] * 119 + [False]


@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.52])
def test_sound_shorter_than_a_window_is_labelled_as_a_whole(seconds):
    classifier = classifier_of("log_mel")
    y = np.random.default_rng(0).normal(0, 0.1, int(seconds * SR)).astype(np.float32)
    (part,) = classifier.predict_timeline((y, SR), 5.0)
    assert (part.start, part.end) == (0, pytest.approx(seconds))
    np.testing.assert_allclose(part.probabilities, classifier.predict((y, SR)).probabilities, atol=1e-6)


def test_one_channel_of_a_sound(sound):
    classifier = classifier_of("log_mel")
    y, sr = sf.read(sound, dtype="float32")
    right = (y[:, 1], sr)
    for call in (
        lambda *a, **o: classifier.predict(*a, **o).probabilities,
        classifier.encode_audio,
        lambda *a, **o: classifier.predict_timeline(*a, **o)[3].probabilities,
    ):
        np.testing.assert_allclose(call(sound, channel="right"), call(right), atol=1e-5)
        assert np.abs(call(sound, channel=0) - call(right)).max() > 1e-5
    names = [prediction.path for prediction in classifier.predict_many([sound], channel="each")]
    assert names == [f"{sound} [left]", f"{sound} [right]"]
    assert len(list(classifier.encode_many(sound, channel="each"))) == 2


def test_finite_parameters_whose_outputs_overflow_are_an_error(sound):
    classifier = copy.deepcopy(classifier_of("log_mel"))
    for parameter in classifier.model.net.head.collect_params(".*weight").values():
        parameter.set_data(parameter.data().sign() * 3e38)
    for call in (classifier.predict, classifier.encode_audio, classifier.predict_timeline):
        with pytest.raises(ModelError, match="probabilities are NaN"):
            call(sound)
