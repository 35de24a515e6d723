"""Settings of layers, and of lists of layers, by Ludwig's keys."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from mxnet_audio.checks import real_number, whole_number
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.sequence.names import ACTIVATIONS, check_dropout, check_keys, check_name, get_initializer

__all__ = [
    "ConvSettings",
    "FullyConnectedSettings",
    "choose_layers",
    "layer_list",
    "norm_arguments",
    "optional_fc_layers",
]

NORMS = (None, "batch", "layer")
PADDINGS = ("valid", "same")
POOLS = ("max", "average", "avg", "mean")
_NORM_KEYS = {"batch": ("eps", "momentum", "affine"), "layer": ("eps", "elementwise_affine")}


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """Keys that convolutional and fully connected layers share."""

    activation: str | None = "relu"
    dropout: float = 0.0
    norm: str | None = None
    norm_params: Mapping[str, Any] | None = None
    use_bias: bool = True
    bias_initializer: str | Mapping[str, Any] = "zeros"
    weights_initializer: str | Mapping[str, Any] = "xavier_uniform"

    def __post_init__(self):
        check_name("activation", self.activation, ACTIVATIONS)
        self._set("dropout", check_dropout("dropout", self.dropout))
        check_name("norm", self.norm, NORMS)
        norm_arguments(self.norm, self.norm_params)
        if not isinstance(self.use_bias, bool):
            raise ParameterError(f"use_bias must be true or false, got {reprlib.repr(self.use_bias)}")
        get_initializer("bias_initializer", self.bias_initializer)
        get_initializer("weights_initializer", self.weights_initializer)

    def _set(self, name: str, value: float) -> None:
        object.__setattr__(self, name, value)  # the dataclass is frozen

    @property
    def shared(self) -> dict[str, Any]:
        """Settings that both kinds of layers have."""
        return {field.name: getattr(self, field.name) for field in fields(_Settings)}


@dataclass(frozen=True, kw_only=True)
class FullyConnectedSettings(_Settings):
    """Settings of a fully connected layer, with Ludwig's names.

    Parameters
    ----------
    output_size : int > 0
        Length of its output.
    activation : str or None
        One of `names.ACTIVATIONS`.
    dropout : float
        Share of the output that is dropped in training.
    norm : {None, 'batch', 'layer'}
        Norm before the activation.
    norm_params : mapping, optional
        Parameters of the norm, see `norm_arguments`.
    use_bias : bool
        Whether a bias is added.
    bias_initializer, weights_initializer : str or mapping
        See `names.get_initializer`.

    Raises
    ------
    ParameterError
        If a value is out of range; it is named.

    Examples
    --------
    >>> FullyConnectedSettings(output_size=16).activation
    'relu'
    """

    output_size: int = 256

    def __post_init__(self):
        super().__post_init__()
        self._set("output_size", whole_number("output_size", self.output_size))


@dataclass(frozen=True, kw_only=True)
class ConvSettings(_Settings):
    """Settings of a convolutional layer, with Ludwig's names.

    Parameters
    ----------
    num_filters : int > 0
        Number of filters.
    filter_size : int > 0 [steps]
        Length of a filter.
    strides : int > 0 [steps]
        Distance from one step of the output to the next.
    padding : {'same', 'valid'}
        Whether the input is padded with zeros, so that the output has as many steps; or not, so that it has fewer.
    dilation_rate : int > 0 [steps]
        Distance from one tap of a filter to the next.
    pool_function : {'max', 'average', 'avg', 'mean'}
        Maximum or mean of a pool, over its steps within the length of a sequence.
    pool_size : int > 0, optional [steps]
        Length of a pool. Default: no pools.
    pool_strides : int > 0, optional [steps]
        Distance from one pool to the next. Default: `pool_size`.
    pool_padding : {'same', 'valid'}
        Whether pools begin ``(pool_size - 1) // 2`` steps before the input, and end as many behind it.
    activation, dropout, norm, norm_params, use_bias, bias_initializer, weights_initializer
        See `FullyConnectedSettings`.

    Raises
    ------
    ParameterError
        If a value is out of range; it is named.

    Examples
    --------
    >>> ConvSettings(filter_size=5, dilation_rate=2).reach
    9
    """

    num_filters: int = 256
    filter_size: int = 3
    strides: int = 1
    padding: str = "same"
    dilation_rate: int = 1
    pool_function: str = "max"
    pool_size: int | None = None
    pool_strides: int | None = None
    pool_padding: str = "same"

    def __post_init__(self):
        super().__post_init__()
        for name in ("num_filters", "filter_size", "strides", "dilation_rate"):
            self._set(name, whole_number(name, getattr(self, name)))
        for name in ("pool_size", "pool_strides"):
            if getattr(self, name) is not None:
                self._set(name, whole_number(name, getattr(self, name)))
        check_name("padding", self.padding, PADDINGS)
        check_name("pool_padding", self.pool_padding, PADDINGS)
        check_name("pool_function", self.pool_function, POOLS)

    @property
    def reach(self) -> int:
        """Number of steps from the first tap of a filter to its last, both included."""
        return (self.filter_size - 1) * self.dilation_rate + 1


Settings = TypeVar("Settings", ConvSettings, FullyConnectedSettings)


def layer_list(
    name: str,
    layers: Sequence[Mapping[str, Any]] | None,
    number: int | None,
    standard: Sequence[Mapping[str, Any]],
    default: Settings,
    minimum: int = 1,
) -> list[Settings]:
    """Return the settings of each layer of a list.

    Parameters
    ----------
    name : str
        Name of the list, such as "conv_layers"; the number is named "num_conv_layers".
    layers : sequence of mapping, optional
        Settings of each layer that differ from `default`.
    number : int, optional
        Number of layers as `default`, in place of `layers`.
    standard : sequence of mapping
        Used in place of `layers` if both are None.
    default : ConvSettings or FullyConnectedSettings
        Settings that a layer does not set itself.
    minimum : int
        Fewest layers.

    Returns
    -------
    list of ConvSettings or FullyConnectedSettings

    Raises
    ------
    ParameterError
        If both are given, there are too few layers, a key does not exist, or a value is out of range.

    Examples
    --------
    >>> [layer.filter_size for layer in layer_list("conv_layers", None, 2, (), ConvSettings(filter_size=4))]
    [4, 4]
    >>> layer_list("conv_layers", [{"pool_size": 0}], None, (), ConvSettings())
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: conv_layers[0].pool_size must be a whole number >= 1, got 0
    """
    chosen = choose_layers(name, layers, number, {}, standard, minimum)
    return [_with(f"{name}[{index}]", layer, default) for index, layer in enumerate(chosen)]


def optional_fc_layers(
    layers: Sequence[Mapping[str, Any]] | None,
    number: int | None,
    fc_activation: str | None,
    fc_dropout: float,
    **settings: Any,
) -> list[FullyConnectedSettings]:
    """Return the settings of fully connected layers, of which there are none unless a list or a number is given.

    Parameters
    ----------
    layers, number
        The arguments ``fc_layers`` and ``num_fc_layers`` of an encoder; see `layer_list`.
    fc_activation, fc_dropout, **settings
        Settings that a layer does not set itself; see `FullyConnectedSettings`.

    Returns
    -------
    list of FullyConnectedSettings

    Raises
    ------
    ParameterError
        If a setting is out of range, or both a list and a number are given.

    Examples
    --------
    >>> [layer.output_size for layer in optional_fc_layers(None, 2, "relu", 0.0, output_size=8)]
    [8, 8]
    """
    check_name("fc_activation", fc_activation, ACTIVATIONS)
    check_dropout("fc_dropout", fc_dropout)
    default = FullyConnectedSettings(activation=fc_activation, dropout=fc_dropout, **settings)
    return layer_list("fc_layers", layers, None if number == 0 else number, (), default, 0)


def choose_layers(
    name: str, layers: Sequence[Any] | None, number: int | None, one: Any, standard: Sequence[Any], minimum: int = 1
) -> Sequence[Any]:
    """Return the list that was given, `one` as often as the number says, or else the standard list; see `layer_list`.

    Examples
    --------
    >>> choose_layers("conv_layers", [{}], 1, {}, ())
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: conv_layers and num_conv_layers exclude each other: leave one of them out
    """
    if layers is not None and number is not None:
        raise ParameterError(f"{name} and num_{name} exclude each other: leave one of them out")
    if number is not None:
        return [one] * whole_number(f"num_{name}", number, minimum)
    chosen = standard if layers is None else layers
    if not isinstance(chosen, Sequence) or isinstance(chosen, str) or len(chosen) < minimum:
        kind = f"list of at least {minimum} layers" if minimum else "list of layers"
        raise ParameterError(f"{name} must be a {kind}, got {reprlib.repr(chosen)}")
    return chosen


def _with(name: str, layer: Mapping[str, Any], default: Settings) -> Settings:
    given = check_keys(name, layer, sorted(field.name for field in fields(default)))
    try:
        return replace(default, **given)
    except ParameterError as error:
        raise ParameterError(f"{name}.{error.reason}") from None


def norm_arguments(norm: str | None, params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return Gluon's arguments of a norm from PyTorch's, which are Ludwig's ``norm_params``.

    Parameters
    ----------
    norm : {None, 'batch', 'layer'}
    params : mapping, optional
        ``eps`` (1e-5), added to variances; of batch norm ``momentum`` (0.1), the weight of a batch in the running
        statistics, and ``affine`` (true), whether scales and shifts are learned, and of layer norm
        ``elementwise_affine``, the same.

    Returns
    -------
    dict

    Raises
    ------
    ParameterError
        If there is no such parameter, or it is out of range.

    Examples
    --------
    >>> norm_arguments("batch", {"momentum": 0.25})
    {'epsilon': 1e-05, 'scale': True, 'center': True, 'momentum': 0.75}
    """
    # Without a norm the parameters may be meant for layers that set one themselves.
    keys = _NORM_KEYS[norm] if norm is not None else {key for keys in _NORM_KEYS.values() for key in keys}
    given = check_keys("norm_params", {} if params is None else params, sorted(keys))
    if norm is None:
        return {}
    affine_key = "affine" if norm == "batch" else "elementwise_affine"
    affine = given.get(affine_key, True)
    if not isinstance(affine, bool):
        raise ParameterError(f"norm_params.{affine_key} must be true or false, got {reprlib.repr(affine)}")
    epsilon = real_number("norm_params.eps", given.get("eps", 1e-5), above=0)
    arguments: dict[str, Any] = {"epsilon": epsilon, "scale": affine, "center": affine}
    if norm == "batch":
        arguments["momentum"] = 1 - real_number("norm_params.momentum", given.get("momentum", 0.1), 0, 1)
    return arguments
