"""``datasets``, and training on a named corpus by its folds."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import datasets
from tests.http_host import host as host


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """Archive in the layout of ESC-50: two classes of ESC-10, two folds, six clips in each."""
    folder = tmp_path_factory.mktemp("ärchive")
    rng = np.random.default_rng(0)
    t = np.arange(4800) / 12000
    with zipfile.ZipFile(folder / "mine.zip", "w") as file:
        for fold in (1, 2):
            for target, hertz in ((0, 300), (10, 3000)):
                for clip in range(6):
                    name = f"{fold}-{100 * fold + clip}-A-{target}.wav"
                    y = np.sin(2 * np.pi * hertz * t) + 0.1 * rng.standard_normal(t.size)
                    sf.write(folder / name, 0.5 * y, 12000)
                    file.write(folder / name, f"ESC-50-master/audio/{name}")
    return folder / "mine.zip"


def test_list(run, run_json):
    found = run_json("datasets", "list")["datasets"]
    assert [item["name"] for item in found] == datasets.names()
    lines = run("datasets", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == datasets.names()


@pytest.mark.parametrize("name", datasets.names())
def test_info(run, run_json, name):
    corpus = datasets.get(name)
    assert run_json("datasets", "info", name) == corpus.to_dict()
    text = run("datasets", "info", name).stdout
    for fact in (corpus.title, corpus.licence, corpus.citation, corpus.labels[0], corpus.remotes[0].urls[0]):
        assert str(fact) in text


def test_unknown_corpus(run):
    for words in (("info", "gzan"), ("download", "gzan", "somewhere")):
        result = run("datasets", *words, code=1)
        assert "'gzan'" in result.stderr and "gtzan" in result.stderr
        assert result.stdout == ""


@pytest.mark.usefixtures("own_cache")
def test_download_from_an_archive_then_train_by_folds(run, run_json, archive, tmp_path):
    document = run_json("datasets", "download", "esc10", tmp_path / "data", "--archive", archive)
    assert document == {"name": "esc10", "directory": str(tmp_path / "data" / "ESC-50")}
    again = run("datasets", "download", "esc10", tmp_path / "data", "--archive", archive)
    assert again.stdout == f"esc10 is in {tmp_path / 'data' / 'ESC-50'}\n"

    corpus = (tmp_path / "data", "--corpus", "esc10", "--model-dir", tmp_path / "model", "--folds")
    small = ("--input-shape", "1,16,16", "--epochs", 1, "--test-size", 0.5)
    assert run_json("train", *corpus, "1", *small)["labels"] == ["dog", "rain"]
    assert run_json("evaluate", *corpus, "2")["n_clips"] == 12
    assert run_json("evaluate", *corpus, "1, 2")["n_clips"] == 24
    assert "9" in run("evaluate", *corpus, "9", code=1).stderr


def test_no_progress_bar_where_stderr_is_no_terminal(run, archive, host, tmp_path):
    url = host.put("/mine.zip", archive.read_bytes())
    assert "%|" not in run("datasets", "download", "esc10", tmp_path, "--url", url).stderr


def test_missing_archive(run, tmp_path):
    words = ("datasets", "download", "fsdd", tmp_path / "data")
    result = run(*words, "--archive", tmp_path / "nö.zip", code=1)
    assert "error: " in result.stderr and "nö.zip" in result.stderr
    result = run(*words, "--url", (tmp_path / "nö.zip").as_uri(), code=1)
    assert result.stderr.count("error: ") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(run, archive, tmp_path):
    tmp_path.chmod(0o500)
    result = run("datasets", "download", "esc10", tmp_path / "data", "--archive", archive, code=1)
    assert f"error: {tmp_path}" in result.stderr
