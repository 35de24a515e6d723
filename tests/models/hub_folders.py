"""Tiny models in tests/models/hub as networks, compared with what transformers computes.

`benchmarks/hub_outputs/whisper_ast.py` and `wav2vec2.py` describe the folders.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from mxnet_audio.engine import autograd, nd
from mxnet_audio.models import NETWORKS
from mxnet_audio.weights import read_architecture
from mxnet_audio.weights.layouts import ast, wav2vec2, whisper

HUB = Path(__file__).parent / "hub"
KINDS = {
    "whisper": ("whisper", whisper.convert),
    "audio-spectrogram-transformer": ("ast", ast.convert),
    **dict.fromkeys(("wav2vec2", "hubert", "wavlm"), ("wav2vec2", wav2vec2.convert)),
}


def published_config(folder):
    return json.loads((HUB / folder / "config.json").read_text())


def published_tensors(folder):
    return load_file(HUB / folder / "model.safetensors")


def expected(folder):
    with np.load(HUB / folder / "expected.npz") as arrays:
        return dict(arrays)


def converted(folder, tensors=None):
    """Convert the tensors of a folder, or others, to parameters; return also the names that are ignored."""
    config = published_config(folder)
    _, convert = KINDS[config["model_type"]]
    return convert(published_tensors(folder) if tensors is None else tensors, read_architecture(config))


def network(folder, classes=0, **options):
    """Make a network with the weights of a folder."""
    config = published_config(folder)
    name, _ = KINDS[config["model_type"]]
    architecture = read_architecture(config)
    net = NETWORKS[name](classes, NETWORKS[name].longest_input(architecture), architecture=architecture, **options)
    net.initialize()
    parameters, _ = converted(folder)
    for name, parameter in net._collect_params_with_prefix().items():
        if name in parameters:
            parameter.set_data(nd.array(parameters[name]))
    return net


def classifier(folder, **options):
    """Make a network with the published classifier of a folder."""
    return network(folder, len(published_config(folder)["id2label"]), head="tags", **options)


def inputs(folder):
    return nd.array(expected(folder)["inputs"][:, None])


def assert_close(actual, wanted, tolerance=1e-4):
    """Compare relative to the peak; a bias of keys has no gradient but rounding errors."""
    actual = actual.asnumpy() if isinstance(actual, nd.NDArray) else actual
    assert actual.shape == wanted.shape
    np.testing.assert_allclose(actual, wanted, rtol=0, atol=tolerance * max(np.abs(wanted).max(), 0.01))


def check_hidden_states(folder):
    """Compare the sequences of all layers, eager and hybridized, and those of an input alone."""
    net, arrays, x = network(folder), expected(folder), inputs(folder)
    for _ in ("eager", "hybridized"):
        _, states = net.hidden_states(x)
        assert len(states) == net.layers + 1
        for layer, state in enumerate(states):
            assert_close(state, arrays[f"hidden_{layer}"])
        net.hybridize()
    for layer, state in enumerate(net.hidden_states(x[1:])[1]):
        assert_close(state, arrays[f"hidden_{layer}"][1:])


def check_logits(folder):
    """Compare the scores of a published classifier, eager and hybridized, and those of an input alone."""
    arrays, x = expected(folder), inputs(folder)
    for embedding in (None, "0:mean", "last"):  # the published classifier does not depend on the embedding
        net = classifier(folder, embedding=embedding)
        assert_close(net(x)[0], arrays["logits"])
    net.hybridize()
    assert_close(net(x)[0], arrays["logits"])
    assert_close(net(x[1:])[0], arrays["logits"][1:])


def check_gradients(folder):
    """Compare the gradients by the input, and by all parameters."""
    arrays, x = expected(folder), inputs(folder)
    net = classifier(folder) if "logits" in arrays else network(folder)
    x.attach_grad()
    for _ in ("eager", "hybridized"):
        with autograd.record(train_mode=False):
            loss = ((net(x)[0] if "logits" in arrays else net.sequences(x)[1]) * nd.array(arrays["probe"])).sum()
        loss.backward()
        assert_close(x.grad[:, 0], arrays["gradient.inputs"])
        published = {name.removeprefix("gradient."): array for name, array in arrays.items() if "gradient." in name}
        del published["inputs"]
        # The position embeddings of Whisper are constant.
        for name, tensor in published_tensors(folder).items():
            if name.endswith("embed_positions.weight"):
                published.setdefault(name, np.zeros_like(tensor))
        gradients, _ = converted(folder, published)
        for name, parameter in net._collect_params_with_prefix().items():
            if parameter.grad_req != "null":
                assert_close(parameter.grad(), gradients.pop(name))
        assert gradients.keys() <= {"body.positions", "layer_sum.weight"}
        net.hybridize()
