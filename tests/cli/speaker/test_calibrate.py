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
