"""Test particular features of single corpora."""

import logging
import os
from collections import Counter
from pathlib import Path

import pytest

from mxnet_audio import datasets
from mxnet_audio.datasets.esc50 import LABELS as ESC50_LABELS
from mxnet_audio.errors import DatasetError

LISTS = Path(__file__).parents[2] / "data" / "lists"


def test_gtzan_skips_the_damaged_clip_with_a_warning(tmp_path, miniature, caplog):
    corpus, archive = miniature("gtzan")
    corpus.download(tmp_path, archive=archive, progress=False)
    with caplog.at_level(logging.WARNING):
        pairs = corpus.pairs(tmp_path)
    assert "jazz.00054" not in str(pairs)
    assert "jazz.00054.au" in caplog.text
    assert [Path(path).stem for path, _ in corpus.validate(tmp_path).damaged] == ["jazz.00054"]


def test_gtzan_lists_a_clip_in_two_formats_once(tmp_path, write_tone):
    for suffix in ("au", "wav"):
        write_tone(tmp_path / "pop" / f"pop.00000.{suffix}", seconds=0.1)
    assert datasets.get("gtzan").pairs(tmp_path) == [(str(tmp_path / "pop" / "pop.00000.au"), "pop")]


def test_gtzan_split_is_the_published_one(tmp_path):
    corpus = datasets.get("gtzan")
    for path in (f"{genre}/{genre}.{i:05d}.wav" for genre in corpus.labels for i in range(100)):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    published = {fold: set((LISTS / f"gtzan_filtered_{fold}.txt").read_text().split()) for fold in corpus.folds}
    assert [len(names) for names in published.values()] == [443, 197, 290]
    assert len(set.union(*published.values())) == 930
    for fold, names in published.items():
        listed = {Path(path).stem for path, _ in corpus.pairs(tmp_path, folds=fold)}
        assert listed == names - {"jazz.00054"}, "jazz.00054 is damaged here, as all files are"
    assert len(corpus.pairs(tmp_path)) == 999


def test_gtzan_song_list_matches_its_labels():
    songs = (LISTS / "test_songs_gtzan_list.txt").read_text().splitlines()
    truth = [int(line) for line in (LISTS / "test_gt_gtzan_list.txt").read_text().split()]
    labels = datasets.get("gtzan").labels
    assert songs[0] == "gtzan/genres/blues/blues.00000.au"
    assert songs[-1] == "gtzan/genres/rock/rock.00099.au"
    assert len(set(songs)) == len(truth) == 1000
    assert [labels[k] for k in truth] == [song.split("/")[2] for song in songs]


def test_urbansound8k_table_errors_name_line_and_value(tmp_path):
    table = tmp_path / "metadata" / "UrbanSound8K.csv"
    table.parent.mkdir()
    corpus = datasets.get("urbansound8k")
    for text, message in [
        ("slice_file_name,class\n", "no column fold, fsID"),
        ("slice_file_name,fsID,fold,class\na.wav,1,11,siren\n", "line 2: .*'11'"),
        ("slice_file_name,fsID,fold,class\na.wav,1,1,sirens\n", "line 2: .*'sirens'"),
    ]:
        table.write_text(text)
        with pytest.raises(DatasetError, match=message):
            corpus.pairs(tmp_path)
    table.unlink()
    table.mkdir()
    with pytest.raises(DatasetError, match="Is a directory"):
        corpus.pairs(tmp_path)
    table.rmdir()
    os.mkfifo(table)
    with pytest.raises(DatasetError, match="not a regular file"):
        corpus.pairs(tmp_path)


def test_urbansound8k_warns_of_missing_clips(tmp_path, miniature, caplog):
    corpus, archive = miniature("urbansound8k")
    home = Path(corpus.download(tmp_path, archive=archive, progress=False))
    (home / "audio" / "fold5" / "100032-3-0-0.wav").unlink()
    assert len(corpus.pairs(tmp_path)) == 2
    assert "1 clips of the table" in caplog.text


def test_esc50_classes_have_their_numbers():
    assert len(ESC50_LABELS) == 50
    for target, label in {0: "dog", 9: "crow", 22: "clapping", 38: "clock_tick", 43: "car_horn"}.items():
        assert ESC50_LABELS[target] == label


def test_esc10_in_class_folders(esc10):
    corpus = datasets.get("esc10")
    pairs, groups = corpus.pairs(esc10), corpus.groups(esc10)
    assert Counter(label for _, label in pairs) == dict.fromkeys(corpus.labels, 32)
    assert [len(corpus.pairs(esc10, folds=fold)) for fold in corpus.folds] == [80, 80, 80, 80, 0]
    folds = {}
    for (path, _), group in zip(pairs, groups):
        folds.setdefault(group, set()).add(Path(path).name[0])
    assert all(len(found) == 1 for found in folds.values()), "a recording is in one fold"
    for fold in (1, 2, 3, 4):
        listed = {
            tuple(line.removesuffix(".wav").rsplit("-", 1))
            for line in (LISTS / f"esc10_fold{fold}.txt").read_text().split()
        }
        found = {(Path(path).stem, str(ESC50_LABELS.index(label))) for path, label in corpus.pairs(esc10, folds=fold)}
        assert listed == found


def test_fsdd_in_a_flat_folder(fsdd):
    corpus = datasets.get("fsdd")
    assert len(corpus.pairs(fsdd)) == 2000
    test = corpus.pairs(fsdd, folds="test")
    assert len(test) == 4 * 10 * 5
    assert {Path(path).stem.split("_")[2] for path, _ in test} == set("01234")
    assert Counter(corpus.groups(fsdd)) == {"george": 500, "jackson": 500, "lucas": 500, "nicolas": 500}
    listed = set((LISTS / "fsdd_test.txt").read_text().split())
    assert len(listed) == 250
    assert {Path(path).name for path, _ in test if "lucas" not in path} < listed
