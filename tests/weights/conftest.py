"""Fixtures: a folder, a cache and packages of the test alone, and an HTTP server."""

import dataclasses
import hashlib
import importlib.metadata
import shutil
from pathlib import Path

import pytest

from mxnet_audio import weights
from mxnet_audio.weights import registry
from tests.http_host import host as host
from tests.weights.fake_hub import FakeHub, edit

TINY = Path(__file__).parents[1] / "models" / "hub"


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """Machine without weights: the folder of the test's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MXNET_AUDIO_WEIGHTS")

    def distribution(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", distribution)
    return tmp_path / "cache" / "mxnet-audio" / "weights"


@pytest.fixture
def publish(monkeypatch):
    """Function that replaces the files of a record: ``publish(name, {file: bytes}, urls, hashed) -> Record``.

    The files are described by size and SHA-256, by MD5 alone (``hashed="md5"``), or not at all (``hashed=None``).
    """

    def publish(name, contents, urls=(), hashed="sha256"):
        def described(file, data):
            if hashed == "sha256":
                return weights.PublishedFile(file, len(data), hashlib.sha256(data).hexdigest(), tuple(urls))
            md5 = hashlib.md5(data).hexdigest() if hashed else ""
            return weights.PublishedFile(file, None, urls=tuple(urls), md5=md5)

        files = tuple(described(file, data) for file, data in contents.items())
        record = dataclasses.replace(weights.record(name), files=files)
        monkeypatch.setitem(registry._RECORDS, name, record)
        return record

    return publish


@pytest.fixture
def write_package(monkeypatch, tmp_path):
    """Function that installs a package: ``write_package(distribution, version, {path: bytes}) -> its folder``."""

    def write(distribution, version, files):
        site = tmp_path / "site"
        for path, data in files.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_bytes(data)
        information = site / f"{distribution}-{version}.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        found = importlib.metadata.PathDistribution(information)
        monkeypatch.setattr(importlib.metadata, "distribution", {distribution: found}.__getitem__)
        return site

    return write


@pytest.fixture
def hub(host, monkeypatch, tmp_path):
    """Hub without models, which is asked in place of the public one; its cache is that of the test alone."""
    monkeypatch.delenv("MXNET_AUDIO_WEIGHTS")
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "ENDPOINT", host.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", host.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    return FakeHub(host)


@pytest.fixture
def model(tmp_path):
    """Function that copies a tiny model: ``model(name, change={}) -> its folder``; the change is one of config.json."""

    def copy(name, change=()):
        folder = shutil.copytree(TINY / name, tmp_path / "mödels" / name, ignore=shutil.ignore_patterns("*.npz"))
        edit(folder / "config.json", change)
        return folder

    return copy
