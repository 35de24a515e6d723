"""Tests of the routes of the API."""

import pytest


def test_the_answer_is_that_of_the_library(client, onnx_model, corpus, tmp_path):
    for path, _ in corpus[:3]:
        with open(path, "rb") as file:  # noqa: PTH123
            answer = client.post("/v1/predict", files={"file": ("a.wav", file)})
        expected = onnx_model.predict(path)
        assert answer.status_code == 200 and answer.json()["label"] == expected.label
        assert answer.json()["probability"] == pytest.approx(expected.probability, abs=1e-6)
