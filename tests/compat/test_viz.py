"""Known calls: the figures of GluonAR's ``utils.viz``, which return a figure here in place of showing it."""

import numpy as np
import pytest
from matplotlib.image import imread

from mxnet_audio.errors import ParameterError
from mxnet_audio.metrics import roc
from mxnet_audio.viz import plot_accuracy, plot_roc, view_spec

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1], 50)
SCORES = RNG.uniform(0, 0.6, 100) + 0.4 * LABELS
THRESHOLDS = np.arange(0, 4, 0.01)  # as in GluonAR's `calculate_roc`


def rates():
    """Compute true and false accept rates and accuracies at GluonAR's thresholds."""
    accepted = SCORES[:, None] >= THRESHOLDS
    tpr, fpr = accepted[LABELS == 1].mean(axis=0), accepted[LABELS == 0].mean(axis=0)
    return tpr, fpr, (tpr + 1 - fpr) / 2


def curve_of(figure):
    """Return the points of the first solid curve."""
    return next(line for line in figure.axes[0].lines if line.get_linestyle() == "-").get_xydata()


def test_plot_roc_takes_rates(tmp_path):
    tpr, fpr, _ = rates()
    figure = plot_roc(tpr, fpr)
    np.testing.assert_allclose(curve_of(figure), 100 * np.stack([fpr, tpr], axis=1))
    assert figure.axes[0].get_xlabel() == "false accept rate (%)"
    plot_roc(list(tpr[::-1]), list(fpr[::-1]), tmp_path / "roc.png")  # lists, rising
    assert imread(tmp_path / "roc.png").std() > 0.01


def test_plot_accuracy_takes_accuracies_and_thresholds(tmp_path):
    *_, accs = rates()
    figure = plot_accuracy(accs, THRESHOLDS, tmp_path / "accuracy.png")
    np.testing.assert_allclose(curve_of(figure), np.stack([THRESHOLDS, 100 * accs], axis=1))
    best = int(np.argmax(accs))
    (text,) = figure.axes[0].get_legend().get_texts()
    assert text.get_text() == f"best {100 * accs[best]:.1f}% at {THRESHOLDS[best]:.4g}"
    assert imread(tmp_path / "accuracy.png").std() > 0.01


def test_trials_are_drawn_as_before(tmp_path):
    far, tar, _ = roc(LABELS, SCORES)
    figure = plot_roc((LABELS, SCORES), tmp_path / "roc.png")
    np.testing.assert_allclose(curve_of(figure), 100 * np.stack([far, tar], axis=1))
    plot_accuracy({"m5": (LABELS, SCORES)}, path=tmp_path / "accuracy.png")
    assert {path.name for path in tmp_path.iterdir()} == {"roc.png", "accuracy.png"}


@pytest.mark.parametrize("plot", [plot_roc, plot_accuracy])
def test_labels_and_scores_are_not_taken_for_a_curve(plot):
    """Without the tuple, these would be rates between 0 and 1, but they do not increase together."""
    with pytest.raises(ParameterError, match="tuple"):
        plot(LABELS[::-1] * (np.arange(100) % 3 > 0), np.clip(SCORES, 0, 1))


@pytest.mark.parametrize(
    ("plot", "first", "second", "name"),
    [
        (plot_roc, [0, 0.5, 1], [0, 0.5], "tpr and fpr"),
        (plot_roc, [0, 50, 100], [0, 0.5, 1], "tpr"),
        (plot_roc, [0, 0.5, 1], [0, 50, 100], "fpr"),
        (plot_roc, [0, float("nan")], [0, 1], "tpr"),
        (plot_roc, [[0, 1]], [[0, 1]], "tpr"),
        (plot_roc, ["low", "high"], [0, 1], "tpr"),
        (plot_accuracy, [0.5, 50], [1, 2], "accs"),
        (plot_accuracy, [0.5, 0.6], [1, 2, 3], "accs and thresholds"),
        (plot_accuracy, [0.5, 0.6, 0.7], [1, 3, 2], "accs and thresholds"),
        (plot_accuracy, [0.5, 0.6], ["low", "high"], "thresholds"),
    ],
)
def test_arrays_that_are_no_curve_are_refused(plot, first, second, name):
    with pytest.raises(ParameterError, match=name):
        plot(first, second)


def test_view_spec_takes_power_and_a_sample_rate():
    """As in GluonAR's example: the squared magnitudes of an STFT, [bins, frames]."""
    magnitudes = RNG.uniform(0.01, 1, (1025, 225))
    axes, bar = view_spec(magnitudes**2).axes
    np.testing.assert_allclose(axes.images[0].get_array(), 20 * np.log10(magnitudes), atol=1e-3)
    assert bar.get_ylabel() == "level (dB)"
    for figure in (view_spec(magnitudes**2, sample_rate=16000), view_spec(magnitudes**2, 16000)):
        assert figure.axes[0].get_ylabel() == "frequency (Hz)"
        assert figure.axes[0].get_ylim()[1] == pytest.approx(8000, abs=8)
