"""ROC, DET and accuracy curves: the same values as in scikit-learn and in the measures."""

import numpy as np
import pytest
from matplotlib.image import imread
from scipy.stats import norm
from sklearn.metrics import accuracy_score, roc_curve

from mxnet_audio.errors import DatasetError, ParameterError
from mxnet_audio.metrics import eer
from mxnet_audio.viz import plot_accuracy, plot_det, plot_roc

PLOTS = (plot_roc, plot_det, plot_accuracy)
HAND = ([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1])


def system(seed, distance=1.5, n=400):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    return labels, rng.normal(size=n) + distance * labels


def texts(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def named(axes):
    """Return the curves, without reference lines, and the dots."""
    curves = [line for line in axes.lines if not line.get_label().startswith("_")]
    return curves, [line for line in axes.lines if line.get_marker() == "o"]


@pytest.mark.parametrize("plot", PLOTS)
def test_one_system_or_several_by_name(plot, tmp_path):
    path = tmp_path / "plot ü.png"
    axes = plot({"m5 $": system(0), "cifar10": system(1)}, path).axes[0]
    curves, dots = named(axes)
    assert len(curves) == len(dots) == 2
    assert curves[0].get_color() == dots[0].get_color() != curves[1].get_color()
    assert [text.split()[0] for text in texts(axes)] == ["m5", "cifar10"]
    assert imread(path).std() > 0.01
    assert len(named(plot(system(0)).axes[0])[0]) == 1


@pytest.mark.parametrize("plot", PLOTS)
def test_bad_trials_are_refused(plot):
    for trials in ({}, [1, 0, 1], {"m5": 3}):
        with pytest.raises(ParameterError, match="trials"):
            plot(trials)
    with pytest.raises(DatasetError, match="label 1"):
        plot(([1, 1], [0.1, 0.2]))


def test_roc_by_hand_and_by_scikit_learn():
    (curve,), (dot,) = named(plot_roc(HAND).axes[0])
    assert curve.get_xydata().tolist() == [[0, 0], [0, 50], [50, 50], [50, 100], [100, 100]]
    assert dot.get_xydata().tolist() == [[50, 50]]
    trials = system(0)
    axes = plot_roc(trials).axes[0]
    (curve,), (dot,) = named(axes)
    far, tar, _ = roc_curve(*trials, drop_intermediate=False)
    np.testing.assert_allclose(curve.get_xydata(), 100 * np.stack([far, tar], axis=1))
    rate = 100 * eer(*trials)[0]
    np.testing.assert_allclose(dot.get_xydata(), [[rate, 100 - rate]])
    assert texts(axes) == [f"EER {rate:.1f}%"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("false accept rate (%)", "true accept rate (%)")


def test_det_has_normal_deviates_and_ticks_in_percent():
    trials = system(0)
    axes = plot_det(trials).axes[0]
    (curve,), (dot,) = named(axes)
    far, tar, _ = roc_curve(*trials, drop_intermediate=False)
    between = (far > 0) & (tar < 1)
    np.testing.assert_allclose(curve.get_xdata()[between], norm.ppf(far[between]))
    np.testing.assert_allclose(curve.get_ydata()[between], norm.ppf(1 - tar[between]))
    assert np.isfinite(curve.get_xydata()).all()
    np.testing.assert_allclose(dot.get_xydata(), norm.ppf(eer(*trials)[0]))
    for ticks, labels in ((axes.get_xticks(), axes.get_xticklabels()), (axes.get_yticks(), axes.get_yticklabels())):
        np.testing.assert_allclose(norm.cdf(ticks), [float(label.get_text()) / 100 for label in labels])
    low, high = axes.get_xlim()
    assert axes.get_ylim() == (low, high) and low < dot.get_xdata()[0] < high == pytest.approx(norm.ppf(0.6))


@pytest.mark.parametrize("labels", [[1, 1, 0, 0], [0, 0, 1, 1]])
def test_det_of_no_and_of_all_errors(labels, tmp_path):
    path = tmp_path / "det.png"
    curve = named(plot_det((labels, [4, 3, 2, 1]), path).axes[0])[0][0]
    assert np.isfinite(curve.get_xydata()).all() and imread(path).std() > 0.01


def test_accuracy_over_any_threshold():
    labels, scores = system(0, n=60)
    axes = plot_accuracy((labels, scores)).axes[0]
    (curve,), (dot,) = named(axes)
    x, y = curve.get_xydata().T
    assert curve.get_drawstyle() == "steps-pre" and (np.diff(x) > 0).all()  # y[i] from x[i - 1] to x[i]
    for threshold in np.linspace(x[0] + 1e-9, x[-1], 500):
        drawn = y[np.searchsorted(x, threshold, side="left")]
        assert drawn == pytest.approx(100 * accuracy_score(labels, scores >= threshold))
    ((best, accuracy),) = dot.get_xydata()
    assert accuracy == y.max() == pytest.approx(100 * accuracy_score(labels, scores >= best))
    assert texts(axes) == [f"best {accuracy:.1f}% at {best:.4g}"]


def test_accuracy_that_is_best_where_none_is_accepted():
    axes = plot_accuracy(([0, 0, 0, 1], [4, 3, 2, 1])).axes[0]
    assert texts(axes) == ["best 75.0% where none is accepted"]
    assert named(axes)[1][0].get_xdata()[0] > 4
    assert plot_accuracy(([0, 1], [2, 2])).axes[0].get_xlim()[0] < 2
