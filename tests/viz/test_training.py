"""Curves, folds and confusion matrix show their values, names and units."""

import numpy as np
import pytest
from matplotlib.image import imread

from mxnet_audio.errors import ParameterError
from mxnet_audio.metrics import ClassificationReport
from mxnet_audio.viz import plot_confusion, plot_folds, plot_history

HISTORY = {
    "loss_train": [2.0, 1.0, 0.5],
    "loss_test": [2.1, 1.5, 1.2],
    "acc_train": [0.2, 0.5, 0.9],
    "acc_test": [0.1, 0.4, 0.6],
}


def curves(axes):
    return {line.get_label(): line.get_ydata().tolist() for line in axes.lines}


def test_history_of_one_run(tmp_path):
    path = tmp_path / "history ü.png"
    loss, accuracy = plot_history(HISTORY, path).axes
    assert curves(loss) == {"train": [2.0, 1.0, 0.5], "test": [2.1, 1.5, 1.2]}
    assert curves(accuracy) == {"train": [20, 50, 90], "test": [10, 40, 60]}
    assert loss.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert loss.get_xlabel() == "epoch"
    assert imread(path).std() > 0.01


def test_history_of_several_runs():
    figure = plot_history({"cifar10": HISTORY, "resnet_v2": {**HISTORY, "loss_test": [3.0]}})
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == ["cifar10 train", "cifar10 test", "resnet_v2 train", "resnet_v2 test"]
    assert curves(figure.axes[0])["resnet_v2 test"] == [3.0]
    colors = {line.get_label(): line.get_color() for line in figure.axes[0].lines}
    assert colors["cifar10 train"] == colors["cifar10 test"] != colors["resnet_v2 test"]


def test_history_before_the_first_epoch():
    assert plot_history({key: [] for key in HISTORY}).axes[0].lines[:] == []


def test_folds_show_each_seed_and_the_pooled_matrix(tmp_path):
    path = tmp_path / "folds.png"
    report = ClassificationReport(["rain", "dog"], [[9, 1], [2, 8]])
    folds, confusion, _ = plot_folds({1: [0.8, 0.9], "two": [0.7, 0.7]}, report, path).axes
    one, two = (dots.get_offsets() for dots in folds.collections[:2])
    np.testing.assert_allclose(one, [[-0.06, 80], [0.06, 90]])
    np.testing.assert_allclose(two, [[0.94, 70], [1.06, 70]])
    means = [line[0, 1] for line in folds.collections[2].get_segments()]
    np.testing.assert_allclose(means, [85, 70])
    np.testing.assert_allclose(folds.lines[0].get_ydata(), 77.5)
    assert folds.get_title() == "mean 77.5%" and folds.get_ylim() == (65, 101)
    assert [tick.get_text() for tick in folds.get_xticklabels()] == ["1", "two"]
    assert {text.get_text() for text in confusion.texts} == {"9", "1", "2", "8"}
    assert imread(path).std() > 0.01
    for accuracies in ({}, {1: []}):
        with pytest.raises(ParameterError, match="accuracies"):
            plot_folds(accuracies, report)


def test_confusion_shows_clips_and_shares(tmp_path):
    path = tmp_path / "confusion.png"
    report = ClassificationReport(["rain", "dog", "sea"], [[9, 1, 0], [0, 2, 0], [0, 0, 0]])
    axes, bar = plot_confusion(report, path).axes
    shown = {text.get_position(): text.get_text() for text in axes.texts}
    assert shown == {(0, 0): "9", (1, 0): "1", (1, 1): "2"}  # (predicted, true)
    np.testing.assert_allclose(axes.images[0].get_array(), [[90, 10, 0], [0, 100, 0], [0, 0, 0]])
    assert [t.get_text() for t in axes.get_yticklabels()] == ["rain", "dog", "sea"]
    assert "91.7%" in axes.get_title()
    assert bar.get_ylabel() == "share of the true class (%)"
    assert imread(path).std() > 0.01
