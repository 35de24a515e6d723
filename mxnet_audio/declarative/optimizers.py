"""Optimizers by Ludwig's names and parameters, and learning rates that change in the course of a training."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from mxnet_audio.checks import one_of
from mxnet_audio.engine import mx, nd

__all__ = ["OPTIMIZERS", "make_optimizer", "scheduled_rate"]

Arrays = tuple[nd.NDArray, nd.NDArray]


class _AdamW(mx.optimizer.Adam):
    """Adam whose weight decay does not pass through its moments (arXiv 1711.05101)."""

    def __init__(self, decay: float, **kwargs: Any):
        super().__init__(**kwargs)
        self._decay = decay

    def update(self, index: int, weight: nd.NDArray, grad: nd.NDArray, state: Arrays) -> None:
        weight *= 1 - self._get_lr(index) * self._decay
        super().update(index, weight, grad, state)


class _AdaDelta(mx.optimizer.AdaDelta):
    """AdaDelta whose steps are multiplied by the learning rate, which MXNet's own ignores."""

    def __init__(self, decay: float, **kwargs: Any):
        super().__init__(**kwargs)
        self._decay = decay

    def update(self, index: int, weight: nd.NDArray, grad: nd.NDArray, state: Arrays) -> None:
        before = weight.copy()
        super().update(index, weight, grad + self._decay * weight, state)
        weight[:] = before + self._get_lr(index) * (weight - before)


class _Adagrad(mx.optimizer.AdaGrad):
    """AdaGrad with an initial accumulator, and with a learning rate that falls as 1 / (1 + lr_decay * updates)."""

    def __init__(self, initial: float, lr_decay: float, **kwargs: Any):
        super().__init__(**kwargs)
        self._initial, self._lr_decay = initial, lr_decay

    def create_state(self, index: int, weight: nd.NDArray) -> nd.NDArray:
        return nd.full(weight.shape, self._initial, ctx=weight.context, dtype=weight.dtype)

    def _get_lr(self, index: int) -> float:
        return super()._get_lr(index) / (1 + self._lr_decay * (self._index_update_count[index] - 1))


class _Adamax(mx.optimizer.Adamax):
    """Adamax with an epsilon: without it, a weight whose gradients are 0 becomes NaN."""

    def __init__(self, epsilon: float, **kwargs: Any):
        super().__init__(**kwargs)
        self._epsilon = epsilon

    def update(self, index: int, weight: nd.NDArray, grad: nd.NDArray, state: Arrays) -> None:
        self._update_count(index)
        grad = grad + self._get_wd(index) * weight
        mean, largest = state
        mean[:] = self.beta1 * mean + (1 - self.beta1) * grad
        largest[:] = nd.maximum(self.beta2 * largest, nd.abs(grad) + self._epsilon)
        weight -= self._get_lr(index) / (1 - self.beta1 ** self._index_update_count[index]) * mean / largest


class _Nadam(mx.optimizer.Nadam):
    """Nadam whose momentum schedule advances once a step; MXNet's own advances once for each parameter."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self._products = [1.0]  # of the momenta of as many steps

    def update(self, index: int, weight: nd.NDArray, grad: nd.NDArray, state: Arrays) -> None:
        done = self._index_update_count.get(index, 0)
        while len(self._products) <= done:
            momentum = self.beta1 * (1 - 0.5 * 0.96 ** (len(self._products) * self.schedule_decay))
            self._products.append(self._products[-1] * momentum)
        self.m_schedule = self._products[done]
        super().update(index, weight, grad, state)


def _betas(parameters: Mapping[str, Any]) -> dict[str, float]:
    beta1, beta2 = parameters["betas"]
    return {"beta1": beta1, "beta2": beta2}


def _sgd(parameters: Mapping[str, Any]) -> mx.optimizer.Optimizer:
    optimizer = mx.optimizer.NAG if parameters["nesterov"] else mx.optimizer.SGD
    return optimizer(momentum=parameters["momentum"], wd=parameters["weight_decay"])


def _adam(parameters: Mapping[str, Any]) -> mx.optimizer.Optimizer:
    return mx.optimizer.Adam(epsilon=parameters["eps"], wd=parameters["weight_decay"], **_betas(parameters))


def _adamw(parameters: Mapping[str, Any]) -> mx.optimizer.Optimizer:
    return _AdamW(parameters["weight_decay"], epsilon=parameters["eps"], **_betas(parameters))


def _adamax(parameters: Mapping[str, Any]) -> mx.optimizer.Optimizer:
    return _Adamax(parameters["eps"], wd=parameters["weight_decay"], **_betas(parameters))


def _nadam(parameters: Mapping[str, Any]) -> mx.optimizer.Optimizer:
    rest = {"epsilon": parameters["eps"], "wd": parameters["weight_decay"]}
    return _Nadam(schedule_decay=parameters["momentum_decay"], **rest, **_betas(parameters))


def _adadelta(parameters: Mapping[str, Any]) -> mx.optimizer.Optimizer:
    return _AdaDelta(parameters["weight_decay"], rho=parameters["rho"], epsilon=parameters["eps"])


def _adagrad(parameters: Mapping[str, Any]) -> mx.optimizer.Optimizer:
    initial, decay = parameters["initial_accumulator_value"], parameters["lr_decay"]
    return _Adagrad(initial, decay, eps=parameters["eps"], wd=parameters["weight_decay"])


def _rmsprop(parameters: Mapping[str, Any]) -> mx.optimizer.Optimizer:
    options = {"gamma1": parameters["alpha"], "epsilon": parameters["eps"], "wd": parameters["weight_decay"]}
    return mx.optimizer.RMSProp(centered=parameters["centered"], gamma2=parameters["momentum"], **options)


#: Functions from Ludwig's parameters to an optimizer, by Ludwig's names.
OPTIMIZERS: dict[str, Callable[[Mapping[str, Any]], mx.optimizer.Optimizer]] = {
    "sgd": _sgd,
    "adam": _adam,
    "adamw": _adamw,
    "adamax": _adamax,
    "nadam": _nadam,
    "adadelta": _adadelta,
    "adagrad": _adagrad,
    "rmsprop": _rmsprop,
}


def make_optimizer(name: str, parameters: Mapping[str, Any]) -> mx.optimizer.Optimizer:
    """Make an optimizer; its learning rate is set before each step.

    Parameters
    ----------
    name : str
        One of `OPTIMIZERS`.
    parameters : mapping
        All of its parameters by Ludwig's names, such as ``betas``, ``eps`` and ``weight_decay``.

    Raises
    ------
    ParameterError
        If there is no such optimizer.

    Examples
    --------
    >>> type(make_optimizer("sgd", {"momentum": 0.9, "weight_decay": 0.0, "nesterov": True})).__name__
    'NAG'
    """
    return OPTIMIZERS[one_of("optimizer", name, tuple(OPTIMIZERS))](parameters)


def scheduled_rate(scheduler: Any, base: float, step: int, *, total: int, steps_per_round: int) -> float:
    """Return the learning rate of a step by Ludwig's ``learning_rate_scheduler``, without reductions on a plateau.

    The rate rises linearly during the warm-up, and then follows the decay.

    Parameters
    ----------
    scheduler : LearningRateScheduler
        Settings of the schedule.
    base : float > 0
        Highest learning rate.
    step : int >= 0
        Number of steps before this one.
    total : int > 0
        Number of steps of the whole training.
    steps_per_round : int > 0
        Number of steps from one evaluation to the next; by default also that of a cosine.
    """
    warmup = int(max(scheduler.warmup_fraction * total, scheduler.warmup_evaluations * steps_per_round))
    if step < warmup:
        return base * (step + 1) / warmup
    step -= warmup
    if scheduler.decay == "linear":
        return base * max(0.0, 1 - step / max(1, total - warmup))
    if scheduler.decay == "exponential":
        exponent = step / scheduler.decay_steps
        return base * scheduler.decay_rate ** (math.floor(exponent) if scheduler.staircase else exponent)
    if scheduler.decay == "cosine":
        period = scheduler.t_0 or steps_per_round
        while step >= period:  # warm restarts (arXiv 1608.03983)
            step, period = step - period, period * scheduler.t_mult
        lowest = min(scheduler.eta_min, base)
        return lowest + (base - lowest) * (1 + math.cos(math.pi * step / period)) / 2
    return base
