"""Optimizers beside PyTorch's, and the learning rates of schedules."""

import numpy as np
import pytest

from mxnet_audio.declarative.optimizers import OPTIMIZERS, make_optimizer, scheduled_rate
from mxnet_audio.declarative.training_section import LearningRateScheduler
from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.training.state import get_optimizer, set_optimizer

MOMENTS = {"betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.1}
SQUARES = {"alpha": 0.99, "eps": 1e-8, "weight_decay": 0.1}
# Name, parameters, and the weights after four steps of PyTorch 2.13 with a learning rate of 0.1.
EXPECTED = {
    "sgd": ("sgd", {"momentum": 0.9, "weight_decay": 0.1, "nesterov": False}, [0.95971, -1.91943]),
    "nesterov": ("sgd", {"momentum": 0.9, "weight_decay": 0.0, "nesterov": True}, [1.23784, -2.47569]),
    "adam": ("adam", MOMENTS, [0.84142, -1.84064]),
    "adamw": ("adamw", MOMENTS, [0.82168, -1.78227]),
    "adamax": ("adamax", MOMENTS, [0.84842, -1.84799]),
    "nadam": ("nadam", {**MOMENTS, "momentum_decay": 0.004}, [0.96597, -1.96537]),
    "adadelta": ("adadelta", {"rho": 0.9, "eps": 1e-6, "weight_decay": 0.1}, [1.00027, -2.00027]),
    "adagrad": (
        "adagrad",
        {"initial_accumulator_value": 0.1, "lr_decay": 0.01, "eps": 1e-10, "weight_decay": 0.0},
        [0.97821, -1.96608],
    ),
    "rmsprop": ("rmsprop", {**SQUARES, "centered": False, "momentum": 0.0}, [0.66491, -1.62545]),
    "centered": ("rmsprop", {**SQUARES, "centered": True, "momentum": 0.5}, [-0.44569, -0.48086]),
}


def trainer_of(name, parameters, *weights):
    """Return a trainer, and its parameters."""
    layers = [gluon.Parameter(f"weight{index}", shape=(2,)) for index in range(len(weights))]
    for layer, value in zip(layers, weights):
        layer.initialize()
        layer.set_data(nd.array(value))
    return gluon.Trainer(layers, make_optimizer(name, parameters), kvstore=None), layers


def take_steps(trainer, layers, steps):
    """Take steps with a learning rate of 0.1 and gradients that depend on the number of the step."""
    trainer.set_learning_rate(0.1)
    for step in steps:
        for layer in layers:
            layer.grad()[:] = nd.array([0.5, -1.0]) * (step + 1) * (-1) ** (step // 2)
            layer.data()._fresh_grad = True
        trainer.step(1)


@pytest.mark.parametrize("case", EXPECTED)
def test_steps_are_those_of_pytorch(case):
    name, parameters, expected = EXPECTED[case]
    trainer, layers = trainer_of(name, parameters, [1.0, -2.0], [1.0, -2.0])
    take_steps(trainer, layers, range(4))
    for layer in layers:  # each of several parameters
        np.testing.assert_allclose(layer.data().asnumpy(), expected, atol=1e-4)


@pytest.mark.parametrize("case", EXPECTED)
def test_the_state_can_be_stored(case):
    name, parameters, _ = EXPECTED[case]
    trainer, layers = trainer_of(name, parameters, [1.0, -2.0])
    take_steps(trainer, layers, range(2))
    other, others = trainer_of(name, parameters, layers[0].data())
    set_optimizer(other, get_optimizer(trainer))
    take_steps(trainer, layers, range(2, 5))
    take_steps(other, others, range(2, 5))
    np.testing.assert_array_equal(others[0].data().asnumpy(), layers[0].data().asnumpy())


def test_weights_without_gradients_stay_finite():
    for name, parameters, _ in EXPECTED.values():
        trainer, layers = trainer_of(name, {**parameters, "weight_decay": 0.0}, [0.0, 1.0])
        trainer.set_learning_rate(0.1)
        for _ in range(2):
            layers[0].grad()[:] = 0
            layers[0].data()._fresh_grad = True
            trainer.step(1)
        assert layers[0].data().asnumpy().tolist() == [0, 1], name


def test_all_optimizers_are_tested():
    assert {name for name, _, _ in EXPECTED.values()} == set(OPTIMIZERS)
    with pytest.raises(ParameterError, match="lbfgs"):
        make_optimizer("lbfgs", {})


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        ({}, [1, 1, 1, 1]),
        ({"decay": "linear"}, [1, 0.75, 0.5, 0]),
        ({"decay": "linear", "warmup_fraction": 0.5}, [0.25, 0.75, 1, 0]),
        ({"warmup_evaluations": 1}, [0.25, 0.75, 1, 1]),
        ({"decay": "exponential", "decay_rate": 0.25, "decay_steps": 4}, [1, 0.5, 0.25, 0.0625]),
        ({"decay": "exponential", "decay_rate": 0.25, "decay_steps": 4, "staircase": True}, [1, 1, 0.25, 0.0625]),
        ({"decay": "cosine"}, [1, 0.5, 1, 1]),
        ({"decay": "cosine", "t_0": 8, "eta_min": 0.5}, [1, 0.5 + 0.5 * (1 + 0.5**0.5) / 2, 0.75, 1]),
        ({"decay": "cosine", "t_0": 2, "t_mult": 2}, [1, 1, 0.5, (1 + 0.5**0.5) / 2]),
    ],
)
def test_learning_rates_follow_the_schedule(scheduler, expected):
    rates = [
        scheduled_rate(LearningRateScheduler(**scheduler), 1.0, step, total=8, steps_per_round=4)
        for step in (0, 2, 4, 8)
    ]
    np.testing.assert_allclose(rates, expected)
