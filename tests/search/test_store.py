"""Test the journal with complete and truncated records, and saves of a killed process."""

import json
import signal
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest

from mxnet_audio.errors import SearchError
from mxnet_audio.search import VectorIndex


def journalled(directory, n=6):
    """Make a saved index of one file, with `n` more in its journal."""
    index = VectorIndex(model_id="m")
    index.add("first é.wav", [1.0, 1.0])
    index.save(directory)
    with index.journal(directory, sync_every=2) as journal:
        for i in range(n):
            index.add(f"{i}.wav", [float(i + 1), 0.5], stamp=(i, i))
            index.record(journal, f"{i}.wav")
    return index


def journal_file(directory):
    return (
        directory / f"generation-{json.loads((directory / 'index.json').read_text())['generation']}" / "journal.jsonl"
    )


def test_journal_is_loaded(tmp_path):
    index = journalled(tmp_path)
    loaded = VectorIndex.load(tmp_path)
    assert loaded.paths == index.paths
    assert loaded.vectors.tolist() == index.vectors.tolist()
    assert loaded.stamp("3.wav") == (3, 3)
    loaded.save(tmp_path)
    assert not journal_file(tmp_path).exists()
    assert VectorIndex.load(tmp_path).paths == index.paths


def test_record_is_written_at_once(tmp_path):
    index = VectorIndex()
    index.save(tmp_path)
    journal = index.journal(tmp_path, sync_every=1000)
    index.add("a.wav", [1.0, 2.0])
    index.record(journal, "a.wav")
    assert VectorIndex.load(tmp_path).paths == ["a.wav"]  # though the journal is still open
    journal.__exit__()


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_truncated_record_is_ignored(tmp_path, cut, caplog):
    journalled(tmp_path)
    content = journal_file(tmp_path).read_bytes()
    journal_file(tmp_path).write_bytes(content[:-cut])
    assert VectorIndex.load(tmp_path).paths == ["first é.wav", *(f"{i}.wav" for i in range(5))]
    assert "record 6" in caplog.text


def test_changed_record_is_ignored(tmp_path):
    journalled(tmp_path)
    lines = journal_file(tmp_path).read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"2.wav", b"7.wav")
    journal_file(tmp_path).write_bytes(b"".join(lines))
    assert VectorIndex.load(tmp_path).paths == ["first é.wav", "0.wav", "1.wav", "3.wav", "4.wav", "5.wav"]


def test_journal_with_a_truncated_record_is_continued(tmp_path):
    journalled(tmp_path)
    journal_file(tmp_path).write_bytes(journal_file(tmp_path).read_bytes()[:20])
    index = VectorIndex.load(tmp_path)
    with index.journal(tmp_path, 1) as journal:
        index.add("later.wav", [1.0, 3.0])
        index.record(journal, "later.wav")
    assert VectorIndex.load(tmp_path).paths == ["first é.wav", "later.wav"]
    index.save(tmp_path)
    assert not journal_file(tmp_path).exists()
    assert VectorIndex.load(tmp_path).paths == ["first é.wav", "later.wav"]


@pytest.mark.parametrize(
    "record",
    [
        b"[]",
        b'{"path": 3, "real": "/a", "stamp": null, "vector": "AACAPwAAgD8="}',
        b'{"path": "a", "real": "/a", "stamp": ["x"], "vector": "AACAPwAAgD8="}',
        b'{"path": "a", "real": "/a", "stamp": null, "vector": "AACAPwAAgD8AAIA/"}',
        b'{"path": "a", "real": "/a", "stamp": null, "vector": 3}',
        b"[" * 100_000,
    ],
    ids=["list", "path", "stamp", "size", "vector", "deep"],
)
def test_record_of_another_kind_is_ignored(tmp_path, record, caplog):
    journalled(tmp_path, n=2)
    with journal_file(tmp_path).open("ab") as file:
        file.write(b"%08x %s\n" % (zlib.crc32(record), record))
    assert VectorIndex.load(tmp_path).paths == ["first é.wav", "0.wav", "1.wav"]
    assert "ignored" in caplog.text


def test_full_disk(tmp_path, monkeypatch):
    def raise_disk_full(_):
        raise OSError(28, "No space left on device")

    index = journalled(tmp_path, n=0)
    journal = index.journal(tmp_path, sync_every=1)
    file = journal._file
    monkeypatch.setattr("os.fsync", raise_disk_full)
    with pytest.raises(SearchError, match=r"journal\.jsonl: .*No space"):
        index.record(journal, "first é.wav")
    with pytest.raises(SearchError, match=r"journal\.jsonl: .*No space"):
        journal.__exit__()
    assert file.closed


def test_journal_of_a_replaced_index(tmp_path):
    replaced = journalled(tmp_path, n=0)
    open_journal = replaced.journal(tmp_path, 1)
    journalled(tmp_path, n=0)
    replaced.add("later.wav", [1.0, 3.0])
    replaced.record(open_journal, "later.wav")  # it is continued in the new generation
    open_journal.__exit__()
    assert VectorIndex.load(tmp_path).paths == ["first é.wav", "later.wav"]
    VectorIndex(model_id="other").save(tmp_path)
    replaced.add("last.wav", [1.0, 3.0])
    with pytest.raises(SearchError, match=r"another index.*model other"):
        replaced.journal(tmp_path, 1)
    with pytest.raises(SearchError, match="save the index"):
        VectorIndex(model_id="m").journal(tmp_path, 1)


SAVER = """
import sys
import numpy as np
from mxnet_audio.search import VectorIndex
directory, engine = sys.argv[1:]
vectors = np.random.default_rng(0).uniform(0.1, 1, (400, 8))
index = VectorIndex(engine)
for size in range(1, 400):
    index.add(f"{size}.wav", vectors[size])
    index.notes = {"size": size}
    index.save(directory)
    sys.stdout.write(f"{size}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("engine", ["exact", "voyager"])
def test_kill_during_save(tmp_path, engine):
    """Kill a process at several times: the index of the last finished or of the current save is complete."""
    vectors = np.random.default_rng(0).uniform(0.1, 1, (400, 8)).astype(np.float32)
    for round_number in range(5):
        directory = tmp_path / str(round_number)
        process = subprocess.Popen([sys.executable, "-c", SAVER, directory, engine], stdout=subprocess.PIPE)
        process.stdout.readline()  # the first save is done
        time.sleep(0.02 + 0.0219 * round_number)
        process.send_signal(signal.SIGKILL)
        last = max([1, *map(int, process.stdout.read().split())])
        process.wait()
        process.stdout.close()
        index = VectorIndex.load(directory)
        assert len(index) in (last, last + 1)
        assert index.notes == {"size": len(index)}
        assert index.paths == [f"{i}.wav" for i in range(1, len(index) + 1)]
        assert index.vectors.tolist() == vectors[1 : len(index) + 1].tolist()
        assert index.query(vectors[1], 1)[0].path == "1.wav"
        index.save(directory)
        index.add("new.wav", vectors[0])
        index.save(directory)
        assert len(list(directory.iterdir())) == 3  # leftovers of the killed process are removed
        assert json.loads((directory / "index.json").read_text())["count"] == len(index)


KILLED_SAVER = """
import os, signal, sys
from mxnet_audio.search import VectorIndex
directory, step = sys.argv[1], int(sys.argv[2])
index = VectorIndex.load(directory)
index.add("new.wav", [1.0, 2.0])
index.notes = {"new": True}
calls = []
def fsync_or_die(descriptor, fsync=os.fsync):
    calls.append(descriptor)
    if len(calls) == step:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)
os.fsync = fsync_or_die
index.save(directory)
"""


def test_kill_at_every_step_of_a_save(tmp_path):
    """Kill a process at each of its calls of fsync, from the first to the last."""
    outcomes = []
    for step in range(1, 100):
        directory = tmp_path / str(step)
        journalled(directory)
        before = VectorIndex.load(directory)
        code = subprocess.run([sys.executable, "-c", KILLED_SAVER, directory, str(step)]).returncode
        after = VectorIndex.load(directory)
        if after.notes:
            assert after.paths == [*before.paths, "new.wav"]
        else:
            assert after.paths == before.paths
            assert after.vectors.tolist() == before.vectors.tolist()
        outcomes.append((code, bool(after.notes)))
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert len(outcomes) > 5
    assert outcomes[0] == (-signal.SIGKILL, False)
    assert outcomes[-1] == (0, True)
    assert (-signal.SIGKILL, True) in outcomes  # also after the manifest was replaced
