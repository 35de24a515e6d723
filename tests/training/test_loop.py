"""The loop: gradients of several batches, inputs of different lengths, and frozen layers."""

from functools import partial

import numpy as np
import pytest

from mxnet_audio import AudioFeatureConfig
from mxnet_audio.data import AudioLoader
from mxnet_audio.data.transforms import Features, Gain, SpeedPerturbation, ToImage
from mxnet_audio.engine import mx
from mxnet_audio.nn.freezing import frozen
from mxnet_audio.training import (
    Cosine,
    OpenInput,
    Progress,
    Recipe,
    Settings,
    frozen_names,
    get_parameters,
    initialize,
    prepare,
    run_epochs,
)

CONFIG = AudioFeatureConfig(type="raw", sr=16000, norm="per_file", audio_file_length_limit_in_s=0.3)


def settings(batch_size=4, epochs=2):
    return Settings(batch_size, epochs, random_state=3, learning_rate=0.003, checkpoint_interval=1)


def clips(pairs, recipe, numbers, is_open=True, **options):
    open_input = OpenInput(CONFIG, 180) if is_open else None
    steps = [open_input.load_window, open_input] if is_open else [Features(CONFIG), ToImage(CONFIG.time_axis)]
    load = partial(AudioLoader, batch_size=numbers.batch_size, seed=numbers.random_state)
    options = {"nb_classes": None, "test_size": 0.25, "show": False} | options
    return prepare(pairs, load, steps, CONFIG, numbers, recipe, open_input=open_input, **options)


def train(net, prepared, recipe, numbers, progress=None):
    progress = progress or Progress()
    run_epochs(net, prepared, progress, numbers, recipe, ctx=mx.cpu(), checkpoint=repr, show=False)
    return progress.history


def test_gradients_of_several_batches_are_those_of_one(tones, tiny_net):
    options = {"clip_gradient": 0.5, "schedule": Cosine(0.2), "weight_decay": 0.01, "average": 0.5}
    results = []
    for size, accumulate in ((12, 1), (3, 4)):  # of 16 clips: the last step of an epoch has fewer
        net, recipe, numbers = tiny_net(), Recipe(accumulate=accumulate, **options), settings(size)
        prepared = clips(tones, recipe, numbers, is_open=False)
        assert prepared.train.size == 16
        results.append((train(net, prepared, recipe, numbers), get_parameters(net)))
    (history, expected), (again, found) = results
    start = get_parameters(tiny_net())
    assert all(np.abs(value - start[name]).max() > 1e-3 for name, value in expected.items() if "weight" in name)
    for measure in ("loss_test", "acc_test"):  # losses of training are from before each step, so they differ
        np.testing.assert_allclose(again[measure], history[measure], rtol=1e-4)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=2e-5, err_msg=name)


def test_a_run_does_not_add_up_the_gradients_of_the_one_before(tones, tiny_net):
    plain, numbers, results = Recipe(), settings(8, epochs=1), []
    prepared = clips(tones[:8], plain, numbers, test_size=0)
    for first in (Recipe(accumulate=2), plain):
        net = tiny_net()
        train(net, prepared, first, numbers)
        initialize(net, 0, mx.cpu())
        results.append(train(net, prepared, plain, numbers))
    assert results[0] == results[1]


def test_runs_of_earlier_versions_can_be_resumed():
    assert "accumulate" not in Recipe().identity() and Recipe(accumulate=2).identity()["accumulate"] == 2


def test_batches_have_similar_lengths_and_few_shapes(tones, tiny_net):
    recipe, numbers = Recipe(), settings(2)
    prepared = clips(tones, recipe, numbers)
    shapes = set()
    for loader in (prepared.train, prepared.train_plain, prepared.test):
        count = 0
        for x, lengths, y in loader:
            shapes.add(x.shape[1:])
            longest = int(lengths.asnumpy().max())
            assert x.shape[3] - longest < 1500 and longest <= 4800 and len(x) == len(y)
            for row, length in zip(x.asnumpy(), lengths.asnumpy()):
                assert not row[..., length:].any() and row[..., :length].std() == pytest.approx(1, abs=1e-3)
            count += len(y)
        assert count == loader.size
    assert len(shapes) <= 3
    one, other = (np.concatenate([y.asnumpy() for *_, y in prepared.train]) for _ in range(2))
    assert len(one) == len(other) == 16 and not np.array_equal(one, other)


def test_batches_follow_seed_and_epoch(tones):
    recipe, numbers = Recipe(mixup=0.3, features=[]), settings(2)
    loaders = [clips(tones, recipe, numbers).train for _ in range(2)]
    loaders[1].epoch = 1
    list(loaders[0])
    for one, other in zip(*loaders, strict=True):
        assert all(np.array_equal(a.asnumpy(), b.asnumpy()) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(mixup=0.4),
        Recipe(balance="batches"),
        Recipe(sound=(SpeedPerturbation(keep_length=False), Gain(-6, 6)), random_crop=True),
        Recipe(sound=SpeedPerturbation(keep_length=False), average=0.5, refresh_norms=True, accumulate=2),
    ],
    ids=["mixup", "balance", "sound", "speed"],
)
def test_networks_learn_from_inputs_of_different_lengths(tones, tiny_net, recipe):
    numbers = settings(epochs=3)
    history = train(tiny_net(), clips(tones, recipe, numbers), recipe, numbers)
    assert history["loss_test"][-1] < 0.69 and history["loss_train"][-1] < history["loss_train"][0]


def test_what_is_behind_a_clip_does_not_count(tones, tiny_net):
    net, results = tiny_net(), []
    for batch_size in (6, 1):
        scores = {}
        for x, lengths, _ in clips(tones, Recipe(), settings(batch_size)).test:
            rows = net(x, lengths.astype("float32"))[0].asnumpy()
            scores |= dict(zip(lengths.asnumpy().tolist(), rows))
        results.append(scores)
    padded, alone = results
    assert padded.keys() == alone.keys() and len(alone) > 3
    for length, row in alone.items():
        np.testing.assert_allclose(padded[length], row, atol=1e-4)


FROZEN = {
    "one layer": ({"freeze": 1}, ("body.layers.1.", "body.layers.2.", "head.")),
    "all layers": ({"freeze": 3}, ("head.",)),
    "names": ({"freeze": ["body.extractor", "body.layers.1"]}, None),
    "head only": ({"trainable": False}, ("head.", "layer_sum.")),
}


@pytest.mark.parametrize("choice", FROZEN)
def test_only_the_named_parameters_change(tones, tiny_net, choice):
    options, changing = FROZEN[choice]
    net = tiny_net("weighted:mean")
    recipe, numbers = Recipe(average=0.5, weight_decay=0.01, body_rate=0.5, layer_decay=0.9), settings()
    before, names = get_parameters(net), frozen_names(net, **options)
    expected = set(before) - set(names)
    if changing is not None:
        assert {name for name in expected if not name.startswith("layer_sum.")} == {
            name for name in before if name.startswith(changing) and not name.startswith("layer_sum.")
        }
    with frozen(net, names):
        train(net, clips(tones, recipe, numbers), recipe, numbers)
    after = get_parameters(net)
    assert {name for name in before if not np.array_equal(before[name], after[name])} == expected
    assert "layer_sum.weight" in expected
