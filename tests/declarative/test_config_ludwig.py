"""Every block of Ludwig's page on audio features loads, and encoders have the parameters of the networks."""

import inspect
import itertools
from pathlib import Path

import pytest
import yaml

from mxnet_audio import weights
from mxnet_audio.declarative import RunConfig, encoders
from mxnet_audio.declarative.combiner import fc_settings
from mxnet_audio.declarative.layers import INITIALIZERS, ConvLayer, FcLayer
from mxnet_audio.nn.sequence import ENCODERS, get_sequence_encoder, names
from mxnet_audio.nn.sequence.layers import ConvSettings, FullyConnectedSettings

BLOCKS = sorted((Path(__file__).parent / "ludwig_blocks").glob("*.yaml"))
OUTPUTS = [{"name": "label", "type": "category"}]
SECTIONS = {
    section.model_fields["type"].default: section
    for section in encoders.ENCODERS
    if issubclass(section, encoders.SequenceEncoder)
}


def read(block):
    """Return the configuration with a block, which is an input feature or another section."""
    feature = block if "name" in block else {"name": "audio_path", "type": "audio"}
    return RunConfig.read(
        {"input_features": [feature], "output_features": OUTPUTS, **(block if feature != block else {})}
    )


@pytest.mark.parametrize("path", BLOCKS, ids=[path.stem for path in BLOCKS])
def test_the_block_loads(path):
    block = yaml.safe_load(path.read_text())
    feature = read(block).input_features[0]
    written = feature.model_dump(mode="json")
    for part, keys in block.get("defaults", {"audio": block})["audio"].items():
        if part in ("encoder", "preprocessing"):
            used = {key for key in keys if key in written[part]}
            assert {key: keys[key] for key in used} == {key: written[part][key] for key in used}


@pytest.mark.parametrize("name", [*SECTIONS, "wav2vec2", "whisper", "hubert"])
def test_blocks_have_the_defaults(name):
    block = yaml.safe_load((Path(__file__).parent / "ludwig_blocks" / f"{name}.yaml").read_text())
    encoder = read(block).input_features[0].encoder
    assert encoder == read({**block, "encoder": {"type": name}}).input_features[0].encoder
    assert set(block["encoder"]) >= set(type(encoder).model_fields) - {"revision", "layer"}


@pytest.mark.parametrize("kind", SECTIONS)
def test_fields_are_the_parameters_of_the_network(kind):
    parameters = inspect.signature(ENCODERS[kind]).parameters.values()
    of_network = {
        one.name: one.default
        for one in parameters
        if one.kind is one.KEYWORD_ONLY and one.name not in ("prefix", "params")
    }
    fields = {name: field.default for name, field in SECTIONS[kind].model_fields.items() if name != "type"}
    assert fields == of_network


@pytest.mark.parametrize("kind", SECTIONS)
def test_the_network_takes_the_parameters(kind):
    encoder = (
        RunConfig.read(
            {"input_features": [{"name": "a", "type": "audio", "encoder": kind}], "output_features": OUTPUTS}
        )
        .input_features[0]
        .encoder
    )
    assert get_sequence_encoder(kind, 4, 200, **encoder.parameters()).output_dim > 0


def test_all_encoders_exist():
    assert sorted(encoders.SEQUENCE_TYPES) == sorted(ENCODERS)
    assert sorted(encoders.PRETRAINED_TYPES) == sorted(weights.names())


def test_layers_have_the_keys_of_the_network():
    for layer, settings in ((ConvLayer, ConvSettings), (FcLayer, FullyConnectedSettings)):
        assert set(layer.model_fields) == set(inspect.signature(settings).parameters)


def test_names_are_those_of_the_network():
    assert set(INITIALIZERS) == set(names.INITIALIZERS)
    activation = FcLayer.model_fields["activation"]
    for name in names.ACTIVATIONS:
        assert FcLayer(activation=name).activation == name
    assert len(names.ACTIVATIONS) == len(set(activation.annotation.__args__[0].__args__)) + 1


@pytest.mark.parametrize(("name", "is_bias"), [*itertools.product(INITIALIZERS, [False, True])])
def test_initializers_are_those_of_the_network(name, is_bias):
    argument = "bias_initializer" if is_bias else "weights_initializer"
    value = {"type": name, **dict.fromkeys(INITIALIZERS[name], 0.5)}
    for check in (lambda: names.get_initializer(argument, value), lambda: FcLayer(**{argument: value})):
        if is_bias and name not in ("zeros", "ones", "constant", "normal", "uniform"):
            with pytest.raises(ValueError):
                check()
        else:
            check()


def test_layers_are_completed_from_their_section():
    combiner = RunConfig.read(
        {
            "input_features": [{"name": "a", "type": "audio"}],
            "output_features": OUTPUTS,
            "combiner": {"fc_layers": [{"output_size": 3}, {"activation": None}], "dropout": 0.5, "norm": "layer"},
        }
    ).combiner
    first, second = fc_settings(combiner)
    assert (first.output_size, first.activation, first.dropout, first.norm) == (3, "relu", 0.5, "layer")
    assert (second.output_size, second.activation, second.dropout) == (256, None, 0.5)
    assert fc_settings(combiner.model_copy(update={"fc_layers": None})) == []
