"""``adapt``: a second model of the same classes, and nothing is written if it fails."""

import shutil

from mxnet_audio.library.classifier import AudioClassifier


def test_adapted_model_is_saved_and_used(run, run_json, trained, model, tones, bad_file, tmp_path):
    document = run_json("adapt", tones, bad_file, *model, "-o", tmp_path / "töne", code=1)
    assert document["model_dir"] == str(tmp_path / "töne")
    assert document["labels"] == trained[1]["labels"] and document["clips"] == 16
    assert document["model_id"] != trained[1]["model_id"]
    assert [entry["path"] for entry in document["skipped"]] == [str(bad_file)]
    answers = run_json("predict", tones, "--model-dir", tmp_path / "töne")
    assert answers["model_id"] == document["model_id"] and len(answers["predictions"]) == 16
    for words in ((), ("--overwrite",)):
        result = run("adapt", tones, *model, "-o", tmp_path / "two", *words)
    assert "16 clips" in result.stdout and result.stdout.endswith(f"{tmp_path / 'two'}\n")


def test_nothing_is_written_if_it_fails(run, trained, model, tones, bad_file, tmp_path):
    result = run("adapt", bad_file, *model, "-o", tmp_path / "new", code=1)
    assert "error: " in result.stderr and bad_file.name in result.stderr
    (tmp_path / "empty").mkdir()
    for words in ((), ("--json",)):
        result = run("adapt", tmp_path / "empty", *model, "-o", tmp_path / "new", *words, code=1)
        assert f"skipped {tmp_path / 'empty'}" in result.stderr and result.stdout == ""
    result = run("adapt", bad_file, *model, "-o", bad_file, code=1)
    assert f"error: {bad_file}: " in result.stderr
    result = run("adapt", tones, *model, "-o", trained[0], code=1)
    assert f"error: {trained[0]}: " in result.stderr and "cifar10" in result.stderr and "--overwrite" in result.stderr
    assert not (tmp_path / "new").exists()


def test_a_model_that_another_process_saved_meanwhile_is_kept(run, trained, model, tones, tmp_path, monkeypatch):
    def adapt(self, paths):
        shutil.copytree(trained[0], tmp_path / "new")
        self.skipped = []

    monkeypatch.setattr(AudioClassifier, "adapt", adapt)
    monkeypatch.setattr(AudioClassifier, "save_model", None)
    result = run("adapt", tones, *model, "-o", tmp_path / "new", code=1)
    assert f"error: {tmp_path / 'new'}: " in result.stderr and "--overwrite" in result.stderr


def test_the_model_of_an_encoder_is_kept(run, published, tones, tmp_path):
    """It is stored under the name of its network, not of the encoder."""
    run("train", tones, "--encoder", published("resemblyzer"), "--model-dir", tmp_path / "model")
    words = ("adapt", tones, "--model-dir", tmp_path / "model", "-o", tmp_path / "new")
    run(*words)
    assert "--overwrite" in run(*words, code=1).stderr
    run(*words, "--overwrite")
