"""``events``, with a trained model on synthetic recordings, and with published weights."""

import csv
import json

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio.events import read_events

RATE = 12000


@pytest.fixture
def night(tones, tmp_path):
    """Recording: a second of silence, two of a low tone, a second of silence, two of a high tone."""
    low, high = (np.tile(sf.read(tones / label / "0 é.wav")[0], 5) for label in ("low", "high ♪"))
    sf.write(tmp_path / "night é.wav", np.concatenate([0 * low[:RATE], low, 0 * low[:RATE], high]), RATE)
    return tmp_path / "night é.wav"


@pytest.fixture
def half(model):
    """Options for windows of half a second, and the trained model."""
    return *model, "--window", 0.5, "--hop", 0.5, "--threshold", 0.9


def test_events_of_a_recording(run, run_json, half, night, bad_file):
    document = run_json("events", night, bad_file, *half, code=1)
    (entry,) = document["files"]
    assert entry["path"] == str(night) and [item["path"] for item in document["skipped"]] == [str(bad_file)]
    low, high = entry["events"]
    assert (low["label"], high["label"]) == ("low", "high ♪") and document["labels"] == ["high ♪", "low"]
    assert [low["start"], low["end"], high["start"], high["end"]] == pytest.approx([1, 3, 4, 6], abs=0.01)
    assert 0.9 <= low["score"] <= 1
    head, first, second = run("events", night, *half).stdout.splitlines()
    assert head == str(night) and first.split()[-1] == "low" and second.split()[1:3] == ["to", f"{high['end']:.2f}"]
    (entry,) = run_json("events", night, *half, "--label", "low", "--min-duration", 1)["files"]
    assert entry["events"] == [low]


def test_label_files(run, run_json, half, night, tmp_path, bad_file):
    expected = run_json("events", night, *half)["files"][0]["events"]
    document = run_json("events", night, night.parent, *half, "-o", tmp_path / "a.csv", code=1)
    assert document["output"] == str(tmp_path / "a.csv") and document["events"] == len(expected)
    found = read_events(tmp_path / "a.csv")
    assert [(path, event.label) for path, event in found] == [(str(night), event["label"]) for event in expected]
    assert "wrote 2 events" in run("events", night, *half, "-o", tmp_path / "a.txt").stdout
    assert [event[:3] for _, event in read_events(tmp_path / "a.txt")] == [event[:3] for _, event in found]
    run("events", night, *half, "-o", tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))[0]["events"] == expected
    run("events", night, *half, "-o", tmp_path / "a.selections.txt")
    with (tmp_path / "a.selections.txt").open(encoding="utf-8", newline="") as file:
        assert [row["High Freq (Hz)"] for row in csv.DictReader(file, delimiter="\t")] == ["6000", "6000"]
    run("events", bad_file, *half, "-o", tmp_path / "none.csv", code=1)
    assert not (tmp_path / "none.csv").exists()
    other = tmp_path / "b.wav"
    other.write_bytes(night.read_bytes())
    assert "--output" in run("events", night, other, *half, "-o", tmp_path / "b.txt", code=2).stderr
    assert not (tmp_path / "b.txt").exists()


def test_tags(run, run_json, published, fsdd):
    published("yamnet")
    clip = fsdd / "0_jackson_0.wav"
    (entry,) = run_json("events", clip, "--encoder", "yamnet", "--threshold", 0.3, "--label", "Speech")["files"]
    (event,) = entry["events"]
    assert event["label"] == "Speech" and event["start"] == 0 and event["end"] == pytest.approx(0.64, abs=0.01)
    message = run("events", clip, "--encoder", "yamnet", "--label", "Speach", code=1).stderr
    assert "Speach" in message and "Speech" in message


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("--threshold", 0), "--threshold"),
        (("--threshold", 1.5), "--threshold"),
        (("--window", -1), "--window"),
        (("--window", 1, "--hop", 2), "--hop"),
        (("--min-duration", -1), "--min-duration"),
        (("--output", "events.xml"), "--output"),
        (("--output", "s3://bucket/events"), "--output"),
        (("--encoder", "yamnet", "--model-dir", "models"), "--encoder"),
        (("--revision", "main"), "--revision"),
    ],
    ids=str,
)
def test_wrong_usage(run, words, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert name in run("events", "x.wav", *words, code=2).stderr


def test_encoders_without_tags(run):
    assert "yamnet" in run("events", "x.wav", "--encoder", "resemblyzer", code=1).stderr
