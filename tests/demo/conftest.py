"""Sounds for the demo scripts."""

from pathlib import Path

import pytest

from mxnet_audio.datasets.synthetic import synthesise


@pytest.fixture(scope="session")
def sound(make_once) -> Path:
    """Folder of ten class folders, four clips of 1 s each, and a file that is no sound."""

    def fill(folder):
        synthesise(folder, clips_per_class=4, sr=12000, seconds=1.0)
        (folder / "bell" / "a text.wav").write_text("not sound")  # the first file of all

    return make_once("sound of ours", fill)


@pytest.fixture(autouse=True)
def feature_cache(monkeypatch, tmp_path_factory):
    """Feature cache of the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "demo-cache"))
