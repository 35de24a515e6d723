"""Lists of recordings for the commands: folders of speakers, splits, and tables."""

import pytest

from mxnet_audio.cli.speaker.model import list_recordings
from mxnet_audio.errors import DatasetError


@pytest.fixture
def folder(tmp_path):
    """Folder of two splits, each with a speaker."""
    for name in ("train/ann/0.wav", "test/bob/0.wav"):
        path = tmp_path / "people" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"RIFF")
    return tmp_path / "people"


def test_the_preferred_split_is_listed(folder, capsys):
    (train,) = list_recordings(folder, "train")
    assert train[:2] == (str(folder / "train/ann/0.wav"), "ann") and "train set" in capsys.readouterr().err
    assert [speaker for _, speaker, _ in list_recordings(folder, "validation", "test")] == ["bob"]
    with pytest.raises(DatasetError, match="validation"):
        list_recordings(folder, "validation")


def test_speakers_of_a_table_may_be_numbers(folder, tmp_path):
    (tmp_path / "people.csv").write_text("path,label\npeople/train/ann/0.wav,1\npeople/test/bob/0.wav,2\n")
    assert [speaker for _, speaker, _ in list_recordings(tmp_path / "people.csv", "train")] == ["1", "2"]
