"""Recognizer: trained, enrolled, verified, identified, calibrated, evaluated, saved, loaded and copied."""

import copy
import io
import json
import logging
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import features
from mxnet_audio.audio import fit_length, load
from mxnet_audio.data.transforms import ToImage
from mxnet_audio.engine import autograd, gluon, nd
from mxnet_audio.errors import AudioDecodeError, DatasetError, InvalidAudioError, ModelError, ParameterError
from mxnet_audio.metrics import eer
from mxnet_audio.models import NETWORKS, ecapa_tdnn
from mxnet_audio.speakers.recognizer import SpeakerRecognizer
from mxnet_audio.speakers.scoring import SpeakerScorer
from mxnet_audio.speakers.state import SpeakerState
from tests.voices import TRAINED

small = pytest.mark.usefixtures("small_sincnet")


def paths_of(pairs):
    return [path for path, _ in pairs]


def test_recordings_of_one_speaker_and_of_two_are_distinguished(recognizer, people):
    first, second = (people / "ann" / f"{take}.wav" for take in (8, 9))
    result = recognizer.verify(first, second)
    assert result.same
    assert result.score >= result.threshold == recognizer.threshold
    assert not recognizer.verify(first, people / "bob" / "8.wav").same
    assert recognizer.verify(first, first).score == pytest.approx(1, abs=1e-5)
    assert recognizer.verify(second, first) == pytest.approx(result, abs=1e-6)  # symmetric


def test_embed_is_encode(recognizer, recordings):
    paths = paths_of(recordings("ann", takes=(8, 9)))
    encoded, embedded = (
        [encoding.vector for encoding in many(paths)] for many in (recognizer.encode_many, recognizer.embed_many)
    )
    np.testing.assert_array_equal(encoded, embedded)
    np.testing.assert_array_equal(recognizer.encode_audio(paths[0]), recognizer.embed(paths[0]))


def test_enrolled_speakers_are_identified_and_others_are_unknown(enrolled, people):
    for name in TRAINED:
        result = enrolled.identify(people / name / "9.wav", top_k=2)
        assert result.speaker == name == result.ranking[0][0]
        assert len(result.ranking) == 2
        assert result.ranking[0][1] >= result.ranking[1][1]
    enrolled.forget("ann")
    result = enrolled.identify(people / "ann" / "9.wav")
    assert result.speaker is None
    assert result.ranking[0][1] < enrolled.threshold


@small
def test_no_step_is_taken_on_a_single_recording(recordings, options, tmp_path, monkeypatch):
    """A batch norm would make its embedding zero: there are 10 to train on, in batches of 3."""
    sizes, step = [], gluon.Trainer.step
    monkeypatch.setattr(gluon.Trainer, "step", lambda self, size: (sizes.append(size), step(self, size)))
    pairs = recordings("ann", "bob", takes=range(6))
    SpeakerRecognizer("sincnet").fit(pairs, tmp_path, **options | {"epochs": 2, "batch_size": 3})
    assert sizes == [3] * 6


@small
def test_training_with_speeds_lists_bad_files_once_and_can_be_resumed(recordings, options, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_text("no sound")
    pairs = [*recordings("ann", "bob", takes=range(4)), (str(bad), "bob")]
    recognizer, options = SpeakerRecognizer("sincnet"), options | {"test_size": 0.5}
    first = recognizer.fit(pairs, tmp_path / "new", **options, speeds=(0.9, 1.25))
    assert recognizer.model.labels == ["ann", "bob", "sp0.9-ann", "sp0.9-bob", "sp1.25-ann", "sp1.25-bob"]
    assert paths_of(recognizer.skipped) == [str(bad)]
    history = recognizer.fit(pairs, tmp_path / "new", **options | {"epochs": 2}, speeds=(1.25, 0.9), resume=True)
    assert history["loss_train"][:1] == first["loss_train"] and len(history["loss_train"]) == 2


@small
def test_streams_are_trained_on_at_several_speeds(recordings, options, tmp_path):
    pairs = [(io.BytesIO(Path(path).read_bytes()), name) for path, name in recordings("ann", "bob", takes=range(4))]
    recognizer = SpeakerRecognizer("sincnet")
    recognizer.fit(pairs, tmp_path, **options | {"test_size": 0.5}, speeds=np.array([1.1]))
    assert recognizer.skipped == []
    assert recognizer.model.labels == ["ann", "bob", "sp1.1-ann", "sp1.1-bob"]


@small
def test_an_answer_is_right_at_whatever_speed(recordings, options, tmp_path, monkeypatch):
    """Of 12 held-out recordings 6 are ann's, and the network answers "ann at 0.9" for each of them."""
    network = NETWORKS["sincnet"]
    forward = network.forward

    def slower(self, x):
        scores, embedding = forward(self, x)
        return (scores, embedding) if autograd.is_training() else (nd.one_hot(2 * nd.ones(len(x)), 4), embedding)

    monkeypatch.setattr(network, "forward", slower)
    recognizer = SpeakerRecognizer("sincnet")
    history = recognizer.fit(recordings("ann", "bob"), tmp_path, **options | {"test_size": 0.6}, speeds=[0.9])
    assert recognizer.model.labels[2] == "sp0.9-ann"
    assert history["acc_test"] == [0.5]


def test_a_recording_is_compared_with_an_enrolled_speaker(enrolled, people):
    assert enrolled.verify_as("ann", people / "ann" / "9.wav").same
    assert not enrolled.verify_as("ann", people / "bob" / "9.wav").same
    with pytest.raises(ModelError, match=r"'eve'.* ann, bob, cem"):
        enrolled.verify_as("eve", people / "ann" / "9.wav")


def test_enrolling_again_adds_or_replaces(recognizer, recordings):
    first, second = (paths_of(recordings("ann", takes=takes)) for takes in ((0, 1), (2,)))
    assert recognizer.enroll("ann", first) == 2
    assert recognizer.enroll("ann", second) == 3
    assert recognizer.enroll("ann", [*second, *first, *first]) == 3  # nothing new
    assert recognizer.enroll("ann", second[0], replace=True) == 1
    assert recognizer.speakers == {"ann": 1}


def test_recordings_of_another_speaker_are_noticed(enrolled, recordings, caplog):
    enrolled.enroll("ann", paths_of(recordings("ann", takes=range(6))))
    assert not caplog.records
    assert enrolled.enroll("dan", paths_of(recordings("ann", "bob", "dan", takes=range(5)))) == 15
    ann, bob = caplog.messages
    assert ann.startswith("dan: 5 of") and " ann's" in ann
    assert bob.startswith("dan: 3 of") and " bob's" in bob


def test_enrolled_speakers_are_saved_without_audio(enrolled, people, model_dir, tmp_path):
    enrolled.save(tmp_path / "copy")
    loaded = SpeakerRecognizer.load(tmp_path / "copy")
    assert loaded.speakers == enrolled.speakers == dict.fromkeys(TRAINED, 3)
    query = people / "cem" / "9.wav"
    assert dict(loaded.identify(query).ranking) == pytest.approx(dict(enrolled.identify(query).ranking))
    assert loaded.threshold == enrolled.threshold
    written = sum(path.stat().st_size for path in (tmp_path / "copy").glob("speaker*"))
    assert written < 9 * 1024 + 24 * 1024 + 3000  # 9 embeddings and a cohort of 18, of 256 numbers each
    assert SpeakerRecognizer.load(model_dir).speakers == {}  # the first directory is unchanged


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda recognizer: pickle.loads(pickle.dumps(recognizer))])
def test_copies_give_the_same_scores(enrolled, recordings, people, copied):
    twin = copied(enrolled)
    first, second = people / "ann" / "8.wav", people / "bob" / "9.wav"
    assert twin.verify(first, second) == enrolled.verify(first, second)
    assert twin.identify(first) == enrolled.identify(first)
    assert twin.model.id == enrolled.model.id
    twin.forget("ann")
    assert set(enrolled.speakers) == set(TRAINED)
    untrained = copied(SpeakerRecognizer("sincnet", normalize=True))
    assert (untrained.network, untrained.normalize) == ("sincnet", True)
    with pytest.raises(ModelError):
        _ = untrained.threshold


def test_reprs_have_one_line(enrolled):
    threshold = f"threshold {enrolled.threshold:.3f} with {enrolled.scorer.rates.far:.1%} false accepts"
    source = "held-out recordings of speakers who were trained on"
    assert repr(enrolled) == f"SpeakerRecognizer('sincnet', 3 speakers enrolled, {threshold}: {source})"
    enrolled.scorer.rates = None  # saved by an earlier version
    assert repr(enrolled) == f"SpeakerRecognizer('sincnet', 3 speakers enrolled, threshold {enrolled.threshold:.3f})"
    assert repr(SpeakerRecognizer("sincnet")) == "SpeakerRecognizer('sincnet', not trained)"


@small
def test_training_can_be_resumed_where_speakers_were_saved(recordings, options, tmp_path):
    pairs = recordings("ann", "bob", takes=range(5))
    recognizer = SpeakerRecognizer("sincnet")
    first = recognizer.fit(pairs, tmp_path, **options)
    recognizer.enroll("ann", [pairs[0][0]])
    recognizer.save(tmp_path)
    finished = SpeakerRecognizer("sincnet")
    finished.fit(pairs, tmp_path, **options, resume=True)  # nothing is left to do
    assert finished.speakers == SpeakerRecognizer.load(tmp_path).speakers == {"ann": 1}
    assert finished.threshold == recognizer.threshold
    continued = SpeakerRecognizer("sincnet")
    history = continued.fit(pairs, tmp_path, **options | {"epochs": 2}, resume=True)
    assert len(history["loss_train"]) == 2
    assert history["loss_train"][0] == first["loss_train"][0]
    assert continued.speakers == {}  # another network now


@small
def test_sound_without_speech_is_not_trained_on(recordings, options, tmp_path):
    short, silent = str(tmp_path / "short.wav"), str(tmp_path / "silent.wav")
    sf.write(short, np.ones(400) * 0.1, 8000)
    sf.write(silent, np.zeros(8000), 8000)
    recognizer = SpeakerRecognizer("sincnet")
    pairs = [*recordings("ann", "bob", takes=range(4)), (short, "ann"), (silent, "bob")]
    recognizer.fit(pairs, tmp_path / "model", **options)
    assert set(paths_of(recognizer.skipped)) == {short, silent}


@small
def test_speakers_of_an_earlier_network_are_refused(recordings, options, tmp_path):
    pairs = recordings("ann", "bob", takes=range(4))
    recognizer = SpeakerRecognizer("sincnet")
    recognizer.fit(pairs, tmp_path, **options)
    saved = {path.name: path.read_bytes() for path in tmp_path.glob("speaker*")}
    recognizer.fit(pairs, tmp_path, **options | {"random_state": 7})
    for path in tmp_path.glob("speaker*"):
        path.unlink()
    for name, data in saved.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ModelError, match="trained again"):
        SpeakerRecognizer.load(tmp_path)


def test_a_network_that_was_trained_again_is_not_given_the_speakers_of_the_earlier_one(enrolled, model_dir, tmp_path):
    """Nobody is enrolled with the later one, but its threshold and cohort are kept."""
    shutil.copytree(model_dir, tmp_path, dirs_exist_ok=True)
    earlier = SpeakerRecognizer.load(tmp_path)
    later = SpeakerState.load(tmp_path)
    later.model_id = "another network"
    later.save(tmp_path)
    earlier.scorer.enrolled = enrolled.scorer.enrolled
    with pytest.raises(ModelError, match="trained again"):
        earlier.save(tmp_path)
    assert SpeakerState.load(tmp_path).model_id == "another network"


@pytest.mark.parametrize("loss", ["softmax", "norm_softmax", "am_softmax", "ring", "ge2e"])
def test_every_loss_learns(loss, recordings, options, tmp_path, request):
    options = options | {"epochs": 3, "seconds": 0.25}
    if loss != "ge2e":  # which learns too little in so short a time
        request.getfixturevalue("small_sincnet")
        options |= {"epochs": 4, "learning_rate": 0.01}
    recognizer = SpeakerRecognizer("sincnet")
    history = recognizer.fit(recordings(*TRAINED, takes=range(6)), tmp_path, **options, loss=loss)
    assert history["loss_train"][-1] < 0.75 * history["loss_train"][0]
    assert recognizer.calibrate(recordings(*TRAINED, takes=range(6))).eer < 0.25  # by chance 0.5


def test_the_shared_network_learned_the_default_loss(recognizer, recordings):
    assert recognizer.model.history["acc_test"][-1] > 0.5  # by chance 0.33
    assert recognizer.calibrate(recordings(*TRAINED)).eer < 0.15  # 0 for epochs 6 and 10


def test_ecapa_tdnn_learns_and_its_export_gives_the_same_vector(recordings, options, people, tmp_path, monkeypatch):
    """The exported graph computes the features itself. The network has 64 channels in place of 512."""
    pytest.importorskip("onnxruntime")
    from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier

    monkeypatch.setattr(ecapa_tdnn, "CHANNELS", 64)
    pairs = recordings(*TRAINED, takes=range(6))
    recognizer = SpeakerRecognizer("ecapa_tdnn")
    recognizer.fit(pairs, tmp_path, **options | {"epochs": 3, "seconds": 0.25, "learning_rate": 0.003})
    assert recognizer.calibrate(pairs).eer < 0.35  # by chance 0.5
    assert SpeakerRecognizer.load(tmp_path).network == "ecapa_tdnn"
    recognizer.export_onnx(tmp_path / "speakers.onnx", front_end=True)
    config = recognizer.model.feature_config
    y, sr = load(people / "dan" / "3.wav", sr=config.sr)
    y = fit_length(y, config.n_samples)  # the file averages the windows of longer sound
    outside = recognizer.model.forward(ToImage(-1)(features.extract(y, sr, config))[None])[1][0]
    inside = OnnxAudioClassifier(tmp_path / "speakers.onnx").encode_audio((y, sr))
    np.testing.assert_allclose(inside, outside, atol=1e-3 * np.abs(outside).max())


@small
@pytest.mark.parametrize("loss", ["ring", "ge2e", "arc"])
def test_an_interrupted_run_is_resumed_as_if_uninterrupted(loss, recordings, options, tmp_path):
    pairs = recordings("ann", "bob", takes=range(5))

    def run(folder, **changes):
        recognizer = SpeakerRecognizer("sincnet")
        history = recognizer.fit(pairs, folder, loss=loss, **options | {"epochs": 2} | changes)
        return history, recognizer.model.id, recognizer.threshold

    class Killed(Exception):
        pass

    def kill(history):
        if len(history["loss_train"]) == 1:
            raise Killed

    uninterrupted = run(tmp_path / "uninterrupted")
    with pytest.raises(Killed):
        run(tmp_path / "interrupted", callbacks=[kill])
    assert run(tmp_path / "interrupted", resume=True) == uninterrupted


def test_the_threshold_has_equal_error_rates_or_the_requested_one(recognizer, recordings):
    pairs = recordings("ann", "bob", "cem", "dan", takes=range(6))
    report = recognizer.calibrate(pairs)
    threshold = recognizer.threshold
    vectors = np.stack([encoding.vector for encoding in recognizer.encode_many(paths_of(pairs))])
    names = np.array([name for _, name in pairs])
    first, second = np.triu_indices(len(pairs), 1)
    labels, scores = names[first] == names[second], (vectors @ vectors.T)[first, second]
    assert report.eer == pytest.approx(eer(labels.astype(int), scores)[0], abs=0.01)
    assert abs((scores[~labels] >= threshold).mean() - (scores[labels] < threshold).mean()) < 0.03
    recognizer.calibrate(pairs, far=0.01)
    assert (scores[~labels] >= recognizer.threshold).mean() <= 0.01
    for far in (0, 1, -0.1):
        with pytest.raises(ParameterError, match="far"):
            recognizer.calibrate(pairs, far=far)


def test_a_threshold_that_separates_nothing_is_refused_unless_forced(recognizer, recordings):
    pairs = [(path, str(index % 2)) for index, (path, _) in enumerate(recordings("ann", "bob"))]
    before, rates = recognizer.threshold, recognizer.scorer.rates
    with pytest.raises(DatasetError, match=r"0\.[45]\d\d"):
        recognizer.calibrate(pairs)
    assert (recognizer.threshold, recognizer.scorer.rates) == (before, rates)
    report = recognizer.calibrate(pairs, force=True)
    assert recognizer.threshold != before
    assert recognizer.scorer.rates.eer == report.eer > 0.35


@small
def test_the_threshold_is_set_by_speakers_who_were_not_trained_on(recordings, options, tmp_path):
    recognizer = SpeakerRecognizer("sincnet")
    recognizer.fit(recordings("ann", "bob", "cem", "dan", takes=range(5)), tmp_path, **options, held_out_speakers=2)
    labels, rates = set(recognizer.model.labels), recognizer.scorer.rates
    assert len(labels) == 2 and set(recognizer.scorer.cohort.speakers) == labels
    assert (rates.n_target, rates.n_impostor) == (20, 25)
    assert "2 speakers" in rates.source
    assert SpeakerRecognizer.load(tmp_path).scorer.rates == rates


@small
def test_unusable_recordings_of_held_out_speakers_are_listed(recordings, options, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_text("no sound")
    recognizer = SpeakerRecognizer("sincnet")
    pairs = [*recordings("ann", "bob", "cem", "dan", takes=range(3)), *((str(bad), name) for name in TRAINED)]
    recognizer.fit(pairs, tmp_path / "new", **options, held_out_speakers=2)
    assert set(paths_of(recognizer.skipped)) == {str(bad)}


def test_another_network_in_the_same_directory_has_a_threshold_of_its_own(
    model_dir, recordings, options, tmp_path, monkeypatch
):
    narrow = "basic_block", [2, 2, 2, 2], [16, 16, 32, 64, 128]
    monkeypatch.setitem(gluon.model_zoo.vision.resnet.resnet_spec, 18, narrow)
    shutil.copytree(model_dir, tmp_path, dirs_exist_ok=True)
    pairs, options = recordings("ann", "bob", takes=range(4)), options | {"seconds": 0.25}
    SpeakerRecognizer("resnet18").fit(pairs, tmp_path, **options)
    assert SpeakerRecognizer.load(tmp_path).network == "resnet18"


def test_normalized_scores_distinguish_speakers_too(model_dir, recordings, people, tmp_path):
    shutil.copytree(model_dir, tmp_path, dirs_exist_ok=True)
    manifest = json.loads((tmp_path / "speaker.json").read_text())
    (tmp_path / "speaker.json").write_text(json.dumps(manifest | {"normalize": True}))
    recognizer = SpeakerRecognizer.load(tmp_path)
    assert recognizer.normalize
    assert recognizer.calibrate(recordings(*TRAINED)).eer < 0.15
    own, other = (recognizer.verify(people / "ann" / "8.wav", people / name / "9.wav") for name in ("ann", "bob"))
    assert own.score > other.score
    assert not other.same


def test_trials_are_evaluated_and_unusable_recordings_listed(recognizer, recordings, tmp_path, caplog):
    ann, ann_again, bob = paths_of(recordings("ann", takes=(8, 9)) + recordings("bob", takes=(9,)))
    missing = str(tmp_path / "missing.wav")
    trials = [(1, ann, ann_again), (0, ann, bob), (1, missing, ann_again)]
    report = recognizer.evaluate(trials)
    assert (report.n_target, report.n_impostor) == (1, 1)
    assert report.eer == 0
    assert report.at_threshold == {"threshold": recognizer.threshold, "far": 0, "frr": 0}
    assert paths_of(report.skipped) == [missing]
    assert "missing.wav" in caplog.text
    with pytest.raises(DatasetError, match="no trial"):
        recognizer.evaluate([(1, missing, ann_again)])
    with pytest.raises(DatasetError, match="2"):
        recognizer.evaluate([*trials, (2, ann, ann_again)])
    with pytest.raises(DatasetError, match="1 trials for 3"):
        recognizer.evaluate(trials, [("ann", "ann")])
    sounds = {path: load(path, sr=None) for path in (ann, ann_again, bob)}
    in_memory = [(label, sounds[first], sounds[second]) for label, first, second in trials[:2]]
    assert recognizer.evaluate(in_memory).to_dict() == recognizer.evaluate(trials[:2]).to_dict()


def test_silence_and_text_are_not_enrolled(recognizer, people, tmp_path, caplog):
    silent, text = tmp_path / "silent.wav", tmp_path / "text.wav"
    sf.write(silent, np.zeros(8000), 8000)
    text.write_text("no sound")
    with pytest.raises(DatasetError, match=r"1 recordings .*silent.wav"):
        recognizer.enroll("eve", silent)
    with pytest.raises(InvalidAudioError, match="silent"):
        recognizer.encode_audio(silent)
    with pytest.raises(AudioDecodeError):
        recognizer.verify(people / "ann" / "1.wav", text)
    with pytest.raises(DatasetError, match="no recordings"):
        recognizer.enroll("eve", [])
    assert recognizer.speakers == {}
    assert recognizer.enroll("ann", [silent, people / "ann" / "1.wav", text]) == 1
    assert paths_of(recognizer.skipped) == [str(silent), str(text)]
    assert "silent.wav" in caplog.text
    bad, good = recognizer.identify_many([text, people / "ann" / "2.wav"])
    assert bad.error is not None and bad.speaker is None
    assert good.speaker == "ann"


def test_without_a_model_or_enrolled_speakers(recognizer, people):
    with pytest.raises(ModelError):
        SpeakerRecognizer("sincnet").encode_audio(people / "ann" / "1.wav")
    with pytest.raises(ModelError):
        SpeakerRecognizer("sincnet").save(people)
    with pytest.raises(ModelError, match="nobody"):
        recognizer.identify(people / "ann" / "1.wav")


def test_bad_arguments_are_refused(recognizer, recordings, people, tmp_path):
    with pytest.raises(ParameterError, match=r"top_k .*got 0"):
        recognizer.identify(people / "ann" / "1.wav", top_k=0)
    with pytest.raises(ParameterError, match=r"network .*resnet18.*resemblyzer.*cifar10"):
        SpeakerRecognizer("cifar10")
    with pytest.raises(ParameterError, match="network"):
        SpeakerRecognizer(None)
    for number in (-1, 1, 1.5):
        with pytest.raises(ParameterError, match="held_out_speakers"):
            SpeakerRecognizer("sincnet").fit(recordings("ann", "bob"), tmp_path / "new", held_out_speakers=number)
    for change in ({"batch_size": 1}, {"batch_size": 6, "loss": "ge2e"}):
        with pytest.raises(ParameterError, match="batch_size"):
            SpeakerRecognizer("sincnet").fit(recordings("ann", "bob"), tmp_path / "new", **change)
    assert not (tmp_path / "new").exists()


@small
def test_a_speaker_of_one_recording_is_trained_on(recordings, options, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    pairs = recordings("ann", "bob", takes=range(4)) + recordings("cem", takes=[0])
    recognizer = SpeakerRecognizer("sincnet")
    recognizer.fit(pairs, tmp_path, **options)
    assert any(message.endswith(": cem") for message in caplog.messages)
    assert recognizer.model.labels == ["ann", "bob", "cem"]


@small
def test_one_held_out_recording_of_each_is_compared_with_those_trained_on(recordings, options, tmp_path, monkeypatch):
    """A fifth of 5 recordings is one: no pairs of one speaker are held out."""
    compared, calibrate = [], SpeakerScorer.calibrate

    def remember(self, *args, held_out, **options):
        compared.append(held_out)
        return calibrate(self, *args, held_out=held_out, **options)

    monkeypatch.setattr(SpeakerScorer, "calibrate", remember)
    recognizer = SpeakerRecognizer("sincnet")
    recognizer.fit(recordings(*TRAINED, takes=range(5)), tmp_path, **options)
    assert len(compared[0]) == 15 and compared[0].sum() == 3
    assert len(recognizer.scorer.cohort.vectors) == 12
    assert -1 < recognizer.threshold < 1


def test_a_refused_load_is_named_and_changes_nothing(model_dir, enrolled, people, tmp_path):
    before = enrolled.identify(people / "ann" / "9.wav")
    shutil.copytree(model_dir, tmp_path, dirs_exist_ok=True)
    (tmp_path / "sincnet.json").unlink()
    with pytest.raises(ModelError, match="sincnet"):
        enrolled.load(tmp_path)
    (tmp_path / "speaker.json").write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        enrolled.load(tmp_path)
    assert enrolled.identify(people / "ann" / "9.wav") == before


@pytest.mark.parametrize("path", [None, 3, ""])
def test_a_model_directory_that_is_no_path(recognizer, recordings, path):
    for call in (SpeakerRecognizer.load, recognizer.save, lambda path: recognizer.fit(recordings("ann", "bob"), path)):
        with pytest.raises(ParameterError, match="model_dir_path"):
            call(path)


def test_arguments_of_the_wrong_type(recognizer, recordings):
    with pytest.raises(ParameterError, match="trials"):
        recognizer.evaluate(None)
    for trial in (5, (1, recordings("ann")[0][0])):
        with pytest.raises(ParameterError, match="trials"):
            recognizer.evaluate([trial])
    first, second = (path for path, _ in recordings("ann", takes=range(2)))
    with pytest.raises(ParameterError, match="speakers"):
        recognizer.evaluate([(1, first, second)], speakers=5)
    with pytest.raises(DatasetError, match=rf"row 1: .*{second}.* missing"):
        recognizer.calibrate([(first, "ann"), (second, None)])
    with pytest.raises(ModelError, match="'7'"):
        recognizer.forget(7)
    with pytest.raises(ParameterError, match="paths"):
        list(recognizer.encode_many(5))
    with pytest.raises(ParameterError, match="paths"):
        recognizer.enroll("ann", None)
    with pytest.raises(ParameterError, match="far"):
        recognizer.calibrate(recordings("ann", "bob"), far="x")
    with pytest.raises(ParameterError, match="model_ctx"):
        SpeakerRecognizer(model_ctx="cpu")


def test_normalization_needs_recordings_of_others_which_is_checked_before_training(recordings, options, tmp_path):
    recognizer = SpeakerRecognizer("sincnet", normalize=True)
    with pytest.raises(DatasetError, match=r"normalize=True .*ann has 1"):
        recognizer.fit(recordings("ann", "bob", takes=range(2)), tmp_path, test_size=0.5, **options)
    assert list(tmp_path.iterdir()) == []


@small
def test_normalization_with_few_recordings(recordings, options, tmp_path):
    recognizer = SpeakerRecognizer("sincnet", normalize=True)
    recognizer.fit(recordings("ann", "bob", "cem", takes=range(2)), tmp_path, test_size=0.5, **options)
    assert np.isfinite(recognizer.threshold) and SpeakerRecognizer.load(tmp_path).normalize
