"""Tests of the settings of layers by Ludwig's keys."""

from dataclasses import fields

import pytest

from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.sequence.layers import (
    ConvSettings,
    FullyConnectedSettings,
    choose_layers,
    layer_list,
    norm_arguments,
)

SHARED = {"activation", "dropout", "norm", "norm_params", "use_bias", "bias_initializer", "weights_initializer"}
OF_CONVOLUTIONS = {
    "num_filters",
    "filter_size",
    "strides",
    "padding",
    "dilation_rate",
    "pool_function",
    "pool_padding",
    "pool_size",
    "pool_strides",
}


def test_keys_are_those_of_ludwig():
    assert {field.name for field in fields(FullyConnectedSettings)} == SHARED | {"output_size"}
    assert {field.name for field in fields(ConvSettings)} == SHARED | OF_CONVOLUTIONS


def test_a_layer_takes_from_the_defaults_what_it_does_not_set():
    default = ConvSettings(num_filters=8, pool_size=2, norm="batch")
    first, second = layer_list("conv_layers", [{"pool_size": None}, {"filter_size": 5.0}], None, (), default)
    assert (first.num_filters, first.filter_size, first.pool_size, first.norm) == (8, 3, None, "batch")
    assert (second.num_filters, second.filter_size, second.pool_size) == (8, 5, 2)
    assert isinstance(second.filter_size, int)


def test_number_of_layers_and_the_standard_list():
    default = FullyConnectedSettings(output_size=7)
    sizes = [layer.output_size for layer in layer_list("fc_layers", None, 2, [{"output_size": 3}], default)]
    assert sizes == [7, 7]
    sizes = [layer.output_size for layer in layer_list("fc_layers", None, None, [{"output_size": 3}, {}], default)]
    assert sizes == [3, 7]
    assert (
        layer_list("fc_layers", None, 0, [{}], default, 0) == layer_list("fc_layers", [], None, [{}], default, 0) == []
    )


@pytest.mark.parametrize(
    ("layers", "number", "match"),
    [
        ([{}], 1, "conv_layers and num_conv_layers"),
        ([], None, "at least 1"),
        ({"filter_size": 3}, None, "must be a list"),
        ("layers", None, "must be a list"),
        (3, None, "must be a list"),
        (None, 0, "num_conv_layers"),
        (None, "2", "num_conv_layers"),
        ([{}, 5], None, r"conv_layers\[1\] must be a mapping"),
        ([{}, {"filter_sise": 5}], None, r"conv_layers\[1\]\.filter_sise: .* filter_size\?"),
        ([{"stride": 5}], None, r"strides\?"),
        ([{"pool_paddin": 5}], None, r"pool_padding\?"),
        ([{"output_size": 5}], None, r"conv_layers\[0\]\.output_size: no such key"),
        ([{"filter_size": 0}], None, r"conv_layers\[0\]\.filter_size"),
        ([{"filter_size": 2.5}], None, r"conv_layers\[0\]\.filter_size"),
        ([{"filter_size": None}], None, r"conv_layers\[0\]\.filter_size"),
        ([{"num_filters": True}], None, r"conv_layers\[0\]\.num_filters"),
        ([{"strides": -1}], None, r"conv_layers\[0\]\.strides"),
        ([{"dilation_rate": 0}], None, r"conv_layers\[0\]\.dilation_rate"),
        ([{"pool_size": 0}], None, r"conv_layers\[0\]\.pool_size"),
        ([{"pool_strides": "1"}], None, r"conv_layers\[0\]\.pool_strides"),
        ([{"padding": "smae"}], None, r"conv_layers\[0\]\.padding .* same\?"),
        ([{"pool_padding": 1}], None, r"conv_layers\[0\]\.pool_padding"),
        ([{"pool_function": "maxi"}], None, r"conv_layers\[0\]\.pool_function .* max\?"),
        ([{"activation": "rleu"}], None, r"conv_layers\[0\]\.activation .* relu\?"),
        ([{"dropout": 1.5}], None, r"conv_layers\[0\]\.dropout"),
        ([{"norm": "bach"}], None, r"conv_layers\[0\]\.norm .* batch\?"),
        ([{"norm": "batch", "norm_params": {"epz": 1}}], None, r"conv_layers\[0\]\.norm_params\.epz: .* eps\?"),
        ([{"norm_params": 3}], None, r"conv_layers\[0\]\.norm_params"),
        ([{"use_bias": "yes"}], None, r"conv_layers\[0\]\.use_bias"),
        ([{"weights_initializer": "zero"}], None, r"conv_layers\[0\]\.weights_initializer .* zeros\?"),
        (
            [{"bias_initializer": {"type": "normal", "men": 1}}],
            None,
            r"conv_layers\[0\]\.bias_initializer\.men: .* mean",
        ),
    ],
)
def test_bad_layers_are_named(layers, number, match):
    with pytest.raises(ParameterError, match=match):
        layer_list("conv_layers", layers, number, [{}], ConvSettings())


def test_lists_of_lists_are_chosen_alike():
    assert choose_layers("stacked_layers", None, 2, [{}], ()) == [[{}], [{}]]
    with pytest.raises(ParameterError, match="num_stacked_layers"):
        choose_layers("stacked_layers", [[{}]], 2, [{}], ())


def test_norms_have_the_parameters_of_pytorch():
    assert norm_arguments(None, None) == norm_arguments(None, {"eps": 1, "affine": False}) == {}
    batch = norm_arguments("batch", {"momentum": 1, "eps": 0.5, "affine": False})
    assert batch == {"epsilon": 0.5, "momentum": 0, "scale": False, "center": False}
    layer = norm_arguments("layer", {"elementwise_affine": False})
    assert layer == {"epsilon": 1e-5, "scale": False, "center": False}


@pytest.mark.parametrize(
    ("norm", "params", "match"),
    [
        (None, {"epz": 1}, "eps"),
        ("layer", {"momentum": 0.1}, "momentum: no such key"),
        ("batch", {"momentum": None}, "norm_params.momentum"),
        ("batch", {"momentum": 2}, "norm_params.momentum"),
        ("batch", {"eps": 0}, "norm_params.eps"),
        ("batch", {"affine": 1}, "norm_params.affine"),
        ("layer", {"elementwise_affine": "no"}, "norm_params.elementwise_affine"),
    ],
)
def test_bad_parameters_of_norms(norm, params, match):
    with pytest.raises(ParameterError, match=match):
        norm_arguments(norm, params)
