"""Labelled clips as they are given; class order and unknown labels are tested with ``training.split``."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio import training
from mxnet_audio.datasets import labels
from mxnet_audio.errors import DatasetError


def test_pairs_become_strings_and_pythons_own_numbers():
    sound = (np.ones(4), 8000)
    (one, label), (other, kind) = labels.checked_pairs([(Path("a.wav"), np.int64(3)), (sound, "x")])
    assert (one, label, type(label)) == ("a.wav", 3, int) and other is sound and kind == "x"
    for bad in ([], ["a.wav"], [(None, 1)]):
        with pytest.raises(DatasetError):
            labels.checked_pairs(bad)


def test_training_has_them_too_and_mxnet_is_not_needed():
    assert training.checked_pairs is labels.checked_pairs and training.to_targets is labels.to_targets
    code = (
        "import sys, mxnet_audio.datasets.labels; sys.exit(any(name in sys.modules for name in ('mxnet', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
