"""Report on a model of several labels a clip: measures, mistakes, and the figures of a cross-validation."""

import numpy as np
import pytest

from mxnet_audio.errors import ParameterError
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
from mxnet_audio.metrics import multilabel_report
from mxnet_audio.viz import plot_confusion, plot_folds, plot_history
from mxnet_audio.viz.report import write_report
from tests.viz import test_report


@pytest.fixture(scope="module")
def sets(corpus):
    """The clips of the corpus with sets: the class, also 'tone' for tones, and none for the first of noise."""
    pairs = [(path, {label} if label == "noise" else {label, "tone"}) for path, label in corpus]
    first = next(index for index, (_, label) in enumerate(corpus) if label == "noise")
    return [(path, set() if index == first else labels) for index, (path, labels) in enumerate(pairs)]


@pytest.fixture(scope="module")
def trained(sets, options, tmp_path_factory):
    """A classifier of these clips."""
    classifier = Cifar10AudioClassifier()
    quick = {**options, "epochs": 2, "input_shape": (1, 32, 16), "nb_classes": None}
    classifier.fit(sets, tmp_path_factory.mktemp("several labels"), **quick)
    return classifier


def test_page_has_measures_and_mistakes(trained, sets, tmp_path, monkeypatch):
    monkeypatch.setattr("mxnet_audio.viz.report.MAX_MISTAKES", 3)
    wrong = [(path, {"high", "noise"} if index < 4 else labels) for index, (path, labels) in enumerate(sets)]
    report = trained.evaluate(wrong)
    page = test_report.Page(write_report(trained, wrong, tmp_path))
    test_report.test_it_needs_no_other_files(page)
    assert f"mean average precision {100 * report.mean_average_precision:.1f}%" in page.text
    assert f"micro {report.micro_f1:.3f}, macro {report.macro_f1:.3f}" in page.text
    assert f"({report.n_exact} of {report.n_clips})" in page.text
    for row in report.per_class:
        measures = f"{row['precision']:.3f} {row['recall']:.3f} {row['f1']:.3f} {row['support']} {row['threshold']:.3f}"
        assert f"{row['label']} {measures} {row['average_precision']:.3f}" in " ".join(page.text.split())
    assert "Confusion matrix" not in page.text
    assert "high|noise" in page.text and "(threshold " in page.text
    assert report.n_clips - report.n_exact > 3 == len(page.all("audio"))
    assert "farthest from a threshold" in page.text
    assert any("mean average precision on training" in image["alt"] for image in page.all("img"))


def test_page_without_labels_has_no_undefined_numbers(trained, sets, tmp_path):
    page = test_report.Page(
        write_report(trained, [(path, " | ") for path, _ in sets[:2]], tmp_path, label_separator="|")
    )
    assert "no clip has a label" in page.text and "nan" not in page.text


def test_figures():
    targets = np.array([[1, 0], [1, 1], [0, 0]], bool)
    report = multilabel_report(targets, targets * 0.75, ["dog", "rain"])
    with pytest.raises(ParameterError, match="confusion matrix"):
        plot_confusion(report)
    folds, classes = plot_folds({1: [0.5, 0.75], 2: [0.25, 0.5]}, report).axes
    assert folds.get_ylabel() == "mean average precision (%)"
    assert [bar.get_width() for bar in classes.patches] == [100] * 4
    assert [label.get_text() for label in classes.get_yticklabels()] == ["dog", "rain"]
    history = {"loss_train": [1.0], "loss_test": [], "acc_train": [0.5], "acc_test": []}
    axes = plot_history(history, measure="mean average precision").axes
    assert axes[1].get_ylabel() == "mean average precision (%)"
