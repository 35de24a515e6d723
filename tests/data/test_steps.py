"""Steps of datasets: nested transforms, errors that name the sound, results in memory, draws in parts of a dataset."""

import numpy as np
import pytest

from mxnet_audio import audio
from mxnet_audio.data.datasets import AudioDataset
from mxnet_audio.data.steps import flatten
from mxnet_audio.data.transforms import AddNoise, Compose, Load, PadTrim
from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import DatasetError, ParameterError


def test_errors_of_other_types_name_the_source(wavs):
    def wrong(x):
        return {}[x.size]

    dataset = AudioDataset(wavs, [0, 1, 2], transforms=[Load(sr=None), wrong])
    with pytest.raises(DatasetError, match=r"b\.wav: <function .*wrong at .*KeyError: 200") as caught:
        dataset[1]
    assert caught.value.path == wavs[1] and isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(DatasetError, match=r"^item 0: .*KeyError"):
        AudioDataset([audio.load(wavs[0])], transforms=wrong)[0]
    block = gluon.nn.HybridSequential()
    block.add(gluon.nn.Dense(2), gluon.nn.Dense(2))
    with pytest.raises(DatasetError, match=r"a\.wav: HybridSequential\(.*ValueError: ") as caught:
        AudioDataset(wavs, transforms=block)[0]  # it needs an NDArray
    assert "\n" not in str(caught.value)
    # An IndexError would end the iteration as if there were no more items.
    with pytest.raises(DatasetError, match=r"a\.wav: .*IndexError"):
        list(AudioDataset(wavs, transforms=lambda x: x[0][0]))
    paired = AudioDataset(wavs, [0, 1, 2])
    paired.pair_transform = lambda data, label: [][label]
    with pytest.raises(DatasetError, match=r"c\.wav: .*lambda.*IndexError"):
        paired[2]


def test_composed_transforms_are_opened(wavs):
    load, pad, noise = Load(sr=None), PadTrim(50), AddNoise(seed=3)
    plain = AudioDataset(wavs, transforms=[load, pad, noise])
    nested = AudioDataset(wavs, transforms=Compose([Compose([load, pad]), Compose([]), noise]))
    assert nested.transforms == plain.transforms == (load, pad, noise)
    np.testing.assert_array_equal(nested.sample(1, epoch=4), plain.sample(1, epoch=4))


@pytest.mark.parametrize("make", [gluon.data.vision.transforms.Compose, lambda steps: sequential(*steps)])
def test_gluons_sequences_are_opened(wavs, make):
    load, pad, noise, dense = Load(sr=None), PadTrim(50), AddNoise(seed=3), gluon.nn.HybridSequential()
    dataset = AudioDataset(wavs, transforms=make([load, Compose([pad, make([noise])])]))
    assert dataset.transforms == (load, pad, noise)
    np.testing.assert_array_equal(dataset.sample(1, 4), AudioDataset(wavs, transforms=[load, pad, noise]).sample(1, 4))
    assert AudioDataset(wavs).transform_first(make([load])).transforms == (load,)
    assert AudioDataset(wavs, transforms=dense).transforms[1:] == (dense,)  # compiled as a whole


def sequential(*steps):
    net = gluon.nn.Sequential()
    net.add(*steps)
    return net


def test_subclasses_of_compose_are_not_opened(wavs):
    class Doubled(Compose):
        """Compose that does more than its parts."""

        def apply(self, x, entropy=None):
            return 2 * super().apply(x, entropy)

        forward = apply

    doubled = Doubled([Load(sr=None), AddNoise(seed=3)])
    dataset = AudioDataset(wavs, transforms=doubled)
    assert dataset.transforms == (doubled,)
    np.testing.assert_array_equal(dataset.sample(1, 4), doubled(wavs[1], (4, 1, 0)))


def test_things_that_are_not_transforms_are_refused():
    for wrong in ([3], "MFCC", 3, None, [Load], Load):
        with pytest.raises(ParameterError, match="transforms"):
            flatten(wrong)


def test_results_in_memory_cannot_be_changed_by_later_steps(wavs):
    def halve(x):
        x *= 0.5
        return x

    dataset = AudioDataset(wavs, transforms=Load(sr=None))
    for kind in (np.asarray, nd.array):
        in_memory = dataset.transform_first(kind, lazy=False).transform_first(halve)
        for _ in range(2):
            found = in_memory[0]
            found = found if kind is np.asarray else found.asnumpy()
            np.testing.assert_array_equal(found, dataset[0] * np.float32(0.5))


def test_parts_draw_by_epoch_and_keep_transforms(wavs):
    dataset = AudioDataset(wavs, ["x", "y", "z"], transforms=[Load(sr=None), AddNoise(seed=3)])
    gluons = gluon.data.Dataset
    for view, expected, rows in (
        (dataset.shard(2, 1), gluons.shard(dataset, 2, 1), [2]),
        (dataset.shard(2, 0), gluons.shard(dataset, 2, 0), [0, 1]),
        (dataset.filter(lambda sample: sample[1] != 1), gluons.filter(dataset, lambda sample: sample[1] != 1), [0, 2]),
        (dataset.sample(gluon.data.SequentialSampler(2, 1)), [1, 2], [1, 2]),
    ):
        assert isinstance(view, AudioDataset) and len(view) == len(expected) and view.transforms == dataset.transforms
        assert [source for source, _ in view.items] == [wavs[row] for row in rows]
        np.testing.assert_array_equal(view.sample(0, 5)[0], dataset.take(rows).sample(0, 5)[0])
    for count, index in ((2, 2), (2, -1)):
        with pytest.raises(ParameterError, match="index"):
            dataset.shard(count, index)
