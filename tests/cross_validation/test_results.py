"""Results of a cross-validation: measures by their definitions, a table, a figure, and a round trip through JSON."""

import json
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.image import imread

from mxnet_audio.cross_validation.results import CrossValidation, FoldRun
from mxnet_audio.errors import AudioError
from mxnet_audio.metrics import ClassificationReport


def run(fold, seed, right, skipped=()):
    report = ClassificationReport([3, 7], [[right, 4 - right], [0, 4]], [(p, AudioError(r, p)) for p, r in skipped])
    return FoldRun(fold, seed, report, {"acc_test": [0.5]}, 60.0, right / 4, tuple(skipped))


@pytest.fixture
def result():
    bad = [("a.wav", "silent")]
    return CrossValidation("m5", (run("x", 1, 4), run("x", 0, 2, bad), run("y", 1, 0), run("y", 0, 3, bad)))


def test_measures_follow_their_definitions(result):
    np.testing.assert_allclose(result.accuracies, [[1, 0.75], [0.5, 0.875]])
    assert result.accuracy == 0.78125 and result.precision_at_5 == 9 / 16
    assert result.std_over_folds == pytest.approx(np.std([0.875, 0.6875], ddof=1))
    assert result.std_over_seeds == pytest.approx(np.std([0.75, 0.8125], ddof=1))
    assert result.pooled().confusion.tolist() == [[9, 7], [0, 16]]
    assert result.pooled(seed=1).confusion.tolist() == [[4, 4], [0, 8]]
    assert result.skipped == [("a.wav", "silent")]
    one = CrossValidation("m5", (run("x", 1, 4), run("y", 1, 0)))
    assert one.std_over_seeds is None and "over seeds" not in str(one)


def test_runs_are_read_back_from_json(result):
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    back = CrossValidation("m5", tuple(map(FoldRun.from_dict, document["runs"])))
    assert back.to_dict() == result.to_dict()
    assert document["accuracy_by_seed"] == [[1, 0.75], [0, 0.8125]]
    with pytest.raises(KeyError):
        FoldRun.from_dict({"fold": 1})


def test_table_and_figure(result, tmp_path):
    lines = str(result).splitlines()
    assert lines[0].split() == ["fold", "clips", "seed", "1", "seed", "0", "mean", "prec.", "at", "5"]
    assert lines[2].split() == ["y", "8", "0.500", "0.875", "0.688", "0.375"]
    assert lines[-1] == "  a.wav: silent"
    assert len({line.index(".") for line in lines[1:4]}) == 1  # columns are aligned
    result.plot(tmp_path / "folds.png")
    assert imread(tmp_path / "folds.png").std() > 0.01


def test_clips_are_counted_once_for_each_seed(result):
    assert result.plot().axes[1].get_title() == "accuracy 78.1% of 16 clips x 2 seeds"
    assert result.to_dict()["pooled"]["n_seeds"] == 2
    one = CrossValidation("m5", (run("x", 1, 4), run("y", 1, 0)))
    assert one.plot().axes[1].get_title() == "accuracy 75.0% of 16 clips"


def test_reprs_have_one_line(result):
    assert repr(result) == "CrossValidation('m5', 2 folds x 2 seeds, accuracy 0.781)"
    assert repr(result.runs[2]) == "FoldRun(fold='y', seed=1, accuracy=0.500)"


def test_mxnet_is_not_needed():
    code = "import sys, mxnet_audio.cross_validation.results; sys.exit('mxnet' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
