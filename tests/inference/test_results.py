"""Results: tuples that can be unpacked, with further views of the same numbers."""

import json
import pickle

import numpy as np
import pytest

from mxnet_audio.errors import AudioDecodeError, ParameterError
from mxnet_audio.inference.results import Encoding, Prediction, TimedPrediction

LABELS = ["bee", "cat", "dog"]
PROBABILITIES = np.float32([0.25, 0.5, 0.25])
ERROR = AudioDecodeError("no such file", "b.wav")


def test_a_prediction_is_a_tuple_of_four():
    prediction = Prediction("a.wav", "cat", PROBABILITIES, labels=LABELS)
    path, label, probabilities, error = prediction
    assert (path, label, error) == ("a.wav", "cat", None) and probabilities is PROBABILITIES
    assert prediction == ("a.wav", "cat", PROBABILITIES, None) and prediction[1:2] == ("cat",)
    assert prediction == Prediction("a.wav", "cat", PROBABILITIES)
    assert Prediction("b.wav", None, None, ERROR)[3] is ERROR


def test_top_is_best_first_and_equal_ones_keep_their_order():
    prediction = Prediction("a.wav", "cat", PROBABILITIES, labels=LABELS)
    assert prediction.top() == [("cat", 0.5), ("bee", 0.25), ("dog", 0.25)]
    assert prediction.top(1) == [("cat", 0.5)] and type(prediction.top(1)[0][1]) is float
    assert TimedPrediction(0.0, 1.0, 7, PROBABILITIES, labels=[2, 7, 9]).top(np.int64(2)) == [(7, 0.5), (2, 0.25)]
    assert Prediction("b.wav", None, None, ERROR, labels=LABELS).top() == []
    for k in (0, -1, 1.5, True, "2", None):
        with pytest.raises(ParameterError, match="k must be"):
            prediction.top(k)
    with pytest.raises(ParameterError, match="labels"):
        Prediction("a.wav", "cat", PROBABILITIES).top()


def test_results_as_dictionaries_are_json():
    probabilities = {"bee": 0.25, "cat": 0.5, "dog": 0.25}
    prediction = Prediction("a.wav", "cat", PROBABILITIES, labels=LABELS)
    assert prediction.as_dict() == {
        "path": "a.wav", "label": "cat", "probability": 0.5, "probabilities": probabilities, "error": None,
    }  # fmt: skip
    assert list(prediction.as_dict()["probabilities"]) == LABELS
    failed = {"path": "b.wav", "label": None, "probability": None, "probabilities": None, "error": str(ERROR)}
    assert Prediction("b.wav", None, None, ERROR, labels=LABELS).as_dict() == failed
    timed = TimedPrediction(0.5, 1.0, "cat", PROBABILITIES, labels=LABELS)
    assert timed.as_dict() == {
        "start": 0.5, "end": 1.0, "label": "cat", "probability": 0.5, "probabilities": probabilities,
    }  # fmt: skip
    encoding = Encoding("a.wav", np.float32([1, 2]))
    assert encoding.as_dict() == {"path": "a.wav", "vector": [1.0, 2.0], "error": None}
    for result in (prediction, timed, encoding, Encoding("b.wav", None, ERROR)):
        json.dumps(result.as_dict())


def test_results_name_the_encoder_that_gave_them():
    for result in (
        Prediction("a.wav", "cat", PROBABILITIES, labels=LABELS, encoder="yamnet"),
        TimedPrediction(0.0, 1.0, "cat", PROBABILITIES, labels=LABELS, encoder="yamnet"),
    ):
        assert result.as_dict()["encoder"] == pickle.loads(pickle.dumps(result)).encoder == "yamnet"
    assert Prediction("a.wav", "cat", PROBABILITIES).encoder is None


def test_reprs_are_one_short_line():
    assert repr(Prediction(None, 3, PROBABILITIES)) == "Prediction(path=None, label=3, probability=0.5)"
    assert repr(TimedPrediction(0.5, 1.25, "cat", PROBABILITIES)) == (
        "TimedPrediction(start=0.5, end=1.25, label='cat', probability=0.5)"
    )
    assert repr(Encoding("a.wav", np.zeros(512, np.float32))) == "Encoding(path='a.wav', vector=float32[512])"
    assert repr(Encoding("b.wav", None, ERROR)) == f"Encoding(path='b.wav', error={ERROR!r})"
    assert repr(Prediction("b.wav", None, None, ERROR)) == f"Prediction(path='b.wav', error={ERROR!r})"


def test_results_can_be_pickled():
    for result in (
        Prediction("a.wav", "cat", PROBABILITIES, labels=LABELS),
        TimedPrediction(0.0, 1.0, "cat", PROBABILITIES, labels=LABELS),
    ):
        twin = pickle.loads(pickle.dumps(result))
        assert twin[:2] == result[:2] and twin.top() == result.top() and twin.labels == LABELS
    failed = pickle.loads(pickle.dumps(Prediction("b.wav", None, None, ERROR)))
    assert (failed.path, str(failed.error)) == ("b.wav", str(ERROR))


def test_the_probability_of_the_label():
    assert Prediction("a.wav", "cat", PROBABILITIES).probability == 0.5
    assert TimedPrediction(0.0, 1.0, "cat", PROBABILITIES).probability == 0.5
    assert Prediction("b.wav", None, None, ERROR).probability is None


def test_predictions_can_be_compared():
    def make(path, probabilities=PROBABILITIES):
        return Prediction(path, "cat", probabilities)

    same, other = make("a.wav", PROBABILITIES.copy()), make("a.wav", PROBABILITIES[::-1] * 2)
    assert make("a.wav") == same and hash(make("a.wav")) == hash(same) and not make("a.wav").__ne__(same)
    assert make("a.wav") != other and make("a.wav") != "a.wav" and {make("a.wav"), same, other} == {same, other}
    failed = Prediction("b.wav", None, None, ERROR)
    assert failed == ("b.wav", None, None, ERROR) and hash(failed) == hash(tuple(failed))
    first, second = (TimedPrediction(start, 9.0, "cat", PROBABILITIES.copy()) for start in (0.0, 1.0))
    assert first == TimedPrediction(*first) and first != second
