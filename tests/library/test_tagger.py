"""Tagger: its results and windows with an encoder that computes nothing, and tags of real recordings."""

import itertools
import pickle
import re

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio, weights
from mxnet_audio.engine import mx
from mxnet_audio.errors import AudioDecodeError, InvalidAudioError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference.results import Output
from mxnet_audio.library.tagger import AudioTagger, encoders_with_tags
from mxnet_audio.pretrained import AudioEncoder, Frames

ERROR = AudioDecodeError("no such file", "missing.wav")


class FakeEncoder(AudioEncoder):
    """Encoder of three tags; patches of 1 s every 0.5 s, of which patch i has the scores (i, 1 - i, 0.5) / 10.

    Its parameters are the record's name and the length of its only sound, in seconds.
    """

    def __init__(self, name="yamnet", seconds=3.0):
        super().__init__(name)
        self.seconds = seconds

    labels = ("bee", "cat", "dog")
    window = None
    model_id = "fake"
    feature_config = AudioFeatureConfig(type="mel", sr=1000, n_fft=100, hop_length=100, center=False, n_frames=10)

    @property
    def record(self):
        return weights.record(self.name)

    def fit(self, X=None, y=None):
        return self

    def forward_many(self, paths, batch_size=32, *, channel="mix"):
        for path in paths:
            if path == ERROR.path:
                yield Output(path, None, None, ERROR)
            else:
                yield Output(path, np.float32([0.25, 0.75, 0.5]), np.zeros(4, np.float32))

    def iter_frames(self, path, *, channel="mix"):
        begin = np.arange(0, self.seconds - 0.5, 0.5)
        for index, start in enumerate(begin):
            scores = np.float32([[index, 1 - index, 0.5]]) / 10
            yield Frames(np.zeros((1, 4), np.float32), np.array([[start, min(start + 1, self.seconds)]]), scores)


@pytest.fixture(scope="module")
def yamnet(published):
    return AudioTagger(published("yamnet"))


def test_predictions_name_tags_and_encoder():
    tagger = AudioTagger(FakeEncoder())
    assert tagger.labels == ("bee", "cat", "dog") and tagger.model_id == "fake"
    assert repr(tagger) == "AudioTagger(encoder='yamnet', tags=3)"
    prediction = tagger.predict("a.wav")
    assert prediction.top(2) == [("cat", 0.75), ("dog", 0.5)]
    assert prediction.label == tagger.predict_class("a.wav") == "cat"
    assert prediction.probabilities.sum() == 1.5
    assert prediction.encoder == prediction.as_dict()["encoder"] == "yamnet"
    assert tagger.predict_timeline("a.wav")[0].encoder == "yamnet"


def test_sound_that_cannot_be_used():
    tagger = AudioTagger(FakeEncoder())
    first, second = tagger.predict_many([ERROR.path, "a.wav"])
    assert first == (ERROR.path, None, None, ERROR) and first.top() == [] and first.encoder == "yamnet"
    assert second.label == "cat"
    for predict in (tagger.predict, tagger.predict_class):
        with pytest.raises(AudioDecodeError, match=re.escape("missing.wav")):
            predict(ERROR.path)


def test_by_default_each_patch_is_a_window():
    timeline = AudioTagger(FakeEncoder(seconds=2.2)).predict_timeline("a.wav")
    assert [(part.start, part.end) for part in timeline] == [(0, 1), (0.5, 1.5), (1, 2), (1.5, 2.2)]
    np.testing.assert_allclose([part.probabilities[0] for part in timeline], [0, 0.1, 0.2, 0.3])
    assert timeline[0].label == "cat" and timeline[3].top(1) == [("bee", pytest.approx(0.3))]


def test_scores_of_a_window_are_means_weighted_by_overlap():
    tagger = AudioTagger(FakeEncoder(seconds=3.2))  # patches start at 0, 0.5, … 2.5; the last one ends at 3.2
    timeline = tagger.predict_timeline("a.wav", window=1.5, hop=1.0)
    assert [(part.start, part.end) for part in timeline] == [(0, 1.5), (1, 2.5), (pytest.approx(1.7), 3.2)]
    overlaps = np.array([[1, 1, 0.5, 0, 0, 0], [0, 0.5, 1, 1, 0.5, 0], [0, 0, 0.3, 0.8, 1, 0.7]])
    expected = overlaps @ np.arange(6) / 10 / overlaps.sum(axis=1)
    np.testing.assert_allclose([part.probabilities[0] for part in timeline], expected, rtol=1e-6)
    assert {part.probabilities.dtype for part in timeline} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    "window, hop, count", [(None, 0.5, 6), (0.3, None, 21), (0.2, 0.1, 31), (4, None, 1), (3.2, 0.1, 1), (1, 1, 4)]
)
def test_windows_cover_the_sound(window, hop, count):
    timeline = AudioTagger(FakeEncoder(seconds=3.2)).predict_timeline("a.wav", window, hop)
    assert len(timeline) == count
    assert timeline[0].start == 0 and timeline[-1].end == 3.2
    assert all(one.end >= other.start for one, other in itertools.pairwise(timeline))


@pytest.mark.parametrize("window", [None, 0.5])
def test_silence_has_no_tag_unless_silence_is_a_tag(window, monkeypatch):
    silence = np.array([False, True, True, True, False])

    def iter_frames(self, path, *, channel="mix"):
        begins = np.arange(5) / 2
        times = np.stack([begins, begins + 1], axis=1)
        yield Frames(np.zeros((5, 4)), times, np.full((5, 3), [0.2, 0.3, 0.4]), silent=silence)

    monkeypatch.setattr(FakeEncoder, "iter_frames", iter_frames)
    timeline = AudioTagger(FakeEncoder()).predict_timeline("a.wav", window, window)
    quiet = [part.label is None for part in timeline]
    assert quiet == (list(silence) if window is None else [False, False, True, True, False, False])
    assert all((part.label is None) == (part.probabilities is None) for part in timeline)
    monkeypatch.setattr(FakeEncoder, "labels", ("bee", "cat", "Silence"))
    assert {part.label for part in AudioTagger(FakeEncoder()).predict_timeline("a.wav")} == {"Silence"}


@pytest.mark.parametrize(
    "window, hop",
    [
        (0, None),
        (float("inf"), None),
        (-1, None),
        ("1", None),
        (float("nan"), None),
        (0.1, None),
        (1, 1.5),
        (1, 0.01),
        (1, 0),
    ],
)
def test_windows_out_of_range(window, hop):
    with pytest.raises(ParameterError, match=r"(window|hop) must be a number"):
        AudioTagger(FakeEncoder()).predict_timeline("a.wav", window, hop)


def test_the_longest_window_holds_the_whole_sound():
    for window in (1e9, 1e308):
        (whole,) = AudioTagger(FakeEncoder()).predict_timeline("a.wav", window)
        assert whole.start == 0 and whole.end == AudioTagger(FakeEncoder()).predict_timeline("a.wav")[-1].end


def test_encoders_without_tags_are_refused_with_the_names_of_the_others():
    without = FakeEncoder("resemblyzer")
    without.labels = ()
    for encoder in ("resemblyzer", "yamnett", "wav2vec2", without):
        with pytest.raises(ParameterError) as caught:
            AudioTagger(encoder)
        for name in encoders_with_tags():
            assert repr(name) in str(caught.value)


def test_what_is_no_encoder():
    for encoder in (None, 3, b"yamnet", AudioEncoder):
        with pytest.raises(ParameterError, match="encoder must be"):
            AudioTagger(encoder)


def test_devices_belong_to_the_encoder():
    for name in ("model_ctx", "data_ctx"):
        with pytest.raises(ParameterError, match=name):
            AudioTagger(FakeEncoder(), **{name: mx.cpu()})


def test_published_tags_of_real_recordings(yamnet, esc10, fsdd):
    paths = [*(sorted((esc10 / folder).iterdir())[0] for folder in ("rain", "helicopter")), fsdd / "0_jackson_0.wav"]
    for prediction, path, tag in zip(yamnet.predict_many(paths), paths, ("Rain", "Vehicle", "Speech")):
        assert prediction.path == str(path)
        assert tag in dict(prediction.top(5)), prediction.top(5)
        assert prediction.probabilities.shape == (521,)
        assert prediction.probabilities.min() >= 0 and prediction.probabilities.max() <= 1


def test_a_window_as_long_as_the_sound_has_the_scores_of_the_sound(yamnet, esc10):
    y, sr = sf.read(sorted((esc10 / "rain").iterdir())[0])
    sound = (np.float32(y[: sr * 3]), sr)
    (part,) = yamnet.predict_timeline(sound, window=3)
    # Patches overlap: weights of overlaps are those of a plain mean, but for the end of the last one.
    np.testing.assert_allclose(part.probabilities, yamnet.predict(sound).probabilities, atol=0.01)


def test_a_long_recording_window_by_window(yamnet, esc10, tmp_path):
    parts = []
    for folder in ("rain", "helicopter"):
        y, sr = sf.read(sorted((esc10 / folder).iterdir())[0])
        parts.append(y[: sr * 4])
    sf.write(tmp_path / "long.wav", np.concatenate(parts), sr)
    timeline = yamnet.predict_timeline(tmp_path / "long.wav", window=2, hop=2)
    assert [(part.start, round(part.end, 1)) for part in timeline] == [(0, 2), (2, 4), (4, 6), (6, 8)]
    rain, vehicle = (yamnet.labels.index(name) for name in ("Rain", "Vehicle"))
    scores = np.array([part.probabilities for part in timeline])
    assert scores[:2, rain].min() > scores[2:, rain].max()
    assert scores[2:, vehicle].min() > scores[:2, vehicle].max()


def test_music(published, music):
    tagger = AudioTagger(published("musicnn"))
    y, sr = sf.read(music / "vibe_ace.ogg", frames=22050 * 9)
    prediction = tagger.predict((np.float32(y.T), sr))
    assert prediction.label == "jazz" and prediction.encoder == "musicnn"
    assert len(tagger.labels) == 50


def test_silent_and_short_sound(yamnet):
    with pytest.raises(InvalidAudioError):
        yamnet.predict((np.zeros(16000, np.float32), 16000))
    with pytest.raises(InvalidAudioError):
        yamnet.predict_timeline((np.zeros(16000, np.float32), 16000))
    click = (np.float32(np.sin(np.arange(1600))), 16000)  # a tenth of a second
    assert 0 < yamnet.predict(click).probability <= 1
    (part,) = yamnet.predict_timeline(click)
    assert (part.start, part.end) == (0, 0.1)


def test_a_tagger_can_be_pickled(yamnet):
    click = (np.float32(np.sin(np.arange(1600))), 16000)
    assert pickle.loads(pickle.dumps(yamnet)).predict(click) == yamnet.predict(click)


def test_an_encoder_can_be_shared(yamnet):
    assert AudioTagger(yamnet.encoder).encoder is yamnet.encoder


def test_digital_silence_does_not_change_the_tags(published, esc10):
    y, sr = audio.load(sorted(esc10.glob("rooster/*.ogg"))[0], sr=16000)
    tagger = AudioTagger(published("yamnet"))
    alone, after_a_minute = (tagger.predict((sound, sr)) for sound in (y, np.append(np.zeros(60 * sr, np.float32), y)))
    # Patches that hold the start of the sound differ.
    np.testing.assert_allclose(after_a_minute.probabilities, alone.probabilities, atol=0.1)
