"""``cross-validate`` and ``report`` on real files; folds and groups of a table."""

import json

import pytest
from matplotlib.image import imread

LABELS = ["high ♪", "low"]
SMALL = ("--input-shape", "1,16,16", "--batch-size", 8, "--epochs", 1, "--jobs", 1)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def table(tones, tmp_path):
    """Writer of a table of the tones: the fold of clip i is ``folds[i % len(folds)]``, and so its group."""

    def write(folds, groups=("",)):
        rows = [
            f"{tones / label / f'{i} é.wav'},{label},{folds[i % len(folds)]},{groups[i % len(groups)]}"
            for label in LABELS
            for i in range(8)
        ]
        path = tmp_path / "liste ü.csv"
        path.write_text("\n".join(["path,label,fold,group", *rows]) + "\n", encoding="utf-8")
        return path

    return write


def test_folds_of_a_table(run, run_json, table, tmp_path):
    data, output = table(["10", "9", ""]), tmp_path / "folds"
    words = ("cross-validate", data, "--seeds", "0,1", "--output", output, *SMALL)
    document = run_json(*words)
    assert [fold for fold, _ in document["accuracy_by_fold"]] == ["9", "10"]  # six clips each; four are in none
    assert [seed for seed, _ in document["accuracy_by_seed"]] == [0, 1]
    assert document["pooled"]["n_clips"] == 24 and len(document["runs"]) == 4
    assert document == {**document, **json.loads((output / "cross_validation.json").read_text())}
    assert imread(output / "cross_validation.png").std() > 0.01
    result = run(*words)  # all runs are there
    assert result.stdout.startswith("fold    clips  seed 0  seed 1   mean  prec. at 5\n9           6")
    assert "4 of 16 clips are in no fold, and left out" in result.stderr
    assert "4 of 4 runs are there" in result.stderr
    assert "other settings (epochs changed since)" in run(*words, "--epochs", 2, code=1).stderr


def test_folds_are_drawn_where_there_are_none(run, tones):
    result = run("cross-validate", tones, *SMALL, "--k", 2, "--recipe", "plain")
    assert result.stdout.count("\n") == 5 and "\nmean       16" in result.stdout
    result = run("cross-validate", tones, *SMALL, "--seeds", "3")
    assert "says no folds: 5 are drawn" in result.stderr and "\n5 " in result.stdout


def test_folds_that_share_a_group_are_refused(run, table):
    data = table(["1", "2"], ["Ann", "Ben", "Cem"])
    result = run("cross-validate", data, *SMALL, code=1)
    assert "group 'Ann' is in folds 1 and 2" in result.stderr
    assert "\nmean       16" in run("cross-validate", data, *SMALL, "--k", 3).stdout  # drawn by groups


def test_groups_and_folds_of_a_table_count_in_training_too(run, run_json, table, tmp_path):
    data, train = table(["1", "2"], ["Ann", "Ann", "Ben", "Ben"]), ("--model-dir", tmp_path / "m", *SMALL[:-2])
    assert "all clips are of one group" in run("train", table(["1"], ["Ann"]), *train, code=1).stderr
    table(["1", "2"], ["Ann", "Ann", "Ben", "Ben"])
    run("train", data, *train, "--folds", "1", "--test-size", 0.5, "--recipe", "plain", "--report", tmp_path / "r")
    assert (tmp_path / "r" / "report.html").is_file()
    assert run_json("evaluate", data, "--model-dir", tmp_path / "m", "--folds", "2")["n_clips"] == 8
    assert "no clip is in fold '7'" in run("train", data, *train, "--folds", "1,7", code=1).stderr


@pytest.mark.parametrize(
    ("words", "named"), [(("--seeds", "a"), "--seeds"), (("--k", 1), "--k"), (("--folds", "1"), "--corpus")]
)
def test_wrong_usage(run, tones, words, named):
    assert named in run("cross-validate", tones, *words, code=2).stderr


def test_report(run_json, run, trained, tones, tmp_path, bad_file):
    directory, _ = trained
    listed = tmp_path / "list.csv"
    listed.write_text(f"path,label\n{tones / 'low' / '0 é.wav'},low\n{bad_file},low\n", encoding="utf-8")
    document = run_json("report", listed, "--model-dir", directory, "--output", tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert document["report"] == str(tmp_path / "out" / "report.html") and document["bytes"] == len(page.encode())
    assert "1 measured, 1 left out" in page and "not sound ü.wav" in page
    assert "<dt>batch_size</dt><dd>4</dd>" in page  # from the model's directory
    assert "(0." in run("report", tones, "--model-dir", directory, "--output", tmp_path / "out").stdout
    assert (
        "cow" in run("report", _table(tmp_path, "cow"), "--model-dir", directory, "-o", tmp_path / "x", code=1).stderr
    )


def _table(folder, label):
    path = folder / "other.csv"
    path.write_text(f"path,label\na.wav,{label}\n")
    return path
