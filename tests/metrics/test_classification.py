"""Test classification reports against counts by hand and scikit-learn, and their JSON form."""

import json

import numpy as np
import pytest

from mxnet_audio.errors import AudioDecodeError, DatasetError, ParameterError
from mxnet_audio.metrics import ClassificationReport, classification_report, precision_at_k

TRUE = ["a", "a", "a", "b", "b", "c"]
PRED = ["a", "a", "b", "b", "a", "b"]


def test_confusion_has_true_rows_and_predicted_columns():
    report = classification_report(TRUE, PRED, labels=["c", "b", "a"])
    np.testing.assert_array_equal(report.confusion, [[0, 1, 0], [0, 1, 1], [0, 1, 2]])
    assert report.accuracy == pytest.approx(3 / 6)
    assert report.n_clips == 6


def test_per_class_matches_counts_by_hand():
    a, b, c = classification_report(TRUE, PRED, labels=["a", "b", "c"]).per_class
    assert a == pytest.approx({"label": "a", "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "support": 3})
    assert b == pytest.approx({"label": "b", "precision": 1 / 3, "recall": 1 / 2, "f1": 0.4, "support": 2})
    assert c == {"label": "c", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}


def test_per_class_matches_scikit_learn():
    from sklearn.metrics import precision_recall_fscore_support

    rng = np.random.default_rng(0)
    true, pred = rng.integers(0, 5, (2, 200))
    rows = classification_report(true, pred, labels=range(5)).per_class
    expected = precision_recall_fscore_support(true, pred, labels=range(5))
    for name, column in zip(("precision", "recall", "f1", "support"), expected):
        np.testing.assert_allclose([row[name] for row in rows], column)


def test_json_with_numpy_labels_and_skipped_files():
    skipped = [("clip ü.wav", AudioDecodeError("not audio", "clip ü.wav"))]
    report = classification_report(np.array([0, 1]), np.array([0, 0]), np.array([0, 1]), skipped)
    back = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert back["accuracy"] == 0.5
    assert back["labels"] == [0, 1]
    assert back["per_class"][1] == {"label": 1, "precision": 0, "recall": 0, "f1": 0, "support": 1}
    assert back["confusion"] == [[1, 0], [1, 0]]
    assert back["skipped"] == [{"path": "clip ü.wav", "reason": "not audio"}]


def test_table_is_aligned_and_lists_skipped_files():
    skipped = [("bad.wav", AudioDecodeError("not audio", "bad.wav"))]
    labels = ["fire_crackling", "dog", 7]
    text = str(classification_report(["dog", 7], ["dog", "dog"], labels, skipped))
    header, *rows, accuracy, count, skipped_row = text.splitlines()
    assert len({len(line) for line in [header, *rows]}) == 1
    assert [row.split()[0] for row in rows] == ["fire_crackling", "dog", "7", "mean"]
    assert accuracy == "accuracy 0.500 (1 of 2 clips)"
    assert (count, skipped_row) == ("skipped 1:", "  bad.wav: not audio")


def test_mean_excludes_classes_without_clips():
    text = str(classification_report(["a", "b"], ["a", "b"], labels=["a", "b", "never seen"]))
    assert "mean            1.000   1.000  1.000      2" in text


def test_unknown_label_is_named():
    with pytest.raises(DatasetError, match=r"'cow'.*\(cat, dog\)"):
        classification_report(["cow"], ["cat"], labels=["cat", "dog"])


def test_no_clips_names_the_first_skipped_file():
    with pytest.raises(DatasetError, match=r"1 .*x\.wav: not audio"):
        classification_report([], [], ["a"], skipped=[("x.wav", AudioDecodeError("not audio", "x.wav"))])


def test_matrix_must_fit_the_labels():
    with pytest.raises(ParameterError, match=r"confusion.*\(3, 3\).*\(2, 2\)"):
        ClassificationReport(["a", "b", "c"], np.zeros((2, 2), int))


def test_lengths_must_agree():
    with pytest.raises(ParameterError, match=r"y_true and y_pred.*1 and 2"):
        classification_report(["a"], ["a", "a"], ["a"])


def test_precision_at_k():
    neighbours = [["a", "a", "b"], ["a", "b", "b"]]
    assert precision_at_k(["a", "b"], neighbours, k=1) == 0.5
    assert precision_at_k(["a", "b"], neighbours, k=3) == pytest.approx(4 / 6)
    assert precision_at_k(["a"], [["a"]], k=2) == 0.5  # a missing neighbour counts as wrong
    sets = [frozenset("ab"), frozenset("c"), frozenset()]
    assert precision_at_k([frozenset("a")], [sets], k=2) == 0.5  # a label in common


@pytest.mark.parametrize(
    "labels, neighbours, k, match",
    [(["a"], [["a"]], 0, "k must be"), ([], [], 1, "labels.*0 and 0"), (["a"], [], 1, "neighbour_labels.*1 and 0")],
)
def test_precision_at_k_checks_its_arguments(labels, neighbours, k, match):
    with pytest.raises(ParameterError, match=match):
        precision_at_k(labels, neighbours, k)
