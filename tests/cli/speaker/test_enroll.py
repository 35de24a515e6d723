"""``speaker enroll``, ``list`` and ``forget``."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from mxnet_audio.cli.speaker.model import updated_recognizer


def test_recordings_are_added_or_replaced(run, run_json, people, silence, model, manifest):
    first, second, *others = sorted(people.glob("ann/*.wav"))
    result = run("speaker", "enroll", "ann", first, silence, *model, code=1)
    assert result.stdout.startswith("ann ") and "1 recordings" in result.stdout
    assert str(silence) in result.stderr and result.stderr.endswith("1 done, 1 skipped\n")
    document = run_json("speaker", "enroll", "ann", second, silence, *model, code=1)
    assert document["utterances"] == 2 and [entry["path"] for entry in document["skipped"]] == [str(silence)]
    assert document["speaker"] == "ann" and document["model_dir"] == str(model[1])
    document = run_json("speaker", "enroll", "ann", people / "ann", *model, "--replace")
    assert document["utterances"] == 2 + len(others)
    run("speaker", "enroll", "bøb", people / "bob", *model)
    assert manifest(model)["speakers"] == ["ann", "bøb"]


def test_nothing_changes_if_no_recording_can_be_used(run, people, silence, bad_file, enrolled, manifest, tmp_path):
    result = run("speaker", "enroll", "cem", silence, *enrolled, "--json", code=1)
    assert result.stdout == "" and f"{silence}: silent" in result.stderr
    message = run("speaker", "enroll", "ann", silence, bad_file, "--replace", *enrolled, code=1).stderr
    assert "error: " in message and silence.name in message and bad_file.name in message
    (tmp_path / "empty").mkdir()
    for words in ((), ("--json",)):
        message = run("speaker", "enroll", "cem", tmp_path / "empty", *words, *enrolled, code=1).stderr
        assert f"skipped {tmp_path / 'empty'}" in message
    assert "name" in run("speaker", "enroll", " ", people / "cem", *enrolled, code=1).stderr
    assert manifest(enrolled)["speakers"] == ["ann", "bob"]
    result = run("speaker", "list", *enrolled)
    assert result.stdout == "ann\t4\nbob\t4\n"


def test_list_and_forget(run, run_json, fitted_threshold, enrolled, manifest):
    document = run_json("speaker", "list", *enrolled)
    assert document["speakers"] == {"ann": 4, "bob": 4} and document["threshold"] == fitted_threshold
    result = run("speaker", "forget", "ann", *enrolled)
    assert "ann" in result.stdout
    assert run_json("speaker", "list", *enrolled)["speakers"] == {"bob": 4}
    assert "'ann'" in run("speaker", "forget", "ann", *enrolled, code=1).stderr
    document = run_json("speaker", "forget", "bob", *enrolled)
    assert document == {"model_dir": str(enrolled[1]), "speakers": {}}
    assert run("speaker", "list", *enrolled).stdout == "nobody is enrolled\n"
    assert manifest(enrolled)["speakers"] == [] and manifest(enrolled)["threshold"] == fitted_threshold


@pytest.fixture
def fitted_threshold(speaker_model, manifest):
    return manifest((None, speaker_model))["threshold"]


COMMANDS = {
    "enroll": ("ann", "a.wav"),
    "verify": ("a.wav", "b.wav"),
    "identify": ("a.wav",),
    "list": (),
    "forget": ("ann",),
    "export": ("a.onnx",),
}


@pytest.mark.parametrize("command", ["list", "forget", "export"])
def test_missing_recognizer(run, command, tmp_path):
    result = run("speaker", command, *COMMANDS[command], "--model-dir", tmp_path / "nö", "--json", code=1)
    assert result.stdout == "" and result.stderr.startswith(f"error: {tmp_path / 'nö'}: ")
    assert not (tmp_path / "nö").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_folder_of_another_model(run, trained, command):
    result = run("speaker", command, *COMMANDS[command], "--model-dir", trained[0], code=1)
    assert result.stderr.startswith(f"error: {trained[0]}: ") and "cifar10" in result.stderr
    assert not (trained[0] / ".speaker.lock").exists()


def test_concurrent_changes_wait_for_each_other(people, model, manifest):
    def enroll(name):
        with updated_recognizer(model[1]) as recognizer:
            recognizer.enroll(name, [people / "cem" / "0.wav"])

    names = [f"speaker {n}" for n in range(4)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(enroll, names))
    assert sorted(manifest(model)["speakers"]) == names
