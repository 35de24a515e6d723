"""``speaker verify``."""

import json

import pytest


def test_recordings_and_enrolled_speakers(run, run_json, people, enrolled, manifest):
    ann, other, bob = (people / name for name in ("ann/6.wav", "ann/7.wav", "bob/7.wav"))
    same = run_json("speaker", "verify", ann, other, *enrolled)
    assert same["same"] is True and same["score"] >= same["threshold"] == manifest(enrolled)["threshold"]
    assert (same["first"], same["second"], same["speaker"]) == (str(ann), str(other), None)
    assert run_json("speaker", "verify", other, ann, *enrolled)["score"] == pytest.approx(same["score"])
    text = run("speaker", "verify", ann, bob, *enrolled).stdout
    assert text.startswith("not the same speaker: score ") and text.endswith(f"threshold {same['threshold']:.3f}\n")
    assert run("speaker", "verify", ann, other, *enrolled).stdout.startswith("the same speaker: score ")
    enrolled_speaker = run_json("speaker", "verify", ann, "--speaker", "ann", *enrolled)
    assert enrolled_speaker["same"] is True
    assert (enrolled_speaker["second"], enrolled_speaker["speaker"]) == (None, "ann")
    assert run("speaker", "verify", bob, "--speaker", "ann", *enrolled).stdout.startswith("not ann: score ")


def test_errors(run, people, silence, enrolled):
    clip = people / "ann" / "0.wav"
    assert "'eve'" in run("speaker", "verify", clip, "--speaker", "eve", *enrolled, code=1).stderr
    assert f"{silence}: silent" in run("speaker", "verify", clip, silence, *enrolled, code=1).stderr
    result = run("speaker", "verify", clip, "nowhere.wav", *enrolled, "--json", code=1)
    assert result.stdout == "" and result.stderr == "error: nowhere.wav: no such file\n"


def test_network_that_was_trained_again(run, people, enrolled):
    """The recognizer's state names another network than the one in its folder."""
    path = enrolled[1] / "speaker.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_id": "0" * 16}))
    message = run("speaker", "identify", people / "ann" / "0.wav", *enrolled, code=1).stderr
    assert message.startswith(f"error: {enrolled[1]}: ") and "resume" in message
