"""Models of the hub: downloads, the hub's cache, and what can go wrong with both."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mxnet_audio import weights
from mxnet_audio.errors import ModelError, ParameterError
from tests.weights.fake_hub import COMMIT
from tests.weights.torch_files import saved

NEWER = "f" * 40


@pytest.fixture
def no_network(monkeypatch):
    """Function after whose call nothing answers."""

    def cut():
        constants = pytest.importorskip("huggingface_hub.constants")
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
        )

    return cut


def shard(folder, suffix):
    """Divide the tensors of a model among two files, which an index lists."""
    path = folder / "model.safetensors"
    tensors, stem = load_file(path), {".safetensors": "model", ".bin": "pytorch_model"}[suffix]
    path.unlink()
    names, places = sorted(tensors), {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"{stem}-0000{number}-of-00002{suffix}"
        values = {name: tensors[name] for name in part}
        if suffix == ".bin":
            (folder / file).write_bytes(saved(values))
        else:
            save_file(values, folder / file)
        places |= dict.fromkeys(part, file)
    (folder / f"{stem}{suffix}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def same(loaded, other):
    return loaded.identity == other.identity and loaded.tensors.keys() == other.tensors.keys()


def test_download_and_cache(hub, model, no_network):
    folder = model("whisper")
    (folder / "pytorch_model.bin").write_bytes(b"not needed")
    (folder / "tokenizer.json").write_text("{}")
    hub.publish("openai/whisper-base", folder)
    assert weights.location("whisper") is None and not weights.available("whisper")
    with pytest.raises(ModelError, match=r"models download whisper$"):
        weights.load("whisper", download=False)
    with pytest.raises(ModelError, match=r"models download whisper --source a/b --revision c$"):
        weights.load("whisper", "a/b", revision="c", download=False)
    assert hub.requested() == []
    loaded = weights.load("whisper", progress=False)
    settings = ["config.json", "preprocessor_config.json"]
    assert hub.requested() == [*settings, "processor_config.json", "model.safetensors"]
    assert (loaded.source, loaded.revision) == ("openai/whisper-base", COMMIT)
    assert same(loaded, weights.load("whisper", folder))
    no_network()
    assert same(weights.load("whisper", download=False), loaded)
    assert same(weights.load("whisper", revision=COMMIT), loaded)
    assert same(weights.load("whisper", loaded.source, revision=loaded.revision), loaded)
    found = weights.find("whisper", download=False)
    assert [path.name for path in found] == [*settings, "model.safetensors"]
    assert {path.parent for path in found} == {weights.location("whisper")} and weights.available("whisper")
    assert found[2].is_symlink() and hub.requested() == []


def test_settings_alone(hub, model, no_network):
    folder = model("wav2vec2_large")
    hub.publish("a/large", folder)
    described = weights.load("wav2vec2", "a/large", tensors=False)
    assert hub.requested() == ["config.json", "preprocessor_config.json", "processor_config.json"]
    loaded = weights.load("wav2vec2", "a/large", progress=False)
    assert hub.requested() == ["config.json", "model.safetensors"]
    assert described.tensors == {} and described.labels == []
    assert (described.architecture, described.features) == (loaded.architecture, loaded.features)
    no_network()
    assert weights.load("wav2vec2", "a/large", tensors=False) == described


def test_network_without_weights(hub):
    for name in weights.names():
        described = weights.load(name, tensors=False)
        assert described.tensors == {} and (described.architecture is None) != bool(described.record.model_type)
    assert weights.load("hubert", tensors=False).architecture.model_type == "hubert"
    assert hub.requested() == []


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_tensors_in_several_files(hub, model, suffix, no_network):
    folder = model("ast_classifier")
    whole = weights.load("ast", folder)
    shard(folder, suffix)
    assert same(weights.load("ast", folder), whole)
    hub.publish("MIT/ast-finetuned-audioset-10-10-0.4593", folder)
    loaded = weights.load("ast", progress=False)
    assert same(loaded, whole) and loaded.labels == whole.labels
    no_network()
    files = weights.find("ast")
    assert len(files) == 5
    files[-1].unlink()
    assert weights.location("ast") is None
    with pytest.raises(ModelError, match="cannot be downloaded"):
        weights.load("ast")


def test_shard_that_is_missing(hub, model):
    folder = model("ast")
    shard(folder, ".safetensors")
    missing = folder / "model-00002-of-00002.safetensors"
    missing.unlink()
    with pytest.raises(ModelError, match=rf"{missing.name}: missing, although model\.safetensors\.index\.json lists"):
        weights.load("ast", folder)
    hub.publish("a/ast", folder)
    with pytest.raises(ModelError, match=f"has no file {missing.name}"):
        weights.load("ast", "a/ast", progress=False)


def test_revisions(hub, model):
    folder = model("whisper")
    hub.publish("a/whisper", folder)
    first = weights.load("whisper", "a/whisper", progress=False)
    save_file(
        {
            name: np.negative(value, out=np.empty_like(value))
            for name, value in load_file(folder / "model.safetensors").items()
        },
        folder / "model.safetensors",
    )
    hub.publish("a/whisper", folder, revision="v2", commit=NEWER)
    second = weights.load("whisper", "a/whisper", revision="v2", progress=False)
    assert second.revision == NEWER and not same(first, second)
    assert same(weights.load("whisper", "a/whisper"), first)
    with pytest.raises(ModelError, match=r"^a/whisper: there is no revision 'v3'"):
        weights.load("whisper", "a/whisper", revision="v3")


@pytest.mark.parametrize("revision", ["", "../../etc", "-x", 3, "a b", "x" * 300])
def test_revision_that_can_be_none(revision):
    with pytest.raises(ParameterError, match=r"^revision must be"):
        weights.load("whisper", "openai/whisper-base", revision=revision)


def test_revision_of_what_has_none(model):
    for name, source in (("whisper", model("whisper")), ("yamnet", None), ("panns_cnn6", None)):
        for function in (weights.load, weights.find):
            with pytest.raises(ParameterError, match=r"^revision"):
                function(name, source, revision="main")


def test_what_the_hub_refuses(hub, model):
    with pytest.raises(ModelError, match=r"^a/whisper: there is no folder .* there is no such model .*`hf auth login`"):
        weights.load("whisper", "a/whisper")
    hub.host.refuse("/a/gated/", 403, {"X-Error-Code": "GatedRepo"})
    with pytest.raises(ModelError, match=r"^a/gated: .* gated: accept its terms"):
        weights.load("whisper", "a/gated")
    hub.host.refuse("/a/broken/", 500, {})
    with pytest.raises(ModelError, match=r"^a/broken: not on this machine, .* cannot be downloaded .*500"):
        weights.load("whisper", "a/broken")
    folder = model("whisper")
    (folder / "model.safetensors").unlink()
    hub.publish("a/empty", folder)
    with pytest.raises(ModelError, match=r"^a/empty: has no weights: it needs model\.safetensors"):
        weights.load("whisper", "a/empty")
    (folder / "config.json").unlink()
    hub.publish("a/bare", folder)
    with pytest.raises(ModelError, match=r"^a/bare: has no config\.json"):
        weights.load("whisper", "a/bare")


def test_no_network_and_nothing_cached(hub, no_network):
    no_network()
    with pytest.raises(ModelError, match=r"^openai/whisper-base: not on this machine, .*MXNET_AUDIO_WEIGHTS=FOLDER"):
        weights.load("whisper")
    with pytest.raises(ModelError, match=r"config\.json, which is enough for random weights"):
        weights.load("whisper", "a/whisper", tensors=False)


def test_revision_that_is_not_cached(hub, model, no_network, monkeypatch):
    hub.publish("a/whisper", model("whisper"))
    weights.load("whisper", "a/whisper", progress=False)
    no_network()
    for revision in ("v2", NEWER):
        with pytest.raises(ModelError, match=f"^a/whisper: revision '{revision}' is not .*, which has main, and"):
            weights.load("whisper", "a/whisper", revision=revision)
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"revision 'v2' .* --source FOLDER.*, without HF_HUB_OFFLINE$"):
        weights.load("whisper", "a/whisper", revision="v2")


def test_source_that_is_neither(hub, tmp_path):
    for source in (tmp_path / "nöne", "whisper", "a/b/c", "/a/b", "a/..b", "./a", tmp_path.joinpath(*"ab")):
        with pytest.raises(ModelError, match=r"no such folder; .* OWNER/NAME"):
            weights.load("whisper", source)
    for source in ("https://huggingface.co/a/b", "huggingface.co/a/b/tree/main", "hf.co/a/b?x=1"):
        with pytest.raises(ParameterError, match=r"^source must be .* give 'a/b'$"):
            weights.load("whisper", source)
    for source in (3, "", "a\0b"):
        with pytest.raises(ParameterError, match=r"^source must be a path"):
            weights.load("whisper", source)
    with pytest.raises(ModelError, match="cannot be read"):
        weights.load("whisper", "x" * 5000)
    assert hub.requested() == []


def test_own_folder(hub, model, tmp_path, monkeypatch, no_network):
    first, second = model("whisper"), model("whisper_128")
    monkeypatch.setenv("MXNET_AUDIO_WEIGHTS", str(tmp_path / "own"))
    assert weights.location("whisper") is None
    (tmp_path / "own").mkdir()
    second.rename(tmp_path / "own" / "a--large")
    assert weights.load("whisper", "a/large").architecture.num_mel_bins == 128
    assert weights.location("whisper") is None
    no_network()
    with pytest.raises(ModelError, match=r"own/a--large@refs--v2; or try"):
        weights.load("whisper", "a/large", revision="refs/v2")
    (tmp_path / "own" / "a--large").rename(tmp_path / "own" / "a--large@refs--v2")
    assert weights.load("whisper", "a/large", revision="refs/v2").architecture.num_mel_bins == 128
    first.rename(tmp_path / "own" / "whisper")
    loaded = weights.load("whisper")
    assert loaded.source == str(tmp_path / "own" / "whisper") == str(weights.location("whisper"))
    (tmp_path / "own" / "whisper" / "config.json").unlink()
    assert weights.location("whisper") is None
    with pytest.raises(ModelError, match=r"own/whisper: no config\.json"):
        weights.load("whisper")
    assert hub.requested() == []


def test_front_end_that_another_program_did_not_download(hub, model):
    """A cache with settings and tensors only: the features are not guessed."""
    import huggingface_hub

    hub.publish("microsoft/wavlm-base", model("wavlm"))
    for name in ("config.json", "model.safetensors"):
        huggingface_hub.hf_hub_download("microsoft/wavlm-base", name)
    assert weights.location("wavlm") is None
    assert weights.load("wavlm").features.norm is None
    assert weights.location("wavlm") is not None


def test_without_the_library(monkeypatch, model):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert weights.location("whisper") is None
    assert weights.load("whisper", model("whisper")).tensors
    with pytest.raises(ModelError, match="pip install 'huggingface_hub"):
        weights.load("whisper")


PROGRAM = """
from mxnet_audio import weights
print(weights.load("whisper").revision)
"""


def test_process_of_its_own_sends_nothing_else(hub, model, tmp_path):
    """The environment's settings count, telemetry is off, and progress is shown on standard error."""
    hub.publish("openai/whisper-base", model("whisper"))
    environment = os.environ | {"HF_ENDPOINT": hub.host.url, "HF_HOME": str(tmp_path / "home")}
    root = Path(weights.__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, cwd=root, capture_output=True, text=True)
    assert run.stdout == f"{COMMIT}\n"
    assert hub.requested() == ["config.json", "preprocessor_config.json", "processor_config.json", "model.safetensors"]
