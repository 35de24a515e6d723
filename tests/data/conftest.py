"""Fixtures: clips for datasets."""

import numpy as np
import pytest
import soundfile as sf

SR = 8000


@pytest.fixture
def wavs(tmp_path):
    """Paths of three clips with 100, 200 and 300 samples."""
    paths = []
    for index, name in enumerate("abc"):
        path = tmp_path / f"{name}.wav"
        sf.write(path, np.random.default_rng(index).uniform(-0.5, 0.5, 100 * (index + 1)), SR)
        paths.append(str(path))
    return paths
