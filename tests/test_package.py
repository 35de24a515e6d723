"""Tests of the package's public face: names, types, requirements, and an import without MXNet."""

import json
import os
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import platformdirs
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import mxnet_audio

ROOT = Path(__file__).resolve().parents[1]
MYPY_CACHE = platformdirs.user_cache_path("mxnet-audio") / "mypy"  # kept; tests have another cache directory
IMPORTED = """
import sys
import mxnet_audio
print(*[name for name in ("mxnet", "numpy", "librosa", "sklearn", "matplotlib", "scipy") if name in sys.modules])
"""
SNIPPET = """
from mxnet_audio import AudioFeatureConfig, Cifar10AudioClassifier, Cifar10AudioSearch, OnnxAudioClassifier
from mxnet_audio import load_classifier

classifier = Cifar10AudioClassifier()
reveal_type(classifier.fit([("a.wav", "dog")], "models"))
reveal_type(classifier.predict("a.wav").top(3))
reveal_type(classifier.encode_audio("a.wav"))
reveal_type(Cifar10AudioSearch().query("a.wav", top_k=3))
reveal_type(AudioFeatureConfig(n_mels=64).shape)
reveal_type(load_classifier("models").labels)
reveal_type(OnnxAudioClassifier("a.onnx").model_id)
"""
TYPES = [
    "dict[str, list[float]]",
    "list[tuple[int | str, float]]",
    "ndarray[",
    "search.contents.Neighbour]]",
    "tuple[int | None, int | None]",
    "list[int | str]",
    "str",
]


def test_import_alone_is_light():
    assert not subprocess.check_output([sys.executable, "-c", IMPORTED], text=True).split()


def test_every_public_name_can_be_reached():
    for name in mxnet_audio.__all__:
        assert getattr(mxnet_audio, name) is not None
    assert {"models", "library", "inference", "engine", "speakers"} <= set(dir(mxnet_audio))
    assert mxnet_audio.__version__


def test_no_function_has_the_name_of_its_module():
    """Check the stubs: such a package gets a class of its own, with which joblib and Dask cannot send it."""
    stubs = list(Path(mxnet_audio.__file__).parent.rglob("__init__.pyi"))
    assert stubs
    for stub in stubs:
        assert not re.findall(r"^from \.(\w+) import \1 as", stub.read_text(), re.MULTILINE), stub


@pytest.mark.slow
def test_a_users_snippet_has_types(tmp_path):
    (tmp_path / "snippet.py").write_text(SNIPPET)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", f"--cache-dir={MYPY_CACHE}", "snippet.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    revealed = [line for line in done.stdout.splitlines() if "Revealed type" in line]
    assert done.returncode == 0, done.stdout
    assert len(revealed) == len(TYPES)
    for line, expected in zip(revealed, TYPES):
        assert expected in line.replace("builtins.", "").replace("Union[int, str]", "int | str")


@pytest.mark.parametrize("version", ["3.10", "3.12", "3.13", "3.14"])
def test_mxnet_is_required_only_where_it_runs(version):
    project = pytest.importorskip("tomllib").loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = [Requirement(line) for line in project["dependencies"]]
    here = {r.name: r for r in requirements if not r.marker or r.marker.evaluate({"python_version": version})}
    supported = version in ("3.10", "3.12")
    assert ("mxnet" in here) == supported and here["numpy"].specifier.contains("1.26.4") == supported
    assert here["numpy"].specifier.contains("2.3.0") != supported
    assert version in SpecifierSet(project["requires-python"])


def test_installation_commands_in_messages_name_packages_of_the_index():
    messages = [text for path in (ROOT / "mxnet_audio").rglob("*.py") for text in path.read_text().splitlines()]
    commands = [line.partition("pip install ")[2] for line in messages if "pip install " in line]
    assert len(commands) >= 5
    assert not [command for command in commands if re.match(r"\W*mxnet.audio", command)]  # it is not on the index


def test_bundled_models_and_lists_are_installed():
    tables = pytest.importorskip("tomllib").loads((ROOT / "pyproject.toml").read_text())
    patterns = tables["tool"]["setuptools"]["package-data"]
    models = ROOT / "demo" / "models" / "esc10"
    manifests = list(models.glob("*.json"))
    needed = [path.name for path in manifests]
    needed += [entry["file"] for path in manifests for entry in json.loads(path.read_text())["files"].values()]
    assert len(needed) >= 6
    for package, names in (
        ("mxnet_audio.library.esc10", needed),
        ("mxnet_audio.datasets.lists", [path.name for path in (ROOT / "data" / "lists").glob("*.txt")]),
    ):
        assert f'"{package}"' in (ROOT / "setup.py").read_text()
        assert names and not [name for name in names if not any(fnmatch(name, p) for p in patterns[package])]
