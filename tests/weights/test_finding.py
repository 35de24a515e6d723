"""Search for weights on this machine, their verification, and downloads."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mxnet_audio import weights
from mxnet_audio.errors import ModelError, ParameterError

DATA = bytes(range(256)) * 40
OTHER = b"other" * 2000
MUSIC = {".index": b"index" * 100, ".data-00000-of-00001": DATA}
DEAD = "http://127.0.0.1:9/never"


def write(folder, contents):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return folder


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def test_order(bare, publish, write_package, tmp_path, monkeypatch):
    publish("musicnn", MUSIC)
    files = {f"musicnn/MSD_musicnn/{name}": data for name, data in MUSIC.items()}
    source, folder = write(tmp_path / "sourçe", MUSIC), write(tmp_path / "folder", MUSIC)
    write(bare, MUSIC)
    assert weights.find("musicnn")[0].parent == weights.location("musicnn") == bare
    site = write_package("musicnn", "0.1.0", files)
    assert weights.find("musicnn")[0].parent == weights.location("musicnn") == site / "musicnn" / "MSD_musicnn"
    monkeypatch.setenv("MXNET_AUDIO_WEIGHTS", str(folder))
    assert weights.find("musicnn")[0].parent == weights.location("musicnn") == folder
    assert weights.find("musicnn", source) == [source / name for name in MUSIC]


def test_source_is_a_file_or_a_folder(bare, publish, tmp_path):
    publish("yamnet", {"a.tflite": DATA}, [DEAD])
    renamed = write(tmp_path, {"näme with spaces.bin": DATA}) / "näme with spaces.bin"
    assert weights.find("yamnet", renamed) == [renamed] == weights.find("yamnet", str(renamed))
    publish("musicnn", MUSIC)
    folder = write(tmp_path / "x", MUSIC)
    for name in MUSIC:  # of several files, one stands for all
        assert weights.find("musicnn", folder / name) == [folder / name for name in MUSIC]


@pytest.mark.parametrize("inner", ["", "musicnn_vgg_mtt", "MTT_vgg"])
def test_folders_of_several_networks(bare, publish, tmp_path, monkeypatch, inner):
    publish("musicnn_vgg_mtt", MUSIC)
    folder = write(tmp_path / "weights" / inner, MUSIC)
    if inner:
        write(tmp_path / "weights", dict.fromkeys(MUSIC, OTHER))
    monkeypatch.setenv("MXNET_AUDIO_WEIGHTS", str(tmp_path / "weights"))
    assert weights.find("musicnn_vgg_mtt")[1] == folder / ".data-00000-of-00001"
    assert weights.find("musicnn_vgg_mtt", tmp_path / "weights")[0] == folder / ".index"


@pytest.mark.parametrize("change", ["truncated", "edited"])
def test_damaged_file(bare, publish, tmp_path, change):
    publish("yamnet", {"a.tflite": DATA}, [DEAD])
    damaged = DATA[:-1] if change == "truncated" else b"x" + DATA[1:]
    path = write(tmp_path, {"a.tflite": damaged}) / "a.tflite"
    for load in (weights.find, weights.load):
        with pytest.raises(ModelError) as error:
            load("yamnet", path)
        assert all(text in str(error.value) for text in (str(path), sha256(DATA), sha256(damaged)))
        assert "delete" not in str(error.value), "it is the user's own file"


def test_damaged_file_in_a_folder_is_not_skipped(bare, publish, tmp_path, monkeypatch):
    publish("yamnet", {"a.tflite": DATA}, [DEAD])
    monkeypatch.setenv("MXNET_AUDIO_WEIGHTS", str(write(tmp_path / "x", {"a.tflite": OTHER})))
    write(bare, {"a.tflite": DATA})
    with pytest.raises(ModelError, match=f"{sha256(OTHER)}.*: delete it, then mxnet-audio models download yamnet"):
        weights.find("yamnet")


def test_file_of_other_weights_is_named(bare, publish, tmp_path):
    publish("yamnet", {"a.tflite": DATA}, [DEAD])
    publish("resemblyzer", {"voice.pt": OTHER})
    path = write(tmp_path, {"a.tflite": OTHER}) / "a.tflite"
    with pytest.raises(ModelError, match=r"this is voice\.pt of resemblyzer, not the published a\.tflite of yamnet"):
        weights.find("yamnet", path)


@pytest.mark.parametrize("name", ["yamnet", "musicnn"])
@pytest.mark.parametrize("kind", ["missing", "empty folder", "pipe", "long"])
def test_source_without_weights(bare, publish, tmp_path, name, kind):
    publish(name, MUSIC if name == "musicnn" else {"a.tflite": DATA}, [DEAD])
    source = tmp_path / ("x" * 5000 if kind == "long" else "source")
    if kind == "empty folder":
        source.mkdir()
    elif kind == "pipe":
        os.mkfifo(source)
    for load in (weights.find, weights.load):
        with pytest.raises(ModelError) as error:
            load(name, source)
        assert error.value.path == str(source)


@pytest.mark.parametrize("source", ["", "a\0b", 3, b"", [], True])
def test_source_is_no_path(source):
    with pytest.raises(ParameterError, match="source"):
        weights.find("yamnet", source)


def test_nothing_here(bare, publish, monkeypatch, tmp_path):
    publish("yamnet", {"a.tflite": DATA}, [DEAD, DEAD + "2"])
    for folder in (None, tmp_path / "missing", tmp_path):
        if folder is not None:
            monkeypatch.setenv("MXNET_AUDIO_WEIGHTS", str(folder))
        assert not weights.available("yamnet") and weights.location("yamnet") is None
        with pytest.raises(ModelError) as error:
            weights.find("yamnet", progress=False)
        place = "FOLDER/yamnet, and set MXNET_AUDIO_WEIGHTS=FOLDER" if folder is None else folder / "yamnet"
        assert "models download yamnet" not in str(error.value) and f"copy it to {place}\n" in str(error.value)
        assert DEAD in str(error.value) and DEAD + "2" in str(error.value)
        assert "refused" in str(error.value) and "Max retries" not in str(error.value)
        found = "has none" if folder == tmp_path else "is no folder"
        assert folder is None or f"MXNET_AUDIO_WEIGHTS={folder} {found}" in str(error.value)
    with pytest.raises(ModelError, match=r"models download yamnet.*source=FOLDER") as error:
        weights.find("yamnet", download=False)
    assert DEAD not in str(error.value)
    with pytest.raises(ModelError, match=r"pip install --no-deps musicnn==0\.1\.0.*source=FOLDER"):
        weights.load("musicnn")
    with pytest.raises(ModelError, match=r"pip install --no-deps Resemblyzer==0\.1\.4"):
        weights.load("resemblyzer")


def test_package_without_its_files(bare, publish, write_package):
    publish("musicnn", MUSIC)
    site = write_package("musicnn", "0.1.0", {"musicnn/MSD_musicnn/.index": MUSIC[".index"]})
    with pytest.raises(ModelError, match=r"pip install --no-deps musicnn==0\.1\.0 --force-reinstall") as error:
        weights.load("musicnn")
    assert error.value.path == str(site / "musicnn" / "MSD_musicnn" / ".data-00000-of-00001")
    assert not weights.available("musicnn")


def test_package_of_another_version(bare, publish, write_package):
    publish("musicnn", MUSIC)
    write_package("musicnn", "0.2.0", {f"musicnn/MSD_musicnn/{name}": data for name, data in MUSIC.items()})
    with pytest.raises(ModelError, match=r"musicnn 0\.2\.0 .*pip install --no-deps musicnn==0\.1\.0"):
        weights.load("musicnn")


def test_download_from_mirrors_in_order(bare, publish, host):
    wrong, right = host.put("/wrong", OTHER), host.put("/right", DATA)
    publish("yamnet", {"a.tflite": DATA}, [wrong, right])
    assert weights.find("yamnet", progress=False) == [bare / "a.tflite"]
    assert (bare / "a.tflite").read_bytes() == DATA
    assert [path for path, _ in host.requests] == ["/wrong", "/right"]
    assert weights.find("yamnet", progress=False) == [bare / "a.tflite"], "not again"
    assert len(host.requests) == 2
    assert weights.location("yamnet") == bare


def test_download_is_resumed(bare, publish, host):
    large = DATA * 20
    publish("yamnet", {"a.tflite": large}, [host.put("/a", large, drop=100_000)])
    weights.find("yamnet", progress=False)
    assert (bare / "a.tflite").read_bytes() == large
    assert len(host.requests) > 1 and all(requested for _, requested in host.requests[1:])


def test_wrong_download_is_not_kept(bare, publish, host):
    publish("yamnet", {"a.tflite": DATA}, [host.put("/a", OTHER)])
    with pytest.raises(ModelError, match=r"could not be downloaded"):
        weights.find("yamnet", progress=False)
    assert not weights.available("yamnet")


def test_folder_that_cannot_be_made(bare, publish, host):
    publish("yamnet", {"a.tflite": DATA}, [host.put("/a", DATA)])
    bare.parent.parent.mkdir()
    bare.parent.write_text("a file")
    with pytest.raises(ModelError, match="weights of yamnet cannot be stored"):
        weights.find("yamnet", progress=False)


SCRIPT = """
import dataclasses, sys
from mxnet_audio import weights
from mxnet_audio.weights import registry
url, sha256, size = sys.argv[1:]
files = (weights.PublishedFile("a.tflite", int(size), sha256, (url,)),)
registry._RECORDS["yamnet"] = dataclasses.replace(weights.record("yamnet"), files=files)
print(weights.find("yamnet", progress=False)[0])
"""


def test_processes_that_download_at_once(bare, host):
    url = host.put("/a", DATA, slow=0.05)
    command = [sys.executable, "-c", SCRIPT, url, sha256(DATA), str(len(DATA))]
    root = Path(weights.__file__).parents[2]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(3)]
    assert [run.communicate(timeout=60)[0].strip() for run in runs] == [str(bare / "a.tflite")] * 3
    assert len(host.requests) == 1, "the others wait for the first"
    assert (bare / "a.tflite").read_bytes() == DATA


@pytest.mark.parametrize("hashed", ["md5", None])
def test_files_whose_sha256_is_not_known(bare, publish, host, tmp_path, hashed):
    publish("panns_cnn6", {"Cnn6.pth": DATA}, [DEAD, host.put("/a.pth", DATA)], hashed)
    assert weights.find("panns_cnn6", progress=False) == [bare / "Cnn6.pth"]
    assert weights.location("panns_cnn6") == bare
    (bare / "Cnn6.pth").unlink()
    host.put("/a.pth", OTHER)
    path = write(tmp_path / "x", {"Cnn6.pth": OTHER}) / "Cnn6.pth"
    if hashed is None:  # then only names and shapes of the tensors are compared
        assert weights.find("panns_cnn6", progress=False) == [bare / "Cnn6.pth"]
        assert weights.find("panns_cnn6", path) == [path]
        return
    with pytest.raises(ModelError, match="md5"):
        weights.find("panns_cnn6", progress=False)
    with pytest.raises(ModelError, match=r"\(MD5, .*, expected .*: give another source"):
        weights.find("panns_cnn6", path)
