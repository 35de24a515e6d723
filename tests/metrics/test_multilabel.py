"""Test measures of several labels a clip against counts by hand and scikit-learn."""

import json

import numpy as np
import pytest

from mxnet_audio.errors import AudioDecodeError, DatasetError, ParameterError
from mxnet_audio.metrics import (
    MultiLabelReport,
    average_precision,
    choose_thresholds,
    label_matrix,
    multilabel_report,
)

TARGETS = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]], bool)
SCORES = np.array([[0.9, 0.8, 0.1], [0.2, 0.6, 0.7], [0.3, 0.5, 0.1], [0.1, 0.4, 0.2]])
LABELS = ["dog", "rain", 7]


def random_scores(n: int = 60, classes: int = 5, decimals: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return random targets, each class at least once, and scores with ties."""
    rng = np.random.default_rng(3)
    targets = rng.random((n, classes)) < 0.3
    targets[:classes] |= np.eye(classes, dtype=bool)
    return targets, np.round(np.clip(0.3 * targets + 0.7 * rng.random((n, classes)), 0, 1), decimals)


def test_label_matrix_has_the_order_of_the_labels():
    matrix = label_matrix([{"dog", 7}, [], ("rain", "rain")], LABELS)
    assert matrix.dtype == bool
    np.testing.assert_array_equal(matrix, [[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    assert label_matrix([], LABELS).shape == (0, 3)


def test_label_matrix_refuses_what_is_no_set_of_known_labels():
    with pytest.raises(DatasetError, match="'cat'"):
        label_matrix([{"dog"}, {"cat"}], LABELS)
    with pytest.raises(DatasetError, match="not one of the classes"):
        label_matrix([[["dog"]]], LABELS)
    for labels in ("dog", 7, None):
        with pytest.raises(ParameterError, match="must be a set"):
            label_matrix([labels], LABELS)
    with pytest.raises(ParameterError, match="distinct"):
        label_matrix([{"dog"}], ["dog", "dog"])


def test_average_precision_by_hand():
    # Class 0: positives at ranks 1 and 3 of 3; class 1: none; class 2: one score for all, whose precision is 1/3.
    targets = [[1, 0, 1], [0, 0, 0], [1, 0, 0]]
    found = average_precision(targets, [[0.9, 0.1, 0.5], [0.6, 0.9, 0.5], [0.4, 0.5, 0.5]])
    np.testing.assert_allclose(found, [(1 + 2 / 3) / 2, np.nan, 1 / 3])


def test_average_precision_equals_scikit_learn_with_ties():
    from sklearn.metrics import average_precision_score

    targets, scores = random_scores(decimals=1)
    np.testing.assert_allclose(
        average_precision(targets, scores), average_precision_score(targets, scores, average=None)
    )


def test_average_precision_of_no_clips_is_undefined():
    assert np.isnan(average_precision(np.zeros((0, 2)), np.zeros((0, 2)))).all()


def test_thresholds_reach_the_highest_f1():
    from sklearn.metrics import f1_score

    targets, scores = random_scores()
    thresholds = choose_thresholds(targets, scores)
    found = f1_score(targets, scores >= thresholds, average=None)
    best = np.max([f1_score(targets, scores >= t, average=None) for t in np.linspace(0, 1, 201)], axis=0)
    np.testing.assert_allclose(found, best)


@pytest.mark.parametrize(
    ("targets", "scores", "threshold"),
    [
        ([1, 1, 0, 0], [0.9, 0.75, 0.25, 0.125], 0.5),  # separable: between the two kinds
        ([0, 0], [0.9, 0.1], 0.5),  # no positives
        ([1, 1], [0.9, 0.5], 0.25),  # no negatives: all are accepted
        ([1, 0, 0], [0.5, 0.5, 0.5], 0.25),  # one score: accepting all is better than none
        ([1, 0], [0.0, 0.0], 0.0),
        ([1, 0, 0, 1], [1.0, 0.75, 0.5, 0.25], 0.875),  # F1 2/3 at the first and at the last cut
        ([], [], 0.5),
    ],
    ids=["separable", "no positives", "no negatives", "one score", "zeros", "equal F1", "no clips"],
)
def test_threshold_by_hand(targets, scores, threshold):
    targets, scores = np.reshape(targets, (-1, 1)), np.reshape(scores, (-1, 1))
    assert choose_thresholds(targets, scores).tolist() == [threshold]


def test_thresholds_are_between_float32_scores():
    scores = np.array([[0.5], [np.nextafter(np.float32(0.5), np.float32(0))]], np.float32)
    threshold = choose_thresholds([[True], [False]], scores)
    assert (scores >= threshold).ravel().tolist() == [True, False]


def test_report_by_hand():
    report = multilabel_report(TARGETS, SCORES, LABELS)
    assert report.true_positives.tolist() == [1, 2, 0]
    assert report.false_positives.tolist() == [0, 1, 1]
    assert report.false_negatives.tolist() == [1, 0, 0]
    assert report.per_class[0] == pytest.approx(
        {
            "label": "dog",
            "threshold": 0.5,
            "precision": 1.0,
            "recall": 0.5,
            "f1": 2 / 3,
            "average_precision": 1.0,
            "support": 2,
            "true_positives": 1,
            "false_positives": 0,
            "false_negatives": 1,
        }
    )
    assert report.micro_f1 == pytest.approx(2 * 3 / (2 * 3 + 2 + 1))
    assert report.macro_f1 == pytest.approx((2 / 3 + 0.8) / 2)  # without the class that no clip has
    assert report.mean_average_precision == 1.0
    assert (report.n_clips, report.n_exact, report.exact_matches) == (4, 2, 0.5)


def test_report_equals_scikit_learn():
    from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

    targets, scores = random_scores()
    thresholds = np.linspace(0.3, 0.7, 5)
    report = multilabel_report(targets, scores, "abcde", thresholds)
    predicted = scores >= thresholds
    columns = precision_recall_fscore_support(targets, predicted, zero_division=0)
    for measure, column in zip(("precision", "recall", "f1", "support"), columns):
        np.testing.assert_allclose([row[measure] for row in report.per_class], column)
    assert report.micro_f1 == pytest.approx(f1_score(targets, predicted, average="micro"))
    assert report.macro_f1 == pytest.approx(f1_score(targets, predicted, average="macro"))
    assert report.exact_matches == pytest.approx(accuracy_score(targets, predicted))


def test_one_class():
    report = multilabel_report([[True], [False]], [[0.9], [0.8]], ["alarm"], 0.85)
    assert (report.micro_f1, report.exact_matches) == (1.0, 1.0)


def test_json_has_none_for_undefined_measures():
    skipped = [("clip ü.wav", AudioDecodeError("not audio", "clip ü.wav"))]
    report = multilabel_report(np.zeros((2, 2)), np.zeros((2, 2)), np.array([3, 5]), 0.5, skipped)
    back = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert back["mean_average_precision"] is None
    assert back["macro_f1"] is None
    assert (back["micro_f1"], back["exact_matches"]) == (0.0, 1.0)
    assert back["labels"] == [3, 5]
    assert back["per_class"][0]["average_precision"] is None
    assert back["skipped"] == [{"path": "clip ü.wav", "reason": "not audio"}]
    assert "nan" in str(report)
    assert MultiLabelReport.from_dict(back).to_dict() == back
    assert str(MultiLabelReport.from_dict(back)) == str(report)


def test_table_is_aligned_and_lists_skipped_files():
    skipped = [("bad.wav", AudioDecodeError("not audio", "bad.wav"))]
    labels = ["fire_crackling", "dog", 7]
    header, *rows, _, exact, count, skipped_row = str(
        multilabel_report(TARGETS, SCORES, labels, 0.5, skipped)
    ).splitlines()
    assert len({len(line) for line in [header, *rows]}) == 1
    assert [row.split()[0] for row in rows] == ["fire_crackling", "dog", "7", "mean"]
    assert exact.endswith("(2 of 4 clips)")
    assert (count, skipped_row) == ("skipped 1:", "  bad.wav: not audio")


@pytest.mark.parametrize("measure", [average_precision, choose_thresholds])
def test_bad_arrays_are_refused(measure):
    for targets, scores in [
        (TARGETS, SCORES[:, :2]),
        (TARGETS[0], SCORES[0]),
        (TARGETS, np.where(SCORES > 0.8, np.nan, SCORES)),
        (TARGETS, np.where(SCORES > 0.8, np.inf, SCORES)),
        (np.full((4, 3), 2), SCORES),
        (TARGETS, [["a"] * 3] * 4),
        ([[1, 0], [1]], [[0.5, 0.5], [0.5]]),
        (None, None),
    ]:
        with pytest.raises(ParameterError):
            measure(targets, scores)


def test_thresholds_need_probabilities():
    with pytest.raises(ParameterError, match="between 0 and 1"):
        choose_thresholds(TARGETS, 10 * SCORES)


def test_bad_reports_are_refused():
    with pytest.raises(ParameterError, match="column"):
        multilabel_report(TARGETS, SCORES, ["dog"])
    with pytest.raises(ParameterError, match="thresholds"):
        multilabel_report(TARGETS, SCORES, LABELS, [0.5, 0.5])
    with pytest.raises(ParameterError, match="thresholds"):
        multilabel_report(TARGETS, SCORES, LABELS, np.nan)
    with pytest.raises(DatasetError, match="not audio"):
        multilabel_report(np.zeros((0, 3)), np.zeros((0, 3)), LABELS, 0.5, [("a.wav", AudioDecodeError("not audio"))])
    with pytest.raises(ParameterError, match="true_positives"):
        MultiLabelReport(["a"], [0.5], [1, 2], [0], [0], [1.0], 2, 2)
