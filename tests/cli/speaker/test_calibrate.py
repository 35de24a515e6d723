"""``speaker calibrate``."""

import re


def write_table(folder, clips, label):
    """Write a table of recordings, with `label(number, path)` as the speaker of each."""
    rows = [f"{path},{label(number, path)}" for number, path in enumerate(sorted(clips))]
    (folder / "clips.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    return folder / "clips.csv"


def test_threshold_is_set(run, run_json, people, model, manifest, tmp_path):
    clips = write_table(tmp_path, people.glob("*/[5-8].wav"), lambda _, path: path.parent.name)
    before = manifest(model)["threshold"]
    document = run_json("speaker", "calibrate", clips, *model, "--far", 0.5)
    after = manifest(model)["threshold"]
    assert after == document["threshold"] == document["at_threshold"]["threshold"] != before
    assert document["at_threshold"]["far"] <= 0.5
    text = run("speaker", "calibrate", clips, *model).stdout
    assert "equal error rate" in text and f"was {after:.3f}\n" in text
    assert re.search(r"0\.\d+ of impostors accepted, 0\.\d+ of speakers rejected", text)
    message = run("speaker", "calibrate", clips, *model, "--far", 2, code=1).stderr
    assert "far" in message and "2" in message
    message = run("speaker", "calibrate", tmp_path / "none", *model, code=1).stderr
    assert message.startswith(f"error: {tmp_path / 'none'}: ")


def test_threshold_that_separates_nothing(run, run_json, people, new, tmp_path):
    wrong = write_table(tmp_path, people.glob("*/*.wav"), lambda number, _: number % 2)
    message = run("speaker", "calibrate", wrong, *new, code=1).stderr
    assert re.search(r"equal error rate 0\.\d{3}", message) and "force" in message
    document = run_json("speaker", "calibrate", wrong, *new, "--force")
    assert document["eer"] == document["rates"]["eer"] > 0.35
