"""``export``, and the commands that take what it wrote, without MXNet."""

import subprocess
import sys

import numpy as np
import pytest


@pytest.fixture(scope="module", params=[(), ("--front-end",)], ids=["features", "samples"])
def onnx_file(request, run_json, trained, tmp_path_factory):
    """An exported model, and what ``export --json`` said of it."""
    path = tmp_path_factory.mktemp("onnx") / "töne.onnx"
    return path, run_json("export", path, "--model-dir", trained[0], *request.param)


def test_export_says_what_it_wrote(run, onnx_file, trained, tmp_path):
    path, document = onnx_file
    assert document["output"] == str(path) and document["takes"] in ("samples", "features")
    assert (document["model_id"], document["labels"]) == (trained[1]["model_id"], trained[1]["labels"])
    said = run("export", tmp_path / "a.onnx", "--model-dir", trained[0]).stdout
    assert said == f"the model is in {tmp_path / 'a.onnx'}, and takes features\n"


def test_predict_and_embed_answer_as_the_folder_does(run_json, onnx_file, trained, tones, bad_file, tmp_path):
    got, want = (run_json("predict", tones, bad_file, "--model-dir", place) for place in (onnx_file[0], trained[0]))
    assert got["model_id"] == want["model_id"] and got["skipped"] == want["skipped"]
    for one, other in zip(got["predictions"], want["predictions"]):
        assert (one["path"], one["label"]) == (other["path"], other["label"])
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)
    vectors = []
    for name, place in (("onnx", onnx_file[0]), ("folder", trained[0])):
        run_json("embed", tones, "-o", tmp_path / f"{name}.npz", "--model-dir", place)
        with np.load(tmp_path / f"{name}.npz") as arrays:
            vectors.append(arrays["vectors"])
    np.testing.assert_allclose(*vectors, rtol=0, atol=1e-4 * np.abs(vectors[1]).max())


def test_timelines_and_search(run, run_json, onnx_file, tones, tmp_path):
    path, model = tones / "low" / "0 é.wav", ("--model-dir", onnx_file[0])
    assert len(run_json("predict", path, "--timeline", 0.4, *model)["timelines"][0]["segments"]) == 1
    run("index", tones, "--index", tmp_path / "index", *model)
    assert len(run_json("search", path, "--index", tmp_path / "index", "-k", 3, *model)["neighbours"]) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("predict", "TONES"), "0 é.wav"),
        (("predict", "TONES/low/0 é.wav", "--timeline", "0.4"), "low"),
        (("embed", "TONES", "--output", "vectors.npz"), "vectors.npz"),
        (("index", "TONES", "--index", "index"), "16"),
        (("search", "TONES/low/0 é.wav", "--index", "index"), "low"),
        (("evaluate", "TONES"), "accuracy"),
        (("report", "TONES"), "the page is report/report.html"),
    ],
    ids=["predict", "timeline", "embed", "index", "search", "evaluate", "report"],
)
def test_mxnet_is_not_imported(words, said, onnx_file, tones, tmp_path, run):
    if words[0] == "search":
        run("index", tones, "--index", tmp_path / "index", "--model-dir", onnx_file[0])
    code = "import sys; sys.modules['mxnet'] = None; from mxnet_audio.cli import main; main()"
    words = [word.replace("TONES", str(tones)) for word in words]
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "--model-dir", str(onnx_file[0])],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0 and said in done.stdout, done.stderr


def test_evaluate_counts_as_for_the_folder(run_json, onnx_file, trained, tones):
    got, want = (run_json("evaluate", tones, "--model-dir", place) for place in (onnx_file[0], trained[0]))
    assert got["confusion"] == want["confusion"] and got["model_id"] == want["model_id"]


def test_what_cannot_be_done_is_said(run, onnx_file, trained, tones, tmp_path):
    path, output = onnx_file[0], tmp_path / "nö" / "a.onnx"
    said = run("export", output, "--model-dir", trained[0], code=1).stderr
    assert said == f"error: {output}: cannot be written (No such file or directory)\n"
    assert "takes the folder of a trained model" in run("export", output, "--model-dir", path, code=1).stderr
    assert "leave --gpu out" in run("predict", tones, "--gpu", 0, "--model-dir", path, code=1).stderr
    said = run("predict", tones, "--network", "resnet_v2", "--model-dir", path, code=1).stderr
    assert said == f"error: {path}: a cifar10 model, not resnet_v2\n"
    missing = tmp_path / "missing.onnx"
    assert f"{missing}: cannot be read" in run("predict", tones, "--model-dir", missing, code=1).stderr
    missing.write_text("text")
    assert (
        "not an .onnx file that mxnet-audio has written" in run("predict", tones, "--model-dir", missing, code=1).stderr
    )
