"""The loaders by their well-known names."""

import io
import tarfile

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import datasets
from mxnet_audio.datasets.fetch import fetch
from mxnet_audio.errors import DatasetError
from mxnet_audio.library.utility import gtzan_loader, urbansound8k_loader

TABLE = b"slice_file_name,fsID,start,end,salience,fold,classID,class\n1-8-0-0.wav,1,0,1,1,3,8,siren\n"
CASES = {
    "gtzan": (
        gtzan_loader.download_gtzan_genres_if_not_found,
        "genres.tar.gz",
        {"genres/pop/pop.00007.au": "AU"},
        "genres_done.txt",
    ),
    "urbansound8k": (
        urbansound8k_loader.download_urbansound8k_if_not_found,
        "UrbanSound8K.tar.gz",
        {"UrbanSound8K/metadata/UrbanSound8K.csv": TABLE, "UrbanSound8K/audio/fold3/1-8-0-0.wav": "WAV"},
        "UrbanSound8K_done.txt",
    ),
}


def _pack(path, files):
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            if isinstance(data, str):
                out = io.BytesIO()
                sf.write(out, np.zeros(100), 8000, format=data, subtype="PCM_16")
                data = out.getvalue()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


@pytest.mark.parametrize("name", CASES)
def test_takes_the_archive_that_is_there_and_leaves_a_flag(name, tmp_path, monkeypatch):
    download, archive, files, flag = CASES[name]
    home = tmp_path / "very_large_data" / name
    _pack(home / archive, files)
    monkeypatch.setattr("mxnet_audio.datasets.corpus.fetch", None)  # no network
    download(home)
    assert all((home / path).is_file() for path in files)
    assert (home / archive).is_file(), "the archive is kept"
    assert (home / flag).is_file()
    assert len(datasets.get(name).pairs(home)) == 1

    for path in files:
        (home / path).unlink()
    download(str(home))
    assert not (home / next(iter(files))).exists(), "the flag makes it return at once"


@pytest.mark.parametrize("name", CASES)
def test_makes_the_directory_and_leaves_no_flag_when_it_fails(name, tmp_path, monkeypatch):
    download, _, _, flag = CASES[name]

    def broken(remote, *args):
        return fetch(remote, args[0], url="http://127.0.0.1:9/", progress=False)

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("mxnet_audio.datasets.corpus.fetch", broken)
    with pytest.raises(DatasetError, match="could not be downloaded"):
        download(tmp_path / "deep" / "down")
    assert (tmp_path / "deep" / "down").is_dir()
    assert not (tmp_path / "deep" / "down" / flag).exists()


def test_labels():
    assert gtzan_loader.gtzan_labels == {
        0: "blues",
        1: "classical",
        2: "country",
        3: "disco",
        4: "hiphop",
        5: "jazz",
        6: "metal",
        7: "pop",
        8: "reggae",
        9: "rock",
    }
    assert list(urbansound8k_loader.urbansound8k_labels.items())[::3] == [
        (0, "air_conditioner"),
        (3, "dog_bark"),
        (6, "gun_shot"),
        (9, "street_music"),
    ]
