"""``export``, and the commands that take the exported file without MXNet."""

import numpy as np
import pytest


@pytest.fixture(scope="module", params=[(), ("--front-end",)], ids=["features", "samples"])
def onnx_file(request, run_json, trained, tmp_path_factory):
    """An exported model, and the document of ``export --json``."""
    path = tmp_path_factory.mktemp("onnx") / "töne.onnx"
    return path, run_json("export", path, "--model-dir", trained[0], *request.param)


def test_document(onnx_file, trained):
    path, document = onnx_file
    assert document["output"] == str(path) and document["takes"] in ("samples", "features")
    assert (document["model_id"], document["labels"]) == (trained[1]["model_id"], trained[1]["labels"])


def test_text(run, model, tmp_path):
    text = run("export", tmp_path / "a.onnx", *model).stdout
    assert str(tmp_path / "a.onnx") in text and "features" in text


def test_results_are_those_of_the_folder(run_json, onnx_file, trained, tones, bad_file, tmp_path):
    models = {"onnx": onnx_file[0], "folder": trained[0]}
    onnx, folder = (run_json("predict", tones, bad_file, "--model-dir", path, code=1) for path in models.values())
    assert onnx["model_id"] == folder["model_id"] and onnx["skipped"] == folder["skipped"]
    for one, other in zip(onnx["predictions"], folder["predictions"]):
        assert (one["path"], one["label"]) == (other["path"], other["label"])
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)
    vectors = []
    for name, path in models.items():
        run_json("encode", tones, "-o", tmp_path / f"{name}.npz", "--model-dir", path)
        with np.load(tmp_path / f"{name}.npz") as arrays:
            vectors.append(arrays["vectors"])
    np.testing.assert_allclose(*vectors, rtol=0, atol=1e-4 * np.abs(vectors[1]).max())
    onnx, folder = (run_json("evaluate", tones, "--model-dir", path) for path in models.values())
    assert onnx["confusion"] == folder["confusion"] and onnx["model_id"] == folder["model_id"]


def test_commands_run_without_mxnet(run_without_mxnet, onnx_file, tones, tmp_path):
    clip, model = tones / "low" / "0 é.wav", ("--model-dir", onnx_file[0])
    commands = {
        ("predict", tones): "0 é.wav",
        ("predict", clip, "--timeline", "0.4"): "low",
        ("encode", tones, "--output", "vectors.npz"): "vectors.npz",
    }
    others = {
        ("index", tones, "--index", "index"): "16",
        ("search", clip, "--index", "index", "-k", 3): "low",
        ("recommend", clip, "--index", "index"): "low",
        ("evaluate", tones): "accuracy",
        ("report", tones): "report/report.html",
    }
    if onnx_file[1]["takes"] == "features":  # all that follows is the same for samples
        commands |= others
    results = run_without_mxnet(*((*words, *model) for words in commands), cwd=tmp_path)
    for (words, expected), (code, stdout, stderr) in zip(commands.items(), results):
        assert code == 0 and expected in stdout, (words, stdout, stderr)
        assert words[0] != "search" or len(stdout.splitlines()) == 3


def test_errors_name_the_file(run, onnx_file, model, tones, tmp_path):
    path, output = onnx_file[0], tmp_path / "nö" / "a.onnx"
    assert run("export", output, *model, code=1).stderr.startswith(f"error: {output}: ")
    assert run("export", output, "--model-dir", path, code=1).stderr.startswith(f"error: {path}: ")
    message = run("predict", tones, "--gpu", 0, "--model-dir", path, code=1).stderr
    assert message.startswith(f"error: {path}: ") and "--gpu" in message
    message = run("predict", tones, "--network", "resnet_v2", "--model-dir", path, code=1).stderr
    assert message.startswith(f"error: {path}: ") and "cifar10" in message and "resnet_v2" in message
    missing = tmp_path / "missing.onnx"
    assert f"error: {missing}: " in run("predict", tones, "--model-dir", missing, code=1).stderr
    missing.write_text("text")
    message = run("predict", tones, "--model-dir", missing, code=1).stderr
    assert message.startswith(f"error: {missing}: ") and "mxnet-audio" in message
