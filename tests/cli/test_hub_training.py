"""Commands that train and use classifiers on encoders of the hub."""

import shutil
from pathlib import Path

import pytest

from tests.models.hub_folders import HUB

pytestmark = pytest.mark.usefixtures("own_cache")

WAV2VEC2 = ("--encoder", "wav2vec2", "--source", HUB / "wav2vec2")


def test_train_use_and_adapt(run, run_json, tones, tmp_path):
    model = ("--model-dir", tmp_path / "m")
    document = run_json("train", tones, *WAV2VEC2, "--embedding", "1:mean", *model, "--test-size", 0.25)
    assert document["network"] == "wav2vec2" and document["labels"] == ["high ♪", "low"]
    clip = tones / "low" / "0 é.wav"
    predicted = run_json("predict", clip, *model, "--unknown")
    assert predicted["model_id"] == document["model_id"] and predicted["encoder"] == "wav2vec2"
    assert len(run("predict", clip, *model, "--timeline", 0.2).stdout.splitlines()) == 1 + 3
    assert run_json("evaluate", tones, *model)["accuracy"] > 0.5
    adapted = run_json("adapt", *(tones / "low").iterdir(), *model, "--output", tmp_path / "adapted")
    assert adapted["model_id"] != document["model_id"]


def test_models_without_weights_find_them_elsewhere(run, run_json, tones, tmp_path):
    source, model = shutil.copytree(HUB / "ast", tmp_path / "ast"), ("--model-dir", tmp_path / "m")
    run("train", tones, "--encoder", "ast", "--source", source, "--without-weights", *model)
    assert sum(file.stat().st_size for file in (tmp_path / "m").iterdir()) < 20_000
    source.rename(tmp_path / "moved")
    clip = tones / "low" / "0 é.wav"
    stderr = run("predict", clip, *model, code=1).stderr
    assert str(tmp_path / "m") in stderr and "--source" in stderr
    other = ("--source", tmp_path / "moved")
    assert run_json("predict", clip, *model, *other)["predictions"]
    assert run_json("evaluate", tones, *model, *other)["n_clips"] == 16
    run("adapt", tones, *model, *other, "--output", tmp_path / "adapted")
    assert "are others" in run("predict", clip, *model, "--source", HUB / "ast_classifier", code=1).stderr
    onnx = tmp_path / "m.onnx"
    assert "leave --front-end out" in run("export", onnx, *model, *other, "--front-end", code=1).stderr
    run("export", onnx, *model, *other)
    assert run_json("predict", clip, "--model-dir", onnx)["predictions"]
    run("encode", clip, "-o", tmp_path / "a.npz", *model, *other)
    assert "--source" in run("predict", clip, "--model-dir", onnx, *other, code=1).stderr


@pytest.mark.parametrize(
    "options",
    ["--fine-tune --freeze 1 --seconds 0.3 --accumulate 2", "--adapter rank=2,alpha=4", "--embedding weighted:max"],
)
def test_fine_tuning(run, run_json, tones, tmp_path, options):
    words = ("train", tones, *WAV2VEC2, *options.split(), "--model-dir", tmp_path, "--batch-size", 8)
    started = run(*words, "--epochs", 1, "--resume")
    assert "no wav2vec2 model to resume" in started.stderr
    assert run_json(*words, "--epochs", 2, "--resume")["last"]["epoch"] == 2
    assert run_json("predict", tones / "low", "--model-dir", tmp_path)["predictions"]


def test_cross_validation(run, run_json, tones, tmp_path):
    words = ("cross-validate", tones, *WAV2VEC2, "--k", 2, "--jobs", 1, "--output", tmp_path)
    document = run_json(*words)
    assert document["network"] == "wav2vec2" and document["accuracy"] > 0.5
    assert run_json(*words) == document
    other = ("--encoder", "wav2vec2", "--source", HUB / "wav2vec2_classifier")
    result = run("cross-validate", tones, *other, "--k", 2, "--jobs", 1, "--output", tmp_path, code=1)
    assert "model_id changed" in result.stderr


def test_options_are_checked_before_mxnet_is_imported(run_without_mxnet, tones, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    commands = {
        ("--encoder", "wav2vec2", "--source", empty): "config.json",
        ("--encoder", "wav2vec2", "--source", HUB / "whisper"): "whisper",
        ("--encoder", "wav2vec2", "--source", tmp_path / "missing"): "missing",
        (*WAV2VEC2, "--revision", "main"): "revision",
        (*WAV2VEC2, "--embedding", "mean:1"): "--embedding",
        ("--encoder", "auto"): "auto",
    }
    wrong = {
        ("--source", empty): "--source",
        ("--revision", "main"): "--revision",
        ("--freeze", 1): "--freeze",
        ("--adapter", "lora"): "--adapter",
        (*WAV2VEC2, "--freeze", 1): "--freeze",
        (*WAV2VEC2, "--fine-tune", "--freeze", "Body"): "Body",
        (*WAV2VEC2, "--adapter", "rank=x"): "rank=x",
        (*WAV2VEC2, "--adapter", "lora", "--fine-tune"): "give --adapter or --fine-tune",
        (*WAV2VEC2, "--adapter", "lora", "--freeze", 1): "give --adapter or --freeze",
        (*WAV2VEC2, "--seconds", 1): "--seconds",
    }
    names = commands | wrong
    words = [(command, tones, *options) for command in ("train", "cross-validate") for options in names]
    results = run_without_mxnet(*words, cwd=tmp_path)
    for options, name, (code, stdout, stderr) in zip([*names] * 2, [*names.values()] * 2, results, strict=True):
        assert code == (2 if options in wrong else 1) and stdout == "", (options, stderr)
        assert name in stderr and "MXNet" not in stderr, (options, stderr)
    assert [path for path in Path(tmp_path).iterdir() if path != empty] == []
