"""``cross-validate`` on real files."""

import json

import pytest
from matplotlib.image import imread

pytestmark = pytest.mark.usefixtures("own_cache")

SMALL = ("--input-shape", "1,16,16", "--batch-size", 8, "--epochs", 1, "--jobs", 1)


def test_folds_of_a_table(run, run_json, write_table, tmp_path):
    data, output = write_table(["10", "9", ""]), tmp_path / "folds"
    words = ("cross-validate", data, "--seeds", "0,1", "--output", output, *SMALL)
    document = run_json(*words)
    assert [fold for fold, _ in document["accuracy_by_fold"]] == ["9", "10"]  # six clips each; four are in none
    assert [seed for seed, _ in document["accuracy_by_seed"]] == [0, 1]
    assert document["pooled"]["n_clips"] == 24 and len(document["runs"]) == 4
    assert document == {**document, **json.loads((output / "cross_validation.json").read_text())}
    assert imread(output / "cross_validation.png").std() > 0.01
    result = run(*words)  # all runs are finished
    assert result.stdout.startswith("fold    clips  seed 0  seed 1   mean  prec. at 5\n9           6")
    assert "4 of 16 clips" in result.stderr
    assert "4 of 4 runs" in result.stderr
    assert "epochs" in run(*words, "--epochs", 2, code=1).stderr


def test_folds_are_drawn_if_there_are_none(run, tones):
    result = run("cross-validate", tones, *SMALL, "--k", 2, "--recipe", "plain")
    assert result.stdout.count("\n") == 5 and "\nmean       16" in result.stdout
    result = run("cross-validate", tones, *SMALL, "--seeds", "3")
    assert f"{tones} has no folds: drawing 5" in result.stderr and "\n5 " in result.stdout


def test_folds_that_share_a_group_are_refused(run, write_table):
    data = write_table(["1", "2"], ["Ann", "Ben", "Cem"])
    message = run("cross-validate", data, *SMALL, code=1).stderr
    assert "'Ann'" in message and "1 and 2" in message
    assert "\nmean       16" in run("cross-validate", data, *SMALL, "--k", 3).stdout  # drawn by groups


@pytest.mark.parametrize(
    ("words", "name"), [(("--seeds", "a"), "--seeds"), (("--k", 1), "--k"), (("--folds", "1"), "--corpus")]
)
def test_wrong_usage(run, tones, words, name):
    assert name in run("cross-validate", tones, *words, code=2).stderr
