"""Tests of the networks with published weights against the outputs of their own runtimes.

`benchmarks/published_outputs.py` made these outputs, and makes the same inputs again.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio import features, weights
from mxnet_audio.engine import mx, nd
from mxnet_audio.library.export import export_onnx
from mxnet_audio.library.trained_model import TrainedModel
from mxnet_audio.models import YamnetNet, get_model, yamnet

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = np.load(Path(__file__).with_name("published_outputs.npz"))
MUSIC = ("musicnn", "musicnn_mtt", "musicnn_vgg", "musicnn_vgg_mtt")
LAYERS = {"musicnn": "penultimate", "musicnn_mtt": "max_pool"} | dict.fromkeys(MUSIC[2:], "pool5")


def load_inputs():
    path = ROOT / "benchmarks" / "published_outputs.py"
    spec = importlib.util.spec_from_file_location("published_outputs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


INPUTS = load_inputs()


def test_length_of_yamnets_vectors_is_that_of_its_last_block():
    assert YamnetNet.layer_dims == (yamnet.BLOCKS[-1][0],)


def images(record):
    """Return the inputs of a network [shape=(n, 1, bands, frames)]."""
    if record == "yamnet":
        spectra = EXPECTED["yamnet_log_mel"]
    elif record == "resemblyzer":
        spectra = INPUTS.spectra(2, 4, 160, 40, peak=1.0) ** 4
    else:
        spectra = INPUTS.spectra(1, 3, 187, 96, peak=4.0)
    return spectra.swapaxes(1, 2)[:, np.newaxis]


def expected(key):
    """Return an array of the file; the last pool of the VGG networks in our order of channels and time."""
    array = EXPECTED[key]
    return array.reshape(3, 2, 128).swapaxes(1, 2).reshape(3, 256) if key.endswith("pool5") else array


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits.asnumpy()))


def passes(net, x):
    """Yield scores and vectors of the eager, the hybridized and the fused pass."""
    x = nd.array(x)
    eager = net(x)
    net.hybridize(static_alloc=True)
    hybrid = net(x)
    for got, want in zip(hybrid, eager):
        np.testing.assert_array_equal(got.asnumpy(), want.asnumpy())
    yield from (eager, hybrid, net.patch_outputs(x))


@pytest.mark.parametrize("record", MUSIC)
def test_music_tags_and_layers(record, published):
    published(record)
    layer = LAYERS[record]
    net = get_model(weights.record(record).network, embedding=layer, pretrained=weights.load(record))
    for scores, vectors in passes(net, images(record)):
        np.testing.assert_allclose(sigmoid(scores), EXPECTED[f"{record}_scores"], rtol=0, atol=1e-5)
        np.testing.assert_allclose(vectors.asnumpy(), expected(f"{record}_{layer}"), rtol=1e-4, atol=1e-4)


def test_sound_scores_and_vectors(published):
    net = get_model("yamnet", pretrained=weights.load(published("yamnet")))
    for scores, vectors in passes(net, images("yamnet")):
        np.testing.assert_allclose(sigmoid(scores), EXPECTED["yamnet_float_scores"], rtol=0, atol=1e-5)
        np.testing.assert_allclose(vectors.asnumpy(), EXPECTED["yamnet_float_embedding"], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(sigmoid(scores), EXPECTED["yamnet_scores"], rtol=0, atol=0.01)  # int8
        np.testing.assert_allclose(vectors.asnumpy(), EXPECTED["yamnet_embedding"], rtol=0, atol=0.1)


def test_voice_vectors(published):
    net = get_model("ge2e_lstm", pretrained=weights.load(published("resemblyzer")))
    for _, vectors in passes(net, images("resemblyzer")):
        np.testing.assert_allclose(vectors.asnumpy(), EXPECTED["resemblyzer_partials"], rtol=0, atol=1e-5)


def test_mean_of_the_partials_of_a_sound(published):
    """The network pools the three partials of this sound, which are our patches, too."""
    (sound,) = INPUTS.waveforms(4, 1, 50_239)
    level = 10 * np.log10(np.mean(np.square(sound, dtype=np.float64)))
    spectrum = features.extract(sound * 10 ** (max(0, -30 - level) / 20), 16000, _config("ge2e_lstm", None))
    net = get_model("ge2e_lstm", input_shape=(1, *spectrum.shape), pretrained=weights.load(published("resemblyzer")))
    vector = net(nd.array(spectrum[np.newaxis, np.newaxis]))[1].asnumpy()[0]
    np.testing.assert_allclose(vector, EXPECTED["resemblyzer_sound"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("record", ["yamnet", pytest.param("musicnn", marks=pytest.mark.slow), "musicnn_vgg_mtt"])
def test_onnx_files_of_several_patches_agree(record, published, tmp_path):
    """The exporter compares the probabilities and vectors of both runtimes, from samples on."""
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    found = weights.record(published(record))
    patch = get_model(found.network, classes=3)
    config = _config(found.network, patch.input_shape[2] + patch.patch_hop // 2)
    options = {"embedding": list(found.embeddings)[-1]}
    model = TrainedModel(found.network, ["a", "b", "c"], config, **options, model_ctx=mx.cpu(), data_ctx=mx.cpu())
    shape = (1, *config.shape)
    model.net = get_model(found.network, 3, shape, **options, pretrained=weights.load(record))
    if record != "musicnn":  # whose front end is that of the next one
        export_onnx(model, tmp_path / "samples.onnx", front_end=True)
    export_onnx(model, tmp_path / "features.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "features.onnx"))
    x = np.resize(images(record), (2, *shape)).astype(np.float32)
    for got, want in zip(session.run(None, {"features": x}), model.forward(x)):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def _config(network, n_frames):
    config = get_model(network, classes=3).features
    return features.AudioFeatureConfig(**config.identity() | {"n_frames": n_frames})
