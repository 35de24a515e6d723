"""An exported model gives the same labels where MXNet is not installed."""

import importlib.util
from pathlib import Path

import pytest

from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
from mxnet_audio.library.export import export_onnx

spec = importlib.util.spec_from_file_location("onnx_alone", Path(__file__).with_name("onnx_alone.py"))
onnx_alone = importlib.util.module_from_spec(spec)
spec.loader.exec_module(onnx_alone)


@pytest.mark.slow
def test_the_same_labels_on_held_out_real_clips_without_mxnet(esc10, tmp_path):
    pairs = [(str(path), path.parent.name) for path in sorted(esc10.glob("*/*.ogg"))]
    test = [(path, label) for path, label in pairs if Path(path).name.startswith("4-")]
    train = [(path, label) for path, label in pairs if Path(path).name.startswith("1-")]
    classifier = Cifar10AudioClassifier()
    classifier.fit(
        train, tmp_path / "model", 16, 5, input_shape=(1, 32, 200), validation_pairs=test, cache=False, progress=False
    )
    export_onnx(classifier.model, tmp_path / "a.onnx", front_end=True)
    paths = [path for path, _ in test]
    want = [answer.label for answer in classifier.predict_many(paths)]
    assert len(want) == 80 and len(set(want)) > 2
    try:
        got = onnx_alone.labels(tmp_path / "a.onnx", paths)
    except LookupError as missing:
        pytest.skip(f"no packages to be had: {missing}")
    assert got == want
