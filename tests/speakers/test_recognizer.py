"""EnrolledSpeakers: trained on, enrolled, verified, identified, kept; and what is refused."""

import io
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import features, training
from mxnet_audio.audio import load
from mxnet_audio.data.transforms import ToImage
from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import AudioDecodeError, DatasetError, FeatureError, InvalidAudioError, ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
from mxnet_audio.metrics import eer
from mxnet_audio.speakers.encoder import SpeakerEncoder, speaker_features
from mxnet_audio.speakers.recognizer import SpeakerRecognizer
from tests.voices import SPEAKERS, synthesise_voices

KNOWN = ("ann", "bob", "cem")


def recordings(people, *names, takes=range(10)):
    return [(str(people / name / f"{n}.wav"), name) for name in names for n in takes]


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Folder of four speakers, ten vowels each."""
    return synthesise_voices(tmp_path_factory.mktemp("people"), takes=10, speakers=SPEAKERS)


@pytest.fixture(scope="module")
def options():
    return {"epochs": 6, "batch_size": 8, "seconds": 0.4, "checkpoint_interval": 9, "cache": False, "progress": False}


@pytest.fixture(scope="module")
def place(people, options, tmp_path_factory):
    """Folder of a recogniser that was trained on three of the four."""
    folder = tmp_path_factory.mktemp("voices")
    SpeakerRecognizer("resnet18").fit(recordings(people, *KNOWN, takes=range(8)), folder, **options | {"epochs": 10})
    return folder


@pytest.fixture
def recognizer(place):
    return SpeakerRecognizer.load(place)


@pytest.fixture
def enrolled(recognizer, people):
    for name in KNOWN:
        recognizer.enroll(name, [path for path, _ in recordings(people, name, takes=range(3))])
    return recognizer


def test_recordings_of_one_speaker_are_told_from_those_of_two(recognizer, people):
    ann, other = (people / "ann" / f"{n}.wav" for n in (8, 9))
    found = recognizer.verify(ann, other)
    assert found.same
    assert found.score >= found.threshold == recognizer.threshold
    assert not recognizer.verify(ann, people / "bob" / "8.wav").same
    assert recognizer.verify(ann, ann).score == pytest.approx(1, abs=1e-5)
    assert recognizer.verify(other, ann) == pytest.approx(found, abs=1e-6)  # whichever comes first


def test_a_voice_is_a_vector_of_length_1(recognizer, people):
    paths = [path for path, _ in recordings(people, "ann", "bob", takes=(8, 9))]
    vectors = np.stack([found.vector for found in recognizer.embed_many(paths)])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(recognizer.embed(paths[1]), vectors[1], atol=1e-5)


def test_who_speaks_is_identified_and_who_is_not_enrolled_is_unknown(enrolled, people):
    for name in KNOWN:
        found = enrolled.identify(people / name / "9.wav", top_k=2)
        assert found.speaker == name == found.ranking[0][0]
        assert len(found.ranking) == 2
        assert found.ranking[0][1] >= found.ranking[1][1]
    enrolled.forget("ann")
    found = enrolled.identify(people / "ann" / "9.wav")
    assert found.speaker is None
    assert found.ranking[0][1] < enrolled.threshold


def test_no_step_is_taken_on_a_lone_recording(people, options, tmp_path, monkeypatch):
    """A norm would make zeros of its vector: 10 are trained on, 3 at a time."""
    sizes, step = [], gluon.Trainer.step
    monkeypatch.setattr(gluon.Trainer, "step", lambda self, size: (sizes.append(size), step(self, size)))
    pairs = recordings(people, "ann", "bob", takes=range(6))
    SpeakerRecognizer("resnet18").fit(pairs, tmp_path, **options | {"epochs": 2, "batch_size": 3})
    assert sizes == [3] * 6


def test_a_speaker_at_another_speed_is_another_to_train_on(people, options, tmp_path):
    """Each is trained on at each speed, none is held out; a bad file is listed once; and the run can go on."""
    bad = tmp_path / "bad.wav"
    bad.write_text("no sound")
    pairs = [*recordings(people, "ann", "bob", takes=range(6)), (str(bad), "bob")]
    short = options | {"epochs": 1, "test_size": 0.5}
    recognizer = SpeakerRecognizer("resnet18")
    first = recognizer.fit(pairs, tmp_path / "new", **short, speeds=(0.9, 1.25))
    assert recognizer.model.labels == ["ann", "bob", "sp0.9-ann", "sp0.9-bob", "sp1.25-ann", "sp1.25-bob"]
    assert [path for path, _ in recognizer.skipped] == [str(bad)]
    history = recognizer.fit(pairs, tmp_path / "new", **short | {"epochs": 2}, speeds=(1.25, 0.9), resume=True)
    assert history["loss_train"][:1] == first["loss_train"] and len(history["loss_train"]) == 2
    numbered = [(path, int(name == "bob")) for path, name in pairs[:-1]]
    recognizer.fit(numbered, tmp_path / "numbers", **short, speeds=[1.1])
    assert recognizer.model.labels == ["0", "1", "sp1.1-0", "sp1.1-1"]
    streams = [(io.BytesIO(Path(path).read_bytes()), name) for path, name in pairs[:-1]]
    for stream, _ in streams:
        stream.seek(0, io.SEEK_END)  # which is read from its beginning all the same
    recognizer.fit(streams, tmp_path / "streams", **short, speeds=np.array([1.1]))
    assert recognizer.skipped == []


def test_an_answer_is_right_at_whatever_speed(people, options, tmp_path, monkeypatch):
    """Held-out recordings: 6 of ann, 6 of bob, and a network that takes every one for ann, a little slower."""
    slower = lambda run, x, y: (nd.one_hot(2 * nd.ones(len(x)), 4), nd.zeros(len(x)))  # noqa: E731
    monkeypatch.setattr(training.loop._Run, "_judge", slower)
    recognizer = SpeakerRecognizer("resnet18")
    pairs = recordings(people, "ann", "bob")
    history = recognizer.fit(pairs, tmp_path, **options | {"epochs": 1, "test_size": 0.6}, speeds=[0.9])
    assert recognizer.model.labels[2] == "sp0.9-ann"
    assert history["acc_test"] == [0.5]


@pytest.mark.parametrize("speeds", [(1,), (0.9, 0.9), (0.4,), (2.1,), (float("nan"),), 0.9, ("fast",)], ids=str)
def test_speeds_that_are_none_are_refused(speeds, people, options, tmp_path):
    with pytest.raises(FeatureError, match=r"speeds (lie|are numbers)"):
        SpeakerRecognizer("resnet18").fit(recordings(people, *KNOWN), tmp_path, **options, speeds=speeds)


def test_an_enrolled_voice_is_verified(enrolled, people):
    assert enrolled.verify_as("ann", people / "ann" / "9.wav").same
    assert not enrolled.verify_as("ann", people / "bob" / "9.wav").same
    with pytest.raises(ModelError, match="no 'eve' is enrolled; there is ann, bob, cem"):
        enrolled.verify_as("eve", people / "ann" / "9.wav")


def test_enrolling_again_adds_or_replaces(recognizer, people):
    one, two = ([path for path, _ in recordings(people, "ann", takes=takes)] for takes in ((0, 1), (2,)))
    assert recognizer.enroll("ann", one) == 2
    assert recognizer.enroll("ann", two) == 3
    assert recognizer.enroll("ann", [*two, *one, *one]) == 3  # all of it was heard before
    assert recognizer.enroll("ann", two[0], replace=True) == 1
    assert recognizer.speakers == {"ann": 1}


def test_recordings_that_another_is_known_by_are_noticed(enrolled, people, caplog):
    enrolled.enroll("ann", [path for path, _ in recordings(people, "ann", takes=range(6))])
    assert "known as" not in caplog.text
    assert enrolled.enroll("dan", [path for path, _ in recordings(people, "ann", "bob", "dan", takes=range(5))]) == 15
    assert "dan: 5 of these recordings are known as ann's, too" in caplog.text
    assert "dan: 3 of these recordings are known as bob's, too" in caplog.text
    assert "cem" not in caplog.text


def test_what_is_enrolled_is_kept_without_sound(enrolled, people, place, tmp_path):
    enrolled.save(tmp_path / "copy")
    again = SpeakerRecognizer.load(tmp_path / "copy")
    assert again.speakers == enrolled.speakers == dict.fromkeys(KNOWN, 3)
    asked = people / "cem" / "9.wav"
    assert dict(again.identify(asked).ranking) == pytest.approx(dict(enrolled.identify(asked).ranking))
    assert again.threshold == enrolled.threshold
    written = sum(path.stat().st_size for path in (tmp_path / "copy").glob("speaker*"))
    assert written < 9 * 512 + 24 * 512 + 3000  # 9 voices, and a cohort of the 18 trained on, of 128 numbers each
    assert SpeakerRecognizer.load(place).speakers == {}  # where it is from, nothing changed


def test_saving_where_it_was_trained_leaves_what_fit_needs_to_go_on(place, people, options, tmp_path):
    pairs = recordings(people, "ann", "bob")
    recognizer = SpeakerRecognizer("sincnet")
    first = recognizer.fit(pairs, tmp_path, **options | {"epochs": 1})
    recognizer.enroll("ann", [pairs[0][0]])
    recognizer.save(tmp_path)
    again = SpeakerRecognizer("sincnet").fit(pairs, tmp_path, **options | {"epochs": 2}, resume=True)
    assert len(again["loss_train"]) == 2
    assert again["loss_train"][0] == first["loss_train"][0]


def test_a_run_that_was_done_already_leaves_who_is_enrolled(people, options, tmp_path):
    pairs, options = recordings(people, "ann", "bob"), options | {"epochs": 1}
    recognizer = SpeakerRecognizer("sincnet")
    recognizer.fit(pairs, tmp_path, **options)
    recognizer.enroll("ann", [pairs[0][0]])
    recognizer.save(tmp_path)
    again = SpeakerRecognizer("sincnet")
    again.fit(pairs, tmp_path, **options, resume=True)
    assert again.speakers == SpeakerRecognizer.load(tmp_path).speakers == {"ann": 1}
    assert again.threshold == recognizer.threshold


def test_what_can_hold_no_voice_is_not_trained_on(people, options, tmp_path):
    short, silent = str(tmp_path / "short.wav"), str(tmp_path / "silent.wav")
    sf.write(short, np.ones(400) * 0.1, 8000)
    sf.write(silent, np.zeros(8000), 8000)
    recognizer = SpeakerRecognizer("sincnet")
    pairs = [*recordings(people, "ann", "bob"), (short, "ann"), (silent, "bob")]
    recognizer.fit(pairs, tmp_path / "model", **options | {"epochs": 1})
    assert {path for path, _ in recognizer.skipped} == {short, silent}


def test_voices_of_a_network_that_was_trained_anew_are_refused(people, options, tmp_path):
    pairs = recordings(people, "ann", "bob")
    recognizer = SpeakerRecognizer("sincnet")
    recognizer.fit(pairs, tmp_path, **options | {"epochs": 1})
    kept = {path.name: path.read_bytes() for path in tmp_path.glob("speaker*")}
    recognizer.fit(pairs, tmp_path, **options | {"epochs": 1, "random_state": 7})
    for path in tmp_path.glob("speaker*"):
        path.unlink()
    for name, data in kept.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ModelError, match="trained anew since"):
        SpeakerRecognizer.load(tmp_path)


@pytest.mark.parametrize("loss", ["softmax", "norm_softmax", "am_softmax", "ring", "ge2e"])
def test_every_loss_learns(loss, people, options, tmp_path):
    recognizer = SpeakerRecognizer("sincnet")
    history = recognizer.fit(recordings(people, *KNOWN), tmp_path, **options, loss=loss)
    assert min(history["loss_train"][1:]) < history["loss_train"][0] / 2
    assert history["acc_test"][-1] > 0.9
    report = recognizer.calibrate(recordings(people, *KNOWN))
    assert report.eer < 0.2  # by chance 0.5


@pytest.mark.parametrize("network", ["ecapa_tdnn", "resnet18"])
def test_every_network_learns(network, people, options, tmp_path):
    recognizer = SpeakerRecognizer(network)
    recognizer.fit(recordings(people, *KNOWN), tmp_path, **options | {"epochs": 4})
    assert recognizer.calibrate(recordings(people, *KNOWN)).eer < 0.2
    assert SpeakerRecognizer.load(tmp_path).network == network


@pytest.mark.parametrize("loss", ["ring", "ge2e", "arc"])
def test_a_run_that_was_interrupted_goes_on_as_if_it_had_not_been(loss, people, options, tmp_path):
    pairs = recordings(people, "ann", "bob")

    def run(folder, **others):
        recognizer = SpeakerRecognizer("sincnet")
        history = recognizer.fit(pairs, folder, loss=loss, **options | {"epochs": 3} | others)
        return history, recognizer.model.id

    class Killed(Exception):
        pass

    def kill(history):
        if len(history["loss_train"]) == 2:
            raise Killed

    whole = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "part", callbacks=[kill])
    assert run(tmp_path / "part", resume=True) == whole


def test_a_recording_is_heard_in_windows_and_a_short_one_is_repeated(recognizer, people):
    config = recognizer.model.feature_config
    y, sr = load(people / "ann" / "8.wav", sr=None)
    short = y[2000:4000]
    assert len(short) < config.n_samples
    repeated = np.tile(short, 4)[: config.n_samples]
    np.testing.assert_allclose(recognizer.embed((short, sr)), recognizer.embed((repeated, sr)), atol=1e-5)
    long = np.concatenate([y, y, y])
    windows = recognizer._encoder.windows((long, sr))
    assert len(windows) == 1 + -(-2 * (len(long) - config.n_samples) // config.n_samples)
    forward = recognizer.model.forward(windows)[1]
    mean = (forward / np.linalg.norm(forward, axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(recognizer.embed((long, sr)), mean / np.linalg.norm(mean), atol=1e-5)
    pause = np.zeros(4 * config.n_samples, np.float32)
    found = recognizer._encoder.windows((np.concatenate([y, pause, y]), sr))
    assert len(found) < len(recognizer._encoder.windows((np.tile(y, 6)[: 2 * len(y) + len(pause)], sr)))  # without it


def test_features_outside_and_in_the_exported_graph_give_the_same_vector(people, options, tmp_path):
    pytest.importorskip("onnxruntime")
    from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier

    recognizer = SpeakerRecognizer("ecapa_tdnn")
    recognizer.fit(recordings(people, "ann", "bob"), tmp_path / "model", **options | {"epochs": 1})
    recognizer.export_onnx(tmp_path / "voice.onnx", front_end=True)
    config = recognizer.model.feature_config
    y, sr = load(people / "dan" / "3.wav", sr=config.sr)
    outside = recognizer.model.forward(ToImage(-1)(features.extract(y, sr, config))[None])[1][0]
    inside = OnnxAudioClassifier(tmp_path / "voice.onnx").encode_audio((y, sr))
    np.testing.assert_allclose(inside, outside, atol=1e-3 * np.abs(outside).max())


def test_the_threshold_is_where_errors_are_equal_or_where_it_is_wanted(recognizer, people):
    pairs = recordings(people, "ann", "bob", "cem", "dan")
    report = recognizer.calibrate(pairs)
    middle = recognizer.threshold
    vectors = np.stack([found.vector for found in recognizer.embed_many(path for path, _ in pairs)])
    names = np.array([name for _, name in pairs])
    first, second = np.triu_indices(len(pairs), 1)
    labels, scores = names[first] == names[second], (vectors @ vectors.T)[first, second]
    assert report.eer == pytest.approx(eer(labels.astype(int), scores)[0], abs=0.01)
    assert abs((scores[~labels] >= middle).mean() - (scores[labels] < middle).mean()) < 0.03
    recognizer.calibrate(pairs, far=0.01)
    assert (scores[~labels] >= recognizer.threshold).mean() <= 0.01
    for far in (0, 1, -0.1):
        with pytest.raises(DatasetError, match="far is a share"):
            recognizer.calibrate(pairs, far=far)


def test_scores_by_the_cohort_tell_speakers_apart_too(place, people, tmp_path):
    manifest = json.loads((place / "speaker.json").read_text())
    for path in place.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "speaker.json").write_text(json.dumps(manifest | {"normalize": True}))
    recognizer = SpeakerRecognizer.load(tmp_path)
    assert recognizer.normalize
    assert recognizer.calibrate(recordings(people, *KNOWN)).eer < 0.1
    own, other = (recognizer.verify(people / "ann" / "8.wav", people / name / "9.wav") for name in ("ann", "bob"))
    assert own.score > other.score
    assert not other.same


def test_trials_are_judged_and_those_that_cannot_be_are_listed(recognizer, people, tmp_path, caplog):
    def path(name, n):
        return str(people / name / f"{n}.wav")

    missing = str(tmp_path / "missing.wav")
    trials = [(1, path("ann", 8), path("ann", 9)), (0, path("ann", 8), path("bob", 9)), (1, missing, path("ann", 9))]
    report = recognizer.evaluate(trials)
    assert (report.n_target, report.n_impostor) == (1, 1)
    assert report.eer == 0
    assert report.at_threshold == {"threshold": recognizer.threshold, "far": 0, "frr": 0}
    assert [skipped for skipped, _ in report.skipped] == [missing]
    assert "missing.wav: no such file" in caplog.text
    with pytest.raises(DatasetError, match="no trial"):
        recognizer.evaluate([(1, missing, path("ann", 9))])
    with pytest.raises(DatasetError, match="2"):
        recognizer.evaluate([*trials, (2, path("ann", 8), path("ann", 9))])


def test_silence_and_what_is_no_sound_are_not_enrolled(recognizer, people, tmp_path, caplog):
    silent, text = tmp_path / "silent.wav", tmp_path / "text.wav"
    sf.write(silent, np.zeros(8000), 8000)
    text.write_text("no sound")
    with pytest.raises(DatasetError, match=r"none of the 1 recordings can be used; the first: .*silent.wav"):
        recognizer.enroll("eve", silent)
    with pytest.raises(InvalidAudioError, match="silent"):
        recognizer.embed(silent)
    with pytest.raises(AudioDecodeError):
        recognizer.verify(people / "ann" / "1.wav", text)
    with pytest.raises(DatasetError, match="there are no recordings"):
        recognizer.enroll("eve", [])
    with pytest.raises(InvalidAudioError, match=r"0.050 s are too short"):
        recognizer.embed((np.ones(400), 8000))
    assert recognizer.speakers == {}
    assert recognizer.enroll("ann", [silent, people / "ann" / "1.wav", text]) == 1
    assert [path for path, _ in recognizer.skipped] == [str(silent), str(text)]
    assert "silent.wav" in caplog.text
    answers = list(recognizer.identify_many([text, people / "ann" / "2.wav"]))
    assert answers[0].error is not None
    assert answers[0].speaker is None
    assert answers[1].speaker == "ann"


def test_without_a_model_or_anybody_enrolled_it_says_so(recognizer, people):
    with pytest.raises(ModelError, match="no model yet"):
        SpeakerRecognizer("sincnet").embed(people / "ann" / "1.wav")
    with pytest.raises(ModelError, match="no model yet"):
        _ = SpeakerRecognizer("sincnet").threshold
    with pytest.raises(ModelError, match="nobody is enrolled"):
        recognizer.identify(people / "ann" / "1.wav")
    with pytest.raises(ModelError, match="top_k is 1 or more"):
        recognizer.identify(people / "ann" / "1.wav", top_k=0)
    for network in ("resnet19", "cifar10"):
        with pytest.raises(ModelError, match=f"no network '{network}' for voices; there are ecapa_tdnn"):
            SpeakerRecognizer(network)
    for wrong in ({"batch_size": 1}, {"batch_size": 6, "loss": "ge2e"}):
        with pytest.raises(ModelError, match="batch_size is"):
            SpeakerRecognizer("sincnet").fit(recordings(people, "ann", "bob"), "nowhere", **wrong)


def test_a_speaker_of_one_recording_is_trained_on_and_one_alone_is_refused(people, options, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    pairs = recordings(people, "ann", "bob") + recordings(people, "cem", takes=[0])
    recognizer = SpeakerRecognizer("sincnet")
    recognizer.fit(pairs, tmp_path, **options | {"epochs": 1})
    assert "trained on and not tested: cem" in caplog.text
    assert recognizer.model.labels == ["ann", "bob", "cem"]
    for few in (recordings(people, "ann"), recordings(people, "ann") + recordings(people, "bob", takes=[0]), []):
        with pytest.raises(DatasetError):
            recognizer.fit(few, tmp_path / "other", **options)


def test_one_held_out_recording_of_each_is_compared_with_those_trained_on(people, options, tmp_path):
    pairs = recordings(people, *KNOWN, takes=range(5))  # of which a fifth is one
    recognizer = SpeakerRecognizer("sincnet")
    recognizer.fit(pairs, tmp_path, **options)
    assert recognizer.verify(people / "ann" / "8.wav", people / "ann" / "9.wav").same
    assert not recognizer.verify(people / "ann" / "8.wav", people / "bob" / "9.wav").same


def test_sound_without_a_path_is_judged_as_that_of_files(recognizer, people):
    files = [people / "ann" / "8.wav", people / "ann" / "9.wav", people / "bob" / "9.wav"]
    sounds = [load(path, sr=None) for path in files]
    reports = [recognizer.evaluate([(1, one, two), (0, one, three)]) for one, two, three in (files, sounds)]
    assert reports[0].to_dict() == reports[1].to_dict()


def test_sessions_are_held_out_whole(people, options, tmp_path, monkeypatch):
    pairs = recordings(people, "ann", "bob")
    groups = [f"{name} {place % 10 // 4}" for place, (_, name) in enumerate(pairs)]  # 4, 4 and 2 recordings of each
    held = []

    fit = SpeakerEncoder.fit

    def remember(self, *args, **kwargs):
        held.extend(kwargs["validation_pairs"])
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(SpeakerEncoder, "fit", remember)
    SpeakerRecognizer("sincnet").fit(pairs, tmp_path, groups=groups, **options | {"epochs": 1})
    chosen = {group for pair, group in zip(pairs, groups) if pair in held}
    assert {pair for pair, group in zip(pairs, groups) if group in chosen} == set(held)
    assert 0 < len(chosen) < len(set(groups))
    with pytest.raises(DatasetError, match="19 groups for 20 recordings"):
        SpeakerRecognizer("sincnet").fit(pairs, tmp_path, groups=groups[1:], **options)


def test_a_loss_on_cosines_asks_for_a_network_that_has_them(corpus, tmp_path):
    from mxnet_audio.training import Recipe

    options = {"input_shape": (1, 32, 40), "nb_classes": 3, "epochs": 1, "progress": False, "cache": False}
    with pytest.raises(ModelError, match="the loss 'arc' works on a cosine head, which cifar10 has not"):
        Cifar10AudioClassifier().fit(corpus, tmp_path, recipe=Recipe(loss="arc"), **options)
    for wrong in (
        {"loss": "arcs"},
        {"loss": "arc", "loss_options": {"margin": 1}},
        {"loss": "arc", "mixup": 0.2},
        {"loss": "arc", "label_smoothing": 0.1},
    ):
        with pytest.raises(ModelError):
            Recipe(**wrong)


def test_damage_is_named(place, tmp_path):
    with pytest.raises(ModelError, match="no speaker model here"):
        SpeakerRecognizer.load(tmp_path)
    (tmp_path / "resnet18.json").write_bytes((place / "resnet18.json").read_bytes())
    with pytest.raises(ModelError, match="the training of resnet18 is not finished"):
        SpeakerRecognizer.load(tmp_path)
    for path in place.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((tmp_path / "speaker.json").read_text())
    (tmp_path / "speaker.json").write_text(json.dumps({**manifest, "threshold": None}))
    with pytest.raises(ModelError, match="damaged"):
        SpeakerRecognizer.load(tmp_path)
    (tmp_path / "speaker.json").write_text(json.dumps(manifest))
    voices = tmp_path / manifest["files"]["cohort"]["file"]
    voices.write_bytes(voices.read_bytes()[:-4] + b"abcd")
    with pytest.raises(ModelError, match="damaged"):
        SpeakerRecognizer.load(tmp_path)


def test_features_follow_the_recordings(people, tmp_path):
    paths = [path for path, _ in recordings(people, "ann")]
    config = speaker_features("ecapa_tdnn", paths)
    assert (config.sr, config.n_fft, config.win_length, config.hop_length, config.n_mels) == (8000, 256, 200, 80, 40)
    assert config.fmax == 4000
    assert config.n_samples / config.sr == pytest.approx(0.6, abs=0.02)
    assert speaker_features("sincnet", paths, seconds=0.5) == AudioFeatureConfig(
        type="raw", sr=8000, audio_file_length_limit_in_s=0.5, crop="middle"
    )
    for seconds in (0, -1, 0.05, 1e9, float("nan")):
        with pytest.raises(FeatureError, match="seconds, the length of a window"):
            speaker_features("resnet18", paths, seconds)
    high = tmp_path / "high.wav"
    sf.write(high, np.random.default_rng(0).normal(0, 0.1, 5 * 44100), 44100)
    config = speaker_features("resnet18", [str(high)])
    assert (config.sr, config.n_mels, config.n_frames) == (16000, 80, 201)
