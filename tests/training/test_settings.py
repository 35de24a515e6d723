"""The numbers that a training run follows."""

import json

import numpy as np
import pytest

from mxnet_audio.errors import ModelError
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
    ],
)
def test_what_makes_no_sense_is_named(wrong):
    with pytest.raises(ModelError, match=next(iter(wrong))):
        Settings(**GOOD | wrong)


def test_fractions_are_no_counts():
    with pytest.raises(TypeError):
        Settings(**GOOD | {"epochs": 2.5})


def test_numbers_of_numpy_become_json():
    settings = Settings(
        **GOOD | {"batch_size": np.int64(8), "learning_rate": np.float64(0.001), "random_state": np.uint32(42)}
    )
    assert json.loads(json.dumps(settings.identity())) == Settings(**GOOD).identity()
