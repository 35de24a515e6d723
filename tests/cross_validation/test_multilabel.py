"""Cross-validation of several labels a clip: measures by their definitions, saved runs and thresholds."""

import json
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio.cross_validation.results import CrossValidation, FoldRun
from mxnet_audio.cross_validation.run import cross_validate
from mxnet_audio.errors import AudioError, DatasetError, ModelError
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
from mxnet_audio.library.pretrained import PretrainedAudioClassifier
from mxnet_audio.metrics import MultiLabelReport, multilabel_report

HUB = Path(__file__).resolve().parents[1] / "models" / "hub"
LABELS = ["dog", "rain"]


def report(seed: int) -> MultiLabelReport:
    """Return the report on random clips, none of which has the second label if the seed is 0."""
    rng = np.random.default_rng(seed)
    targets = rng.random((12, 2)) < 0.5
    targets[:, 1] &= seed > 0
    return multilabel_report(targets, rng.random((12, 2)), LABELS, 0.25 + seed / 10)


@pytest.fixture
def result():
    """Two folds with two seeds each."""
    bad = (("a.wav", "silent"),)
    runs = [FoldRun(fold, seed, report(2 * fold + seed), {}, 1.0, 0.5, bad) for fold in (0, 1) for seed in (0, 1)]
    return CrossValidation("m5", tuple(runs))


def test_measures_follow_their_definitions(result):
    reports = [run.report for run in result.runs]
    assert result.measure == "mean average precision"
    np.testing.assert_allclose(result.accuracies.ravel(), [one.mean_average_precision for one in reports])
    micro = np.reshape([one.micro_f1 for one in reports], (2, 2))
    assert result.f1["micro_f1"] == pytest.approx((micro.mean(), micro.mean(axis=1).std(ddof=1)))
    pooled = result.pooled()
    assert pooled.true_positives.tolist() == sum(one.true_positives for one in reports).tolist()
    assert (pooled.n_clips, pooled.n_exact) == (48, sum(one.n_exact for one in reports))
    np.testing.assert_allclose(pooled.thresholds, np.mean([one.thresholds for one in reports], axis=0))
    precisions = np.array([one.average_precision for one in reports])
    np.testing.assert_allclose(pooled.average_precision, np.nanmean(precisions, axis=0))
    assert np.isnan(precisions[0, 1])


def test_text_names_the_measure(result):
    lines = str(result).splitlines()
    assert any(line.startswith("m5: mean average precision ") for line in lines)
    assert any(line.startswith("micro F1 ") for line in lines)
    assert "mean average precision" in repr(result) and "mean_average_precision=" in repr(result.runs[0])


def test_runs_are_read_back_from_json(result):
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    back = CrossValidation("m5", tuple(map(FoldRun.from_dict, document["runs"])))
    assert back.to_dict() == result.to_dict()
    assert document["mean_average_precision_by_seed"][0][0] == 0
    assert set(document["macro_f1"]) == {"mean", "std_over_folds"}
    with pytest.raises(KeyError):
        FoldRun.from_dict({**document["runs"][0], "report": {}})


def test_folds_of_clips_with_several_labels(corpus, options, tmp_path):
    quick = {"epochs": 1, "batch_size": 8, "input_shape": (1, 32, 16), "cache": options["cache"], "progress": False}
    pairs = [(path, label if label == "noise" else f"{label},tone") for path, label in corpus]
    pairs[-1] = (pairs[-1][0], "")  # without a label, it is no query of the search
    arguments = {"label_separator": ",", "n_jobs": 1, "output_dir": tmp_path, **quick}
    result = cross_validate(Cifar10AudioClassifier, pairs, 2, **arguments)
    assert result.pooled().labels == ("high", "low", "noise", "tone") and result.pooled().n_clips == 24
    assert all((run.report.thresholds == 0.5).all() for run in result.runs)
    assert 0 < result.precision_at_5 <= 1
    sets = [(path, {*text.split(",")} - {""}) for path, text in pairs]
    again = cross_validate(Cifar10AudioClassifier, sets, 2, **{**arguments, "label_separator": ","})
    assert again.to_dict() == result.to_dict()  # the runs were saved
    with pytest.raises(ModelError, match="clips"):
        cross_validate(Cifar10AudioClassifier, [*sets[:-1], (sets[-1][0], {"noise"})], 2, **arguments)


def test_a_fold_whose_labelled_clips_cannot_be_read_is_an_error(corpus, options, tmp_path):
    quick = {"epochs": 1, "batch_size": 8, "input_shape": (1, 32, 16), "cache": options["cache"], "progress": False}
    pairs = [(path, {label} if index % 2 else set()) for index, (path, label) in enumerate(corpus)]
    folds = ["good" if labels else "none" for _, labels in pairs]
    missing = [(str(tmp_path / f"{label}.wav"), {label}) for label in ("high", "low", "noise")]
    with pytest.raises(AudioError, match=r"'none'.*no clip") as error:
        cross_validate(Cifar10AudioClassifier, [*pairs, *missing], [*folds, *["none"] * 3], n_jobs=1, **quick)
    assert not isinstance(error.value, DatasetError) and not error.value.finished


def test_the_thresholds_of_a_head_on_an_encoder_are_chosen_on_training_clips(corpus, tmp_path):
    pairs = [(path, {label} if label == "noise" else {label, "tone"}) for path, label in corpus]
    classifier = PretrainedAudioClassifier("wav2vec2", source=HUB / "wav2vec2")
    result = cross_validate(classifier, pairs, 2, n_jobs=1, cache=tmp_path, progress=False)
    assert all((run.report.thresholds != 0.5).any() for run in result.runs)
