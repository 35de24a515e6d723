"""Commands on clips with several labels each, or none: training, predictions, measures, folds and exported files."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from matplotlib.image import imread

from mxnet_audio.cli.clips import list_training_sets

KINDS = {"low": (200, 500), "high": (2000, 3500)}
SETS = [("low",), ("high",), ("high", "low"), ()]
SMALL = ("--input-shape", "1,32,16", "--batch-size", 4, "--learning-rate", 0.002, "--label-separator", "|")


@pytest.fixture(scope="module")
def table(make_once) -> Path:
    """Table of 24 clips of 0.4 s with a low tone, a high one, both or noise alone; labels are in one cell."""

    def fill(folder):
        rng = np.random.default_rng(0)
        t = np.arange(4800) / 12000
        rows = [("path", "label", "fold")]
        for index in range(24):
            labels = SETS[index % 4]
            y = 0.02 * rng.standard_normal(t.size)
            for label in labels:
                y += 0.3 * np.sin(2 * np.pi * rng.uniform(*KINDS[label]) * t)
            sf.write(folder / f"{index}.wav", y, 12000)
            rows.append((f"{index}.wav", "|".join(labels), index // 4 % 2))
        with (folder / "sounds.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)

    return make_once("sounds of several kinds", fill) / "sounds.csv"


@pytest.fixture(scope="module")
def trained(run, table, make_once) -> tuple[Path, dict]:
    """Folder of a model trained on the table, and the document of ``train --json``."""

    def fill(folder):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
            words = ("train", table, "--model-dir", folder / "model", "--epochs", 8, *SMALL, "--json")
            (folder / "train.json").write_text(run(*words).stdout)

    folder = make_once("model of several labels", fill)
    return folder / "model", json.loads((folder / "train.json").read_text())


def test_train_tells_mean_average_precision_and_thresholds(trained):
    document = trained[1]
    assert document["labels"] == ["high", "low"]
    assert len(document["thresholds"]) == 2 and all(0 < threshold < 1 for threshold in document["thresholds"])
    assert document["last"]["acc_test"] > 0.7


def test_train_and_report_print_the_measure(run, table, tmp_path, own_cache):
    words = ("train", table, "--model-dir", tmp_path / "model", "--epochs", 1, *SMALL, "--report", tmp_path / "report")
    assert "on 2 classes: validation mean average precision " in run(*words).stdout
    assert "average precision" in (tmp_path / "report" / "report.html").read_text()
    assert "--label-separator" in run("train", table.parent, "--label-separator", "|", code=2).stderr


def test_rows_of_one_file_are_joined(run_json, table, tmp_path, own_cache):
    with table.open(newline="") as file:
        rows = [
            (table.parent / row["path"], label) for row in csv.DictReader(file) for label in row["label"].split("|")
        ]
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *rows])
    document = run_json("train", path, "--model-dir", tmp_path / "model", "--epochs", 1, *SMALL)
    assert document["labels"] == ["high", "low"] and document["skipped"] == []


def test_validation_sets_have_the_same_separator(table, tones):
    pairs, groups, held_out = list_training_sets(table, table, label_separator="|")
    assert groups is None and held_out == pairs
    assert [set(labels) for _, labels in pairs[:4]] == [set(labels) for labels in SETS]
    _, _, held_out = list_training_sets(table, tones, label_separator="|")
    assert {label for _, label in held_out} == {"high ♪", "low"}  # of folders, each clip has one


def test_models_of_one_label_take_no_sets(run, table, tones, tmp_path, own_cache):
    run("train", tones, "--model-dir", tmp_path, "--input-shape", "1,16,16", "--epochs", 1)
    result = run("evaluate", table, "--label-separator", "|", "--model-dir", tmp_path, code=1)
    assert "one label is expected" in result.stderr and result.stdout == ""


def test_predict(run, run_json, trained, table):
    clips = [table.parent / f"{index}.wav" for index in range(8)]
    document = run_json("predict", *clips, "--model-dir", trained[0])
    assert document["thresholds"] == pytest.approx(trained[1]["thresholds"])
    texts = []
    for item in document["predictions"]:
        reached = np.array(item["probabilities"]) >= document["thresholds"]
        assert item["label"] == [label for label, is_reached in zip(document["labels"], reached) if is_reached]
        texts.append("|".join(item["label"]) or "(none)")
    assert len(set(texts)) >= 3
    lines = run("predict", *clips, "--model-dir", trained[0]).stdout.splitlines()
    assert [line.split()[0] for line in lines] == texts
    assert all(line.endswith(f"%  {clip}") for line, clip in zip(lines, clips))
    timeline = run_json("predict", clips[2], "--timeline", 0.2, "--model-dir", trained[0])
    assert all(isinstance(part["label"], list) for part in timeline["timelines"][0]["segments"])


def test_evaluate_and_report(run, run_json, trained, table, tmp_path):
    words = (table, "--model-dir", trained[0], "--label-separator", "|")
    document = run_json("evaluate", *words)
    assert document["n_clips"] == 24 and document["mean_average_precision"] > 0.7
    assert [row["threshold"] for row in document["per_class"]] == pytest.approx(trained[1]["thresholds"])
    text = run("evaluate", *words).stdout
    assert f"mean average precision {document['mean_average_precision']:.3f}" in text
    assert "confusion" not in document
    run("report", *words, "--output", tmp_path)
    assert "Confusion matrix" not in (tmp_path / "report.html").read_text()
    assert "--label-separator" in run("evaluate", table, "--model-dir", trained[0], code=1).stderr


def test_an_exported_file_gives_the_same_labels(run, run_json, trained, table, tmp_path):
    clips = [table.parent / f"{index}.wav" for index in range(8)]
    exported = run_json("export", tmp_path / "model.onnx", "--model-dir", trained[0])
    assert exported["thresholds"] == pytest.approx(trained[1]["thresholds"])
    one, other = (run_json("predict", *clips, "--model-dir", m) for m in (trained[0], tmp_path / "model.onnx"))
    assert [item["label"] for item in one["predictions"]] == [item["label"] for item in other["predictions"]]
    words = (table, "--label-separator", "|", "--model-dir")
    evaluated = [run_json("evaluate", *words, m) for m in (trained[0], tmp_path / "model.onnx")]
    assert evaluated[0]["micro_f1"] == pytest.approx(evaluated[1]["micro_f1"])


def test_cross_validate(run, run_json, table, tmp_path, own_cache):
    words = ("cross-validate", table, *SMALL, "--epochs", 1, "--jobs", 1, "--output", tmp_path)
    document = run_json(*words)
    assert len(document["runs"]) == 2 and document["pooled"]["n_clips"] == 24
    averages = [row["mean_average_precision"] for row in document["runs"]]
    assert document["mean_average_precision"] == pytest.approx(np.mean(averages))
    assert document["micro_f1"]["std_over_folds"] == pytest.approx(
        np.std([row["report"]["micro_f1"] for row in document["runs"]], ddof=1)
    )
    for row in document["runs"]:
        assert [one["threshold"] for one in row["report"]["per_class"]] == [0.5, 0.5]
    assert imread(tmp_path / "cross_validation.png").std() > 0.01
    text = run(*words).stdout  # all runs are finished
    assert "cifar10: mean average precision" in text and "macro F1" in text
