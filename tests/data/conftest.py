"""Clips for datasets."""

import numpy as np
import pytest
import soundfile as sf

SR = 8000


@pytest.fixture
def wavs(tmp_path):
    """Three clips of 100, 200 and 300 samples, and their paths."""
    paths = []
    for place, name in enumerate("abc"):
        path = tmp_path / f"{name}.wav"
        sf.write(path, np.random.default_rng(place).uniform(-0.5, 0.5, 100 * (place + 1)), SR)
        paths.append(str(path))
    return paths
