"""Speakers and pairs of utterances as Gluon datasets."""

import re

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio
from mxnet_audio.data import AudioDataset, AudioLoader, VoxAudioFolderDataset, VoxAudioValFolderDataset
from mxnet_audio.data.transforms import Load, PadTrim, RandomCrop, Repeat
from mxnet_audio.engine import gluon
from mxnet_audio.errors import AudioDecodeError, DatasetError, InvalidAudioError, ParameterError

SR = 8000


def write(path, seconds):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(round(1000 * seconds))
    sf.write(path, rng.uniform(-0.5, 0.5, round(seconds * SR)), SR)


@pytest.fixture
def root(tmp_path):
    """Speakers ``anna`` (two sessions), ``bo`` (none), and ``cy``, whose only clip is short; one file is not sound."""
    folder = tmp_path / "speakers"
    for name, seconds in (
        ("anna/talk/1.wav", 0.5),
        ("anna/talk/2.flac", 0.3),
        ("anna/walk/1.wav", 0.2999),
        ("bo/1.wav", 0.4),
        ("cy/talk/1.wav", 0.1),
    ):
        write(folder / name, seconds)
    (folder / "bo" / "broken.wav").write_bytes(b"RIFF")
    return folder


def test_short_and_broken_clips_are_skipped_and_logged(root, caplog):
    dataset = VoxAudioFolderDataset(root, min_length=0.3)
    assert isinstance(dataset, AudioDataset) and len(dataset) == 3
    assert dataset.synsets == ["anna", "bo"] and dataset.num_classes == 2
    of_bo = str(root / "bo/1.wav")
    assert dataset.items == [(str(root / "anna/talk/1.wav"), 0), (str(root / "anna/talk/2.flac"), 0), (of_bo, 1)]
    assert dataset.sessions == dataset.groups == ["anna/talk", "anna/talk", of_bo]
    names = ["anna/walk/1.wav", "bo/broken.wav", "cy/talk/1.wav"]
    assert [path for path, _ in dataset.skipped] == [str(root / name) for name in names]
    short, broken, _ = (error for _, error in dataset.skipped)
    assert short.path == str(root / names[0]) and "0.299875 s" in short.reason and "0.3 s" in short.reason
    assert isinstance(broken, AudioDecodeError) and broken.path == str(root / names[1])
    of_clips, of_speakers = (record.getMessage() for record in caplog.records)
    assert re.search(r"\b3 of 6\b.*\b2\b.*0\.3 s.*\b1\b", of_clips)
    assert str(root) in of_speakers and of_speakers.endswith(": cy")


def test_nothing_is_logged_if_all_clips_are_usable(root, caplog):
    (root / "bo" / "broken.wav").unlink()
    dataset = VoxAudioFolderDataset(str(root), min_length=0)
    assert len(dataset) == 5 and dataset.num_classes == 3 and not dataset.skipped and not caplog.records


def test_min_length_is_inclusive_and_three_seconds_by_default(tmp_path):
    write(tmp_path / "a/1.wav", 3)
    write(tmp_path / "a/2.wav", 3 - 1 / SR)
    assert VoxAudioFolderDataset(tmp_path).items == [(str(tmp_path / "a/1.wav"), 0)]


def test_folders_without_usable_clips_are_refused(root, tmp_path):
    with pytest.raises(DatasetError, match=r"speakers: .*\b6\b.*talk/1\.wav: .*\b0\.5"):
        VoxAudioFolderDataset(root)
    write(tmp_path / "empty/a/1.wav", 0)
    with pytest.raises(DatasetError, match="no samples"):
        VoxAudioFolderDataset(tmp_path / "empty", min_length=0)
    for length in (-1, float("nan"), "3"):
        with pytest.raises(ParameterError, match="min_length"):
            VoxAudioFolderDataset(root, min_length=length)
    with pytest.raises(DatasetError, match="missing: "):
        VoxAudioFolderDataset(tmp_path / "missing")


def test_samples_have_the_given_rate(root):
    for sr in (SR, 16000):
        dataset = VoxAudioFolderDataset(root, sr=sr, min_length=0.3)
        for (samples, label), (path, expected) in zip(dataset, dataset.items):
            np.testing.assert_array_equal(samples, audio.load(path, sr=sr)[0])
            assert label == expected
    repeated = dataset.transform_first(Repeat(9000))
    assert [len(samples) for samples, _ in repeated] == [9000] * 3
    assert dataset.transform_first(Load(sr=1000))[0][0].shape == (500,), "a transform that loads replaces the default"


def test_transform_is_given_data_and_label(root):
    dataset = VoxAudioFolderDataset(root, SR, 0.3, lambda samples, label: (len(samples), -label))
    assert list(dataset) == [(4000, 0), (2400, 0), (3200, -1)]
    bad = VoxAudioFolderDataset(root, SR, 0.3, lambda samples, label: 1 / 0)
    with pytest.raises(DatasetError, match=r"talk/1\.wav: .*ZeroDivisionError"):
        bad[0]


def test_parts_keep_speakers_and_sessions(root):
    part = VoxAudioFolderDataset(root, min_length=0.3).take([2])
    assert part.synsets == ["anna", "bo"] and part.num_classes == 2 and part.labels == ["bo"]
    assert part.sessions == part.groups == [str(root / "bo/1.wav")]


@pytest.mark.parametrize("mode", ["lazy", "eager", "lazy_cached"])
def test_loaders_give_batches(root, mode, tmp_path):
    crops = [Repeat(4000), RandomCrop(4000, seed=0)]
    dataset = VoxAudioFolderDataset(root, SR, 0.3, transforms=crops, synsets=["anna", "bo", "eve"])
    loader = AudioLoader(dataset, 2, mode, cache_dir=tmp_path / "cache")
    for _ in range(2):
        first, second = loader
        assert first[0].shape == (2, 4000) and first[1].asnumpy().tolist() == [0, 0]
        assert second[0].shape == (1, 4000) and second[1].asnumpy().tolist() == [1]
    [(x, y)] = gluon.data.DataLoader(dataset, batch_size=3)
    assert x.shape == (3, 4000) and y.asnumpy().tolist() == [0, 0, 1]


def test_m4a(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "a/talk/1.m4a"
    path.parent.mkdir(parents=True)
    with av.open(str(path), "w", format="ipod") as file:
        stream = file.add_stream("aac", rate=16000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        for packet in [*stream.encode(frame), *stream.encode()]:
            file.mux(packet)
    dataset = VoxAudioFolderDataset(tmp_path, min_length=0.9)
    assert dataset.sessions == ["a/talk"] and abs(len(dataset[0][0]) - 16000) < 2048
    with pytest.raises(DatasetError, match=r"\b3 s\b"):
        VoxAudioFolderDataset(tmp_path)


@pytest.fixture
def pairs(root):
    """A list of two trials."""
    path = root / "pairs.txt"
    path.write_text("1 anna/talk/1.wav anna/talk/2.flac\n0 anna/talk/1.wav bo/1.wav\n")
    return path


def test_pairs(root, pairs):
    dataset = VoxAudioValFolderDataset(pairs, root, sr=SR)
    assert isinstance(dataset, gluon.data.Dataset) and len(dataset) == 2 and dataset.labels == [1, 0]
    one, two, three = (str(root / name) for name in ("anna/talk/1.wav", "anna/talk/2.flac", "bo/1.wav"))
    assert dataset.items == [(one, two), (one, three)]
    for ((first, second), same), paths, label in zip(dataset, dataset.items, (1, 0)):
        np.testing.assert_array_equal(first, audio.load(paths[0], sr=SR)[0])
        np.testing.assert_array_equal(second, audio.load(paths[1], sr=SR)[0])
        assert same == label
    assert VoxAudioValFolderDataset(pairs, root)[0][0][0].shape == (8000,), "the default is 16 kHz"
    with pytest.raises(IndexError):
        dataset[2]


def test_loaders_give_batches_of_transformed_pairs(root, pairs):
    dataset = VoxAudioValFolderDataset(str(pairs), str(root), PadTrim(1000), SR)
    for loader in (AudioLoader(dataset, 2), gluon.data.DataLoader(dataset, 2)):
        [((first, second), same)] = loader
        assert first.shape == second.shape == (2, 1000) and same.asnumpy().tolist() == [1, 0]


def test_errors_of_pairs_name_the_file(root, pairs):
    (root / "bo/1.wav").write_bytes(b"junk")
    dataset = VoxAudioValFolderDataset(pairs, root)
    with pytest.raises(AudioDecodeError, match=r"bo/1\.wav"):
        dataset[1]
    (root / "bo/1.wav").unlink()
    with pytest.raises(DatasetError, match=r"pairs\.txt: 1 of .*3 .*bo/1\.wav"):
        VoxAudioValFolderDataset(pairs, root)

    def refuse(samples):
        raise InvalidAudioError("too loud")

    pairs.write_text("1 anna/talk/1.wav anna/talk/2.flac\n")
    with pytest.raises(InvalidAudioError, match=r"talk/1\.wav: too loud"):
        VoxAudioValFolderDataset(pairs, root, refuse)[0]


def test_paths_of_pairs_are_relative_to_the_list_by_default(root, pairs):
    dataset = VoxAudioValFolderDataset(lst_path=pairs)
    assert dataset.items == VoxAudioValFolderDataset(pairs, root).items and dataset.labels == [1, 0]
    for options in ({}, {"pairs_file": pairs, "lst_path": pairs}):
        with pytest.raises(ParameterError, match="pairs_file"):
            VoxAudioValFolderDataset(**options)


def test_constructors_of_the_class_list_no_folder(root):
    path = str(root / "bo/1.wav")
    dataset = VoxAudioFolderDataset.from_table({"file": [path], "speaker": ["bo"]}, "file", "speaker")
    assert type(dataset) is VoxAudioFolderDataset and dataset.items == [(path, 0)] and dataset.num_classes == 1
    assert dataset[0][0].shape == (6400,) and not dataset.skipped


def test_reprs_are_one_line(root, pairs):
    shown = "VoxAudioFolderDataset(5 items, 3 classes, transforms=[Load(sr=16000, mono=True)])"
    assert repr(VoxAudioFolderDataset(root, min_length=0)) == shown
    assert repr(VoxAudioValFolderDataset(pairs)) == "VoxAudioValFolderDataset(2 pairs, sr=16000)"
