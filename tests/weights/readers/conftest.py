"""Files of every kind, written by the toolkits themselves (see ``make_data.py``) or by safetensors."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

DATA = Path(__file__).parent / "data"


@pytest.fixture
def folder(tmp_path):
    """Copies of all files, with safetensors in one file and in two."""
    copied = shutil.copytree(DATA, tmp_path / "wéights")
    tensors = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.arange(6, dtype=np.float16) / 4,
        "c": np.array([3]),
    }
    (copied / "small.safetensors").write_bytes(save(tensors, {"note": "ü"}))
    (copied / "part.safetensors").write_bytes(save({"d": np.ones(2)}))
    places = dict.fromkeys("abc", "small.safetensors") | {"d": "part.safetensors"}
    (copied / "small.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return copied
