"""Fixtures that the whole suite shares: real recordings, and sound made on the spot."""

import os
from pathlib import Path

# Before NumPy and MXNet read it: small networks gain nothing by threads, which crawl beside other busy processes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import soundfile as sf
from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)  # a run is as good as the last one, anywhere
settings.load_profile("same")

DATA = Path(os.environ.get("MXNET_AUDIO_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def _corpus(name: str) -> Path:
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder}: set MXNET_AUDIO_DATA")
    return folder


@pytest.fixture(scope="session")
def esc10() -> Path:
    """Folder of ESC-10, folds 1 to 4: ``<class>/<fold>-<id>-<take>.ogg``."""
    return _corpus("esc10")


@pytest.fixture(scope="session")
def fsdd() -> Path:
    """Folder of spoken digits: ``<digit>_<speaker>_<take>.wav``."""
    return _corpus("fsdd")


@pytest.fixture(scope="session")
def music() -> Path:
    """Folder of longer recordings."""
    return _corpus("music")


@pytest.fixture
def write_tone():
    """Writer of test tones: ``write_tone(path, frequency=440.0, seconds=1.0, sr=22050, channels=1)``."""

    def write(path, frequency=440.0, seconds=1.0, sr=22050, channels=1, amplitude=0.5, **kwargs):
        t = np.arange(int(seconds * sr)) / sr
        y = amplitude * np.sin(2 * np.pi * frequency * t)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(path, np.stack([y] * channels, axis=-1), sr, **kwargs)
        return path

    return write
