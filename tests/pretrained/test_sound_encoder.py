"""Networks that take a window of sound at once: streams equal the network on inputs of its own."""

import numpy as np
import pytest

from mxnet_audio import features
from mxnet_audio.engine import mx, nd
from mxnet_audio.inference.window_encoder import WindowEncoder
from mxnet_audio.pretrained import PatchEncoder
from mxnet_audio.pretrained.sound_encoder import sound_encoder

DEVICES = {"model_ctx": mx.cpu(), "data_ctx": mx.cpu()}
LABELS = ["bee", "Silence", "dog"]


@pytest.fixture
def make(small_sequence_net):
    def make(embedding="mean", **options):
        net = small_sequence_net(embedding)
        net.hybridize(static_alloc=True)
        return sound_encoder(net, **DEVICES, **options)

    return make


def outputs_of(net, y, sr):
    image = features.extract(y, sr, net.features)
    return net(nd.array(image[np.newaxis, np.newaxis]))


@pytest.mark.parametrize("embedding", ["mean", "0:max", "weighted:last", "1:sum"])
def test_vectors_and_scores_are_those_of_the_network(small_sequence_net, make, sound, embedding):
    net, sounds = small_sequence_net(embedding), [sound(seconds, seed) for seed, seconds in enumerate((0.3, 1.9, 0.7))]
    for multi_label, function in ((True, "sigmoid"), (False, "softmax")):
        encoder = make(embedding, labels=["bee", "cat", "dog"], multi_label=multi_label)
        for output, one in zip(encoder.encode_many(sounds), sounds):
            scores, vector = outputs_of(net, *one)
            np.testing.assert_allclose(output.vector, vector.asnumpy()[0], rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(output.scores, getattr(scores, function)().asnumpy()[0], atol=1e-5)


def test_pools_over_windows_are_those_of_the_reduction(make, sound):
    y, sr = sound(4.0)
    halves = [next(make().encode_many([(part, sr)])).vector for part in np.split(y, 2)]
    np.testing.assert_allclose(next(make().encode_many([(y, sr)])).vector, np.mean(halves, axis=0), atol=1e-5)
    for embedding, pool in (("max", np.max), ("sum", np.sum)):
        halves = [next(make(embedding).encode_many([(part, sr)])).vector for part in np.split(y, 2)]
        vector = next(make(embedding).encode_many([(y, sr)])).vector
        np.testing.assert_allclose(vector, pool(halves, axis=0), rtol=1e-4)


def test_frames_are_the_steps_of_the_network(small_sequence_net, make, sound):
    y, sr = sound(1.0)
    frames = make().encode_frames((y, sr))
    image = features.extract(y, sr, small_sequence_net().features)
    _, sequences = small_sequence_net().sequences(nd.array(image[np.newaxis, np.newaxis]))
    np.testing.assert_allclose(frames.vectors, sequences.asnumpy()[0][: len(frames.vectors)], atol=1e-5)
    np.testing.assert_allclose(frames.times[:3], [[0, 0.032], [0.016, 0.048], [0.032, 0.064]])


def test_sound_is_tagged_by_what_is_not_silence(make, sound):
    (output,) = make(labels=LABELS).encode_many([sound(4.0)])
    (windows,) = make(labels=LABELS).iter_windows(sound(4.0))
    means = np.average(windows.scores, axis=0, weights=1.001 - windows.scores[:, 1])
    np.testing.assert_allclose(output.scores[[0, 2]], means[[0, 2]], atol=1e-5)
    assert output.scores[1] == windows.scores[:, 1].min()


def test_networks_of_patches_have_an_encoder_of_patches(small_net):
    assert isinstance(sound_encoder(small_net(), **DEVICES), PatchEncoder)


def test_without_labels_there_are_no_scores(make, sound):
    encoder = make()
    assert isinstance(encoder, WindowEncoder)
    assert next(encoder.encode_many([sound(0.5)])).scores.shape == (0,)
