"""``encode``, with a real model on real files."""

import csv
import os
import shutil

import numpy as np

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


def test_csv_keeps_the_bytes_of_a_file_name_that_is_not_utf8(run, model, tones, tmp_path):
    clip = tmp_path / os.fsdecode(b"\xff.wav")
    shutil.copy(tones / "low" / "0 é.wav", clip)
    run("encode", clip, "--output", tmp_path / "x.csv", *model)
    assert (tmp_path / "x.csv").read_bytes().splitlines()[1].startswith(os.fsencode(clip) + b",")
