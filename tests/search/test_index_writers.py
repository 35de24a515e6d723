"""Several writers of one index: processes, threads, killed ones, and readers meanwhile."""

import copy
import os
import pickle
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mxnet_audio.errors import SearchError
from mxnet_audio.search import VectorIndex, store

ENGINES = ("exact", "voyager", "annoy")


def vector(number):
    return np.random.default_rng(number).uniform(0.1, 1, 8).astype(np.float32)


def add(index, names):
    for name in names:
        index.add(f"{name}.wav", vector(int(name)), stamp=(int(name), 1))


def names(directory):
    return {path.removesuffix(".wav") for path in VectorIndex.load(directory).paths}


@pytest.fixture
def saved(tmp_path):
    index = VectorIndex(model_id="m")
    add(index, "0123")
    index.notes = {"heard": ["a"]}
    index.save(tmp_path / "index")
    return tmp_path / "index"


def loaded(directory, count):
    return [VectorIndex.load(directory) for _ in range(count)]


def test_what_three_writers_added_and_removed_is_kept(saved):
    one, two, three = loaded(saved, 3)
    add(one, "45")
    add(two, "67")
    two.remove("1.wav")
    three.remove(["2.wav", "3.wav"])
    for index, left in ((two, "02367"), (one, "0234567"), (three, "04567")):
        index.save(saved)
        assert names(saved) == set(left) == {path.removesuffix(".wav") for path in index.paths}
    for name in "04567":
        assert VectorIndex.load(saved).vector(f"{name}.wav").tolist() == vector(int(name)).tolist()
    add(one, "8")  # one has not seen what three removed
    one.save(saved)
    assert names(saved) == set("045678")


def test_a_file_that_two_writers_changed(saved):
    one, two = loaded(saved, 2)
    one.add("1.wav", vector(100), stamp=(9, 9))
    two.remove("1.wav")
    two.save(saved)
    one.save(saved)
    assert names(saved) == set("0123")
    again = VectorIndex.load(saved)
    assert again.stamp("1.wav") == (9, 9) and again.vector("1.wav").tolist() == vector(100).tolist()
    again.remove("1.wav")
    again.save(saved)
    assert names(saved) == set("023")


def test_notes_of_several_writers_are_kept(saved):
    one, two, three = loaded(saved, 3)
    one.notes["heard"].append("b")
    two.notes["heard"].append("c")
    two.notes["name"] = "x"
    add(three, "4")
    for index in (one, two, three):
        index.save(saved)
    assert three.notes == VectorIndex.load(saved).notes == {"heard": ["a", "b", "c"], "name": "x"}
    one.notes.clear()  # of what it has seen, "a" and "b"
    one.save(saved)
    assert VectorIndex.load(saved).notes == {"heard": ["c"], "name": "x"}


@pytest.mark.parametrize("engine", ENGINES)
def test_engine_of_the_index_that_replaced_another_is_kept(saved, engine):
    (one,) = loaded(saved, 1)
    add(one, "45")
    other = VectorIndex(engine, "euclidean", model_id="m")
    add(other, "6")
    other.save(saved)
    one.save(saved)
    again = VectorIndex.load(saved)
    assert (again.engine, again.metric) == (one.engine, one.metric) == (engine, "euclidean")
    assert names(saved) == set("456")
    assert one.query(vector(4), 1) == again.query(vector(4), 1) == [("4.wav", 0.0)]


def test_vectors_of_two_models_are_never_mixed(saved):
    one, two = loaded(saved, 2)
    add(one, "4")
    other = VectorIndex(model_id="other")
    add(other, "5")
    other.save(saved)
    with pytest.raises(SearchError, match=r"another index.*model other"):
        one.save(saved)
    assert names(saved) == {"5"} and len(one) == 5
    two.notes["heard"].append("b")  # nothing of the former model is added
    two.save(saved)
    assert names(saved) == {"5"} and two.model_id == VectorIndex.load(saved).model_id == "other"


def test_who_records_in_the_journal_loses_nothing_to_one_who_saves(saved):
    one, two = loaded(saved, 2)
    with one.journal(saved, 10) as journal:
        add(one, "4")
        one.record(journal, "4.wav")
        add(two, "5")
        two.save(saved)  # takes over the record, and begins a new generation
        assert names(saved) == set("012345")
        add(one, "6")
        one.record(journal, "6.wav")
        assert names(saved) == set("0123456")  # as after a kill of this writer
        (three,) = loaded(saved, 1)
        three.remove(["4.wav", "6.wav"])
        three.save(saved)
    one.save(saved)
    assert names(saved) == set("01235")  # what was removed after it was recorded stays removed
    assert len(one) == 5


def test_journal_of_two_writers(saved):
    one, two = loaded(saved, 2)
    with one.journal(saved, 1) as first, two.journal(saved, 1) as second:
        for index, journal, name in ((one, first, "4"), (two, second, "5"), (one, first, "6")):
            add(index, name)
            index.record(journal, f"{name}.wav")
    assert names(saved) == set("0123456")
    one.save(saved)
    assert names(saved) == set("0123456")
    two.save(saved)
    assert names(saved) == set("0123456") and not list(saved.glob("*/journal.jsonl"))


def test_a_journal_that_cannot_be_opened(saved):
    one, two = loaded(saved, 2)
    add(one, "4")
    with pytest.raises(SearchError, match="journal"), one.journal(saved, 10) as journal:
        one.record(journal, "4.wav")
        add(two, "5")
        two.save(saved)
        (folder,) = saved.glob("generation-*")
        (folder / "journal.jsonl").mkdir()
        one.record(journal, "4.wav")
    assert names(saved) == set("012345")


def snapshot(directory):
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in [directory, *directory.rglob("*")]}


def test_nothing_is_written_when_nothing_changed(saved, monkeypatch):
    (saved / ".index.lock").unlink()
    before = snapshot(saved)
    (index,) = loaded(saved, 1)
    index.query(vector(0), 2)
    index.save(saved)
    assert snapshot(saved) == before  # not even a lock
    with index.journal(saved, 1) as journal:
        add(index, "4")
        index.record(journal, "4.wav")
    before = snapshot(saved)
    monkeypatch.setattr(os, "access", lambda *_: False)
    (index,) = loaded(saved, 1)
    index.save(saved)  # a journal stays as it is where nothing may be written
    assert snapshot(saved) == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_index(saved):
    (saved / ".index.lock").unlink()
    saved.chmod(0o500)
    try:
        (index,) = loaded(saved, 1)
        index.save(saved)
        add(index, "4")
        with pytest.raises(SearchError, match="Permission denied"):
            index.save(saved)
    finally:
        saved.chmod(0o700)


WRITER = """
import sys
import numpy as np
from mxnet_audio.search import VectorIndex
directory, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for number in range(first, first + count):
    index = VectorIndex.load(directory)
    index.add(f"{number}.wav", np.random.default_rng(number).uniform(0.1, 1, 8), stamp=(number, 1))
    if number % 2:
        index.remove(f"{number - 1}.wav")
    index.notes.setdefault("heard", []).append(number)
    index.save(directory)
    print(number, flush=True)
"""


def test_processes_that_write_at_once(saved):
    """Let three processes add and remove files, kill a fourth, and read meanwhile."""
    command = [sys.executable, "-c", WRITER, saved]
    writers = [subprocess.Popen([*command, str(first), "8"], stdout=subprocess.PIPE) for first in (100, 200, 300)]
    victim = subprocess.Popen([*command, "400", "1000"], stdout=subprocess.PIPE)
    victim.stdout.readline()
    while any(writer.poll() is None for writer in writers):
        index = VectorIndex.load(saved)
        assert len(index.notes["heard"]) > 0 and "0.wav" in index
        if victim.poll() is None and len(index) > 12:
            victim.send_signal(signal.SIGKILL)
    victim.kill()
    done = [int(number) for number in victim.stdout.read().split()]
    for process in (*writers, victim):
        process.wait()
        process.stdout.close()
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    index = VectorIndex.load(saved)
    expected = {*range(4)} | {number for first in (100, 200, 300) for number in range(first + 1, first + 8, 2)}
    found = {int(name) for name in names(saved)}
    assert {number for number in found if number < 400} == expected
    assert {number for number in done if number % 2 and number < max(done, default=0)} <= found
    heard = index.notes["heard"][1:]
    assert {number for first in (100, 200, 300) for number in range(first, first + 8)} | {*done} <= {*heard}
    assert len(set(heard)) == len(heard)
    index.add("last.wav", vector(1))  # the lock of the killed process is free
    index.save(saved)
    assert "last.wav" in VectorIndex.load(saved)


def test_reader_that_is_slower_than_the_writers(saved, monkeypatch):
    verify, (writer,) = store.verify, loaded(saved, 1)
    calls = []

    def replace_and_verify(directory, manifest):
        calls.append(manifest["generation"])
        if len(calls) <= 5:
            add(writer, str(3 + len(calls)))
            writer.save(saved)
        return verify(directory, manifest)

    monkeypatch.setattr(store, "verify", replace_and_verify)
    assert len(VectorIndex.load(saved)) == 9  # the sixth time, the writers wait
    assert len(set(calls)) == 6


@pytest.mark.parametrize("engine", ENGINES)
def test_threads_share_an_index(engine, tmp_path):
    index = VectorIndex(engine, model_id="m")
    add(index, "0")
    wrong = []

    def write(first):
        for number in range(first, first + 40):
            add(index, [str(number)])
            if number % 4 == 0:
                index.remove(f"{number}.wav")
            if number % 20 == 0:
                index.save(tmp_path / "index")

    def read():
        while not stop.is_set():
            (found,) = index.query(vector(0), 1)
            copies = (copy.deepcopy(index), pickle.loads(pickle.dumps(index)))
            if found != ("0.wav", 0.0) or any(len(other.paths) != len(other.vectors) for other in copies):
                wrong.append(found)

    stop = threading.Event()
    reader = threading.Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, (100, 200, 300, 400)))
    stop.set()
    reader.join()
    assert not wrong
    index.save(tmp_path / "index")
    expected = {f"{n}.wav" for first in (100, 200, 300, 400) for n in range(first, first + 40) if n % 4} | {"0.wav"}
    for each in (index, VectorIndex.load(tmp_path / "index")):
        assert set(each.paths) == expected
        for path in each.paths:
            number = int(path.removesuffix(".wav"))
            assert each.vector(path).tolist() == vector(number).tolist()
            assert each.query(vector(number), 1) == [(path, 0.0)]
