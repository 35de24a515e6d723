"""Test all corpora against one contract: complete descriptions, and download, listing and validation."""

import json
import re
from pathlib import Path

import pytest

from mxnet_audio import datasets
from mxnet_audio.errors import DatasetError, ParameterError

NAMES = ["esc10", "esc50", "fsdd", "gtzan", "urbansound8k"]

# (file name, label, fold, group) of the clips in the miniature of each corpus.
CLIPS = {
    "esc10": [("1-100032-A-0.wav", "dog", 1, "100032"), ("5-7-B-41.wav", "chainsaw", 5, "7")],
    "esc50": [
        ("1-100032-A-0.wav", "dog", 1, "100032"),
        ("2-5-A-3.wav", "cow", 2, "5"),
        ("5-7-B-41.wav", "chainsaw", 5, "7"),
    ],
    "fsdd": [
        ("0_george_0.wav", "0", "test", "george"),
        ("0_george_5.wav", "0", "train", "george"),
        ("9_theo_49.wav", "9", "train", "theo"),
    ],
    "gtzan": [
        ("blues.00012.au", "blues", "test", "blues.00012"),
        ("blues.00029.au", "blues", "train", "blues.00029"),
        ("jazz.00033.wav", "jazz", None, "jazz.00033"),
        ("rock.00055.au", "rock", "valid", "rock.00055"),
    ],
    "urbansound8k": [
        ("100263-2-0-117.wav", "children_playing", 10, "100263"),
        ("100263-2-0-121.wav", "children_playing", 10, "100263"),
        ("100032-3-0-0.wav", "dog_bark", 5, "100032"),
    ],
}


def test_registry():
    assert datasets.names() == NAMES
    assert datasets.get("GTZAN") is datasets.get("gtzan")
    for name in ("esc51", None, 7):
        with pytest.raises(ParameterError, match=f"esc10, esc50, fsdd, gtzan, urbansound8k, got {name!r}"):
            datasets.get(name)


def test_repr_is_one_line():
    expected = "Corpus('esc10', n_clips=400, n_classes=10, folds=(1, 2, 3, 4, 5))"
    assert repr(datasets.get("esc10")) == expected


@pytest.mark.parametrize("name", NAMES)
def test_description_is_complete(name):
    corpus = datasets.get(name)
    description = json.loads(json.dumps(corpus.to_dict()))
    assert description["name"] == name == corpus.name
    assert all(description[key] for key in ("title", "licence", "labels", "folds", "n_clips", "size", "remotes"))
    assert re.match(r"@\w+\{\w+,\n", description["citation"]) and description["citation"].count("{") == description[
        "citation"
    ].count("}")
    assert len(set(corpus.labels)) == len(corpus.labels)
    assert all(isinstance(label, str) for label in corpus.labels)
    assert len(set(corpus.folds)) == len(corpus.folds)
    for remote in corpus.remotes:
        assert remote.size > 1e6
        assert re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", remote.hash)
        assert remote.urls and all(re.match(r"https?://\S+$", url) for url in remote.urls)
        assert remote.filename.endswith((".tar.gz", ".zip"))


@pytest.mark.parametrize("name", NAMES)
def test_from_archive_to_pairs(name, tmp_path, miniature, host):
    corpus, archive = miniature(name)
    url = host.put(f"/{archive.name}", archive.read_bytes())
    corpus, archive = miniature(name, [url])
    home = corpus.download(tmp_path / "data", progress=False)
    assert home == str(tmp_path / "data" / corpus.home)

    pairs = corpus.pairs(tmp_path / "data")
    assert [(Path(path).name, label) for path, label in pairs] == [clip[:2] for clip in CLIPS[name]]
    assert pairs == corpus.pairs(home), "the directory and the corpus folder give the same"
    assert corpus.groups(home) == [clip[3] for clip in CLIPS[name]]
    for fold in corpus.folds:
        expected = [clip for clip in CLIPS[name] if clip[2] == fold]
        assert [Path(path).name for path, _ in corpus.pairs(home, folds=[fold])] == [c[0] for c in expected]
        assert corpus.groups(home, folds=fold) == [clip[3] for clip in expected]
    with pytest.raises(ParameterError, match="'nineteen'"):
        corpus.pairs(home, folds=["nineteen"])

    report = corpus.validate(home)
    assert report.clips == len(pairs)
    assert report.extra == []

    corpus.download(tmp_path / "data", progress=False)
    assert len(host.requests) == 1, "a complete corpus is not downloaded again"
    names = {item.name for item in (tmp_path / "data").iterdir()}
    assert names == {corpus.home, corpus.remote.filename, f".{corpus.home}.lock"}


@pytest.mark.parametrize("name", NAMES)
def test_validate_lists_missing_damaged_and_extra_files(name, tmp_path, miniature):
    corpus, archive = miniature(name)
    home = Path(corpus.download(tmp_path, archive=archive, progress=False))
    before = corpus.validate(home)
    missing, damaged = (Path(path) for path, _ in corpus.pairs(home)[:2])
    missing.unlink()
    damaged.write_bytes(b"RIFF")
    (home / "extra.wav").write_bytes(b"")
    after = corpus.validate(home)
    assert missing.stem in after.missing and missing.stem not in before.missing
    assert str(damaged) in [path for path, _ in after.damaged]
    assert after.extra == [str(home / "extra.wav")]
    assert not after.ok

    corpus.download(tmp_path, archive=archive, progress=False)
    repaired = corpus.validate(home)
    assert (repaired.missing, repaired.damaged) == (before.missing, before.damaged)
    assert (home / "extra.wav").exists(), "download keeps other files"


@pytest.mark.parametrize("name", NAMES)
def test_folder_is_missing_or_empty(name, tmp_path):
    corpus = datasets.get(name)
    with pytest.raises(DatasetError, match="nowhere: no such folder"):
        corpus.pairs(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"no clips|table of clips is missing"):
        corpus.pairs(tmp_path)
