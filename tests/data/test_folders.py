"""Folders and tables of clips, as in MXNet's example."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio, datasets
from mxnet_audio.data.folders import AudioFolderDataset
from mxnet_audio.data.transforms import Load, PadTrim
from mxnet_audio.engine import gluon
from mxnet_audio.errors import DatasetError, ParameterError


@pytest.fixture
def root(tmp_path):
    """Class folders ``dog`` and ``cat`` with a file ``1.wav`` in each, and an Ogg file; all of different lengths."""
    for length, name in enumerate(("dog/1.wav", "cat/1.wav", "cat/2.OGG"), 1):
        path = tmp_path / "clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(path, np.full(1000 * length, 0.5), 8000, format="OGG" if name.endswith("OGG") else "WAV")
    return tmp_path / "clips"


@pytest.fixture
def table(tmp_path):
    """Function that writes a table: ``table(text) -> path``."""

    def write(text):
        (tmp_path / "train.csv").write_text(text)
        return tmp_path / "train.csv"

    return write


def relative(dataset, root):
    return [(Path(path).relative_to(root).as_posix(), dataset.synsets[label]) for path, label in dataset.items]


def test_folders_with_files_of_the_same_name(root):
    dataset = AudioFolderDataset(root)
    assert dataset.synsets == ["cat", "dog"] and dataset.skipped == []
    assert relative(dataset, root) == [("cat/1.wav", "cat"), ("cat/2.OGG", "cat"), ("dog/1.wav", "dog")]
    for index, (path, label) in enumerate(dataset.items):
        data, label_index = dataset[index]
        assert label_index == label
        np.testing.assert_array_equal(data, audio.load(path, sr=22050)[0])


def test_a_file_format_chooses_the_files(root):
    for given in (".wav", "WAV"):
        assert relative(AudioFolderDataset(root, file_format=given), root) == [
            ("cat/1.wav", "cat"),
            ("dog/1.wav", "dog"),
        ]
    dataset = AudioFolderDataset(root, file_format=".ogg")
    assert relative(dataset, root) == [("cat/2.OGG", "cat")] and dataset.synsets == ["cat"]
    with pytest.raises(DatasetError, match=r"clips: .*\.flac"):
        AudioFolderDataset(root, file_format=".flac")
    with pytest.raises(ParameterError, match=r"file_format.*'\.aac'.*'\.txt'"):
        AudioFolderDataset(root, file_format=".txt")


def test_folders_without_sound(root, tmp_path, caplog):
    (root / "bird").mkdir()
    (root / "bird" / "notes.txt").write_text("none")
    assert AudioFolderDataset(root).synsets == ["cat", "dog"]
    assert "bird" in caplog.text
    (tmp_path / "empty").mkdir()
    for name in ("empty", "missing"):
        with pytest.raises(DatasetError, match=rf"{name}: "):
            AudioFolderDataset(tmp_path / name)


@pytest.mark.parametrize(
    "text, options",
    [
        ("dog/1,dog\ncat/1, cat\n", {"file_format": ".wav"}),
        ("dog/1.wav,dog\ncat/1.WAV.wav,cat\ncat/1.wav,cat\n", {"file_format": ".wav"}),
        ("dog/1.wav,dog,more\ncat/1.wav,cat,\n", {}),
        ("ID,Class\ndog/1,dog\ncat/1,cat\n", {"file_format": "wav", "skip_rows": 1}),
        ("ID,Class\ndog/1,dog\ncat/1,cat\n", {"file_format": ".wav"}),
        ("ID,Class\ndog/1,dog\ncat/1,cat\n", {}),
        ("path,label\ndog/1.wav,dog\ncat/1.wav,cat\n", {}),
        ("fold,label,path\n1,dog,dog/1\n2,cat,cat/1\n", {"file_format": ".wav"}),
        ("path,label\ndog/1.wav,dog\ncat/1.wav,cat\n", {"skip_rows": 1}),
        ("\ufeffpath,label\n\ndog/1.wav,dog\ncat/1.wav,cat\n", {}),
        ("Filename; Class\ndog/1.wav; dog\ncat/1.wav; cat\n", {}),
        ("song#kind\ndog/1#dog\ncat/1#cat\n", {"columns": {"path": "song", "label": "kind"}, "separator": "#"}),
        ("path,label,split\ndog/1.wav,dog,train\ncat/1.wav,cat,train\nnone.wav,cat,test\n", {"folds": "train"}),
    ],
)
def test_tables(root, table, text, options):
    dataset = AudioFolderDataset(str(root), None, True, table(text), **options)
    assert relative(dataset, root) == [("dog/1.wav", "dog"), ("cat/1.wav", "cat")]
    assert dataset.synsets == ["cat", "dog"] and [label for _, label in dataset] == [1, 0]
    assert not Path("synset.txt").exists()


def test_folders_are_listed_without_a_table(root, table):
    assert len(AudioFolderDataset(root, has_csv=False, train_csv=table("dog/1.wav,dog\n"))) == 3
    assert len(AudioFolderDataset(root, train_csv=table("dog/1.wav,dog\n"))) == 1


def test_folders_of_splits(root, tmp_path):
    (tmp_path / "split").mkdir()
    for split in ("train", "test"):
        (tmp_path / "split" / split).symlink_to(root)
    dataset = AudioFolderDataset(tmp_path / "split", folds="train")
    assert len(dataset) == 3 and dataset.synsets == ["cat", "dog"]
    assert len(AudioFolderDataset(tmp_path / "split")) == 6


@pytest.mark.parametrize("arguments", [(5,), ("",), ("clips", None, True, 5)])
def test_what_is_no_path_is_refused(arguments):
    with pytest.raises(ParameterError, match="must be a path"):
        AudioFolderDataset(*arguments)


def test_rows_whose_file_is_missing(root, table, caplog):
    path = table("dog/1.wav,dog\ncat/9.wav,cat\ncat/1.wav,cat\nbird/1.wav,bird\n")
    dataset = AudioFolderDataset(root, train_csv=path)
    assert len(dataset) == 2 and dataset.synsets == ["cat", "dog"]
    assert [name for name, _ in dataset.skipped] == [str(root / "cat/9.wav"), str(root / "bird/1.wav")]
    message = str(dataset.skipped[0][1])
    assert message.startswith(f"{root / 'cat/9.wav'}: ") and f"line 2 of {path}" in message and message in caplog.text
    with pytest.raises(DatasetError, match=r"cat/9\.wav: .*line 2 of .*train\.csv"):
        AudioFolderDataset(root, train_csv=path, missing="raise")
    kept = AudioFolderDataset(root, train_csv=path, missing="keep")
    assert len(kept) == 4 and kept.synsets == ["bird", "cat", "dog"] and kept.skipped == []
    with pytest.raises(ParameterError, match=r"missing.*'ignore'"):
        AudioFolderDataset(root, train_csv=path, missing="ignore")


def test_files_that_are_listed_twice(root, table, caplog):
    twice = "dog/1.wav,dog\n./dog/1.wav,dog\ncat/1.wav,cat\ndog/../dog/1.wav,dog\n"
    assert relative(AudioFolderDataset(root, train_csv=table(twice)), root) == [
        ("dog/1.wav", "dog"),
        ("cat/1.wav", "cat"),
    ]
    assert re.search(r"train\.csv: .*\b2\b", caplog.text)
    with pytest.raises(DatasetError, match=r"dog/1\.wav: .*train\.csv.*'dog'.*'cat'"):
        AudioFolderDataset(root, train_csv=table("dog/1.wav,dog\ncat/1.wav,cat\ndog/1.wav,cat\n"))


@pytest.mark.parametrize(
    "text, options, message",
    [
        ("path,note\ndog/1.wav,dog\n", {}, "column label.*path, note"),
        ("song,label\ndog/1.wav,dog\n", {}, "column path.*song, label"),
        ("dog/1.wav\n", {}, "line 1: "),
        ("dog/1.wav,dog\ncat/1.wav, \n", {}, "line 2: "),
        ("ID\ndog/1.wav\n", {"skip_rows": 1}, "line 2: "),
        ("", {}, "rows"),
        ("ID,Class\n", {"skip_rows": 1}, "rows"),
        ("dog/1,dog\n", {}, r"dog/1 .*line 1"),
        ('"dog/1.wav,dog\n', {}, "not a table of text"),
    ],
)
def test_errors_in_tables_are_named(root, table, text, options, message):
    with pytest.raises(DatasetError, match=rf"train\.csv: .*{message}"):
        AudioFolderDataset(root, train_csv=table(text), **options)


def test_a_table_that_cannot_be_read(root, tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(DatasetError, match=f"^{re.escape(str(path))}: "):
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


def test_items_are_those_of_the_function_folder(root):
    assert relative(AudioFolderDataset(root), root) == [
        (Path(path).relative_to(root).as_posix(), label) for path, label in datasets.folder(root)
    ]


def test_constructors_of_the_class_list_no_folder(root):
    path = str(root / "dog/1.wav")
    dataset = AudioFolderDataset.from_pairs([(path, "dog")], transforms=Load(sr=8000))
    assert type(dataset) is AudioFolderDataset and dataset.items == [(path, 0)] and not dataset.skipped
    assert dataset[0][0].shape == (1000,)


def test_repr_is_one_line(root):
    shown = "AudioFolderDataset(3 items, 2 classes, transforms=[Load(sr=22050, mono=True)])"
    assert repr(AudioFolderDataset(root)) == shown
