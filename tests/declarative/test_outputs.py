"""Outputs by type: losses, measures, predictions and reports."""

import math

import numpy as np
import pytest

from mxnet_audio.declarative.config import RunConfig
from mxnet_audio.declarative.encodings import NumberEncoding
from mxnet_audio.declarative.label_encodings import BinaryEncoding, CategoryEncoding, SetEncoding
from mxnet_audio.declarative.outputs import OUTPUTS, OutputPrediction
from mxnet_audio.engine import nd
from mxnet_audio.errors import ParameterError

ENCODINGS = {
    "category": CategoryEncoding(labels=["cat", "dog", "rain"]),
    "binary": BinaryEncoding(labels=["no", "yes"]),
    "number": NumberEncoding(center=10.0, scale=2.0),
    "set": SetEncoding(labels=["cat", "dog", "rain"]),
}


def output_of(kind, **settings):
    """Return an output of a type."""
    features = {"input_features": [{"name": "clip", "type": "audio"}]}
    config = RunConfig(**features, output_features=[{"name": "y", "type": kind, **settings}])
    return OUTPUTS[kind](config.output_features[0], ENCODINGS[kind])


def loss_of(output, scores, targets):
    return output.loss(nd.array(scores), nd.array(targets)).asnumpy()


def test_loss_of_categories():
    scores, targets = [[0.0, 0.0, 0.0], [math.log(2), 0.0, 0.0]], [2, 0]
    expected = np.array([math.log(3), math.log(2)])
    np.testing.assert_allclose(loss_of(output_of("category"), scores, targets), expected, rtol=1e-5)
    weighted = output_of("category", loss={"class_weights": {"rain": 3.0}})
    np.testing.assert_allclose(loss_of(weighted, scores, targets), expected * [3, 1], rtol=1e-5)


@pytest.mark.parametrize("kind", ["category", "set"])
def test_weights_of_unknown_classes_are_refused(kind):
    with pytest.raises(ParameterError, match="rian"):
        output_of(kind, loss={"class_weights": {"rian": 3.0}})


def test_loss_of_flags():
    scores, targets = [[0.0], [math.log(3)]], [1, 0]
    expected = np.array([math.log(2), math.log(4)])
    np.testing.assert_allclose(loss_of(output_of("binary"), scores, targets), expected, rtol=1e-5)
    weighted = output_of("binary", loss={"positive_class_weight": 2.0})
    np.testing.assert_allclose(loss_of(weighted, scores, targets), expected * [2, 1], rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [("mean_squared_error", [0.25, 9]), ("mean_absolute_error", [0.5, 3]), ("huber", [0.125, 2.5])],
)
def test_loss_of_numbers(loss, expected):
    np.testing.assert_allclose(loss_of(output_of("number", loss={"type": loss}), [[0.5], [-2.0]], [0, 1]), expected)


def test_loss_of_sets():
    scores, targets = [[0.0, math.log(3), 0.0]], [[1, 0, 0]]
    expected = np.array([math.log(2), math.log(4), math.log(2)])
    np.testing.assert_allclose(loss_of(output_of("set"), scores, targets), [expected.mean()], rtol=1e-5)
    weighted = output_of("set", loss={"class_weights": {"dog": 3.0}})
    np.testing.assert_allclose(loss_of(weighted, scores, targets), [(expected * [1, 3, 1]).mean()], rtol=1e-5)


def test_categories():
    output = output_of("category", top_k=2)
    scores, targets = np.array([[2.0, 1, 0], [2, 1, 0], [2, 1, 0]], np.float32), np.array([0, 1, 2], np.float32)
    assert output.measures(scores, targets) == pytest.approx(
        {"accuracy": 1 / 3, "accuracy_micro": 1 / 3, "hits_at_k": 2 / 3}
    )
    prediction = output.predictions(scores)[0]
    assert prediction.value == "cat" and sum(prediction.probabilities.values()) == pytest.approx(1)
    assert list(prediction.probabilities) == ["cat", "dog", "rain"]
    assert output.report(scores, targets).confusion[:, 0].tolist() == [1, 1, 1]


def test_accuracies_of_categories_are_means_over_the_classes():
    output = output_of("category", top_k=2)
    scores = np.array([[2, 1, 0], [2, 1, 0], [2, 0, 1], [0, 1, 2]], np.float32)
    measures = output.measures(scores, np.array([0, 0, 0, 1], np.float32))
    # As in torchmetrics: the class that is predicted, but of no row, counts as 0; by hits, it does not count
    assert measures == pytest.approx({"accuracy": 1 / 3, "accuracy_micro": 3 / 4, "hits_at_k": 1.0})
    measures = output.measures(scores[:3], np.array([0, 0, 1], np.float32))
    assert measures == pytest.approx({"accuracy": 1 / 2, "accuracy_micro": 2 / 3, "hits_at_k": 1 / 2})


def test_flags():
    output = output_of("binary", threshold=0.75)
    scores, targets = np.array([[0.0], [2.0], [1.0], [-1.0]], np.float32), np.array([1, 1, 0, 0], np.float32)
    measures = output.measures(scores, targets)
    assert measures == {"accuracy": 0.75, "precision": 1.0, "recall": 0.5, "specificity": 1.0, "roc_auc": 0.75}
    assert [prediction.value for prediction in output.predictions(scores)] == ["no", "yes", "no", "no"]
    assert output.predictions(scores)[0].probabilities == {"no": 0.5, "yes": 0.5}
    report = output.report(scores, targets)
    assert (report.accuracy, report.roc_auc, report.to_dict()["roc_auc"]) == (0.75, 0.75, 0.75)
    assert "ROC AUC 0.750" in str(report)


def test_the_roc_curve_of_one_class_is_undefined():
    output, scores = output_of("binary"), np.zeros((2, 1), np.float32)
    assert math.isnan(output.measures(scores, np.ones(2, np.float32))["roc_auc"])
    assert output.report(scores, np.ones(2, np.float32)).to_dict()["roc_auc"] is None


def test_numbers_are_in_their_own_unit():
    output = output_of("number")
    scores, targets = np.array([[0.0], [1.0], [2.0]], np.float32), np.array([0, 1, 1], np.float32)
    assert output.predictions(scores) == [OutputPrediction(10.0), OutputPrediction(12.0), OutputPrediction(14.0)]
    measures = output.measures(scores, targets)
    assert measures["mean_absolute_error"] == pytest.approx(2 / 3)
    assert measures["root_mean_squared_error"] ** 2 == pytest.approx(measures["mean_squared_error"])
    assert output.report(scores, targets).r2 == pytest.approx(measures["r2"])


def test_numbers_are_clipped():
    output = output_of("number", clip=[0, 13])
    assert [one.value for one in output.predictions(np.array([[-9.0], [0.0], [9.0]]))] == [0.0, 10.0, 13.0]
    assert math.isfinite(output_of("number").predictions(np.array([[np.inf]]))[0].value)


def test_sets():
    output = output_of("set")
    scores, targets = np.array([[3.0, 1, -3], [1, 2, -4], [-1, 0.5, -2]], np.float32), np.eye(3, dtype=np.float32)
    assert output.predictions(scores)[0].value == {"cat", "dog"}
    measures = output.measures(scores, targets)
    assert measures["jaccard"] == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert measures.keys() == {"jaccard", "mean_average_precision", "f1_micro", "f1_macro"}
    output.choose_thresholds(scores, targets)
    assert [one.value for one in output.predictions(scores)[:2]] == [{"cat"}, {"dog"}]
    assert output.report(scores, targets).thresholds.tolist() == output.thresholds


def test_a_threshold_of_the_configuration_stays():
    output = output_of("set", threshold=0.25)
    output.choose_thresholds(np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32))
    assert output.thresholds == [0.25] * 3


@pytest.mark.parametrize("kind", OUTPUTS)
def test_all_metrics_of_the_configuration_are_measured(kind):
    output = output_of(kind)
    scores = np.random.default_rng(0).normal(size=(6, output.units)).astype(np.float32)
    targets = (np.arange(6 * output.units).reshape(6, -1) % 2).astype(np.float32)
    measures = output.measures(scores, targets if kind == "set" else targets[:, 0])
    assert {"loss", *measures} == set(output.feature.METRICS)
