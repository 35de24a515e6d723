"""Recognizer with a published encoder: its whole use without training, on a stand-in and on the published weights."""

import copy
import json
import pickle
import shutil

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio
from mxnet_audio.errors import DatasetError, InvalidAudioError, ModelError, ParameterError
from mxnet_audio.metrics import eer
from mxnet_audio.speakers.default_thresholds import DEFAULT_THRESHOLDS
from mxnet_audio.speakers.published_encoder import MIN_BACKGROUND
from mxnet_audio.speakers.recognizer import SpeakerRecognizer
from mxnet_audio.speakers.state import SPEAKER_NETWORKS, SpeakerState

SPEAKERS = ("george", "jackson", "lucas", "nicolas")
PLAIN, CENTERED = DEFAULT_THRESHOLDS["resemblyzer"].values()


def paths_of(pairs):
    return [path for path, _ in pairs]


def test_speakers_are_enrolled_verified_identified_saved_and_loaded_without_training(pretrained, recordings, tmp_path):
    assert (pretrained.threshold, pretrained.scorer.rates) == PLAIN
    assert "5.1% false accepts: FSDD" in repr(pretrained)
    for name in ("ann", "bob"):
        pretrained.enroll(name, paths_of(recordings(name, takes=range(3))))
    pretrained.calibrate(recordings("cem", "dan"))
    query, other = (paths_of(recordings(name, takes=[9]))[0] for name in ("ann", "bob"))
    assert pretrained.verify_as("ann", query).same and not pretrained.verify_as("ann", other).same
    assert not pretrained.verify(query, other).same
    assert pretrained.evaluate([(1, query, query), (0, query, other)]).eer == 0
    pretrained.save(tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 4000  # two speakers, and no weights
    loaded = SpeakerRecognizer.load(tmp_path)
    assert (loaded.network, loaded.speakers) == ("resemblyzer", {"ann": 3, "bob": 3})
    assert loaded.threshold == pretrained.threshold
    assert loaded.identify(query).speaker == "ann"
    assert loaded.scorer.rates == pretrained.scorer.rates
    for twin in (copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded))):
        assert twin.identify(other) == loaded.identify(other)


def test_a_background_centers_and_has_a_threshold_of_its_own(pretrained, recordings, tmp_path, caplog):
    pretrained.enroll("ann", paths_of(recordings("ann", takes=range(3))))
    query = paths_of(recordings("ann", takes=[9]))[0]
    before = pretrained.verify_as("ann", query).score
    others = paths_of(recordings("cem", "dan"))
    assert pretrained.set_background(others) == 20
    assert (pretrained.threshold, pretrained.scorer.rates) == CENTERED
    assert pretrained.speakers == {"ann": 3}
    after = pretrained.verify_as("ann", query).score
    assert after != before and not caplog.records
    pretrained.save(tmp_path)
    assert SpeakerRecognizer.load(tmp_path).verify_as("ann", query).score == pytest.approx(after)
    pretrained.calibrate(recordings("ann", "bob"))
    pretrained.set_background(others[:10])
    assert pretrained.scorer.rates == CENTERED[1] and "calibrate again" in caplog.text


def test_recordings_of_the_background_are_noticed_where_they_are_compared(pretrained, recordings, caplog):
    ann, cem = (paths_of(recordings(name)) for name in ("ann", "cem"))
    pretrained.enroll("ann", ann[:3])
    pretrained.set_background([*ann[2:], *cem])
    assert [record.args for record in caplog.records] == [(1, "ann")]
    caplog.clear()
    pretrained.calibrate([*recordings("bob"), *recordings("cem", takes=range(4))])
    assert [record.args for record in caplog.records] == [(4,)]


def test_a_background_of_few_recordings_is_refused(pretrained, recordings, tmp_path):
    silent = tmp_path / "silent.wav"
    sf.write(silent, np.zeros(8000), 8000)
    few = [*paths_of(recordings("cem", takes=range(MIN_BACKGROUND - 1))), silent]
    with pytest.raises(DatasetError, match=r"10 .*got 9"):
        pretrained.set_background(few)
    assert paths_of(pretrained.skipped) == [str(silent)]
    with pytest.raises(DatasetError, match=r"10 .*got 1"):
        pretrained.set_background(few[:1] * 12)
    with pytest.raises(DatasetError, match="no recordings"):
        pretrained.set_background([])
    with pytest.raises(ParameterError, match="paths"):
        pretrained.set_background(None)
    assert not pretrained.scorer.centered and (pretrained.threshold, pretrained.scorer.rates) == PLAIN
    with pytest.raises(ParameterError, match=r"resemblyzer.*sincnet"):
        SpeakerRecognizer("sincnet").set_background(few)


def test_a_large_background_is_thinned_out(pretrained, recordings, monkeypatch):
    monkeypatch.setattr("mxnet_audio.speakers.published_encoder.MAX_BACKGROUND", 11)
    paths = paths_of(recordings("cem", "dan"))
    assert pretrained.set_background(paths) == 11
    ends = [pretrained.encode_audio(paths[index]) for index in (0, -1)]
    np.testing.assert_allclose(pretrained.scorer.cohort.vectors[[0, -1]], ends, atol=1e-6)


def test_normalized_scores_need_a_background_and_a_calibration(fake_encoder, recordings, tmp_path):
    recognizer = SpeakerRecognizer("resemblyzer", normalize=True)
    assert "not calibrated" in repr(recognizer)
    query, other = (paths_of(recordings(name, takes=[9]))[0] for name in ("ann", "bob"))
    for call in (lambda: recognizer.verify(query, other), lambda: recognizer.save(tmp_path / "new")):
        with pytest.raises(ModelError, match="calibrate"):
            call()
    recognizer.set_background(paths_of(recordings("cem", "dan")))
    assert recognizer.calibrate(recordings("ann", "bob")).eer < 0.2
    assert not recognizer.verify(query, other).same
    recognizer.save(tmp_path)
    loaded = SpeakerRecognizer.load(tmp_path)
    assert loaded.verify(query, other) == pytest.approx(recognizer.verify(query, other), abs=1e-5)


def test_it_is_neither_trained_nor_exported(pretrained, recordings, tmp_path):
    with pytest.raises(ParameterError, match=", ".join(SPEAKER_NETWORKS)):
        pretrained.fit(recordings("ann", "bob"), tmp_path)
    with pytest.raises(ModelError, match=r"resemblyzer.*exported"):
        pretrained.export_onnx(tmp_path / "voices.onnx")
    with pytest.raises(ModelError, match="resemblyzer"):
        _ = pretrained.model
    assert list(tmp_path.iterdir()) == []


def test_a_directory_of_another_encoder_is_refused(pretrained, model_dir, recordings, options, tmp_path):
    shutil.copytree(model_dir, tmp_path / "trained")
    with pytest.raises(ModelError, match=r"sincnet.* resemblyzer"):
        pretrained.save(tmp_path / "trained")
    pretrained.save(tmp_path / "published")
    with pytest.raises(ModelError, match=r"resemblyzer.* sincnet"):
        SpeakerRecognizer("sincnet").fit(recordings("ann", "bob"), tmp_path / "published", **options)
    with pytest.raises(ModelError, match=r"resemblyzer.* sincnet"):
        SpeakerRecognizer.load(model_dir).save(tmp_path / "published")
    path = tmp_path / "published" / "speaker.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_id": "other"}))
    with pytest.raises(ModelError, match="resemblyzer other, not 0123456789abcdef"):
        SpeakerRecognizer.load(tmp_path / "published")


@pytest.fixture(scope="module")
def published_recognizer(published):
    """Recognizer with the published weights; tests enroll with `replace`."""
    return SpeakerRecognizer(published("resemblyzer"))


def test_strangers_are_identified_from_single_words(published_recognizer, fsdd):
    recognizer = published_recognizer
    for name in SPEAKERS:
        recognizer.enroll(name, [fsdd / f"{digit}_{name}_0.wav" for digit in range(4)], replace=True)
    queries = [(fsdd / f"{digit}_{name}_1.wav", name) for name in SPEAKERS for digit in (7, 9)]
    answers = list(recognizer.identify_many(path for path, _ in queries))
    assert sum(answer.ranking[0][0] == name for answer, (_, name) in zip(answers, queries)) >= 7
    own = [dict(answer.ranking)[name] for answer, (_, name) in zip(answers, queries)]
    others = [score for answer, (_, name) in zip(answers, queries) for other, score in answer.ranking if other != name]
    assert np.mean(own) > recognizer.threshold > np.mean(others)


def test_embeddings_have_length_1_and_short_or_silent_sound_has_none(published_recognizer):
    rng = np.random.default_rng(0)
    vectors = [published_recognizer.encode_audio((rng.normal(0, 0.1, n), 16000)) for n in (1600, 40000)]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    with pytest.raises(InvalidAudioError, match=r"0\.050 s"):
        published_recognizer.encode_audio((rng.normal(0, 0.1, 800), 16000))
    with pytest.raises(InvalidAudioError, match="silent"):
        published_recognizer.verify((np.zeros(16000), 16000), (vectors[0], 16000))


def test_missing_weights_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.metadata.distribution", _not_installed)
    monkeypatch.setenv("MXNET_AUDIO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ModelError, match=r"resemblyzer.*pip install"):
        SpeakerRecognizer("resemblyzer")


def _not_installed(name):
    import importlib.metadata

    raise importlib.metadata.PackageNotFoundError(name)


@pytest.mark.slow
def test_strangers_are_separated_by_single_words(published_recognizer, fsdd):
    """At most 17% for 25 takes, 14% with a background; measured here on 3 takes: see benchmarks/speakers.py."""
    words = [(digit, name, take) for digit in range(10) for name in SPEAKERS for take in range(3)]
    paths = [fsdd / f"{digit}_{name}_{take}.wav" for digit, name, take in words]
    vectors = np.stack([encoding.vector for encoding in published_recognizer.encode_many(paths)])
    digits, names = (np.array(column) for column in list(zip(*words))[:2])
    first, second = np.triu_indices(len(words), 1)
    kept = digits[first] != digits[second]
    first, second = first[kept], second[kept]
    labels = (names[first] == names[second]).astype(int)
    assert eer(labels, published_recognizer.scorer.trial_scores(vectors, first, second))[0] <= 0.16


def test_recognizers_of_one_directory_keep_what_others_have_saved(pretrained, fake_encoder, recordings, tmp_path):
    paths = {name: paths_of(recordings(name)) for name in ("ann", "bob", "cem", "dan")}
    pretrained.enroll("ann", paths["ann"][:3])
    pretrained.enroll("bob", paths["bob"][:3])
    pretrained.save(tmp_path)
    first, second = (SpeakerRecognizer.load(tmp_path) for _ in range(2))
    first.enroll("cem", paths["cem"][:3])
    first.enroll("ann", paths["ann"][3:5])
    first.calibrate(recordings("cem", "dan"), 0.2)
    first.save(tmp_path)
    second.enroll("dan", paths["dan"][:3])
    second.enroll("ann", paths["ann"][5:6])
    second.forget("bob")
    second.save(tmp_path)
    new = SpeakerRecognizer("resemblyzer")  # that was never loaded from there
    new.enroll("eve", paths["bob"][5:6])
    new.save(tmp_path)
    for recognizer in (SpeakerRecognizer.load(tmp_path), new):
        assert recognizer.speakers == {"ann": 6, "cem": 3, "dan": 3, "eve": 1}
        assert recognizer.threshold == first.threshold != second._initial.threshold


def test_a_speaker_enrolled_by_a_thread_during_save_is_kept(pretrained, recordings, tmp_path, monkeypatch):
    pretrained.enroll("ann", paths_of(recordings("ann"))[:3])
    save = SpeakerState.save

    def save_slowly(state, directory):
        save(state, directory)
        pretrained.enroll("bob", paths_of(recordings("bob"))[:3])

    monkeypatch.setattr(SpeakerState, "save", save_slowly)
    pretrained.save(tmp_path)
    assert pretrained.speakers == {"ann": 3, "bob": 3} and SpeakerState.enrolled_in(tmp_path) == ["ann"]
    pretrained.save(tmp_path)
    assert SpeakerState.enrolled_in(tmp_path) == ["ann", "bob"]


def test_a_copy_is_saved_elsewhere_with_all_its_speakers(pretrained, fake_encoder, recordings, tmp_path):
    pretrained.enroll("ann", paths_of(recordings("ann"))[:3])
    pretrained.save(tmp_path / "one")
    other = SpeakerRecognizer("resemblyzer")
    other.enroll("bob", paths_of(recordings("bob"))[:3])
    other.save(tmp_path / "two")
    pretrained.save(tmp_path / "two")
    assert SpeakerRecognizer.load(tmp_path / "two").speakers == {"bob": 3, "ann": 3}
    assert SpeakerRecognizer.load(tmp_path / "one").speakers == {"ann": 3}


def test_both_sides_of_a_call_are_recognized(pretrained, recordings, tmp_path):
    sides = [sf.read(paths_of(recordings(name, takes=[9]))[0]) for name in ("ann", "bob")]
    length = min(len(y) for y, _ in sides)
    call = tmp_path / "call.wav"
    sf.write(call, np.stack([y[:length] for y, _ in sides], axis=1), sides[0][1])
    for name in ("ann", "bob"):
        pretrained.enroll(name, paths_of(recordings(name, takes=range(5))))
    pretrained.calibrate(recordings("cem", "dan"))
    assert pretrained.verify_as("ann", call, channel="left").same
    assert not pretrained.verify_as("ann", call, channel="right").same
    assert pretrained.identify(call, channel=1).speaker == "bob"
    results = list(pretrained.identify_many([call], channel="each"))
    assert [(result.path, result.speaker) for result in results] == [
        (f"{call} [left]", "ann"),
        (f"{call} [right]", "bob"),
    ]
    encodings = list(pretrained.encode_many([call], channel="each"))
    np.testing.assert_allclose(encodings[1].vector, pretrained.encode_audio(call, channel="right"), atol=1e-6)
    assert not pretrained.verify(audio.Channel(call, "left"), audio.Channel(call, "right")).same
    assert pretrained.verify(call, call, channel="right").same
    assert pretrained.enroll("ann", [call], channel="left") == 6
    with pytest.raises(ParameterError, match="channel"):
        pretrained.enroll("ann", [call], channel="middle")


def test_an_encoder_without_a_default_threshold_is_calibrated_first(fake_encoder, recordings, tmp_path):
    recognizer = SpeakerRecognizer("ecapa", source=tmp_path)
    assert "not calibrated" in repr(recognizer)
    paths = {name: paths_of(recordings(name)) for name in ("ann", "bob")}
    for name in paths:
        recognizer.enroll(name, paths[name][:3])
    for call in (recognizer.identify, lambda path: recognizer.save(tmp_path / "voices")):
        with pytest.raises(ModelError, match="calibrate"):
            call(paths["ann"][9])
    recognizer.set_background(paths_of(recordings("cem")))
    recognizer.calibrate(recordings("ann", "dan"))
    assert recognizer.identify(paths["ann"][9]).speaker == "ann"
    recognizer.save(tmp_path / "voices")
    assert json.loads((tmp_path / "voices" / "speaker.json").read_text())["source"] == str(tmp_path)
    loaded = SpeakerRecognizer.load(tmp_path / "voices")
    assert (loaded.network, loaded.threshold) == ("ecapa", recognizer.threshold)
    assert loaded._encoder.origin == (str(tmp_path), None)


def test_weights_that_were_moved(fake_encoder, recordings, tmp_path):
    weights = tmp_path / "weights"
    weights.mkdir()
    recognizer = SpeakerRecognizer("ecapa", source=str(weights))
    recognizer.calibrate(recordings("ann", "bob"))
    recognizer.save(tmp_path / "voices")
    weights.rename(tmp_path / "moved")
    with pytest.raises(ModelError, match=r"weights: missing.*source"):
        SpeakerRecognizer.load(tmp_path / "voices")
    assert SpeakerRecognizer.load(tmp_path / "voices", source=tmp_path / "moved").threshold == recognizer.threshold
    manifest = tmp_path / "voices" / "speaker.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"source": 3}))
    with pytest.raises(ModelError, match=r"source or revision"):
        SpeakerRecognizer.load(tmp_path / "voices")


def test_trained_networks_have_no_source(tmp_path):
    with pytest.raises(ParameterError, match="resnet18"):
        SpeakerRecognizer("resnet18", source=tmp_path)
