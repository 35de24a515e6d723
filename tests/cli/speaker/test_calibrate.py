"""``speaker calibrate``."""

import re


def test_threshold_is_set(run, run_json, people, model, manifest, tmp_path):
    before = manifest(model)["threshold"]
    document = run_json("speaker", "calibrate", people, *model, "--far", 0.5)
    after = manifest(model)["threshold"]
    assert after == document["threshold"] == document["at_threshold"]["threshold"] != before
    assert document["at_threshold"]["far"] <= 0.5
    text = run("speaker", "calibrate", people, *model).stdout
    assert "equal error rate" in text and f"was {after:.3f}\n" in text
    assert re.search(r"0\.\d+ of impostors accepted, 0\.\d+ of speakers rejected", text)
    message = run("speaker", "calibrate", people, *model, "--far", 2, code=1).stderr
    assert "far" in message and "2" in message
    message = run("speaker", "calibrate", tmp_path / "none", *model, code=1).stderr
    assert message.startswith(f"error: {tmp_path / 'none'}: ")


def test_threshold_that_separates_nothing(run, run_json, people, new, tmp_path):
    rows = [f"{path},{index % 2}" for index, path in enumerate(sorted(people.glob("*/*.wav")))]
    (tmp_path / "wrong.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    message = run("speaker", "calibrate", tmp_path / "wrong.csv", *new, code=1).stderr
    assert re.search(r"equal error rate 0\.\d{3}", message) and "force" in message
    document = run_json("speaker", "calibrate", tmp_path / "wrong.csv", *new, "--force")
    assert document["eer"] == document["rates"]["eer"] > 0.35
