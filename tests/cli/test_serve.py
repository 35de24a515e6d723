"""``serve``: options become settings, and everything wrong is said before the server listens."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from mxnet_audio.library import BUNDLED_MODELS
from mxnet_audio.serve import ServeSettings

ONNX = BUNDLED_MODELS / "cifar10.onnx"


@pytest.fixture
def served(monkeypatch):
    """Arguments of the servers that would have been run."""
    calls = []

    def start(*arguments, on_start):
        calls.append(arguments)
        on_start("http://a:1")

    monkeypatch.setattr("mxnet_audio.serve.run", start)
    monkeypatch.delenv("MXNET_AUDIO_API_KEY", raising=False)
    return calls


def test_defaults(run, served):
    result = run("serve", "--model-dir", ONNX, "--no-page")
    ((app, host, port, settings),) = served
    assert (host, port, settings) == ("127.0.0.1", 8000, ServeSettings(page=False))
    assert app.state.service.settings is settings
    assert app.state.service.models.classifier.model_path == ONNX
    assert (result.stdout, result.stderr) == ("serving at http://a:1\n", "")


def test_options_become_settings(run, served, tmp_path):
    words = ["--host", "0.0.0.0", "--port", "0", "--audio-root", tmp_path, "--api-key", "a key", "--no-page"]
    words += ["--origin", "https://a.example", "--origin", "http://b.example:81", "--max-bytes", 1000]
    words += ["--max-seconds", 10, "--max-batch", 4, "--batch-wait", 0, "--queue-size", 8]
    result = run("serve", "--model-dir", ONNX, "--network", "cifar10", *words, "--timeout", 5, "--upload-timeout", 6)
    ((_, host, port, settings),) = served
    assert (host, port) == ("0.0.0.0", 0)
    assert settings == ServeSettings(
        tmp_path, "a key", ("https://a.example", "http://b.example:81"), 1000, 10, 4, 0, 8, 5, 6, False
    )
    assert result.stderr == ""


def test_the_key_comes_from_the_environment(run, served, monkeypatch):
    words = ["serve", "--model-dir", ONNX, "--no-page", "--host", "0.0.0.0"]
    assert "MXNET_AUDIO_API_KEY" in run(*words).stderr  # everybody may use it
    monkeypatch.setenv("MXNET_AUDIO_API_KEY", "")
    assert "MXNET_AUDIO_API_KEY" in run(*words).stderr
    monkeypatch.setenv("MXNET_AUDIO_API_KEY", "a secret")
    assert run(*words).stderr == ""
    monkeypatch.setenv("MXNET_AUDIO_API_KEY", " secret")
    message = run(*words, code=2).output
    assert "--api-key" in run(*words, "--api-key", "", code=2).output  # not as if there were none
    assert "--api-key" in message and "secret" not in message.replace("MXNET_AUDIO_API_KEY", "")
    assert [settings.api_key for *_, settings in served] == [None, None, "a secret"]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([], "--model-dir, --encoder, --index or --speakers"),
        (["--encoder", "yamnet", "--network", "m5"], "--network"),
        (["--model-dir", "m", "--port", "65536"], "--port"),
        (["--model-dir", "m", "--max-bytes", "0"], "--max-bytes"),
        (["--model-dir", "m", "--max-seconds", "0"], "--max-seconds"),
        (["--model-dir", "m", "--timeout", "nan"], "--timeout"),
        (["--model-dir", "m", "--batch-wait", "-1"], "--batch-wait"),
        (["--model-dir", "m", "--origin", "*"], "--origin"),
        (["--model-dir", "m", "--audio-root", "no-folder"], "--audio-root"),
    ],
    ids=str,
)
def test_wrong_usage(run, served, words, name):
    assert name in run("serve", *words, code=2).output
    assert not served


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model-dir", "missing.onnx"], "error: missing.onnx: "),
        (["--model-dir", "missing"], "error: missing: "),
        (["--model-dir", "text.onnx"], "error: text.onnx: not an .onnx file"),
        (["--model-dir", ONNX, "--network", "m5"], f"error: {ONNX}: a cifar10 model, not m5"),
        (["--model-dir", ONNX, "--index", "missing"], "error: missing: there is no index"),
        (["--encoder", "yamnte"], "error: --encoder must be one of"),
        (["--speakers", "missing"], "error: missing"),
        (["--model-dir", ""], "error: the path is empty"),
    ],
    ids=str,
)
def test_what_cannot_be_served(run, served, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text.onnx").write_text("no model")
    result = run("serve", *words, "--no-page", code=1)
    assert message in result.stderr and result.stderr.count("\n") == 1
    assert result.stdout == "" and not served


def test_missing_extra(run, monkeypatch):
    monkeypatch.delattr("mxnet_audio.serve.run", raising=False)
    monkeypatch.delitem(sys.modules, "mxnet_audio.serve.server", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    message = run("serve", "--model-dir", ONNX, code=1).stderr
    assert "uvicorn" in message and "pip install " in message and "[serve]" in message
