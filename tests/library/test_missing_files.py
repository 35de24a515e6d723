"""Searches and recommendations whose files were moved or deleted, or change; channels; several writers."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio.errors import AudioError, ParameterError, SearchError
from mxnet_audio.library.recommender import AudioRecommender
from mxnet_audio.library.search import AudioSearch
from tests.library.fake_classifier import FakeClassifier

ROOT = Path(__file__).resolve().parents[2]


class FakeRecommender(AudioRecommender):
    classifier_class = FakeClassifier


@pytest.fixture
def songs(tmp_path):
    """Paths of twelve files; the later, the larger the distance from the first."""
    folder = tmp_path / "songs"
    folder.mkdir()
    paths = [folder / f"{i:02d}.wav" for i in range(12)]
    for i, path in enumerate(paths):
        angle = i * np.pi / 24
        path.write_text(json.dumps([np.cos(angle), np.sin(angle), 0, 0, 0, 0, 0, 0]))
    return [str(path) for path in paths]


@pytest.fixture
def search(songs):
    """A recommender, which is a search, too, with all songs indexed, and a sound that never was a file."""
    search = FakeRecommender()
    search.load_model("models/model-a")
    search.index_many(songs)
    search.index_audio("a tone", b"[0, 0, 0, 0, 0, 0, 0, 1]")
    return search


def paths(found):
    return [path for path, _ in found]


def test_missing_files_are_left_out_and_said_once(search, songs, caplog):
    for path in songs[1:6]:
        Path(path).unlink()
    assert paths(search.query(songs[0], 3)) == songs[6:9]
    assert search.left_out == set(songs[1:6])
    assert paths(search.query_vector(search.index.vector(songs[0]), 2)) == [songs[0], songs[6]]
    search.track(songs[0])
    assert paths(search.recommend(3)) == songs[6:9]
    (message,) = [record.getMessage() for record in caplog.records]
    assert "5 of" in message and songs[1] in message and "prune()" in message and "relocate" in message
    assert len(search.query(songs[0], 100)) == 7 and len(search.recommend(100)) == 7
    for path in songs:
        Path(path).unlink(missing_ok=True)
    assert paths(search.query_vector(search.index.vector(songs[0]), 3)) == ["a tone"]


@pytest.mark.parametrize("engine", ["exact", "voyager", "annoy"])
def test_as_many_as_asked_for_are_found(engine, tmp_path):
    search = AudioSearch(engine=engine)
    rng = np.random.default_rng(0)
    for i in range(300):
        search.index.add(tmp_path / f"{i}.wav", rng.uniform(0.1, 1, 8), stamp=(1, 1))
    left = [tmp_path / f"{i}.wav" for i in range(0, 300, 60)]
    for path in left:
        path.touch()
    found = search.query_vector(np.ones(8), 3)
    assert len(found) == 3 and set(paths(found)) <= {str(path) for path in left}
    assert len(search.query_vector(np.ones(8), 10)) == 5


def test_prune(search, songs, tmp_path):
    search.save(tmp_path / "ix")
    for path in songs[:3]:
        Path(path).unlink()
    assert search.prune() == songs[:3]
    assert search.paths == [*songs[3:], "a tone"]
    search.save(tmp_path / "ix")
    again = AudioSearch()
    again.load(tmp_path / "ix")
    assert again.paths == search.paths and again.prune() == []


def test_files_of_an_old_index_without_stamps_are_kept(search, songs, tmp_path):
    search.save(tmp_path / "ix")
    (entries,) = (tmp_path / "ix").glob("*/entries.json")
    rows = [[key, path, real, None] for key, path, real, _ in json.loads(entries.read_text())]
    entries.write_text(json.dumps(rows))
    digest = subprocess.run(["sha256sum", entries], capture_output=True, text=True, check=True).stdout.split()[0]
    manifest = json.loads((tmp_path / "ix" / "index.json").read_text())
    manifest["files"]["entries.json"] = digest
    (tmp_path / "ix" / "index.json").write_text(json.dumps(manifest))
    search.load(tmp_path / "ix")
    Path(songs[1]).unlink()
    assert search.prune() == []
    assert paths(search.query(songs[0], 1)) == [songs[1]]
    assert search.index_many(songs[2:]).added == 10  # they are read once more, and known from then on
    Path(songs[2]).unlink()
    assert search.prune() == [songs[2]]


def test_a_moved_library(search, songs, tmp_path):
    search.track(songs[0])
    search.track(songs[1])
    search.save(tmp_path / "ix")
    (tmp_path / "songs").rename(tmp_path / "archive")
    moved = [path.replace("songs", "archive") for path in songs]
    search.index_many(moved[:4], save_dir=tmp_path / "ix")  # indexed again in its new folder
    assert len(search) == 17
    assert paths(search.query(moved[0], 3)) == moved[1:4]
    assert search.relocate(tmp_path / "songs", tmp_path / "archive") == moved
    search.save(tmp_path / "ix")
    again = FakeRecommender()
    again.load_model("models/model-a")
    again.load(tmp_path / "ix")
    assert sorted(again.paths) == sorted([*moved, "a tone"])
    assert again.history == moved[:2]
    assert paths(again.recommend(2)) == moved[2:4]
    report = again.index_many(moved, save_dir=tmp_path / "ix")
    assert (report.added, report.unchanged) == (0, 12)
    with pytest.raises(SearchError, match="songs"):
        again.relocate(tmp_path / "songs", tmp_path / "archive")


def test_remove_a_folder_and_several_files(search, songs, tmp_path):
    for bad in ("", [songs[0], ""], [None], None):
        with pytest.raises(ParameterError, match="path"):
            search.remove(bad)
    with pytest.raises(SearchError, match=r"nowhere\.wav: .*not in the index"):
        search.remove([songs[0], tmp_path / "nowhere.wav"])
    assert len(search) == 13
    assert search.remove([songs[3], Path(songs[1])]) == [songs[1], songs[3]]
    assert len(search.remove(tmp_path / "songs")) == 10
    assert search.paths == ["a tone"]


def test_a_changed_file_is_replaced(search, songs, tmp_path):
    search.index_many(songs, save_dir=tmp_path / "ix")
    vector = search.index.vector(songs[1])
    Path(songs[1]).write_text(json.dumps([0, 0, 0, 0, 0, 0, 0, 1]))
    other = FakeRecommender()
    other.load_model("models/model-a")
    assert other.index_many(songs, save_dir=tmp_path / "ix").added == 1
    search.load(tmp_path / "ix")
    assert len(search) == 13 and search.index.vector(songs[1]).tolist() != vector.tolist()
    assert paths(search.query(songs[0], 1)) == [songs[2]]


@pytest.fixture
def calls(tmp_path):
    """Paths of two calls with a speaker a channel, a mono one, and one of three channels."""
    rng = np.random.default_rng(0)
    files = [(tmp_path / f"call{i}.wav", channels) for i, channels in enumerate((2, 2, 1, 3))]
    for path, channels in files:
        sf.write(path, 0.1 * rng.standard_normal((800, channels)), 8000)
    return [str(path) for path, _ in files]


def test_each_channel_is_an_entry(calls, tmp_path):
    search = FakeRecommender()
    search.load_model("models/model-a")
    report = search.index_many(calls, channel="each", save_dir=tmp_path / "ix")
    names = [f"{calls[0]} [left]", f"{calls[0]} [right]", f"{calls[1]} [left]", f"{calls[1]} [right]", calls[2]]
    names += [f"{calls[3]} [{number}]" for number in (1, 2, 3)]
    assert (report.added, search.paths) == (8, names)
    assert search.index_many(calls, channel="each", save_dir=tmp_path / "ix").unchanged == 8
    right = search.index.vector(names[1])
    assert paths(search.query(calls[0], 1, skip_exact_match=False, channel="right")) == [names[1]]
    assert set(paths(search.query(calls[0], 100, channel="right"))) == set(names[2:])  # not its own channels
    assert search.prune() == []
    Path(calls[1]).unlink()
    assert search.prune() == names[2:4]
    other = FakeRecommender()
    other.load_model("models/model-a")
    other.index_audio(calls[0], channel="each")
    other.index_audio("a call", Path(calls[0]).read_bytes(), channel="each")
    assert other.paths == [*names[:2], "a call [left]", "a call [right]"]
    assert other.index.vector(names[1]).tolist() == right.tolist()
    search.track(calls[0])
    assert calls[0] in search and calls[0] not in paths(search.recommend())
    assert not {names[0], names[1]} & set(paths(search.recommend()))
    assert search.remove(calls[0]) == [*names[:2], calls[0]]


def test_one_channel(calls):
    search = FakeRecommender()
    search.load_model("models/model-a")
    assert search.index_many(calls[:2]).added == 2
    mix = search.index.vector(calls[0])
    assert search.index_many(calls[:2], channel="right").added == 2  # the file is the same, its channel is not
    assert search.index_many(calls[:2], channel=np.int64(1)).unchanged == 2
    assert search.paths == calls[:2] and search.index.vector(calls[0]).tolist() != mix.tolist()
    assert search.query(calls[0], 1, skip_exact_match=False, channel=1)[0].distance == 0
    for use in (search.index_audio, search.query, search.track, search.index_many):
        with pytest.raises(ParameterError, match="channel"):
            use(calls[3], channel="middle")
    for use in (search.query, search.track):
        with pytest.raises(ParameterError, match="channel"):
            use(calls[3], channel="each")


@pytest.mark.parametrize("name", [b"line\nbreak.wav", b"not utf-8 \xff.wav"], ids=repr)
def test_any_name(name, tmp_path):
    path = os.fsencode(tmp_path) + b"/" + name
    Path(os.fsdecode(path)).write_bytes(b"sound")
    search = FakeRecommender()
    search.load_model("models/model-a")
    assert search.index_many([path, os.fsdecode(path)], save_dir=tmp_path / "ix").added == 1
    search.track(os.fsdecode(path))
    search.save(tmp_path / "ix")
    search.load(tmp_path / "ix")
    assert search.paths == search.history == [os.fsdecode(path)]
    assert search.index_many([path], save_dir=tmp_path / "ix").unchanged == 1
    assert search.prune() == []


def test_nothing_new_writes_nothing(search, songs, tmp_path):
    search.index_many(songs, save_dir=tmp_path / "ix")
    (tmp_path / "ix" / ".index.lock").unlink()
    before = {path: path.stat() for path in [tmp_path / "ix", *(tmp_path / "ix").rglob("*")]}
    other = FakeRecommender()
    other.load_model("models/model-a")
    assert other.index_many(songs, save_dir=tmp_path / "ix").unchanged == 12
    assert paths(other.query(songs[0], 1)) == [songs[1]]
    other.save(tmp_path / "ix")
    after = {path: path.stat() for path in [tmp_path / "ix", *(tmp_path / "ix").rglob("*")]}
    assert {path: (s.st_mtime_ns, s.st_ino) for path, s in before.items()} == {
        path: (s.st_mtime_ns, s.st_ino) for path, s in after.items()
    }


def test_plays_that_are_none(search, songs):
    for heard in (3, [3], [["a"]], [["a", 3]], {"a": "b"}):
        search.index.notes["heard"] = heard
        for use in (search.recommend, lambda: search.track(songs[0]), lambda: search.relocate(songs[0], "b.wav")):
            with pytest.raises(SearchError, match="plays"):
                use()
        assert search.index.notes == {"heard": heard} and songs[0] in search


def test_plays_of_two_recommenders_are_kept(search, songs, tmp_path):
    search.save(tmp_path / "ix")
    others = [FakeRecommender(), FakeRecommender()]
    for other in others:
        other.load(tmp_path / "ix")
    others[0].track(songs[0])
    others[1].track(songs[1])
    search.index_many(songs[2:], save_dir=tmp_path / "ix")
    for other in others:
        other.save(tmp_path / "ix")
    assert others[1].history == songs[:2]


def test_a_long_lived_search_goes_on_after_another_process_has_indexed(search, songs, tmp_path):
    search.index_many(songs[:6], save_dir=tmp_path / "ix")
    for name in ("new0", "new1"):
        Path(tmp_path / name).write_bytes(name.encode())
    other = FakeRecommender()
    other.load_model("models/model-a")
    other.index_many([tmp_path / "new0"], save_dir=tmp_path / "ix")
    search.index_many([tmp_path / "new1"], save_dir=tmp_path / "ix")
    assert len(search) == 15 and tmp_path / "new0" in search


def test_threads_index_and_query(songs, tmp_path):
    search = FakeRecommender()
    search.load_model("models/model-a")
    for i in range(40):
        (tmp_path / f"new{i}").write_bytes(b"%d" % i)

    def work(number):
        search.index_audio(tmp_path / f"new{number}")
        search.track(tmp_path / f"new{number}")
        return search.query(tmp_path / f"new{number}", 1, skip_exact_match=False)[0]

    with ThreadPoolExecutor(8) as pool:
        both = [pool.submit(search.index_many, songs[part::2], save_dir=tmp_path / "ix") for part in (0, 1)]
        found = list(pool.map(work, range(40)))
        assert sum(future.result().added for future in both) == 12
    assert found == [(str(tmp_path / f"new{i}"), 0.0) for i in range(40)]
    search.save(tmp_path / "ix")
    again = FakeRecommender()
    again.load(tmp_path / "ix")
    assert len(again) == 52 and len(again.history) == 40
    for path in again.paths:
        assert again.index.vector(path).tolist() == search.classifier.encode_audio(path).tolist()


INDEXER = """
import sys
from mxnet_audio.library.search import AudioSearch
from tests.library.fake_classifier import FakeClassifier
save_dir, delay, model, *paths = sys.argv[1:]
FakeClassifier.delay = float(delay)
classifier = FakeClassifier()
classifier.load_model(model)
report = AudioSearch(classifier=classifier).index_many(paths, save_dir=save_dir)
assert not report.skipped
"""


def start(*words):
    return subprocess.Popen([sys.executable, "-c", INDEXER, *map(str, words)], cwd=ROOT, stderr=subprocess.PIPE)


def test_processes_index_into_one_new_folder(tmp_path):
    """Index overlapping lists by three processes, while a fourth is killed."""
    files = [tmp_path / f"{i}.wav" for i in range(60)]
    for i, path in enumerate(files):
        path.write_bytes(b"%d" % i)
    parts = (files[:25], files[20:45], files[40:])
    writers = [start(tmp_path / "ix", 0.002, "model-a", *part) for part in parts]
    victim = start(tmp_path / "ix", 0.05, "model-a", *files[::-1])
    time.sleep(0.5)
    victim.send_signal(signal.SIGKILL)
    for writer in (*writers, victim):
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    search = AudioSearch()
    search.load(tmp_path / "ix")
    assert set(search.paths) == {str(path) for path in files}
    classifier = FakeClassifier()
    classifier.load_model("model-a")
    for path in search.paths:
        assert search.index.vector(path).tolist() == classifier.encode_audio(path).tolist()


def test_processes_with_two_models_are_not_mixed(tmp_path):
    files = [tmp_path / f"{i}.wav" for i in range(20)]
    for i, path in enumerate(files):
        path.write_bytes(b"%d" % i)
    writers = [start(tmp_path / "ix", 0.002, model, *files) for model in ("model-a", "model-b")]
    messages = [writer.communicate()[1].decode() for writer in writers]
    failed = [code for code in (writer.returncode for writer in writers) if code]
    assert len(failed) == 1 and any("SearchError" in message and "model-" in message for message in messages)
    search = AudioSearch()
    search.load(tmp_path / "ix")
    classifier = FakeClassifier()
    classifier.load_model(search.index.model_id)
    assert len(search) == 20
    with pytest.raises(AudioError):
        AudioSearch(classifier=FakeClassifier()).query(files[0])
