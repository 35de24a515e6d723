"""Test calls that users of earlier toolkits know: corpora, tables and lists."""

import inspect

import pytest

from mxnet_audio import datasets
from mxnet_audio.data import AudioDataset, AudioFolderDataset
from mxnet_audio.datasets import gtzan
from mxnet_audio.errors import DatasetError


@pytest.fixture
def urban_sounds(tmp_path, write_tone):
    """Folder ``Train`` and table ``train.csv`` as in MXNet's Urban Sounds example."""
    for name in ("0.wav", "1.wav", "2.wav"):
        write_tone(tmp_path / "Train" / name, seconds=0.1)
    (tmp_path / "train.csv").write_text("ID,Class\n0,siren\n1,street_music\n2,siren\n")
    return tmp_path


def test_audio_folder_dataset_reads_a_table_of_ids_without_options(urban_sounds):
    dataset = AudioFolderDataset(urban_sounds / "Train", has_csv=True, train_csv=urban_sounds / "train.csv")
    assert dataset.synsets == ["siren", "street_music"] and dataset.skipped == []
    assert dataset.items == [(str(urban_sounds / "Train" / f"{i}.wav"), label) for i, label in enumerate((0, 1, 0))]
    options = {"file_format": ".wav", "skip_rows": 1}
    former = AudioFolderDataset(urban_sounds / "Train", train_csv=urban_sounds / "train.csv", **options)
    assert former.items == dataset.items


def test_csv_and_clips_read_a_table_of_ids(urban_sounds):
    pairs = datasets.csv(urban_sounds / "train.csv", urban_sounds / "Train", missing="raise")
    assert [label for _, label in pairs] == ["siren", "street_music", "siren"]
    (urban_sounds / "train.csv").rename(urban_sounds / "Train" / "train.csv")
    assert [clip[:2] for clip in datasets.clips(urban_sounds / "Train" / "train.csv")] == pairs


def test_nothing_is_downloaded_on_construction(tmp_path, monkeypatch):
    monkeypatch.setattr("mxnet_audio.datasets.corpus.fetch", lambda *_: pytest.fail("download"))
    corpus = datasets.get("fsdd")
    with pytest.raises(DatasetError, match="download fsdd"):
        corpus.pairs(tmp_path / "fsdd")
    with pytest.raises(DatasetError, match="download fsdd"):
        AudioDataset.from_corpus("fsdd", tmp_path / "fsdd")


def test_urban_sound_dataset_is_from_corpus(tmp_path, write_tone):
    """Load the training and the test folds as UrbanSoundDataset(csv, path, folderList) of the M5 tutorial does."""
    rows = ["slice_file_name,fsID,start,end,salience,fold,classID,class"]
    for fold in range(1, 11):
        write_tone(tmp_path / "audio" / f"fold{fold}" / f"{fold}-3-0-0.wav", seconds=0.1)
        rows.append(f"{fold}-3-0-0.wav,{fold},0.0,0.1,1,{fold},3,dog_bark")
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "UrbanSound8K.csv").write_text("\n".join(rows) + "\n")
    train = AudioDataset.from_corpus("urbansound8k", tmp_path, folds=range(1, 10))
    test = AudioDataset.from_corpus("urbansound8k", tmp_path, folds=[10])
    assert (len(train), len(test)) == (9, 1)
    assert train.synsets[3] == "dog_bark" and train.label(0) == 3  # in the order of classID


def test_gtzan_hosts():
    mirror, original = gtzan.CORPUS.remote.urls
    assert "huggingface.co" in mirror and original == "http://opihi.cs.uvic.ca/sound/genres.tar.gz"
    assert gtzan.CORPUS.remote.hash.startswith("sha256:") and gtzan.CORPUS.remote.certain


def test_timit_and_voxceleb_are_reached_from_datasets():
    assert list(inspect.signature(datasets.speakers.timit).parameters) == ["root", "split"]
    assert callable(datasets.voxceleb.identification) and callable(datasets.voxceleb.verification)
