"""Folders of clips and tables of them, as MXNet's example has them."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio, datasets
from mxnet_audio.data.folders import AudioFolderDataset
from mxnet_audio.data.transforms import Load, PadTrim
from mxnet_audio.engine import gluon
from mxnet_audio.errors import DatasetError


@pytest.fixture
def root(tmp_path):
    """Class folders ``dog`` and ``cat`` with a file ``1.wav`` in each, and an Ogg file; they differ in length."""
    for length, name in enumerate(("dog/1.wav", "cat/1.wav", "cat/2.OGG"), 1):
        path = tmp_path / "clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(path, np.full(1000 * length, 0.5), 8000, format="OGG" if name.endswith("OGG") else "WAV")
    return tmp_path / "clips"


@pytest.fixture
def table(tmp_path):
    """Writer of a table: ``table(text) -> path``."""

    def write(text):
        (tmp_path / "train.csv").write_text(text)
        return tmp_path / "train.csv"

    return write


def relative(dataset, root):
    return [(Path(path).relative_to(root).as_posix(), dataset.synsets[label]) for path, label in dataset.items]


def test_folders_with_files_of_one_name(root):
    dataset = AudioFolderDataset(root)
    assert dataset.synsets == ["cat", "dog"] and dataset.skipped == []
    assert relative(dataset, root) == [("cat/1.wav", "cat"), ("cat/2.OGG", "cat"), ("dog/1.wav", "dog")]
    for index, (path, label) in enumerate(dataset.items):
        data, same = dataset[index]
        assert same == label
        np.testing.assert_array_equal(data, audio.load(path, sr=22050)[0])


def test_a_file_format_chooses_the_files(root):
    for given in (".wav", "WAV"):
        assert relative(AudioFolderDataset(root, file_format=given), root) == [
            ("cat/1.wav", "cat"),
            ("dog/1.wav", "dog"),
        ]
    dataset = AudioFolderDataset(root, file_format=".ogg")
    assert relative(dataset, root) == [("cat/2.OGG", "cat")] and dataset.synsets == ["cat"]
    with pytest.raises(DatasetError, match=r"holds no \.flac files"):
        AudioFolderDataset(root, file_format=".flac")
    with pytest.raises(DatasetError, match=r"file_format '\.txt' is none of \.aac"):
        AudioFolderDataset(root, file_format=".txt")


def test_folders_without_sound(root, tmp_path, caplog):
    (root / "bird").mkdir()
    (root / "bird" / "notes.txt").write_text("none")
    assert AudioFolderDataset(root).synsets == ["cat", "dog"]
    assert "class folders without sound files: bird" in caplog.text
    (tmp_path / "empty").mkdir()
    for path, message in (("empty", "no class folders"), ("gone", "cannot be listed")):
        with pytest.raises(DatasetError, match=message):
            AudioFolderDataset(tmp_path / path)


@pytest.mark.parametrize(
    "text, options",
    [
        ("dog/1,dog\ncat/1, cat\n", {"file_format": ".wav"}),
        ("dog/1.wav,dog\ncat/1.WAV.wav,cat\ncat/1.wav,cat\n", {"file_format": ".wav"}),
        ("dog/1.wav,dog,more\ncat/1.wav,cat,\n", {}),
        ("ID,Class\ndog/1,dog\ncat/1,cat\n", {"file_format": "wav", "skip_rows": 1}),
        ("path,label\ndog/1.wav,dog\ncat/1.wav,cat\n", {}),
        ("fold,label,path\n1,dog,dog/1\n2,cat,cat/1\n", {"file_format": ".wav"}),
        ("path,label\ndog/1.wav,dog\ncat/1.wav,cat\n", {"skip_rows": 1}),
        ("\ufeffpath,label\n\ndog/1.wav,dog\ncat/1.wav,cat\n", {}),
    ],
)
def test_tables(root, table, text, options):
    dataset = AudioFolderDataset(str(root), None, True, table(text), **options)
    assert relative(dataset, root) == [("dog/1.wav", "dog"), ("cat/1.wav", "cat")]
    assert dataset.synsets == ["cat", "dog"] and [label for _, label in dataset] == [1, 0]
    assert not Path("synset.txt").exists()


def test_the_folders_are_taken_without_a_table(root, table):
    assert len(AudioFolderDataset(root, has_csv=False, train_csv=table("dog/1.wav,dog\n"))) == 3
    assert len(AudioFolderDataset(root, train_csv=table("dog/1.wav,dog\n"))) == 1


def test_rows_whose_file_is_missing(root, table, caplog):
    path = table("dog/1.wav,dog\ncat/9.wav,cat\ncat/1.wav,cat\nbird/1.wav,bird\n")
    dataset = AudioFolderDataset(root, train_csv=path)
    assert len(dataset) == 2 and dataset.synsets == ["cat", "dog"]
    assert [gone for gone, _ in dataset.skipped] == [str(root / "cat/9.wav"), str(root / "bird/1.wav")]
    message = f"{root / 'cat/9.wav'}: no such file (line 2 of {path})"
    assert str(dataset.skipped[0][1]) == message and message in caplog.text
    with pytest.raises(DatasetError, match=r"cat/9\.wav: no such file \(line 2 of .*train\.csv\)"):
        AudioFolderDataset(root, train_csv=path, missing="raise")
    kept = AudioFolderDataset(root, train_csv=path, missing="keep")
    assert len(kept) == 4 and kept.synsets == ["bird", "cat", "dog"] and kept.skipped == []
    with pytest.raises(ValueError, match="ignore"):
        AudioFolderDataset(root, train_csv=path, missing="ignore")


def test_a_file_that_is_listed_twice(root, table, caplog):
    twice = "dog/1.wav,dog\n./dog/1.wav,dog\ncat/1.wav,cat\ndog/../dog/1.wav,dog\n"
    assert relative(AudioFolderDataset(root, train_csv=table(twice)), root) == [
        ("dog/1.wav", "dog"),
        ("cat/1.wav", "cat"),
    ]
    assert "2 rows repeat others" in caplog.text
    with pytest.raises(DatasetError, match=r"dog/1\.wav: is both 'dog' and 'cat' in .*train\.csv"):
        AudioFolderDataset(root, train_csv=table("dog/1.wav,dog\ncat/1.wav,cat\ndog/1.wav,cat\n"))


@pytest.mark.parametrize(
    "text, options, message",
    [
        ("path,class\ndog/1.wav,dog\n", {}, "no column label among path, class"),
        ("file,label\ndog/1.wav,dog\n", {}, "no column path among file, label"),
        ("dog/1.wav\n", {}, "line 1: the path or the label is empty"),
        ("dog/1.wav,dog\ncat/1.wav, \n", {}, "line 2: the path or the label is empty"),
        ("ID\ndog/1.wav\n", {"skip_rows": 1}, "line 2: the path or the label is empty"),
        ("", {}, "the table has no rows"),
        ("ID,Class\n", {"skip_rows": 1}, "the table has no rows"),
        ("dog/1,dog\n", {}, "dog/1 in line 1"),
        ('"dog/1.wav,dog\n', {}, "not a CSV table"),
    ],
)
def test_tables_say_what_is_wrong(root, table, text, options, message):
    with pytest.raises(DatasetError, match=message):
        AudioFolderDataset(root, train_csv=table(text), **options)


def test_a_table_that_is_not_there(root, tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(DatasetError, match="cannot be read"):
            AudioFolderDataset(root, train_csv=path)


def test_transform_makes_the_sample_of_data_and_label(root):
    dataset = AudioFolderDataset(root, lambda data, label: (len(data), -label), transforms=Load(sr=8000))
    assert [dataset[index] for index in range(3)] == [(2000, 0), (3000, 0), (1000, -1)]
    assert dataset.sample(2, epoch=1) == (1000, -1)
    after = dataset.transform_first(lambda length: length / 1000)
    assert [after[index] for index in range(3)] == [(2.0, 0), (3.0, 0), (1.0, -1)]
    assert dataset.take([2])[0] == (1000, -1)


def test_in_gluons_loader_with_transform_first_now_and_lazily(root):
    dataset = AudioFolderDataset(root, synsets=["bird", "cat", "dog"])
    for lazy in (True, False):
        loader = gluon.data.DataLoader(dataset.transform_first(PadTrim(64), lazy=lazy), batch_size=3)
        [(data, label)] = list(loader)
        assert data.shape == (3, 64) and label.asnumpy().tolist() == [1, 1, 2]


def test_pairs_of_datasets_give_the_same(root):
    assert relative(AudioFolderDataset(root), root) == [
        (Path(path).relative_to(root).as_posix(), label) for path, label in datasets.folder(root)
    ]
