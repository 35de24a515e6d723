"""Model directories: complete or absent, checked when read."""

import errno
import hashlib
import json
import os
import random

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

    def fail(path, _):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(model_store, "write_json", fail)
    with pytest.raises(ModelError, match="No space left") as raised:
        save(tmp_path, tensors={"weight": np.ones(1, np.float32)}, step=2)
    assert raised.value.path == str(tmp_path / "net.json")
    manifest = model_store.read_manifest(tmp_path, "net")
    assert manifest["step"] == 1
    np.testing.assert_array_equal(model_store.read_tensors(tmp_path, manifest, "last")["weight"], TENSORS["weight"])


def test_unfinished_files_of_a_killed_run_are_removed(tmp_path):
    save(tmp_path, "net-2")
    killed = [".net.json.0123.tmp", ".net-last-0123456789ab.safetensors.0123.tmp"]
    others = [".net-2.json.0123.tmp", ".net-2-last-0123456789ab.safetensors.0123.tmp", ".index.json.0123.tmp"]
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


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"format": 99}', "[" * 100_000, '{"format": NaN}'])
def test_an_unusable_manifest_is_refused(tmp_path, text):
    (tmp_path / "net.json").write_text(text)
    with pytest.raises(ModelError, match=r"damaged|format 99"):
        model_store.read_manifest(tmp_path, "net")


def test_the_manifest_is_strict_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        save(tmp_path, loss=float("nan"))
    save(tmp_path, loss=0.5)
    json.loads((tmp_path / "net.json").read_text(), parse_constant=lambda c: pytest.fail(c))


def test_manifests_and_tensors_must_be_regular_files(tmp_path):
    os.mkfifo(tmp_path / "net.json")
    with pytest.raises(ModelError, match=r"net\.json.*not a regular file"):
        model_store.read_manifest(tmp_path, "net")
    (tmp_path / "net.json").unlink()
    save(tmp_path)
    (file,) = tmp_path.glob("*.safetensors")
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(ModelError, match=rf"{file.name}.*not a regular file"):
        model_store.read_tensors(tmp_path, model_store.read_manifest(tmp_path, "net"), "last")


BAD_FILES = {
    "none": {},
    "no object": [],
    "missing": None,
    "absolute": {"last": {"file": "/etc/net.safetensors", "sha256": "0" * 64}},
    "above": {"last": {"file": "../net.safetensors", "sha256": "0" * 64}},
    "below": {"last": {"file": "a/net.safetensors", "sha256": "0" * 64}},
    "drive": {"last": {"file": "c:net.safetensors", "sha256": "0" * 64}},
    "other kind": {"last": {"file": "net.json", "sha256": "0" * 64}},
    "null character": {"last": {"file": "a\0.safetensors", "sha256": "0" * 64}},
    "no name": {"last": {"file": 3, "sha256": "0" * 64}},
    "no checksum": {"last": {"file": "a.safetensors"}},
    "checksum of another kind": {"last": {"file": "a.safetensors", "sha256": None}},
    "no entry": {"last": "a.safetensors"},
    "a second one": {
        "last": {"file": "a.safetensors", "sha256": "0" * 64},
        "best": {"file": "../a.safetensors", "sha256": "0" * 64},
    },
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_manifest_lists_files_of_its_directory_with_checksums(kind, tmp_path):
    write = {"format": model_store.FORMAT, "files": BAD_FILES[kind]}
    (tmp_path / "net.json").write_text(json.dumps(write))
    with pytest.raises(ModelError) as raised:
        model_store.read_manifest(tmp_path, "net")
    assert raised.value.path == str(tmp_path / "net.json")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_tensors_that_are_not_numbers_are_named(value, dtype, tmp_path):
    save(tmp_path, tensors={"good": np.ones(3, np.float32), "head.weight": np.array([0, value], dtype)})
    manifest = model_store.read_manifest(tmp_path, "net")
    with pytest.raises(ModelError, match=r"'head\.weight'") as raised:
        model_store.read_tensors(tmp_path, manifest, "last")
    assert raised.value.path.endswith(".safetensors")


def write_with_checksum(directory, data):
    """Write bytes as the tensors of a model, with a checksum that fits."""
    digest = hashlib.sha256(data).hexdigest()
    (directory / "net-last.safetensors").write_bytes(data)
    entry = {"file": "net-last.safetensors", "sha256": digest}
    (directory / "net.json").write_text(json.dumps({"format": model_store.FORMAT, "files": {"last": entry}}))


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


ODD = {
    "empty": b"",
    "no header": b"\0" * 8,
    "a huge header": (1 << 60).to_bytes(8, "little") + b"{}",
    "deep": safetensors(b"[" * 100_000),
    "not JSON": safetensors(b"{"),
    "overlap": safetensors({n: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for n in "ab"}, b"\0" * 8),
    "behind the end": safetensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}),
    "unused bytes": safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"\0" * 8),
    "another size": safetensors({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, b"\0" * 8),
    "overflow": safetensors({"a": {"dtype": "F32", "shape": [1 << 62, 4], "data_offsets": [0, 8]}}, b"\0" * 8),
    "a type that is unknown": safetensors({"a": {"dtype": "F7", "shape": [2], "data_offsets": [0, 8]}}, b"\0" * 8),
    "a type without a NumPy type": safetensors(
        {"a": {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}}, b"\0" * 8
    ),
    "a key twice": safetensors(
        b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}',
        b"\0" * 16,
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_tensors_with_a_fresh_checksum_are_named(kind, tmp_path):
    write_with_checksum(tmp_path, ODD[kind])
    with pytest.raises(ModelError) as raised:
        model_store.read_tensors(tmp_path, model_store.read_manifest(tmp_path, "net"), "last")
    assert raised.value.path == str(tmp_path / "net-last.safetensors")


def mutant(data, chance):
    """Change, remove or repeat a few bytes."""
    data = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(data) + 1)
        length = chance.choice([0, 1, 1, 2, 8])
        data[start : start + length] = chance.choice(
            [chance.randbytes(length), b"", b"9" * chance.randint(1, 20), data[start : start + 30]]
        )
    return bytes(data)


def test_mutants_of_a_model_are_read_or_refused(tmp_path):
    chance = random.Random(17)
    save(tmp_path)
    manifest = (tmp_path / "net.json").read_bytes()
    (file,) = tmp_path.glob("*.safetensors")
    tensors = file.read_bytes()
    refused = 0
    for number in range(600):
        if number % 2:
            (tmp_path / "net.json").write_bytes(mutant(manifest, chance))
        else:
            write_with_checksum(tmp_path, mutant(tensors, chance))
        try:
            model_store.read_tensors(tmp_path, model_store.read_manifest(tmp_path, "net"), "last")
        except ModelError:
            refused += 1
    assert refused > 300


def test_a_state_that_is_replaced_while_it_is_read_is_read_again(tmp_path):
    model_store.save_state(tmp_path, "net", {"n": 1}, {"last": TENSORS})
    replacements = [{"n": 3}, {"n": 2}]

    def read(manifest):
        if replacements:
            changed = {name: tensor + len(replacements) for name, tensor in TENSORS.items()}
            model_store.save_state(tmp_path, "net", replacements.pop(), {"last": changed})
        model_store.read_tensors(tmp_path, manifest, "last")
        return manifest["n"]

    assert model_store.read_state(tmp_path, "net", read) == 3
    next(tmp_path.glob("*.safetensors")).unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        model_store.read_state(tmp_path, "net", read)
