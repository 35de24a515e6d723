"""An exported model gives the same labels where MXNet is not installed."""

import importlib.util
from pathlib import Path

import pytest

from mxnet_audio.library import BUNDLED_MODELS, load_classifier
from mxnet_audio.library.export import export_onnx

spec = importlib.util.spec_from_file_location("onnx_alone", Path(__file__).with_name("onnx_alone.py"))
onnx_alone = importlib.util.module_from_spec(spec)
spec.loader.exec_module(onnx_alone)


@pytest.mark.slow
def test_labels_of_real_clips_are_the_same_without_mxnet(esc10, tmp_path):
    classifier = load_classifier(BUNDLED_MODELS, "cifar10")
    export_onnx(classifier.model, tmp_path / "a.onnx", front_end=True)
    paths = sorted(map(str, esc10.glob("*/4-*.ogg")))[::4]  # two of each class
    expected = [prediction.label for prediction in classifier.predict_many(paths)]
    assert len(expected) == 20 and len(set(expected)) > 2
    try:
        found = onnx_alone.labels(tmp_path / "a.onnx", paths)
    except LookupError as missing:
        pytest.skip(f"packages cannot be installed: {missing}")
    assert found == expected
