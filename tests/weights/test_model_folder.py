"""Folders of models: what is read of them, and settings and files that are damaged or do not agree."""

import json
import logging
import os
import pickle

import numpy as np
import pytest
from safetensors.numpy import load_file, save, save_file

from mxnet_audio import weights
from mxnet_audio.errors import ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.weights.convert import convert
from mxnet_audio.weights.tags import AUDIOSET
from tests.weights.fake_hub import edit
from tests.weights.torch_files import saved, wrapped

MODELS = {
    "wav2vec2": "wav2vec2",
    "wav2vec2_large": "wav2vec2",
    "wav2vec2_classifier": "wav2vec2",
    "hubert": "hubert",
    "wavlm": "wavlm",
    "whisper": "whisper",
    "whisper_128": "whisper",
    "whisper_classifier": "whisper",
    "ast": "ast",
    "ast_classifier": "ast",
}


@pytest.mark.parametrize("model_name", MODELS)
def test_parameters_settings_and_classes(model, model_name):
    folder, name = model(model_name), MODELS[model_name]
    loaded = weights.load(name, folder)
    assert loaded.record == weights.record(name) and loaded.source == str(folder) and loaded.revision is None
    assert all(value.dtype == np.float32 and not value.flags.writeable for value in loaded.tensors.values())
    config = json.loads((folder / "config.json").read_text())
    assert loaded.architecture.model_type == config["model_type"]
    assert bool(loaded.labels) == model_name.endswith("classifier")
    assert loaded.labels == (list(config["id2label"].values()) if loaded.labels else [])
    assert loaded.multi_label == (config.get("problem_type") == "multi_label_classification")
    for path in (folder / "config.json", folder / "model.safetensors"):
        assert weights.load(name, path).identity == loaded.identity
    assert len(weights.load(name, folder).identity) == 64


def test_published_tensors_that_are_not_needed(model, caplog):
    with caplog.at_level(logging.DEBUG, "mxnet_audio"):
        loaded = weights.load("wavlm", model("wavlm"))
    assert {record.levelno for record in caplog.records} == {logging.DEBUG} and "wavlm does not need" in caplog.text
    assert loaded.ignored and loaded.ignored[0] in caplog.text


@pytest.mark.parametrize("layout", ["zip", "legacy"])
def test_file_of_pytorch(model, layout):
    folder = model("whisper")
    loaded, path = weights.load("whisper", folder), folder / "model.safetensors"
    if layout == "zip":
        (folder / "pytorch_model.bin").write_bytes(saved(load_file(path)))
        path.unlink()
        assert weights.load("whisper", folder).identity == loaded.identity
    for pickled in (pickle.dumps({"a": os.system}, 2), pickle.dumps(Hostile(), 4)):
        (folder / "pytorch_model.bin").write_bytes(wrapped(pickled, layout))
        path.unlink(missing_ok=True)
        with pytest.raises(ModelError, match=r"pytorch_model\.bin: contains posix\.system"):
            weights.load("whisper", folder)


class Hostile:
    """Object whose pickle calls a function."""

    def __reduce__(self):
        return os.system, ("false",)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_precision(model, dtype):
    folder = model("ast")
    path = folder / "model.safetensors"
    tensors = load_file(path)
    if dtype == "bfloat16":
        file = save({name: (value.view("<u4") >> 16).astype("<u2") for name, value in tensors.items()})
        start = 8 + int.from_bytes(file[:8], "little")
        header = file[8:start].replace(b'"U16"', b'"BF16"')
        path.write_bytes(len(header).to_bytes(8, "little") + header + file[start:])
    else:
        save_file({name: value.astype(dtype) for name, value in tensors.items()}, path)
    loaded = weights.load("ast", folder)
    assert all(value.dtype == np.float32 for value in loaded.tensors.values())
    exact = convert("ast", tensors, loaded.architecture)[0]
    for name, value in loaded.tensors.items():
        np.testing.assert_allclose(value, exact[name], rtol=1e-2, atol=1e-6)


def test_folder_without_settings_or_weights(model):
    folder = model("whisper")
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    for function in (weights.load, weights.find):
        with pytest.raises(ModelError, match=r"whisper: no weights in this folder: it needs model\.safetensors or "):
            function("whisper", folder)
    with pytest.raises(ModelError, match=r"other\.safetensors: a model is a folder with config\.json and one of"):
        weights.load("whisper", folder / "other.safetensors")
    assert weights.load("whisper", folder, tensors=False).architecture.d_model == 16
    (folder / "config.json").unlink()
    for tensors in (True, False):
        with pytest.raises(ModelError, match=r"whisper: no config\.json in this folder"):
            weights.load("whisper", folder, tensors=tensors)


def test_other_type(model):
    with pytest.raises(ModelError, match=r"config\.json: this is a hubert model, .* load_encoder\('hubert', …\)"):
        weights.load("wav2vec2", model("hubert"))
    with pytest.raises(ModelError, match=r"this is a ast model, not whisper"):
        weights.load("whisper", model("ast"))
    with pytest.raises(ModelError, match=r"config\.json: .* 'encodec'; supported types are wav2vec2, hubert, "):
        weights.load("whisper", model("whisper", {"model_type": "encodec"}))


@pytest.mark.parametrize(
    ("name", "change", "cause"),
    [
        ("whisper", {"num_mel_bins": 81}, r"preprocessor_config\.json: feature_size must be 81"),
        ("whisper", {"max_source_positions": 60}, r"preprocessor_config\.json: nb_max_frames must be 120"),
        ("whisper", {"d_model": 17}, r"config\.json|model\.safetensors"),
        ("whisper", {"encoder_layers": 3}, r"model\.safetensors: .*layers\.2\..* is missing"),
        ("whisper", {"encoder_layers": 1}, r"model\.safetensors: .*layers\.1\..* is not part of it"),
        ("whisper", {"encoder_layers": "many"}, r"config\.json: encoder_layers: "),
        ("whisper", {"d_model": 1 << 40}, r"config\.json: d_model: "),
        ("ast", {"num_mel_bins": 64}, r"preprocessor_config\.json: num_mel_bins must be 64"),
        ("ast", {"max_length": 1024}, r"preprocessor_config\.json: max_length must be 1024"),
        ("hubert", {"conv_dim": []}, r"config\.json|model\.safetensors"),
        ("wav2vec2", {"add_adapter": True}, r"config\.json: add_adapter must be false"),
        ("ast_classifier", {"id2label": {"0": "a"}}, "id2label must name the 4 classes"),
        ("ast_classifier", {"id2label": dict.fromkeys("0123", "a")}, "got 'a' twice"),
        ("ast_classifier", {"id2label": ["a", "b", "c", "d"]}, "id2label"),
        ("ast_classifier", {"id2label": {"first": "a"}}, "id2label"),
        ("ast_classifier", {"id2label": dict.fromkeys("0123", 5)}, "id2label"),
    ],
    ids=str,
)
def test_settings_that_do_not_agree(model, name, change, cause):
    with pytest.raises(ModelError, match=cause):
        weights.load(MODELS[name], model(name, change))


@pytest.mark.parametrize(
    ("name", "change", "cause"),
    [
        ("whisper", {"feature_size": 128}, "feature_size must be 80 for this model, got 128"),
        ("whisper", {"sampling_rate": 8000}, "sampling_rate must be 16000"),
        ("whisper", {"do_normalize": True}, "do_normalize"),
        ("whisper", {"hop_length": 100}, "hop_length"),
        ("ast", {"std": 0}, "std"),
        ("ast", {"mean": 1e300}, "mean"),
        ("ast", {"sampling_rate": "fast"}, "sampling_rate"),
        ("hubert", {"sampling_rate": 0}, "sampling_rate"),
        ("hubert", {"sampling_rate": 10**30}, "sampling_rate"),
        ("hubert", {"sampling_rate": 192_000}, "arrays of"),
        ("hubert", {"feature_size": 80}, "feature_size"),
        ("hubert", {"feature_extractor_type": "WhisperFeatureExtractor"}, "feature_extractor_type must be Wav2Vec2"),
    ],
    ids=str,
)
def test_front_end_that_does_not_fit(model, name, change, cause):
    folder = model(name)
    edit(folder / "preprocessor_config.json", change)
    with pytest.raises(ModelError, match=rf"preprocessor_config\.json: .*{cause}"):
        weights.load(name, folder)


def test_front_ends(model):
    folder = model("hubert")
    path = folder / "preprocessor_config.json"
    settings = {"type": "raw", "audio_file_length_limit_in_s": 20.0}
    assert weights.load("hubert", folder).features == AudioFeatureConfig(sr=16000, norm="unit_variance", **settings)
    edit(path, {"do_normalize": False, "sampling_rate": 8000, "feature_extractor_type": None})
    assert weights.load("hubert", folder).features == AudioFeatureConfig(sr=8000, norm=None, **settings)
    nested = {"feature_extractor": {"do_normalize": True, "sampling_rate": 8000}, "processor_class": "…"}
    (folder / "processor_config.json").write_text(json.dumps(nested))
    assert weights.load("hubert", folder).features == AudioFeatureConfig(sr=8000, norm="unit_variance", **settings)
    (folder / "processor_config.json").write_text('{"processor_class": "…"}')
    assert weights.load("hubert", folder).features.norm is None
    (folder / "processor_config.json").unlink()
    path.unlink()
    assert weights.load("hubert", folder).features == AudioFeatureConfig(sr=16000, norm="unit_variance", **settings)
    folder = model("ast")
    settings = {"type": "ast", "n_mels": 32, "n_frames": 64}
    assert weights.load("ast", folder).features == AudioFeatureConfig(**settings)
    edit(folder / "preprocessor_config.json", {"mean": -1.5, "std": 2})
    assert weights.load("ast", folder).features == AudioFeatureConfig(**settings, mean=-1.5, std=2)
    edit(folder / "preprocessor_config.json", {"do_normalize": False})
    assert weights.load("ast", folder).features == AudioFeatureConfig(**settings, mean=0, std=0.5)
    assert weights.load("whisper", model("whisper_128")).features.n_mels == 128


def test_classes_that_settings_do_not_name(model):
    folder = model("ast_classifier", {"id2label": None, "problem_type": None})
    loaded = weights.load("ast", folder)
    assert loaded.labels == ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"] and not loaded.multi_label
    tensors = load_file(folder / "model.safetensors")
    for name in ("classifier.dense.weight", "classifier.dense.bias"):
        tensors[name] = np.resize(tensors[name], (len(AUDIOSET), *tensors[name].shape[1:]))
    save_file(tensors, folder / "model.safetensors")
    loaded = weights.load("ast", folder)
    assert len(loaded.labels) == 527 and loaded.multi_label, "models of AudioSet do not say so"


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json", "processor_config.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"3", b"[" * 100_000, b"\xff\xfe", b'{"a": NaN}', None])
def test_damaged_settings(model, file, content):
    path = model("whisper") / file
    path.unlink(missing_ok=True)
    if content is None:
        os.mkfifo(path)
    else:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=file):
        weights.load("whisper", path.parent)


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "nan", "pipe", "folder", "dangling"])
def test_damaged_tensors(model, damage):
    path = model("ast") / "model.safetensors"
    data = path.read_bytes()
    tensors = {name: value.copy() for name, value in load_file(path).items()}
    next(iter(tensors.values()))[...] = np.nan
    contents = {"truncated": data[:-100], "empty": b"", "text": b"not safetensors", "nan": save(tensors)}
    path.unlink()
    if damage in contents:
        path.write_bytes(contents[damage])
    elif damage == "pipe":
        os.mkfifo(path)
    elif damage == "folder":
        path.mkdir()
    else:
        path.symlink_to(path.with_name("nothing"))
    with pytest.raises(ModelError, match=r"no weights in this folder" if damage == "dangling" else r"safetensors: "):
        weights.load("ast", path.parent)


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_pointer_of_git_lfs(model, file):
    path = model("ast") / "model.safetensors"
    path.unlink()
    path.with_name(file).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")
    with pytest.raises(ModelError, match=rf"{file}: a pointer of Git LFS.*`git lfs pull`"):
        weights.load("ast", path.parent)


def test_links_to_files_are_followed(model, tmp_path):
    folder = model("ast")
    for path in list(folder.iterdir()):
        path.rename(tmp_path / path.name)
        path.symlink_to(tmp_path / path.name)
    assert weights.load("ast", folder).tensors


def test_ecapa_is_one_file(tmp_path, monkeypatch):
    tensors = {"blocks.0.conv.conv.weight": np.ones((2, 3), np.float32)}
    monkeypatch.setattr("mxnet_audio.weights.layouts.ecapa.convert", lambda tensors, _: (dict(tensors), ["counter"]))
    path = tmp_path / "embedding_model.ckpt"
    path.write_bytes(saved(tensors))
    (tmp_path / "hyperparams.yaml").write_text("!!python/object/apply:os.system ['false']")
    renamed = tmp_path / "öther.bin"
    renamed.write_bytes(path.read_bytes())
    for source in (tmp_path, path, renamed):
        loaded = weights.load("ecapa", source)
        assert loaded.identity == weights.load("ecapa", path).identity and loaded.ignored == ["counter"]
        assert loaded.features == AudioFeatureConfig(type="speechbrain") and loaded.labels == []
        assert loaded.architecture is None
    assert weights.find("ecapa", tmp_path) == [path]
    path.write_bytes(wrapped(pickle.dumps(Hostile(), 2)))
    with pytest.raises(ModelError, match=r"embedding_model\.ckpt: contains posix\.system"):
        weights.load("ecapa", tmp_path)
    path.unlink()
    os.mkfifo(path)
    for source in (tmp_path, path):
        with pytest.raises(ModelError, match="embedding_model"):
            weights.load("ecapa", source)


@pytest.mark.parametrize(
    ("name", "change", "cause"),
    [
        ("whisper", {"d_model": 1 << 20}, "parameters"),
        ("hubert", {"num_hidden_layers": 1000, "hidden_size": 4096}, "parameters"),
        ("ast", {"patch_size": 16384, "max_length": 16384, "num_mel_bins": 16384, "hidden_size": 16384}, "parameters"),
        ("whisper", {"max_source_positions": 1 << 20}, "arrays of"),
        ("hubert", {"conv_stride": [1, 1, 1]}, "arrays of"),
        ("ast", {"max_length": 1 << 20}, "arrays of"),
        ("hubert", {"conv_kernel": [1 << 19, 3, 2]}, "conv_kernel"),
        ("ast", {"num_mel_bins": 15}, "num_mel_bins"),
    ],
    ids=str,
)
def test_network_that_needs_memory_out_of_proportion(model, name, change, cause):
    folder = model(name, change)
    for tensors in (False, True):
        with pytest.raises(ModelError, match=rf"config\.json: .*{cause}"):
            weights.load(name, folder, tensors=tensors)


@pytest.mark.parametrize("name", ["wav2vec2", "wavlm", "whisper", "ast"])
def test_number_of_parameters_is_known_before_they_are_read(model, name):
    loaded = weights.load(name, model(name))
    matrices = sum(value.size for key, value in loaded.tensors.items() if value.ndim > 1 and ".distances." not in key)
    assert 0.95 * matrices <= loaded.architecture.n_parameters <= 1.05 * matrices


def test_numbers_out_of_range_warn_of_nothing(model, recwarn):
    path = model("hubert") / "model.safetensors"
    tensors = {name: value.astype(np.float64) for name, value in load_file(path).items()}
    for value in tensors.values():
        value[...] = 1e300
    save_file(tensors, path)
    with pytest.raises(ModelError, match=r"model\.safetensors: .* NaN or infinity"):
        weights.load("hubert", path)
    assert not recwarn.list
