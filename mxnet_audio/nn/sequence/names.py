"""Initializers and activations by Ludwig's names, and checks of keys."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mxnet_audio.checks import nearest, real_number
from mxnet_audio.engine import mx
from mxnet_audio.errors import ParameterError

__all__ = ["ACTIVATIONS", "INITIALIZERS", "activate", "check_dropout", "check_keys", "check_name", "get_initializer"]


@mx.init.register
class NormalAround(mx.init.Initializer):
    """Normal distribution of any mean; MXNet's is around 0."""

    def __init__(self, mean: float, stddev: float):
        super().__init__(mean=mean, stddev=stddev)
        self.mean, self.stddev = mean, stddev

    def _init_weight(self, name, array):
        mx.random.normal(self.mean, self.stddev, out=array)


@mx.init.register
class UniformBetween(mx.init.Initializer):
    """Uniform distribution between two limits; MXNet's is symmetric."""

    def __init__(self, minval: float, maxval: float):
        super().__init__(minval=minval, maxval=maxval)
        self.minval, self.maxval = minval, maxval

    def _init_weight(self, name, array):
        mx.random.uniform(self.minval, self.maxval, out=array)


def _scaled(distribution: str, fans: str, magnitude: float) -> mx.init.Initializer:
    return mx.init.Xavier(distribution, fans, magnitude)


# Their arguments are the keys beside `type`, and these are the defaults of PyTorch's functions of the same names.
_ANY_SHAPE: dict[str, Callable[..., mx.init.Initializer]] = {
    "zeros": mx.init.Zero,
    "ones": mx.init.One,
    "constant": lambda value=0.0: mx.init.Constant(value),
    "normal": lambda mean=0.0, stddev=1.0: NormalAround(mean, stddev),
    "uniform": lambda minval=0.0, maxval=1.0: UniformBetween(minval, maxval),
}
INITIALIZERS: dict[str, Callable[..., mx.init.Initializer]] = {
    "xavier_uniform": lambda: _scaled("uniform", "avg", 3),
    "xavier_normal": lambda: _scaled("gaussian", "avg", 1),
    "glorot_uniform": lambda: _scaled("uniform", "avg", 3),
    "glorot_normal": lambda: _scaled("gaussian", "avg", 1),
    "kaiming_uniform": lambda: _scaled("uniform", "in", 6),
    "kaiming_normal": lambda: _scaled("gaussian", "in", 2),
    "he_uniform": lambda: _scaled("uniform", "in", 6),
    "he_normal": lambda: _scaled("gaussian", "in", 2),
    "lecun_uniform": lambda: _scaled("uniform", "in", 3),
    "lecun_normal": lambda: _scaled("gaussian", "in", 1),
    "orthogonal": lambda gain=1.0: mx.init.Orthogonal(scale=gain),
    **_ANY_SHAPE,
}
_ARGUMENTS = {
    "constant": ("value",),
    "normal": ("mean", "stddev"),
    "uniform": ("minval", "maxval"),
    "orthogonal": ("gain",),
}

_SELU = (1.0507009873554805, 1.6732632423543772)  # scale and slope, G. Klambauer et al. 2017, arXiv:1706.02515
ACTIVATIONS: dict[str | None, Callable[..., Any]] = {
    None: lambda F, x: x,
    "linear": lambda F, x: x,
    "relu": lambda F, x: F.relu(x),
    "tanh": lambda F, x: F.tanh(x),
    "sigmoid": lambda F, x: F.sigmoid(x),
    "elu": lambda F, x: F.LeakyReLU(x, act_type="elu", slope=1.0),
    "selu": lambda F, x: _SELU[0] * F.LeakyReLU(x, act_type="elu", slope=_SELU[1]),
    "leakyRelu": lambda F, x: F.LeakyReLU(x, slope=0.01),
    "leaky_relu": lambda F, x: F.LeakyReLU(x, slope=0.01),
    "gelu": lambda F, x: F.LeakyReLU(x, act_type="gelu"),
    "silu": lambda F, x: x * F.sigmoid(x),
    "softplus": lambda F, x: F.Activation(x, act_type="softrelu"),
    "logSigmoid": lambda F, x: -F.Activation(-x, act_type="softrelu"),
    "softmax": lambda F, x: F.softmax(x, axis=1),
}


def check_name(argument: str, value: Any, choices: Iterable[str | None]) -> Any:
    """Return an argument that is one of a few names, or None where None is one of them.

    Parameters
    ----------
    argument : str
        Name of the argument, for the message.
    value : str or None
    choices : iterable of str or None

    Raises
    ------
    ParameterError
        If it is none of `choices`; the message has the nearest.

    Examples
    --------
    >>> check_name("padding", "smae", ("valid", "same"))
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: padding must be one of valid, same; got 'smae', did you mean same?
    """
    choices = list(choices)
    if (value is None or isinstance(value, str)) and value in choices:
        return value
    names = [name for name in choices if name is not None] + (["None"] if None in choices else [])
    raise ParameterError(
        f"{argument} must be one of {', '.join(names)}; got {reprlib.repr(value)}{nearest(value, names)}"
    )


def check_keys(name: str, values: Any, keys: Iterable[str]) -> dict[str, Any]:
    """Return a mapping as a dictionary, if it has no other keys than those that exist.

    Parameters
    ----------
    name : str
        Name of the mapping, for the message.
    values : mapping
    keys : iterable of str
        Keys that exist.

    Raises
    ------
    ParameterError
        If it is not a mapping, or has another key; the message has the nearest.

    Examples
    --------
    >>> check_keys("conv_layers[0]", {"num_filtres": 8}, ["num_filters", "filter_size"])
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: conv_layers[0].num_filtres: no such key, did you mean num_filters?
    """
    if not isinstance(values, Mapping):
        raise ParameterError(f"{name} must be a mapping of keys to values, got {reprlib.repr(values)}")
    keys = list(keys)
    for key in values:
        if key not in keys:
            hint = nearest(key, keys) or f"; there are {', '.join(keys)}"
            raise ParameterError(f"{name}.{key}: no such key{hint}")
    return dict(values)


def check_dropout(argument: str, value: Any) -> float:
    """Return an argument that is a share to drop in training.

    Raises
    ------
    ParameterError
        If it is not a number from 0 to less than 1.

    Examples
    --------
    >>> check_dropout("dropout", 1)
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: dropout must be >= 0 and < 1, got 1
    """
    if (checked := real_number(argument, value, 0)) < 1:
        return checked
    raise ParameterError(f"{argument} must be >= 0 and < 1, got {value!r}")


def get_initializer(argument: str, value: Any) -> mx.init.Initializer:
    """Make an initializer from Ludwig's name, or from its name and parameters.

    Parameters
    ----------
    argument : str
        Name of the argument, for the message; those of biases, which are vectors, begin with ``bias``, and cannot have
        an initializer that counts inputs and outputs.
    value : str or mapping
        One of `INITIALIZERS`, or a mapping with it as ``type``, such as ``{"type": "normal", "mean": 0, "stddev": 1}``.
        constant has a ``value``, uniform ``minval`` and ``maxval``, and orthogonal a ``gain``.

    Returns
    -------
    mxnet.initializer.Initializer

    Raises
    ------
    ParameterError
        If there is no such initializer, or it has no such parameter.

    Examples
    --------
    >>> get_initializer("weights_initializer", "he_normal").dumps()
    '["xavier", {"rnd_type": "gaussian", "factor_type": "in", "magnitude": 2}]'
    >>> get_initializer("bias_initializer", {"type": "constant", "value": 1}).dumps()
    '["constant", {"value": 1.0}]'
    """
    given = dict(value) if isinstance(value, Mapping) else {"type": value}
    is_bias = argument.rpartition(".")[2].startswith("bias")
    kind = check_name(argument, given.pop("type", None), _ANY_SHAPE if is_bias else INITIALIZERS)
    given = check_keys(argument, given, _ARGUMENTS.get(kind, ()))
    numbers = {key: real_number(f"{argument}.{key}", number) for key, number in given.items()}
    if numbers.get("stddev", 1) < 0:
        raise ParameterError(f"{argument}.stddev must be a number >= 0, got {numbers['stddev']:g}")
    return INITIALIZERS[kind](**numbers)


def activate(F, x, activation: str | None):
    """Apply an activation by its name.

    Parameters
    ----------
    F : module
        `mxnet.nd` or `mxnet.sym`.
    x : NDArray or Symbol [shape=(batch, channels, ...)]
    activation : str or None
        One of `ACTIVATIONS`; None or "linear" for none. softmax is over the channels.

    Returns
    -------
    NDArray or Symbol, as `x`

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> activate(nd, nd.array([[-2, 3]]), "relu").asnumpy()
    array([[0., 3.]], dtype=float32)
    """
    return ACTIVATIONS[activation](F, x)
