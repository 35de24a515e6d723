"""``adapt``: another model of the same classes, and nothing lost where it fails."""


def test_an_adapted_model_is_kept_beside_and_answers(run, run_json, trained, tones, bad_file, tmp_path):
    document = run_json("adapt", tones, bad_file, "--model-dir", trained[0], "-o", tmp_path / "töne")
    assert document["labels"] == trained[1]["labels"] and document["clips"] == 16
    assert document["model_id"] != trained[1]["model_id"]
    assert [entry["path"] for entry in document["skipped"]] == [str(bad_file)]
    answers = run_json("predict", tones, "--model-dir", tmp_path / "töne")
    assert answers["model_id"] == document["model_id"] and len(answers["predictions"]) == 16
    said = run("adapt", tones, "--model-dir", trained[0], "-o", tmp_path / "two")
    assert said.stdout == f"the model, adapted to 16 clips, is in {tmp_path / 'two'}\n"


def test_what_cannot_be_adapted_to_is_said_and_nothing_is_written(run, trained, bad_file, tmp_path):
    said = run("adapt", bad_file, "--model-dir", trained[0], "-o", tmp_path / "new", code=1)
    assert "none of the 1 files can be used" in said.stderr and bad_file.name in said.stderr
    (tmp_path / "empty").mkdir()
    said = run("adapt", tmp_path / "empty", "--model-dir", trained[0], "-o", tmp_path / "new", code=1)
    assert "no sound files in this folder" in said.stderr
    said = run("adapt", bad_file, "--model-dir", trained[0], "-o", bad_file, code=1)
    assert "this is a file" in said.stderr
    said = run("adapt", bad_file, "--model-dir", trained[0], "-o", trained[0], code=1)
    assert "choose another" in said.stderr
    assert not (tmp_path / "new").exists()
