"""Tests of the numbers of a training run."""

import json

import numpy as np
import pytest

from mxnet_audio.errors import ParameterError
from mxnet_audio.training import Settings

GOOD = {"batch_size": 8, "epochs": 2, "random_state": 42, "learning_rate": 0.001, "checkpoint_interval": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"epochs": -1},
        {"checkpoint_interval": 0},
        {"random_state": -1},
        {"random_state": 2**32},
        {"learning_rate": 0},
        {"learning_rate": float("nan")},
        {"learning_rate": float("inf")},
        {"learning_rate": "fast"},
        {"epochs": 2.5},
        {"random_state": None},
    ],
)
def test_a_bad_argument_is_named(wrong):
    [(name, value)] = wrong.items()
    with pytest.raises(ParameterError, match=f"{name} .*{value}"):
        Settings(**GOOD | wrong)


def test_numpy_numbers_become_json():
    settings = Settings(
        **GOOD | {"batch_size": np.int64(8), "learning_rate": np.float64(0.001), "random_state": np.uint32(42)}
    )
    assert json.loads(json.dumps(settings.identity())) == Settings(**GOOD).identity()
