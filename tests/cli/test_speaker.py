"""``speaker``: voices are trained on, enrolled, verified, identified and measured."""

import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import OnnxAudioClassifier, SpeakerRecognizer, audio
from mxnet_audio.cli.speaker import _changed
from tests.voices import synthesise_voices

COMMANDS = ("train", "enroll", "verify", "identify", "calibrate", "list", "forget", "evaluate", "export")
SMALL = ("--network", "resnet18", "--batch-size", 8)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def people(tmp_path_factory):
    """Folder of three speakers, eight vowels each."""
    return synthesise_voices(tmp_path_factory.mktemp("möre people"))


@pytest.fixture(scope="session")
def fitted(run_json, people, tmp_path_factory):
    """Folder of a trained recogniser that nobody is enrolled with, and what ``train --json`` said of it."""
    directory = tmp_path_factory.mktemp("voices")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return directory, run_json("speaker", "train", people, "--model-dir", directory, *SMALL, "--epochs", 20)


@pytest.fixture
def empty_handed(fitted, tmp_path):
    """A copy of the trained recogniser, of which nobody but this test knows."""
    return ("--model-dir", shutil.copytree(fitted[0], tmp_path / "vöices"))


@pytest.fixture
def enrolled(run, people, empty_handed):
    """The same, which knows ann and bob by their first four recordings."""
    for name in ("ann", "bob"):
        run("speaker", "enroll", name, *(people / name / f"{take}.wav" for take in range(4)), *empty_handed)
    return empty_handed


@pytest.fixture
def silence(tmp_path):
    path = tmp_path / "silence ü.wav"
    sf.write(path, np.zeros(4800), 8000)
    return path


def speakers(model):
    return json.loads((model[1] / "speaker.json").read_text())["speakers"]


def test_train_says_what_became_of_it(fitted):
    directory, document = fitted
    assert document["model_dir"] == str(directory) and document["network"] == "resnet18"
    assert document["speakers"] == ["ann", "bob", "cem"] and document["skipped"] == []
    assert all(len(values) == 20 for values in document["history"].values())
    assert document["history"]["acc_test"][-1] == 1 and -1 < document["threshold"] < 1
    manifest = json.loads((directory / "speaker.json").read_text())
    assert manifest["model_id"] == document["model_id"] and manifest["threshold"] == document["threshold"]
    assert manifest["speakers"] == []  # those trained on are not enrolled


def test_a_single_recording_is_trained_on_and_said(run, people, bad_file, tmp_path):
    folder = shutil.copytree(people, tmp_path / "people")
    for path in list(folder.glob("cem/[1-7].wav")):
        path.unlink()
    shutil.copy(bad_file, folder / "ann")
    said = run("speaker", "train", folder, "--model-dir", tmp_path / "new", *SMALL, "--epochs", 1)
    assert said.stdout.startswith("trained resnet18 on 3 speakers: of held-out recordings ")
    assert re.search(r"told apart; threshold -?[\d.]+\nthe recogniser is in ", said.stdout)
    assert said.stdout.endswith(f"{tmp_path / 'new'}\n")
    assert "is trained on and not tested: cem" in said.stderr
    assert f"{bad_file.name}: no decoder" in said.stderr and "1 of 18 files were left out" in said.stderr


def test_train_takes_tables_sessions_features_and_goes_on(run, run_json, people, tmp_path):
    rows = [
        f"{path},{path.parent.name},{path.parent.name}{path.stem[0] in '01'}" for path in people.glob("*/[0-3].wav")
    ]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,group", *rows]), encoding="utf-8")
    (tmp_path / "features.yaml").write_text("type: fbank\nnum_filter_bands: 24\n")  # rate and length are left open
    words = ("speaker", "train", tmp_path / "list.csv", *SMALL, "--model-dir", tmp_path / "new")
    words += ("--features", tmp_path / "features.yaml", "--loss", "am_softmax", "--normalize", "--test-size", 0.5)
    first = run_json(*words, "--epochs", 1)
    second = run_json(*words, "--epochs", 2, "--resume")
    assert second["history"]["loss_train"][0] == first["history"]["loss_train"][0]
    assert len(second["history"]["loss_test"]) == 2
    assert json.loads((tmp_path / "new" / "speaker.json").read_text())["normalize"] is True
    said = run(*words[:-5], "--loss", "ge2e", "--epochs", 3, "--resume", code=1)
    assert "cannot go on from this checkpoint" in said.stderr


def test_train_takes_speeds_and_counts_speakers_once(run_json, people, tmp_path):
    said = run_json("speaker", "train", people, "--model-dir", tmp_path, *SMALL, "--epochs", 1, "--speed", 0.9)
    assert said["speakers"] == ["ann", "bob", "cem"]
    labels = json.loads((tmp_path / "resnet18.json").read_text())["labels"]
    assert labels == [*said["speakers"], *(f"sp0.9-{name}" for name in said["speakers"])]


def test_too_few_speakers(run, people, tmp_path):
    for name in ("ann", "bob"):
        (tmp_path / "two" / name).mkdir(parents=True)
        shutil.copy(people / name / "0.wav", tmp_path / "two" / name)
    shutil.copy(people / "ann" / "1.wav", tmp_path / "two" / "ann")
    said = run("speaker", "train", tmp_path / "two", "--model-dir", tmp_path / "new", *SMALL, "--json", code=1)
    assert said.stdout == "" and "found ann: 2, bob: 1" in said.stderr
    said = run("speaker", "train", people / "ann", "--model-dir", tmp_path / "new", code=1)
    assert "holds no folders" in said.stderr
    said = run("speaker", "train", tmp_path / "nowhere", "--model-dir", tmp_path / "new", code=1)
    assert "nowhere: no such folder or CSV file" in said.stderr
    assert not (tmp_path / "new").exists()


def test_enrolling_adds_and_replaces(run, run_json, people, silence, empty_handed):
    first, second, *_ = sorted(people.glob("ann/*.wav"))
    said = run("speaker", "enroll", "ann", first, silence, *empty_handed)
    assert said.stdout == "ann is known by 1 recordings\n"
    assert f"left out: {silence}: silent" in said.stderr and said.stderr.endswith("1 done, 1 skipped\n")
    document = run_json("speaker", "enroll", "ann", second, silence, *empty_handed)
    assert document["utterances"] == 2 and [entry["path"] for entry in document["skipped"]] == [str(silence)]
    assert document["speaker"] == "ann" and document["model_dir"] == str(empty_handed[1])
    assert run_json("speaker", "enroll", "ann", people / "ann", *empty_handed, "--replace")["utterances"] == 8
    run("speaker", "enroll", "bøb", people / "bob", *empty_handed)
    assert speakers(empty_handed) == ["ann", "bøb"]


def test_what_has_no_voice_is_not_enrolled(run, people, silence, bad_file, enrolled, tmp_path):
    said = run("speaker", "enroll", "cem", silence, *enrolled, "--json", code=1)
    assert said.stdout == "" and f"{silence}: silent" in said.stderr
    said = run("speaker", "enroll", "ann", silence, bad_file, "--replace", *enrolled, code=1)
    assert "none of the 2 recordings" in said.stderr and silence.name in said.stderr and bad_file.name in said.stderr
    (tmp_path / "empty").mkdir()
    assert "no sound files" in run("speaker", "enroll", "cem", tmp_path / "empty", *enrolled, code=1).stderr
    assert "has a name" in run("speaker", "enroll", " ", people / "cem", *enrolled, code=1).stderr
    assert speakers(enrolled) == ["ann", "bob"]
    said = run("speaker", "identify", people / "ann" / "7.wav", *enrolled)  # still known as she was
    assert said.stdout.split("\t")[1] == "ann"


def test_verify(run, run_json, people, fitted, enrolled):
    ann, other, bob = (people / name for name in ("ann/6.wav", "ann/7.wav", "bob/7.wav"))
    same = run_json("speaker", "verify", ann, other, *enrolled)
    assert same["same"] is True and same["score"] >= same["threshold"] == fitted[1]["threshold"]
    assert (same["first"], same["second"], same["speaker"]) == (str(ann), str(other), None)
    assert run_json("speaker", "verify", other, ann, *enrolled)["score"] == pytest.approx(same["score"])
    said = run("speaker", "verify", ann, bob, *enrolled).stdout
    assert said.startswith("not of one speaker: score ") and said.endswith(f"threshold {same['threshold']:.3f}\n")
    own = run_json("speaker", "verify", ann, "--speaker", "ann", *enrolled)
    assert own["same"] is True and own["second"] is None and own["speaker"] == "ann"
    assert run("speaker", "verify", bob, "--speaker", "ann", *enrolled).stdout.startswith("not ann's: score ")


def test_what_cannot_be_verified(run, people, silence, enrolled):
    clip = people / "ann" / "0.wav"
    for words in ((), (clip, "--speaker", "ann")):  # neither, and both
        said = run("speaker", "verify", clip, *words, *enrolled, code=2).stderr
        assert "give a second FILE or --speaker, one of them" in said
    assert "no 'eve' is enrolled" in run("speaker", "verify", clip, "--speaker", "eve", *enrolled, code=1).stderr
    assert f"{silence}: silent" in run("speaker", "verify", clip, silence, *enrolled, code=1).stderr
    said = run("speaker", "verify", clip, "nowhere.wav", *enrolled, "--json", code=1)
    assert said.stdout == "" and said.stderr == "error: nowhere.wav: no such file\n"


def test_identify(run, run_json, people, silence, bad_file, enrolled):
    known = [people / name / f"{take}.wav" for name in ("ann", "bob") for take in (4, 5, 6, 7)]
    document = run_json("speaker", "identify", *known, silence, *enrolled)
    assert [row["speaker"] for row in document["results"]] == ["ann"] * 4 + ["bob"] * 4
    for row in document["results"]:
        (best, score), (_, lower) = row["ranking"]
        assert best == row["speaker"] and score >= document["threshold"] and score > lower
    assert [entry["path"] for entry in document["skipped"]] == [str(silence)]
    said = run("speaker", "identify", people / "cem", "-k", 1, *enrolled)
    rows = [line.split("\t") for line in said.stdout.splitlines()]
    assert [row[1] for row in rows].count("unknown") >= 7 and all("," not in row[2] for row in rows)
    said = run("speaker", "identify", silence, bad_file, *enrolled, code=1)
    assert said.stdout == "" and said.stderr.endswith("0 done, 2 skipped\n")


def test_shorter_and_longer_than_a_window(run, run_json, people, enrolled, tmp_path):
    y = np.concatenate([sf.read(path)[0] for path in sorted(people.glob("bob/[4-7].wav"))])
    for name, part in (("short", y[:1600]), ("long", y)):
        sf.write(tmp_path / f"{name}.wav", part, 8000)
        document = run_json("speaker", "identify", tmp_path / f"{name}.wav", *enrolled)
        assert document["results"][0]["speaker"] == "bob"
    assert run("speaker", "enroll", "bob", tmp_path / "short.wav", *enrolled).stdout == "bob is known by 5 recordings\n"


def test_nobody_is_enrolled(run, people, empty_handed):
    said = run("speaker", "identify", people / "ann" / "0.wav", *empty_handed, code=1)
    assert said.stderr == "error: nobody is enrolled: enroll a voice first\n"
    said = run("speaker", "verify", people / "ann" / "0.wav", "--speaker", "ann", *empty_handed, code=1)
    assert "no 'ann' is enrolled; there is nobody" in said.stderr


def test_evaluate(run, run_json, people, silence, empty_handed, tmp_path):
    names = [f"{name}/{take}.wav" for name in ("ann", "bob", "cem") for take in (5, 6, 7)]
    pairs = [(one, two) for place, one in enumerate(names) for two in names[place + 1 :]]
    lines = [f"{int(one[:3] == two[:3])} {one} {two}" for one, two in pairs]
    trials = tmp_path / "trials.txt"
    trials.write_text("\n".join(lines))
    document = run_json("speaker", "evaluate", trials, "--root", people, *empty_handed)
    assert (document["n_target"], document["n_impostor"], document["skipped"]) == (9, 27, [])
    assert document["eer"] <= 0.1 and document["tar_at_far"].keys() == {"0.1"} and "threshold" in document
    shutil.copy(trials, here := people / "trials.txt")
    shutil.copy(silence, people / "silence.wav")
    try:  # paths start from the list's own folder
        here.write_text("\n".join([*lines, "0 ann/5.wav silence.wav"]))
        said = run("speaker", "evaluate", here, *empty_handed)
    finally:
        here.unlink()
        (people / "silence.wav").unlink()
    assert said.stdout.startswith(f"equal error rate      {document['eer']:.3f}") and "skipped 1:" in said.stdout
    assert "9 of one speaker, 27 of two" in said.stdout


@pytest.mark.parametrize(
    "text, told",
    [
        ("1 ann/0.wav ann/1.wav\n0 ann/0.wav cem/99.wav\n", "1 of its 3 sounds are not in"),
        ("1 ann/0.wav ann/1.wav\n2 ann/0.wav bob/0.wav\n", "line 2: the first field is the label, 0 or 1, not '2'"),
        ("1 ann/0.wav\n", "line 1: expected a label and two paths"),
        ("1 ann/0.wav ann/1.wav\n", "there must be trials of one speaker (1) and of two (0)"),
        ("\n", "the list is empty"),
    ],
    ids=["missing", "label", "fields", "one kind", "empty"],
)
def test_trials_that_are_wrong(run, people, empty_handed, tmp_path, text, told):
    (tmp_path / "trials.txt").write_text(text)
    words = ("speaker", "evaluate", tmp_path / "trials.txt", "--root", people, *empty_handed)
    said = run(*words, "--json", code=1)
    assert said.stdout == "" and said.stderr.startswith("error: ")
    assert told in said.stderr


@pytest.mark.parametrize("words", [("enroll", "ann", "a.wav"), ("verify", "a.wav", "b.wav"), ("identify", "a.wav")])
def test_no_recogniser_there(run, trained, words, tmp_path):
    said = run("speaker", *words, "--model-dir", tmp_path / "nö", "--json", code=1)
    assert said.stdout == "" and said.stderr == f"error: {tmp_path / 'nö'}: no speaker model here\n"
    said = run("speaker", *words, "--model-dir", trained[0], code=1)
    assert "no speaker model here" in said.stderr


def test_network_that_was_trained_anew_since(run, people, enrolled, tmp_path):
    run("speaker", "train", people, "--model-dir", tmp_path / "new", *SMALL, "--epochs", 1)
    for path in (tmp_path / "new").glob("resnet18*"):
        shutil.copy(path, enrolled[1])
    said = run("speaker", "identify", people / "ann" / "0.wav", *enrolled, code=1)
    assert "trained anew since: end that training" in said.stderr


@pytest.mark.parametrize(
    "words, told",
    [
        ((), "Usage"),
        (("sing",), "No such command"),
        (("train", "x", "--seconds", "1", "--features", "f.yaml"), "not both"),
        (("train", "x", "--network", "m5"), "resnet18"),
        (("train", "x", "--loss", "triplet"), "am_softmax"),
        (("train", "x", "--epochs", "0"), "--epochs"),
        (("enroll", "ann"), "Missing argument"),
        (("identify", "x.wav", "-k", "0"), "-k"),
    ],
)
def test_wrong_usage_is_2(run, words, told):
    assert told in run("speaker", *words, code=2).output


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(run, command):
    text = " ".join(run("speaker", command, "--help").stdout.split())
    assert f"mxnet-audio speaker {command}" in text and "--json" in text
    assert "--model-dir DIR Folder of the trained recogniser. [default: voices]" in text


def test_help_imports_nothing_heavy():
    code = """
import sys
from mxnet_audio.cli import main
try:
    sys.argv = ['mxnet-audio', *sys.argv[1:]]
    main()
finally:
    heavy = ('mxnet', 'librosa', 'sklearn', 'scipy', 'matplotlib', 'numpy', 'soundfile')
    print([name for name in heavy if name in sys.modules], file=sys.stderr)
"""
    for words in (["speaker"], ["speaker", "train", "--help"], ["speaker", "verify", "a.wav"]):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
        assert done.stderr.splitlines()[-1] == "[]"


def test_calibrate_sets_the_threshold(run, run_json, people, empty_handed, tmp_path):
    before = json.loads((empty_handed[1] / "speaker.json").read_text())["threshold"]
    document = run_json("speaker", "calibrate", people, *empty_handed, "--far", 0.5)
    after = json.loads((empty_handed[1] / "speaker.json").read_text())["threshold"]
    assert after == document["threshold"] == document["at_threshold"]["threshold"] != before
    assert document["at_threshold"]["far"] <= 0.5
    said = run("speaker", "calibrate", people, *empty_handed).stdout
    assert "equal error rate" in said and f" now, and was {after:.3f}\n" in said
    assert re.search(r"0\.\d+ of impostors accepted, 0\.\d+ of speakers rejected", said)
    failed = run("speaker", "calibrate", people, *empty_handed, "--far", 2, code=1)
    assert "far is a share of impostors" in failed.stderr
    assert "no such folder" in run("speaker", "calibrate", tmp_path / "none", *empty_handed, code=1).stderr


def test_who_is_enrolled_is_listed_and_forgotten(run, run_json, enrolled):
    assert run("speaker", "list", *enrolled).stdout == "ann\t4\nbob\t4\n"
    assert run("speaker", "forget", "ann", *enrolled).stdout == "ann is forgotten\n"
    assert run_json("speaker", "list", *enrolled)["speakers"] == {"bob": 4}
    assert "no 'ann' is enrolled" in run("speaker", "forget", "ann", *enrolled, code=1).stderr
    run("speaker", "forget", "bob", *enrolled)
    assert run("speaker", "list", *enrolled).stdout == "nobody is enrolled\n"


def test_export_writes_what_makes_the_same_vector(run_json, people, fitted, tmp_path):
    """Of a recording as long as a window, within 1e-3."""
    directory, document = fitted
    path = tmp_path / "vöices.onnx"
    wrote = run_json("speaker", "export", path, "--front-end", "--model-dir", directory)
    assert wrote == {
        "output": str(path),
        "takes": "samples",
        "model_id": document["model_id"],
        "labels": document["speakers"],
    }
    recognizer = SpeakerRecognizer.load(directory)
    config = recognizer.model.feature_config
    y, sr = audio.load(people / "ann" / "0.wav", sr=config.sr)
    window = audio.repeat_to(y, config.n_samples)[: config.n_samples]
    found = OnnxAudioClassifier(path).encode_audio((window, sr))
    np.testing.assert_allclose(found / np.linalg.norm(found), recognizer.embed((window, sr)), atol=1e-3)


def test_those_who_change_a_folder_wait_for_one_another(people, empty_handed):
    def enroll(name):
        with _changed(empty_handed[1]) as recognizer:
            recognizer.enroll(name, [people / "cem" / "0.wav"])

    names = [f"speaker {n}" for n in range(4)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(enroll, names))
    assert sorted(speakers(empty_handed)) == names
