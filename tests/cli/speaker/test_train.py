"""``speaker train``, on synthesised speakers."""

import json
import re
import shutil

import pytest

SMALL = ("--network", "sincnet", "--batch-size", 8, "--seconds", 0.4)


@pytest.fixture(scope="module")
def few(people, tmp_path_factory):
    """Folder of three speakers, four recordings each."""
    folder = tmp_path_factory.mktemp("möre people")
    for name in ("ann", "bob", "cem"):
        (folder / name).mkdir()
        for take in range(4):
            shutil.copy(people / name / f"{take}.wav", folder / name)
    return folder


def test_document(run_json, few, manifest, tmp_path):
    words = ("--epochs", 1, "--test-size", 0.5, "--speed", 0.9)
    document = run_json("speaker", "train", few, "--model-dir", tmp_path, *SMALL, *words)
    assert document["model_dir"] == str(tmp_path) and document["network"] == "sincnet"
    assert document["speakers"] == ["ann", "bob", "cem"] and document["skipped"] == []
    assert document["held_out_speakers"] == [] and "trained on" in document["rates"]["source"]
    assert all(len(values) == 1 for values in document["history"].values())
    saved = manifest((None, tmp_path))
    assert saved["model_id"] == document["model_id"] and saved["threshold"] == document["threshold"]
    assert saved["speakers"] == []  # training does not enroll
    labels = json.loads((tmp_path / "sincnet.json").read_text())["labels"]
    assert labels == [*document["speakers"], *(f"sp0.9-{name}" for name in document["speakers"])]


def test_text_and_a_speaker_with_one_recording(run, few, bad_file, tmp_path):
    folder = shutil.copytree(few, tmp_path / "people")
    for path in list(folder.glob("cem/[1-3].wav")):
        path.unlink()
    shutil.copy(bad_file, folder / "ann")
    result = run("speaker", "train", folder, "--model-dir", tmp_path / "new", *SMALL, "--epochs", 1, code=1)
    trained, threshold, saved, warning = result.stdout.splitlines()
    assert trained == "trained sincnet on 3 speakers" and saved.endswith(f"{tmp_path / 'new'}")
    assert re.match(r"threshold -?\d\.\d{3}: .*held-out recordings.*; equal error rate \d+\.\d%$", threshold)
    assert "--held-out-speakers" in warning
    assert "cem" in result.stderr
    assert bad_file.name in result.stderr and result.stderr.endswith("9 done, 1 skipped\n")


def test_speakers_are_held_out(run, run_json, few, people, tmp_path):
    folder = shutil.copytree(few, tmp_path / "people")
    shutil.copytree(people / "dan", folder / "dan")
    words = ("speaker", "train", folder, *SMALL, "--epochs", 1, "--held-out-speakers", 2)
    document = run_json(*words, "--model-dir", tmp_path / "new")
    assert sorted(document["speakers"] + document["held_out_speakers"]) == ["ann", "bob", "cem", "dan"]
    assert len(document["held_out_speakers"]) == 2 and document["rates"]["source"].startswith("2 speakers")
    result = run(*words, "--model-dir", tmp_path / "new", "--resume")
    assert "pairs of two speakers" in result.stdout and "--held-out-speakers" not in result.stdout
    run(*words[:-1], 3, "--model-dir", tmp_path / "new", code=1)


def test_run_that_held_out_nobody_is_not_resumed_with_speakers_held_out(run, people, model):
    words = ("speaker", "train", people, *SMALL, *model, "--held-out-speakers", 2, "--resume")
    message = run(*words, code=1).stderr
    assert message.startswith(f"error: {model[1]}: ") and "--held-out-speakers 0" in message


def test_a_trained_recognizer_is_kept_unless_it_is_to_be_replaced(run, few, model, manifest):
    before = manifest(model)
    words = ("speaker", "train", few, *SMALL, *model, "--epochs", 1)
    message = run(*words, code=1).stderr
    assert message.startswith(f"error: {model[1]}: ") and "--overwrite" in message and manifest(model) == before
    assert "--overwrite" in run(*words, "--resume", "--overwrite", code=2).stderr
    run(*words, "--overwrite")
    assert manifest(model)["model_id"] != before["model_id"]


def test_folder_of_a_published_encoder_is_kept(run, few, new):
    run("speaker", "enroll", "ann", few / "ann", *new)
    message = run("speaker", "train", few, *new, *SMALL, code=1).stderr
    assert str(new[1]) in message and "resemblyzer" in message and "sincnet" in message
    assert run("speaker", "list", *new).stdout == "ann\t4\n"


@pytest.mark.usefixtures("narrow_resnet18")
def test_table_sessions_features_and_resume(run, run_json, few, manifest, tmp_path):
    rows = [f"{path},{path.parent.name},{path.parent.name}{path.stem in '01'}" for path in few.glob("*/*.wav")]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,group", *rows]), encoding="utf-8")
    features = tmp_path / "features.yaml"
    features.write_text("type: fbank\nnum_filter_bands: 24\n")  # without rate and length
    words = ("speaker", "train", tmp_path / "list.csv", "--network", "resnet18", "--batch-size", 8, "--normalize")
    words += ("--features", features, "--model-dir", tmp_path / "new", "--test-size", 0.5)
    first = run_json(*words, "--loss", "am_softmax", "--epochs", 1)
    second = run_json(*words, "--loss", "am_softmax", "--epochs", 2, "--resume")
    assert second["history"]["loss_train"][0] == first["history"]["loss_train"][0]
    assert len(second["history"]["loss_test"]) == 2
    assert manifest((None, tmp_path / "new"))["normalize"] is True
    message = run(*words, "--loss", "ge2e", "--epochs", 3, "--resume", code=1).stderr
    assert "loss" in message and str(tmp_path / "new") in message


def test_too_few_recordings(run, people, tmp_path):
    for name in ("ann", "bob"):
        (tmp_path / "two" / name).mkdir(parents=True)
        shutil.copy(people / name / "0.wav", tmp_path / "two" / name)
    shutil.copy(people / "ann" / "1.wav", tmp_path / "two" / "ann")
    result = run("speaker", "train", tmp_path / "two", "--model-dir", tmp_path / "new", *SMALL, "--json", code=1)
    assert result.stdout == "" and "ann: 2, bob: 1" in result.stderr
    message = run("speaker", "train", people / "ann", "--model-dir", tmp_path / "new", code=1).stderr
    assert message.startswith(f"error: {people / 'ann'}: ")
    message = run("speaker", "train", tmp_path / "nowhere", "--model-dir", tmp_path / "new", code=1).stderr
    assert message.startswith(f"error: {tmp_path / 'nowhere'}: ")
    assert not (tmp_path / "new").exists()
