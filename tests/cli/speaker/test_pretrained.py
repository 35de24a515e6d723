"""Commands with a published encoder: nothing is trained, and a new folder needs no option."""

import json
from pathlib import Path

import numpy as np
import soundfile as sf


def test_first_minute(run, run_json, people, new):
    ann, other, bob = (people / name for name in ("ann/8.wav", "ann/9.wav", "bob/9.wav"))
    result = run("speaker", "verify", ann, bob, *new)
    first, rates = result.stderr.splitlines()
    assert str(new[1]) in first and "resemblyzer" in first
    assert rates.startswith("threshold 0.788: 5.1% of ") and "FSDD" in rates
    assert not new[1].exists()  # nothing is saved
    assert "nobody" in run("speaker", "identify", ann, *new, code=1).stderr
    assert "nobody" in run("speaker", "verify", ann, "--speaker", "ann", *new, code=1).stderr
    result = run("speaker", "enroll", "ann", *sorted(people.glob("ann/[0-4].wav")), *new)
    assert result.stdout.startswith("ann ") and result.stderr.count("resemblyzer") == 1
    result = run("speaker", "enroll", "bob", *sorted(people.glob("bob/[0-4].wav")), *new)
    assert "resemblyzer" not in result.stderr
    document = run_json("speaker", "list", *new)
    assert document["speakers"] == {"ann": 5, "bob": 5} and document["network"] == "resemblyzer"
    assert document["threshold"] == 0.788 and document["rates"]["far"] == 0.051
    document = run_json("speaker", "identify", other, bob, *new)
    assert [row["speaker"] for row in document["results"]] == ["ann", "bob"]
    assert run("speaker", "verify", other, "--speaker", "ann", *new).stdout.startswith("ann: ")
    run("speaker", "forget", "ann", *new)
    assert run("speaker", "list", *new).stdout == "bob\t5\n"
    assert "exported" in run("speaker", "export", new[1] / "x.onnx", *new, code=1).stderr


def test_a_failed_first_enrollment_leaves_nothing(run, silence, new):
    run("speaker", "enroll", "ann", silence, *new, code=1)
    assert not new[1].exists()


def test_both_sides_of_a_call(run, run_json, people, new, tmp_path):
    sides = [sf.read(people / name / "9.wav") for name in ("ann", "bob")]
    length = min(len(y) for y, _ in sides)
    call = tmp_path / "call.wav"
    sf.write(call, np.stack([y[:length] for y, _ in sides], axis=1), sides[0][1])
    for name in ("ann", "bob"):
        run("speaker", "enroll", name, *(people / name / f"{take}.wav" for take in range(5)), *new)
    run("speaker", "calibrate", people, *new)
    results = run_json("speaker", "identify", call, *new, "--channel", "each")["results"]
    assert [(row["path"], row["speaker"]) for row in results] == [(f"{call} [left]", "ann"), (f"{call} [right]", "bob")]
    assert run_json("speaker", "verify", call, "--speaker", "bob", "--channel", "right", *new)["same"]
    assert not run_json("speaker", "verify", call, "--speaker", "bob", "--channel", "left", *new)["same"]
    assert run_json("speaker", "enroll", "ann", call, "--channel", "left", *new)["utterances"] == 6
    assert "middle" in run("speaker", "identify", call, *new, "--channel", "middle", code=2).stderr


def test_background_and_calibration(run, run_json, people, silence, new):
    document = run_json("speaker", "background", people / "cem", people / "dan", silence, *new, code=1)
    assert document["recordings"] == 20 and document["threshold"] == 0.585
    assert [entry["path"] for entry in document["skipped"]] == [str(silence)]
    text = run("speaker", "background", people / "cem", *new).stdout
    assert "10 recordings" in text and "threshold" in text and "FSDD" in text
    assert "10 different" in run("speaker", "background", people / "cem" / "0.wav", *new, code=1).stderr
    run("speaker", "enroll", "cem", people / "cem" / "0.wav", *new)
    assert "enrolled as cem's" in run("speaker", "background", people / "cem", *new).stderr
    document = run_json("speaker", "calibrate", people, *new, "--far", 0.1)
    assert document["rates"]["source"] == "calibration recordings" and document["rates"]["far"] <= 0.1
    result = run("speaker", "verify", people / "ann" / "0.wav", people / "bob" / "0.wav", *new)
    assert "calibration recordings" in result.stderr and "FSDD" not in result.stderr


def test_evaluation(run_json, people, new, tmp_path):
    (tmp_path / "trials.txt").write_text("1 ann/0.wav ann/1.wav\n0 ann/0.wav bob/1.wav\n")
    document = run_json("speaker", "evaluate", tmp_path / "trials.txt", "--root", people, *new)
    assert document["eer"] == 0 and document["threshold"] == 0.788
    assert not new[1].exists()


def test_background_of_a_trained_network_is_refused(run, people, enrolled):
    assert "resemblyzer" in run("speaker", "background", people / "cem", *enrolled, code=1).stderr


def test_model_folder_is_a_file_or_damaged(run, people, new):
    clip = people / "ann" / "0.wav"
    new[1].write_text("")
    for words in (("verify", clip, clip), ("enroll", "ann", clip)):
        assert f"error: {new[1]}: " in run("speaker", *words, *new, code=1).stderr
    new[1].unlink()
    run("speaker", "enroll", "ann", clip, *new)
    state = new[1] / "speaker.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"model_id": "0"}))
    assert "enroll them again" in run("speaker", "identify", clip, *new, code=1).stderr
    state.write_text("{")
    assert "damaged" in run("speaker", "identify", clip, *new, code=1).stderr


def test_model_folder_that_must_not_be_read(run, people, new, monkeypatch):
    clip = people / "ann" / "0.wav"
    run("speaker", "enroll", "ann", clip, *new)
    monkeypatch.setattr(Path, "iterdir", refuse_to_list)  # as chmod does, except for root
    assert run("speaker", "verify", clip, clip, *new, code=1).stderr == f"error: {new[1]}: Permission denied\n"


def refuse_to_list(path):
    raise PermissionError(13, "Permission denied", str(path))


def test_published_weights(run, published, fsdd, tmp_path):
    published("resemblyzer")
    words = ("--model-dir", tmp_path / "voices")
    run("speaker", "enroll", "jackson", *(fsdd / f"{digit}_jackson_0.wav" for digit in range(3)), *words)
    assert "jackson" in run("speaker", "identify", fsdd / "7_jackson_1.wav", *words).stdout


def test_another_pretrained_encoder(run, run_json, people, new, manifest, tmp_path):
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "embedding_model.ckpt").touch()
    ecapa = (*new, "--network", "ecapa", "--source", weights)
    ann, bob = people / "ann" / "8.wav", people / "bob" / "8.wav"
    for words in (("verify", ann, bob), ("enroll", "ann", ann), ("identify", ann), ("background", people / "cem")):
        assert "speaker calibrate DATA --network ecapa" in run("speaker", *words, *ecapa, code=1).stderr
    (tmp_path / "trials.txt").write_text("1 ann/0.wav ann/1.wav\n0 ann/0.wav bob/1.wav\n")
    document = run_json("speaker", "evaluate", tmp_path / "trials.txt", "--root", people, *ecapa)
    assert document["eer"] == 0 and document["threshold"] is None
    assert not new[1].exists()
    assert "was not set" in run("speaker", "calibrate", people, *ecapa).stdout
    assert manifest(new)["network"] == "ecapa" and manifest(new)["source"] == str(weights)
    run("speaker", "enroll", "ann", *sorted(people.glob("ann/[0-4].wav")), *new)
    weights.rename(tmp_path / "moved")
    assert "--source" in run("speaker", "identify", ann, *new, code=1).stderr
    document = run_json("speaker", "identify", ann, *new, "--source", tmp_path / "moved")
    assert document["results"][0]["speaker"] == "ann"


def test_networks_and_sources_that_do_not_fit(run, people, new, enrolled, tmp_path):
    ann = people / "ann" / "8.wav"
    run("speaker", "enroll", "ann", ann, *new)
    assert "resemblyzer" in run("speaker", "identify", ann, *new, "--network", "ecapa", code=1).stderr
    assert "yamnet" in run("speaker", "identify", ann, *new, "--network", "yamnet", code=1).stderr
    missing = ("--network", "ecapa", "--source", tmp_path / "missing", "--model-dir", tmp_path / "other")
    assert "missing" in run("speaker", "calibrate", people, *missing, code=1).stderr
    assert "trained" in run("speaker", "identify", ann, *enrolled, "--source", tmp_path, code=1).stderr
