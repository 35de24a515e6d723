"""Test verification reports against the single measures, and their JSON form."""

import json

import numpy as np
import pytest

from mxnet_audio.errors import AudioDecodeError, DatasetError
from mxnet_audio.metrics import bootstrap, eer, min_dcf, pair_accuracy, tar_at_far, verification_report


def trials(n=150, distance=2.0):
    """Make as many trials of one speaker as of two, among ten speakers."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 10, 2 * n)
    second = np.concatenate([first[:n], (first[n:] + rng.integers(1, 10, n)) % 10])
    labels = (first == second).astype(int)
    return labels, rng.normal(size=2 * n) + distance * labels, list(zip(first.tolist(), second.tolist()))


def test_report_equals_the_measures():
    labels, scores, speakers = trials()
    report = verification_report(labels, scores, speakers)
    assert (report.n_target, report.n_impostor) == (150, 150)
    assert (report.eer, report.eer_threshold) == eer(labels, scores)
    assert report.min_dcf == min_dcf(labels, scores)[0]
    assert report.tar_at_far == {far: tar_at_far(labels, scores, far) for far in (0.01, 0.1)}
    assert (report.pair_accuracy, report.pair_accuracy_std) == pair_accuracy(labels, scores)[:2]
    assert report.eer_interval == bootstrap(eer, labels, scores, speakers)
    assert verification_report(labels, scores, speakers) == report


@pytest.mark.parametrize(("n", "rates"), [(9, []), (10, [0.1]), (99, [0.1]), (100, [0.01, 0.1])])
def test_measures_that_need_more_trials_are_omitted(n, rates):
    report = verification_report(*trials(n)[:2])
    assert list(report.tar_at_far) == rates
    assert (report.pair_accuracy is None) == (n < 10) == ("pair accuracy" not in str(report))
    assert report.eer_interval is None


def test_json_and_skipped_files():
    skipped = [("clip ü.wav", AudioDecodeError("not audio", "clip ü.wav"))]
    labels, scores, speakers = trials()
    report = verification_report(labels, scores, speakers, skipped)
    back = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert back["skipped"] == [{"path": "clip ü.wav", "reason": "not audio"}]
    assert back["tar_at_far"] == {"0.01": report.tar_at_far[0.01], "0.1": report.tar_at_far[0.1]}
    assert back["eer_interval"] == list(report.eer_interval) and back["n_target"] == 150
    worst = verification_report([0, 1], [2, 1]).to_dict()
    assert json.loads(json.dumps(worst, allow_nan=False))["min_dcf"] == 1


def test_table():
    labels, scores, speakers = trials()
    report = verification_report(labels, scores, speakers, [("bad.wav", AudioDecodeError("not audio", "bad.wav"))])
    *rows, count, skipped_row = str(report).splitlines()
    low, high = report.eer_interval
    assert [row[:20].strip() for row in rows] == [
        "equal error rate",
        "min DCF (p = 0.01)",
        "TAR at FAR 0.01",
        "TAR at FAR 0.1",
        "pair accuracy",
        "trials",
    ]
    assert rows[0][22:] == f"{report.eer:.3f} (95%: {low:.3f} to {high:.3f}), at {report.eer_threshold:.4g}"
    assert rows[-1][22:] == "150 of one speaker, 150 of two"
    assert (count, skipped_row) == ("skipped 1:", "  bad.wav: not audio")


def test_error_rates_at_a_threshold():
    report = verification_report([1, 1, 0, 0, 0], [0.9, 0.4, 0.6, 0.1, 0.2], threshold=0.5)
    assert report.at_threshold == {"threshold": 0.5, "far": pytest.approx(1 / 3), "frr": 0.5}
    assert "at 0.5                0.333 of impostors accepted, 0.500 of speakers rejected" in str(report)


def test_no_trials():
    with pytest.raises(DatasetError, match=r"1 .*x\.wav: not audio"):
        verification_report([], [], skipped=[("x.wav", AudioDecodeError("not audio", "x.wav"))])
    with pytest.raises(DatasetError, match="no trials"):
        verification_report([], [])
