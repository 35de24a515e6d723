"""Parts hold the results and the list of their files, and nothing of a former version of a file remains."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mxnet_audio.cluster import storage
from mxnet_audio.cluster.parts import DoneFiles, write_part
from mxnet_audio.cluster.storage import RemoteFile
from mxnet_audio.errors import AudioError

SCHEMA = pa.schema([("path", pa.string()), ("value", pa.int32())])
JOB = {"job": "test", "model_id": "m", "version": "1"}


def write(folder, number, *names, stamp="1", rows=1):
    """Write a part with rows for each name, and return the files."""
    files = [RemoteFile(name, 1, stamp) for name in names]
    values = [{"path": name, "value": int(stamp)} for name in names for _ in range(rows)]
    write_part(str(folder / f"part-{number}.parquet"), SCHEMA, values, JOB, files)
    return files


def values(folder):
    return sorted(map(tuple, (row.values() for row in pq.read_table(folder).to_pylist())))


def test_files_of_parts_are_done_with_their_stamp_only(tmp_path):
    (file,) = write(tmp_path, 1, "/a.wav", rows=0)
    done = DoneFiles(str(tmp_path), JOB)
    assert done.is_done(file)
    assert not done.is_done(file._replace(stamp="2"))
    assert not done.is_done(file._replace(url="/b.wav"))


def test_an_output_that_is_missing_holds_nothing(tmp_path):
    done = DoneFiles(str(tmp_path / "none"), JOB)
    assert not done.is_done(RemoteFile("/a.wav", 1, "1"))
    done.remove_former()


def test_a_changed_file_replaces_its_rows(tmp_path):
    write(tmp_path, 1, "/a.wav", "/b.wav", "/c.wav", rows=2)
    done = DoneFiles(str(tmp_path), JOB)
    done.add(write(tmp_path, 2, "/b.wav", stamp="2"))
    done.remove_former()
    assert values(tmp_path) == [("/a.wav", 1)] * 2 + [("/b.wav", 2)] + [("/c.wav", 1)] * 2
    again = DoneFiles(str(tmp_path), JOB)
    assert not again.is_done(RemoteFile("/b.wav", 1, "1"))
    assert again.is_done(RemoteFile("/c.wav", 1, "1"))


def test_a_part_without_any_current_file_is_removed(tmp_path):
    write(tmp_path, 1, "/a.wav")
    done = DoneFiles(str(tmp_path), JOB)
    done.add(write(tmp_path, 2, "/a.wav", stamp="2"))
    done.remove_former()
    assert [path.name for path in tmp_path.iterdir()] == ["part-2.parquet"]


def test_a_run_that_was_killed_before_it_removed_former_rows_is_continued(tmp_path):
    write(tmp_path, 1, "/a.wav", "/b.wav")
    (file,) = write(tmp_path, 2, "/a.wav", stamp="2")
    done = DoneFiles(str(tmp_path), JOB)
    assert done.is_done(file)
    done.remove_former()
    assert values(tmp_path) == [("/a.wav", 2), ("/b.wav", 1)]


def test_a_file_in_two_parts_is_kept_once(tmp_path):
    write(tmp_path, 1, "/a.wav", "/b.wav")
    write(tmp_path, 2, "/b.wav", "/c.wav")
    DoneFiles(str(tmp_path), JOB).remove_former()
    assert values(tmp_path) == [("/a.wav", 1), ("/b.wav", 1), ("/c.wav", 1)]


def test_a_file_twice_in_one_part_stays(tmp_path):
    (file, _) = write(tmp_path, 1, "/a.wav", "/a.wav")
    done = DoneFiles(str(tmp_path), JOB)
    done.remove_former()
    assert DoneFiles(str(tmp_path), JOB).is_done(file)


def test_parts_that_another_run_has_removed_in_the_meantime(tmp_path, monkeypatch):
    write(tmp_path, 1, "/a.wav", "/b.wav")
    write(tmp_path, 2, "/b.wav")
    done = DoneFiles(str(tmp_path), JOB)
    (tmp_path / "part-2.parquet").unlink()
    done.remove_former()
    monkeypatch.setattr(storage, "list_names", lambda folder: ["part-1.parquet", "part-2.parquet"])
    assert DoneFiles(str(tmp_path), JOB).is_done(RemoteFile("/a.wav", 1, "1"))


@pytest.mark.parametrize("name", ["/\"a\" 'b'.wav", "/a\nb\r.wav", "/é ♪\t.wav", "/a [left].wav"])
def test_odd_names(tmp_path, name):
    (file,) = write(tmp_path, 1, name)
    assert values(tmp_path) == [(name, 1)]
    assert DoneFiles(str(tmp_path), JOB).is_done(file)


def test_names_that_are_not_unicode(tmp_path):
    (file,) = write(tmp_path, 1, "/\udcff.wav")
    assert values(tmp_path) == [("/\\udcff.wav", 1)]
    done = DoneFiles(str(tmp_path), JOB)
    assert done.is_done(file)
    done.add(write(tmp_path, 2, "/\udcff.wav", stamp="2"))
    done.remove_former()
    assert values(tmp_path) == [("/\\udcff.wav", 2)]


def test_results_of_another_model_are_refused(tmp_path):
    write(tmp_path, 1, "/a.wav")
    with pytest.raises(AudioError, match=r"part-1\.parquet: holds results with model_id 'm'"):
        DoneFiles(str(tmp_path), {**JOB, "model_id": "other"})
    DoneFiles(str(tmp_path), {**JOB, "version": "2"})


@pytest.mark.parametrize("content", ["foreign", "damaged", "empty", "footer"])
def test_parts_of_others_are_refused(tmp_path, content):
    path = tmp_path / "part-0.parquet"
    if content == "foreign":
        pq.write_table(pa.table({"path": ["/a.wav"]}), path)
    elif content == "footer":
        path.write_bytes(b"PAR1" + b"x" * 20 + b"\x14\0\0\0PAR1")
    else:
        path.write_bytes(b"PAR1 no" if content == "damaged" else b"")
    with pytest.raises(AudioError, match=r"part-0\.parquet: not a result"):
        DoneFiles(str(tmp_path), JOB)
    storage.write("memory://out/part-0.parquet", path.read_bytes())
    with pytest.raises(AudioError, match=r"part-0\.parquet: not a result"):
        DoneFiles("memory://out", JOB)
