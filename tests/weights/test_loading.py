"""Published weights as parameters, and the cache of converted ones."""

import dataclasses
import functools
import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio import weights
from mxnet_audio.errors import ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.weights import loading
from mxnet_audio.weights.readers.safetensors import read_with_metadata
from mxnet_audio.weights.tags import AUDIOSET
from tests.weights.torch_files import saved

NAMES = [name for name in weights.names() if not weights.record(name).repository]
FIRST = {
    "yamnet": ["Speech", "Child speech, kid speaking", "Conversation"],
    "musicnn": ["rock", "pop", "alternative"],
    "musicnn_mtt": ["guitar", "classical", "slow"],
    "musicnn_vgg": ["rock", "pop", "alternative"],
    "musicnn_vgg_mtt": ["guitar", "classical", "slow"],
    "resemblyzer": [],
    **{name: list(AUDIOSET[:3]) for name in weights.names() if name.startswith("panns")},
}


def forbid(monkeypatch, *names):
    """Make functions of the module that loads weights fail."""
    for name in names:
        monkeypatch.setattr(loading, name, functools.partial(pytest.fail, f"{name} is called"))


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    """Empty cache of the test alone: the folder of weights in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mxnet-audio" / "weights"


@pytest.fixture(scope="module")
def musicnn_vgg(published):
    """Published weights that are small: the names, shapes and first numbers of their tensors."""
    return weights.load(published("musicnn_vgg"))


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_labels(name, published):
    loaded = weights.load(published(name))
    assert loaded.record == weights.record(name) and loaded.multi_label and loaded.source is None
    assert len(loaded.identity) == 64
    assert len(loaded.labels) == loaded.record.n_tags and loaded.labels[:3] == FIRST[name]
    assert all(value.dtype == np.float32 and np.isfinite(value).all() for value in loaded.tensors.values())
    assert not any(value.flags.writeable for value in loaded.tensors.values())
    if loaded.record.n_tags:
        assert loaded.tensors["head.bias"].shape == (loaded.record.n_tags,)


def test_panns_are_read_each_time(bare, publish, tmp_path, monkeypatch):
    """Their conversion only reorders the numbers, and nothing is copied to the cache."""
    monkeypatch.setattr("mxnet_audio.weights.layouts.panns.convert", lambda tensors, _, network: (dict(tensors), ["x"]))
    data = saved({"head.bias": np.arange(527)})
    publish("panns_cnn10", {"Cnn10.pth": data}, ["https://127.0.0.1:9/never"], hashed="md5")
    path = tmp_path / "Cnn10.pth"
    path.write_bytes(data)
    loaded = weights.load("panns_cnn10", path)
    assert loaded.labels == list(AUDIOSET) and loaded.ignored == ["x"] and loaded.multi_label
    assert loaded.features == AudioFeatureConfig(type="panns") and loaded.source == str(path)
    assert not bare.exists()


def test_second_load_reads_the_cache(musicnn_vgg, own_cache, monkeypatch, caplog):
    first = weights.load("musicnn_vgg")
    forbid(monkeypatch, "find", "convert")
    second = weights.load("musicnn_vgg")
    assert second.labels == first.labels and list(second.tensors) == sorted(second.tensors)
    assert not any(value.flags.writeable for value in first.tensors.values())
    for name, tensor in first.tensors.items():
        np.testing.assert_array_equal(second.tensors[name], tensor)
    assert caplog.text == ""
    (file,) = own_cache.iterdir()
    assert json.loads(read_with_metadata(file)[1]["labels"]) == first.labels


def test_cache_is_enough(musicnn_vgg, own_cache, monkeypatch):
    weights.load("musicnn_vgg")
    forbid(monkeypatch, "find")
    monkeypatch.setattr(loading, "published_files", lambda record: None)
    assert weights.location("musicnn_vgg") == own_cache and weights.available("musicnn_vgg")
    assert len(weights.load("musicnn_vgg", download=False).labels) == 50
    assert not weights.available("musicnn_vgg_mtt")


@pytest.mark.parametrize("damage", ["number", "label", "truncated", "empty", "text", "folder"])
def test_damaged_cache_is_made_again(musicnn_vgg, own_cache, caplog, damage):
    first = weights.load("musicnn_vgg")
    (file,) = own_cache.iterdir()
    data = file.read_bytes()
    changed = {
        "number": data[:-1] + bytes([data[-1] ^ 1]),
        "label": data.replace(b"happy", b"sadly"),
        "truncated": data[:-100],
        "empty": b"",
        "text": b"not safetensors",
        "folder": None,
    }[damage]
    assert changed != data
    file.unlink()
    if changed is None:
        file.mkdir()
    else:
        file.write_bytes(changed)
    with caplog.at_level(logging.WARNING):
        again = weights.load("musicnn_vgg")
    assert caplog.text.count("WARNING") == 1
    assert again.labels == first.labels
    np.testing.assert_array_equal(again.tensors["head.weight"], first.tensors["head.weight"])
    caplog.clear()
    assert damage == "folder" or weights.load("musicnn_vgg").labels == first.labels
    assert caplog.text == ""


def test_weights_that_are_not_numbers_are_refused(musicnn_vgg, own_cache, monkeypatch, caplog):
    tensors = {name: tensor.copy() for name, tensor in musicnn_vgg.tensors.items()}
    tensors["head.bias"][3] = np.nan
    loading._write_cache(dataclasses.replace(musicnn_vgg, tensors=tensors))
    with caplog.at_level(logging.WARNING):
        again = weights.load("musicnn_vgg")
    assert np.isfinite(again.tensors["head.bias"]).all() and "'head.bias' holds NaN" in caplog.text
    monkeypatch.setattr("mxnet_audio.weights.layouts.patches.convert", lambda *_, network: (tensors, []))
    for file in own_cache.iterdir():
        file.unlink()
    with pytest.raises(ModelError, match=r"'head\.bias' holds NaN") as raised:
        weights.load("musicnn_vgg")
    assert raised.value.path.endswith(".index")


def test_cache_that_cannot_be_written(musicnn_vgg, monkeypatch, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with caplog.at_level(logging.WARNING):
        loaded = weights.load("musicnn_vgg")
    assert len(loaded.labels) == 50 and "are not kept" in caplog.text


def test_source_is_verified_even_if_the_cache_has_the_weights(musicnn_vgg, tmp_path):
    folder = shutil.copytree(weights.find("musicnn_vgg")[0].parent, tmp_path / "çopy")
    assert weights.load("musicnn_vgg", folder).labels == musicnn_vgg.labels
    data = (folder / ".data-00000-of-00001").read_bytes()
    (folder / ".data-00000-of-00001").write_bytes(data[:-1])
    with pytest.raises(ModelError, match="SHA-256 expected"):
        weights.load("musicnn_vgg", folder)
    with pytest.raises(ModelError, match=r"this is \.index of musicnn_vgg"):
        weights.load("musicnn_vgg_mtt", folder)


def test_weights_of_another_network(bare, publish, host):
    data = (Path(__file__).parent / "readers" / "data" / "small.tflite").read_bytes()
    publish("yamnet", {"a.tflite": data}, [host.put("/a", data)])
    with pytest.raises(ModelError, match=r"a\.tflite: these are not the weights of yamnet: .*layer1/conv/Conv2D"):
        weights.load("yamnet", progress=False)
    assert not list(bare.glob("*.safetensors"))


TWICE = """
import sys
for name in ("torch", "tensorflow", "musicnn", "resemblyzer", "tensorflow.lite", "tflite_runtime", "mxnet"):
    sys.modules[name] = None
from mxnet_audio import weights
for _ in range(2):
    for name in sys.argv[1:]:
        weights.load(name)
foreign = ("torch", "tensorflow", "musicnn", "resemblyzer", "mxnet")
print(*(name for name in sys.modules if name.partition(".")[0] in foreign and sys.modules[name] is not None))
"""


def test_processes_at_once_import_no_other_toolkit(own_cache):
    names = [name for name in NAMES if weights.available(name)]
    if not names:
        pytest.skip("no weights on this machine")
    command, root = [sys.executable, "-c", TWICE, *names], Path(weights.__file__).parents[2]
    runs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=root)
        for _ in range(2)
    ]
    assert [run.communicate(timeout=100)[0].strip() for run in runs] == ["", ""]
    converted = sorted(name for name in names if not name.startswith("panns"))
    assert sorted(item.name.rpartition("-")[0] for item in own_cache.iterdir()) == converted
