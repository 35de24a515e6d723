"""The pictures show what they were given: values, names, units; and leave no state behind."""

import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.image import imread

from mxnet_audio import viz
from mxnet_audio.features import AudioFeatureConfig, extract
from mxnet_audio.metrics import ClassificationReport
from mxnet_audio.viz import plot_confusion, plot_embedding, plot_folds, plot_history, plot_spectrogram, save

HISTORY = {
    "loss_train": [2.0, 1.0, 0.5],
    "loss_test": [2.1, 1.5, 1.2],
    "acc_train": [0.2, 0.5, 0.9],
    "acc_test": [0.1, 0.4, 0.6],
}
CONFIG = AudioFeatureConfig(sr=12000, n_fft=512, hop_length=256, n_mels=96)


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
    colours = {line.get_label(): line.get_color() for line in figure.axes[0].lines}
    assert colours["cifar10 train"] == colours["cifar10 test"] != colours["resnet_v2 test"]


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
    for nothing in ({}, {1: []}):
        with pytest.raises(ValueError, match="one accuracy or more"):
            plot_folds(nothing, report)


def test_names_are_drawn_as_they_stand():
    """No formula between dollars, which would fail, and nothing that SVG cannot hold."""
    report = ClassificationReport(["$\\bad$", "a\x01\udcff"], [[1, 0], [0, 1]])
    file = io.BytesIO()
    save(plot_confusion(report), file, "svg")
    assert b"$\\bad$" in file.getvalue()
    assert b"\x01" not in file.getvalue()


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


def test_spectrogram_axes_are_seconds_and_hertz(tmp_path):
    path = tmp_path / "spectrogram.png"
    features = np.full((96, 470), -80.0, np.float32)
    features[40] = 0
    axes, bar = plot_spectrogram(features, CONFIG, path).axes
    left, right, bottom, top = axes.images[0].get_extent()
    assert right - left == pytest.approx(470 * 256 / 12000)
    assert (left, bottom, top) == (pytest.approx(-128 / 12000), -0.5, 95.5)
    ticks = {text.get_text(): y for y, text in zip(axes.get_yticks(), axes.get_yticklabels())}
    # On Slaney's scale 1 kHz is 15 mel, and 6 kHz is 15 + 27 log6.4(6).
    assert ticks["1,000"] == pytest.approx(15 / (15 + 27 * np.log(6) / np.log(6.4)) * 97 - 1, abs=0.05)
    assert "8,000" not in ticks  # beyond half the sampling rate
    assert (axes.get_xlabel(), bar.get_ylabel()) == ("time (s)", "level (dB)")
    assert imread(path).std() > 0.01


def test_spectrogram_takes_one_channel_and_refuses_others():
    assert plot_spectrogram(np.zeros((1, 96, 5)), CONFIG).axes[0].images[0].get_array().shape == (96, 5)
    for shape in [(2, 96, 5), (64, 5), (96,)]:
        with pytest.raises(ValueError, match=r"expected features \[96, any\]"):
            plot_spectrogram(np.zeros(shape), CONFIG)


@pytest.mark.parametrize("n", [2, 6, 40])
def test_embedding_keeps_classes_together_and_is_the_same_again(n, tmp_path):
    rng = np.random.default_rng(0)
    labels = ["rain", 7] * (n // 2)
    vectors = rng.normal(size=(n, 8), scale=0.05) + np.eye(8)[[0, 1] * (n // 2)]
    path = tmp_path / "map.png"
    first, again = plot_embedding(vectors, labels, path), plot_embedding(vectors, labels)
    clouds = [[c.get_offsets().data for c in figure.axes[0].collections] for figure in (first, again)]
    np.testing.assert_array_equal(clouds[0], clouds[1])
    a, b = clouds[0]
    assert len(a) == len(b) == n // 2
    between = np.linalg.norm(a.mean(axis=0) - b.mean(axis=0))
    assert between > 2 * np.linalg.norm(a - a.mean(axis=0), axis=1).mean()
    assert {t.get_text() for t in first.axes[0].get_legend().get_texts()} == {"rain", "7"}
    assert imread(path).std() > 0.01


def test_embedding_of_width_one_and_many_equal_vectors():
    assert plot_embedding(np.ones((3, 1)), ["a", "b", "c"]).axes
    assert plot_embedding(np.ones((20, 4)), ["a", "b"] * 10).axes
    assert plot_embedding(np.arange(20.0)[:, None], ["a", "b"] * 10).axes


@pytest.mark.parametrize("vectors, labels", [(np.ones((1, 4)), ["a"]), (np.ones((3, 4)), ["a"]), (np.ones(4), "abcd")])
def test_embedding_refuses(vectors, labels):
    with pytest.raises(ValueError, match="two vectors or more"):
        plot_embedding(vectors, labels)


def test_neither_mxnet_nor_pyplot_is_imported():
    code = (
        "import sys, mxnet_audio.viz, mxnet_audio.metrics;"
        "print([m for m in ('mxnet', 'matplotlib.pyplot', 'librosa') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


@pytest.mark.parametrize("kind", ["mel", "mfcc", "chroma", "fbank", "stft_phase", "group_delay"])
def test_spectrogram_of_any_feature_has_its_bands_upwards_and_seconds_to_the_right(kind):
    limits = {"sr": 8000, "audio_file_length_limit_in_s": 1.0} if kind in ("fbank", "stft_phase", "group_delay") else {}
    config = AudioFeatureConfig(type=kind, **limits)
    x = extract(np.sin(np.arange(8000.0)), 8000, config)
    axes = plot_spectrogram(x, config).axes[0]
    bands, frames = x.shape if config.time_axis == -1 else x.shape[::-1]
    assert axes.images[0].get_array().shape == (bands, frames)
    assert axes.get_xlim()[1] == pytest.approx(1.0, abs=0.05)
    with pytest.raises(ValueError, match="expected"):
        plot_spectrogram(x[:-1, :-1], config)


def test_only_what_cannot_be_shown_is_replaced():
    kept = "no-break\u00a0space, zero\u200dwidth joiner, ideographic\u3000space, \u00e9\u266a"
    assert viz.printable(kept) == kept and viz._name(kept) == kept
    assert viz.printable("a\x00\n\udcff\ufffeb") == "a\ufffd\ufffd\ufffd\ufffdb"
