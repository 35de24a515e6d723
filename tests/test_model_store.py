"""Model directories: complete or absent, checked when read."""

import json

import numpy as np
import pytest

from mxnet_audio import model_store
from mxnet_audio.errors import ModelError

TENSORS = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.zeros(2, np.float32)}


def save(directory, name="net", tensors=TENSORS, **manifest):
    model_store.save_state(directory, name, manifest, {"last": tensors})


def test_round_trip(tmp_path):
    save(tmp_path / "new", labels=["a", "ü"])
    manifest = model_store.read_manifest(tmp_path / "new", "net")
    assert manifest["labels"] == ["a", "ü"]
    read = model_store.read_tensors(tmp_path / "new", manifest, "last")
    assert read.keys() == TENSORS.keys()
    np.testing.assert_array_equal(read["weight"], TENSORS["weight"])


def test_a_new_state_replaces_the_former_and_leaves_other_models_alone(tmp_path):
    save(tmp_path, "net")
    save(tmp_path, "net-2")
    save(tmp_path, "net", {"weight": np.ones(1, np.float32)})
    assert model_store.stored_models(tmp_path) == ["net", "net-2"]
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    for name in model_store.stored_models(tmp_path):
        model_store.read_tensors(tmp_path, model_store.read_manifest(tmp_path, name), "last")


def test_an_unfinished_state_leaves_the_former_one(tmp_path, monkeypatch):
    save(tmp_path, step=1)
    monkeypatch.setattr(model_store, "write_json", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save(tmp_path, tensors={"weight": np.ones(1, np.float32)}, step=2)
    manifest = model_store.read_manifest(tmp_path, "net")
    assert manifest["step"] == 1
    np.testing.assert_array_equal(model_store.read_tensors(tmp_path, manifest, "last")["weight"], TENSORS["weight"])


def test_unfinished_files_of_a_killed_run_are_removed(tmp_path):
    save(tmp_path, "net-2")
    killed = [".net.json.0123.tmp", ".net-last-0123456789ab.safetensors.0123.tmp"]
    others = [".net-2.json.0123.tmp", ".index.json.0123.tmp"]
    for name in (*killed, *others):
        (tmp_path / name).write_text("half")
    save(tmp_path)
    assert [name for name in (*killed, *others) if (tmp_path / name).exists()] == others


def test_an_earlier_format_is_refused(tmp_path):
    (tmp_path / "net.json").write_text('{"format": 1}')
    with pytest.raises(ModelError, match=r"format 1\b.*format 2: train"):
        model_store.read_manifest(tmp_path, "net")


def test_saving_the_same_state_again_repairs_a_damaged_file(tmp_path):
    save(tmp_path)
    (file,) = tmp_path.glob("*.safetensors")
    file.write_bytes(b"damaged")
    save(tmp_path)
    model_store.read_tensors(tmp_path, model_store.read_manifest(tmp_path, "net"), "last")


def test_a_file_name_that_is_not_unicode_survives(tmp_path):
    save(tmp_path, skipped=["\udcff.wav", "ü.wav"])
    assert model_store.read_manifest(tmp_path, "net")["skipped"] == ["\udcff.wav", "ü.wav"]


def test_a_path_that_cannot_hold_a_model_is_named(tmp_path, monkeypatch):
    model_store.check_writable(tmp_path / "new" / "newer")
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ModelError) as raised:
            model_store.check_writable(path)
        assert raised.value.path == str(tmp_path / "file")
    monkeypatch.setattr(model_store.os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(ModelError, match="permission"):
        model_store.check_writable(tmp_path / "new")


def test_fingerprint_depends_on_names_shapes_and_values():
    same = {name: TENSORS[name].copy() for name in reversed(TENSORS)}
    assert model_store.fingerprint(same) == model_store.fingerprint(TENSORS)
    others = [
        {**TENSORS, "bias": np.ones(2, np.float32)},
        {**TENSORS, "weight": TENSORS["weight"].reshape(3, 2)},
        {"weight": TENSORS["weight"], "offset": TENSORS["bias"]},
    ]
    assert len({model_store.fingerprint(other) for other in [TENSORS, *others]}) == 4


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(ModelError, match="no net model here"):
        model_store.read_manifest(tmp_path, "net")
    save(tmp_path, "net")
    with pytest.raises(ModelError, match=r"no other model here.*net"):
        model_store.read_manifest(tmp_path, "other")
    manifest = model_store.read_manifest(tmp_path, "net")
    with pytest.raises(ModelError, match="'best'"):
        model_store.read_tensors(tmp_path, manifest, "best")
    (file,) = tmp_path.glob("*.safetensors")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(ModelError, match=rf"{file.name}.*SHA-256"):
        model_store.read_tensors(tmp_path, manifest, "last")
    file.unlink()
    with pytest.raises(ModelError, match=f"{file.name}.*cannot be read"):
        model_store.read_tensors(tmp_path, manifest, "last")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"format": 99}'])
def test_an_unusable_manifest_is_refused(tmp_path, text):
    (tmp_path / "net.json").write_text(text)
    with pytest.raises(ModelError, match=r"damaged|format 99"):
        model_store.read_manifest(tmp_path, "net")


def test_the_manifest_is_strict_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        save(tmp_path, loss=float("nan"))
    save(tmp_path, loss=0.5)
    json.loads((tmp_path / "net.json").read_text(), parse_constant=lambda c: pytest.fail(c))
