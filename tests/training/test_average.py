"""Tests of averaged weights, and of batch norms whose statistics fit them."""

import numpy as np
import pytest

from mxnet_audio.data import AudioDataset, AudioLoader
from mxnet_audio.engine import mx, nd
from mxnet_audio.errors import DatasetError
from mxnet_audio.models import get_model
from mxnet_audio.nn.freezing import frozen as frozen_parameters
from mxnet_audio.training import get_parameters, initialize, set_parameters
from mxnet_audio.training.average import WeightAverage, refresh_norms


@pytest.fixture
def net():
    net = get_model("cifar10", classes=2, input_shape=(1, 16, 16))
    initialize(net, 0, mx.cpu())
    return net


def test_the_average_is_the_mean_of_the_added_parameters(net):
    state, rng = {}, np.random.default_rng(0)
    average, added = WeightAverage(state), []
    for _ in range(3):
        added.append({name: rng.normal(size=value.shape).astype("f") for name, value in get_parameters(net).items()})
        set_parameters(net, added[-1])
        average.add(net)
    WeightAverage(state).apply(net)  # as in a resumed run
    assert state == {}
    for name, value in get_parameters(net).items():
        if not name.startswith("standardize."):  # constants
            np.testing.assert_allclose(value, np.mean([one[name] for one in added], axis=0), atol=1e-6, err_msg=name)


def test_the_average_holds_only_what_changes(net):
    state = {}
    frozen = [name for name in get_parameters(net) if not name.startswith("head.")]
    with frozen_parameters(net, frozen):
        WeightAverage(state).add(net)
        assert sorted(state) == ["count", "head.1.bias", "head.1.weight"]
        WeightAverage(state).apply(net)


def test_refreshed_statistics_are_those_of_all_clips(net):
    rng = np.random.default_rng(1)
    clips = [rng.normal(3, 2, 256).astype("f") for _ in range(22)]

    def image(x):
        return x.reshape(1, 16, 16)

    loader = AudioLoader(AudioDataset(clips, [0, 1] * 11, sr=22050, transforms=image), batch_size=5)
    refresh_norms(net, loader, mx.cpu())
    x = nd.array(np.stack([loader.dataset[i][0] for i in range(22)]))
    inputs = net.encoder[0](net.standardize(x)).asnumpy()
    norm = next(block for block in net.encoder if type(block).__name__ == "BatchNorm")
    for block in list(net.encoder)[1 : list(net.encoder).index(norm)]:
        inputs = block(nd.array(inputs)).asnumpy()
    np.testing.assert_allclose(norm.running_mean.data().asnumpy(), inputs.mean((0, 2, 3)), rtol=1e-3, atol=1e-4)
    # The mean of the batches' variances would lack the variance between batches: a few per cent here.
    np.testing.assert_allclose(norm.running_var.data().asnumpy(), inputs.var((0, 2, 3)), rtol=0.1)


def test_statistics_need_a_batch(net):
    with pytest.raises(DatasetError):
        refresh_norms(net, [], mx.cpu())
