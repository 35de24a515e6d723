"""Calls of MXNet's AudioFolderDataset proposal, of the M5 tutorial and of GluonAR's data module."""

import inspect

import numpy as np
import pytest

from mxnet_audio import audio, datasets
from mxnet_audio.data import (
    AudioDataset,
    AudioFolderDataset,
    AudioLoader,
    VoxAudioFolderDataset,
    VoxAudioValFolderDataset,
    center_crop,
    norm_audio,
    random_crop,
    transforms,
)
from mxnet_audio.data.transforms import MEL, MFCC, Compose, Load, MelSpectrogram, PadTrim, Scale, Stereo2Mono
from mxnet_audio.engine import gluon, mx, nd

FORKED = {"num_workers": 2}


@pytest.fixture
def root(tmp_path, write_tone):
    """Folders of two classes with two clips each."""
    for number, name in enumerate(("dog/1.wav", "dog/2.wav", "siren/1.wav", "siren/2.wav")):
        write_tone(tmp_path / "Train" / name, 200 + 100 * number, seconds=0.1, sr=22050)
    return tmp_path / "Train"


@pytest.fixture
def table(root):
    """Table of the clips in `root`, with file names."""
    path = root.parent / "train.csv"
    path.write_text("dog/1.wav,dog\nsiren/1.wav,siren\ndog/2.wav,dog\n")
    return path


# -- MXNet's proposal: AudioFolderDataset


def test_signature_of_audio_folder_dataset():
    parameters = inspect.signature(AudioFolderDataset).parameters
    names = ["root", "transform", "has_csv", "train_csv", "file_format", "skip_rows"]
    assert list(parameters)[:6] == names
    assert [parameters[name].default for name in names[1:4]] == [None, True, None]
    assert issubclass(AudioFolderDataset, gluon.data.Dataset)


def test_has_csv_without_a_table_lists_the_folders(root, table):
    assert len(AudioFolderDataset(root, has_csv=True, train_csv=None)) == 4
    assert len(AudioFolderDataset(root, has_csv=False, train_csv=table)) == 4
    assert len(AudioFolderDataset(root, has_csv=True, train_csv=table)) == 3


def test_list_audio_files_lists_files_and_labels(root, table):
    dataset = AudioFolderDataset(root)
    pairs = dataset._list_audio_files(root)
    assert pairs == datasets.folder(root)
    assert [path for path, _ in dataset.items] == [path for path, _ in pairs]
    listed = AudioFolderDataset(root, train_csv=table)._list_audio_files(str(root))
    assert [label for _, label in listed] == ["dog", "siren", "dog"]


def test_subclasses_may_list_other_files(root):
    class FirstClips(AudioFolderDataset):
        """Only the first clip of each class."""

        def _list_audio_files(self, root):
            return [pair for pair in super()._list_audio_files(root) if pair[0].endswith("1.wav")]

    assert len(FirstClips(root)) == 2


def test_samples_and_not_file_names_are_items(root):
    """Gluon's DataLoader can make batches of samples alone; `items` has the file names."""
    dataset = AudioFolderDataset(root)
    samples, label = dataset[0]
    assert isinstance(samples, np.ndarray) and isinstance(dataset.items[0][0], str) and dataset.items[0][1] == label
    assert label == 0 and dataset.synsets == ["dog", "siren"]
    np.testing.assert_array_equal(samples, audio.load(dataset.items[0][0], sr=22050)[0])


def test_items_are_numpy_arrays_and_batches_ndarrays(root):
    """Transforms take both kinds and return the kind that they were given."""
    dataset = AudioFolderDataset(root)
    samples, _ = dataset[0]
    assert isinstance(Scale(2)(samples), np.ndarray) and isinstance(Scale(2)(nd.array(samples)), nd.NDArray)
    data, label = next(iter(gluon.data.DataLoader(dataset, batch_size=4)))
    assert isinstance(data, nd.NDArray) and isinstance(label, nd.NDArray) and data.shape == (4, 2205)


@pytest.mark.parametrize("lazy", [True, False])
def test_transform_first_in_gluons_loader(root, lazy):
    dataset = AudioFolderDataset(root).transform_first(MFCC(), lazy=lazy)
    [(data, label)] = gluon.data.DataLoader(dataset, batch_size=32, shuffle=True)
    assert data.shape == (4, 20, 5) and sorted(label.asnumpy().tolist()) == [0, 0, 1, 1]


def test_forked_workers_read_the_same_batches(root):
    dataset = AudioFolderDataset(root, transforms=[Load(), PadTrim(1000)])
    expected = list(gluon.data.DataLoader(dataset, batch_size=2))
    found = list(gluon.data.DataLoader(dataset, batch_size=2, **FORKED))
    assert len(found) == len(expected) == 2
    for batch, other in zip(found, expected):
        for part, expected_part in zip(batch, other):
            np.testing.assert_array_equal(part.asnumpy(), expected_part.asnumpy())


@pytest.mark.parametrize(
    ("alias", "name"), [("Loader", "Load"), ("PadOrTrim", "PadTrim"), ("DownmixMono", "Stereo2Mono")]
)
def test_aliases_of_transforms(alias, name):
    assert getattr(transforms, alias) is getattr(transforms, name) and alias in transforms.__all__


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (MFCC(sampling_rate=16000, num_mfcc=13), MFCC(16000, n_mfcc=13)),
        (
            MEL(sampling_rate=16000, num_fft=512, num_mels=20, hop_length=160),
            MelSpectrogram(16000, 512, 160, n_mels=20),
        ),
    ],
    ids=["MFCC", "MEL"],
)
def test_arguments_of_the_merged_example(given, expected):
    assert given.key == expected.key
    x = np.sin(np.arange(4000))
    np.testing.assert_array_equal(given(x), expected(x))


def test_transforms_are_blocks_and_take_their_arguments():
    assert all(issubclass(kind, gluon.Block) for kind in (Scale, MEL, MFCC, PadTrim, Stereo2Mono, Compose, Load))
    named = MFCC(prefix="mfcc_", params=gluon.ParameterDict("shared_"))
    assert named.prefix == "mfcc_" and named.params.prefix == "shared_" and named.key == MFCC().key
    assert named(nd.ones(22050)).shape == (20, 44)


# -- M5 tutorial


def test_loader_of_the_m5_tutorial(root):
    """DownmixMono, padding, every fifth sample and batches step by step; `pin_memory` has no effect on the CPU."""
    steps = [Load(sr=None, mono=False), transforms.DownmixMono(), PadTrim(5000), lambda x: x[::5]]
    dataset = AudioFolderDataset(root, transforms=steps)
    for loader in (
        gluon.data.DataLoader(dataset, 128, shuffle=True, pin_memory=True),
        AudioLoader(dataset, 128, shuffle=True),
    ):
        [(data, _)] = loader
        assert data.shape == (4, 1000)
    assert "pin_memory" in AudioLoader.__doc__


def test_rows_of_a_pandas_table_are_a_dataset(root):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"slice_file_name": [str(root / "dog/1.wav")], "classID": [3]})
    dataset = AudioDataset.from_table(frame, "slice_file_name", "classID")
    assert dataset[0][1] == 3


# -- GluonAR


@pytest.fixture
def pairs(tmp_path, write_tone):
    """List of trials ``label path path`` and the folder of its files."""
    for name in ("a/talk/1", "a/talk/2", "b/talk/1"):
        write_tone(tmp_path / "vox" / f"{name}.wav", seconds=3.1, sr=16000)
    path = tmp_path / "vox" / "pairs.txt"
    path.write_text("1 a/talk/1.wav a/talk/2.wav\n0 a/talk/1.wav b/talk/1.wav\n" * 2)
    return path


class CropAudio:
    """Transform of GluonAR's tests: convert the samples and crop them."""

    def __init__(self, audio_length):
        self.audio_length = audio_length

    def train(self, data, label):
        return random_crop(data.astype("float32"), self.audio_length), label

    def val(self, data):
        return center_crop(data.astype("float32"), self.audio_length)


def test_pairs_of_gluonars_tests(pairs):
    dataset = VoxAudioValFolderDataset(str(pairs), root=str(pairs.parent), transform=CropAudio(32000).val)
    for (first, second), _ in dataset:
        assert first.shape == second.shape == (32000,)
    batches = list(gluon.data.DataLoader(dataset, 3, **FORKED))
    assert len(batches) == 2
    for (first, second), same in batches:
        assert isinstance(first, nd.NDArray) and first.shape == second.shape == (len(same), 32000)


def test_lst_path_with_and_without_root(pairs):
    expected = VoxAudioValFolderDataset(pairs, pairs.parent).items
    assert VoxAudioValFolderDataset(lst_path=pairs, root=pairs.parent).items == expected
    assert VoxAudioValFolderDataset(lst_path=pairs).items == expected


def test_speakers_of_gluonars_tests(pairs):
    dataset = VoxAudioFolderDataset(pairs.parent, sr=16000, min_length=3, transform=CropAudio(32000).train)
    assert dataset.num_classes == 2 and [dataset[index][0].shape for index in range(3)] == [(32000,)] * 3
    defaults = {name: value.default for name, value in inspect.signature(VoxAudioFolderDataset).parameters.items()}
    assert (defaults["sr"], defaults["min_length"], defaults["transform"]) == (16000, 3, None)


@pytest.mark.parametrize("make", [np.asarray, nd.array], ids=["numpy", "ndarray"])
def test_functions_take_both_kinds_of_arrays(make):
    x = make(np.arange(10, dtype=np.float32))
    for y in (random_crop(x, 4), center_crop(x, 4), norm_audio(x)):
        assert type(y) is type(x)
    assert nd.array(center_crop(x, 4)).asnumpy().tolist() == [3, 4, 5, 6] and mx.cpu() == nd.array(x).context
