"""``encode``, with a real model on real files."""

import csv
import os
import shutil

import numpy as np
import soundfile as sf

from tests.library.fake_encoder import load_fake_encoder


def test_npz_and_csv(run, run_json, model, tones, bad_file, tmp_path):
    npz, table = tmp_path / "vektören.npz", tmp_path / "vectors.csv"
    document = run_json("encode", tones, bad_file, "--output", npz, *model, code=1)
    with np.load(npz) as arrays:
        paths, vectors = arrays["paths"].tolist(), arrays["vectors"]
    assert paths == document["paths"]
    assert len(paths) == 16
    assert vectors.shape == (16, document["dim"])
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert document["output"] == str(npz)
    assert [item["path"] for item in document["skipped"]] == [str(bad_file)]

    assert "16 vectors" in run("encode", tones, "--output", table, *model).stdout
    with table.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert head[:2] == ["path", "v0"]
    assert [row[0] for row in rows] == paths
    np.testing.assert_array_equal(np.float32([row[1:] for row in rows]), vectors)
    assert {path.name for path in tmp_path.iterdir()} == {npz.name, table.name, bad_file.name}


def test_encoder(run, run_json, tones, tmp_path, monkeypatch):
    monkeypatch.setattr("mxnet_audio.pretrained.load_encoder", load_fake_encoder)
    monkeypatch.chdir(tmp_path)
    words = ("encode", tones / "low")
    for options, model_id in (
        (("--encoder", "musicnn"), "musicnn-max_pool"),
        (("--encoder", "yamnet", "--embedding", "mean_std"), "yamnet-mean_std"),
        ((), "yamnet-mean"),
    ):
        document = run_json(*words, *options)
        assert (document["model_id"], document["dim"], len(document["paths"])) == (model_id, 8, 8)
        assert "-".join((document["model"]["encoder"], document["model"]["embedding"])) == model_id
        with np.load("vectors.npz") as arrays:
            assert arrays["vectors"].shape == (8, 8)
    assert "yamnet" in run(*words, "--encoder", "auto").stderr


def test_embed_is_a_hidden_alias(run, run_json, model, tones, tmp_path):
    clip = tones / "low" / "0 é.wav"
    first = run_json("encode", clip, "--output", tmp_path / "v.npz", *model)
    assert run_json("embed", clip, "--output", tmp_path / "v.npz", *model) == first
    text = run("--help").stdout
    assert "  encode " in text and "  embed " not in text


def test_nothing_is_written_for_bad_files(run_json, model, bad_file, tmp_path):
    document = run_json("encode", bad_file, "--output", tmp_path / "v.npz", *model, code=1)
    assert document["output"] is None
    assert not (tmp_path / "v.npz").exists()


def test_output_that_cannot_be_written(run, model, tones, tmp_path):
    result = run("encode", tones / "low", "--output", tmp_path / "nö" / "v.npz", *model, code=1)
    assert result.stderr == f"error: {tmp_path / 'nö'}: no such folder\n"
    (tmp_path / "folder.npz").mkdir()
    assert "--output" in run("encode", tones / "low", "--output", tmp_path / "folder.npz", *model, code=2).stderr


def test_csv_escapes_the_bytes_of_a_file_name_that_are_not_utf8(run, model, tones, tmp_path):
    clip = tmp_path / os.fsdecode(b"\xff.wav")
    shutil.copy(tones / "low" / "0 é.wav", clip)
    run("encode", clip, "--output", tmp_path / "x.csv", *model)
    (row,) = (tmp_path / "x.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert row.startswith(rf"{tmp_path}/\udcff.wav,")


def test_vectors_that_a_full_disk_cannot_hold_are_kept(run, model, tones, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(28, "No space left on device")

    (tmp_path / "temporary").mkdir()
    clip = tones / "low" / "0 é.wav"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    for suffix in (".npz", ".csv"):
        output = tmp_path / f"full{suffix}"
        output.symlink_to("/dev/full")
        message = run("encode", clip, "--output", output, *model, code=1).stderr
        (kept,) = (tmp_path / "temporary").glob(f"*{suffix}")
        reason = f"error: {output}: cannot be written (No space left on device)"
        assert message == f"{reason}: the 1 vectors are in {kept}\n"
        if suffix == ".npz":
            assert np.load(kept)["paths"].tolist() == [str(clip)]
        else:
            assert kept.read_text().splitlines()[1].startswith(f"{clip},")
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    assert run("encode", clip, "--output", output, *model, code=1).stderr == f"{reason}\n"


def test_channels_of_a_recording(run_json, model, tones, tmp_path):
    (low, sr), (high, _) = (sf.read(tones / label / "0 é.wav") for label in ("low", "high ♪"))
    call, mono = tmp_path / "call.wav", tones / "low" / "0 é.wav"
    sf.write(call, np.stack([low, high], axis=1), sr)
    words = ("encode", call, mono, "--output", tmp_path / "v.npz", *model, "--channel")
    assert run_json(*words, "each")["paths"] == [f"{call} [left]", f"{call} [right]", str(mono)]
    vectors = np.load(tmp_path / "v.npz")["vectors"]
    document = run_json(*words, "right", code=1)
    assert document["paths"] == [str(call)] and [item["path"] for item in document["skipped"]] == [str(mono)]
    np.testing.assert_allclose(np.load(tmp_path / "v.npz")["vectors"][0], vectors[1], atol=1e-5)
