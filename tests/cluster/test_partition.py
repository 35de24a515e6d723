"""Partitions have about the same size, the same files make the same ones, and lists of files take little memory."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio.cluster.partition import MOST_FILES, FileList, partitions, target_bytes
from mxnet_audio.cluster.storage import RemoteFile
from mxnet_audio.errors import ParameterError


def files_of(*sizes):
    return [RemoteFile(f"/songs/{number}.wav", size, "1") for number, size in enumerate(sizes)]


def nothing_done(_):
    return False


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [((400, 400, 400), [2, 1]), ((2000, 1, 1), [1, 2]), ((1, 2000, 1), [1, 1, 1]), ((0, 0), [2]), ((), [])],
    ids=["equal", "large first", "large between", "sizes unknown", "none"],
)
def test_boundaries(sizes, expected):
    files = files_of(*sizes)
    found = list(partitions(files, 1000, nothing_done))
    assert [part.files for part in found] == expected
    assert list(itertools.chain.from_iterable(part.unpack() for part in found)) == files
    assert sum(part.size for part in found) == sum(sizes)


def test_many_small_files_are_divided_too():
    found = list(partitions(files_of(*[1] * (MOST_FILES + 1)), 1 << 30, nothing_done))
    assert [part.files for part in found] == [MOST_FILES, 1]


def test_done_files_do_not_move_the_boundaries():
    files = files_of(*[400] * 6)
    every = [part.id for part in partitions(files, 1000, nothing_done)]
    rest = [part.id for part in partitions(files, 1000, lambda file: file in files[2:4])]
    assert rest == [every[0], every[2]]


def test_a_file_that_is_given_twice_is_done_once():
    (found,) = partitions([*files_of(400), *files_of(400, 100)], 1000, nothing_done)
    assert found.unpack() == files_of(400, 100)


@pytest.mark.parametrize("file", ["a.wav", ("/a.wav", 1), ("/a.wav", -1, ""), ("", 1, ""), ("/a.wav", None, ""), None])
def test_what_is_no_file(file):
    with pytest.raises(ParameterError):
        FileList.of([file])


def test_relative_paths_and_numbers_of_numpy():
    assert list(FileList.of([("a.wav", np.int64(3), 1)])) == [(str(Path("a.wav").absolute()), 3, "1")]


def test_the_id_changes_with_a_name_or_a_stamp():
    file = RemoteFile("/a.wav", 1, "1")
    changed = [file, file._replace(url="/b.wav"), file._replace(stamp="2")]
    assert len({next(partitions([one], 10, nothing_done)).id for one in changed}) == 3


def test_a_list_can_be_read_again_and_keeps_all_names():
    files = [RemoteFile(f"/songs/\udcff{number} é.wav", number, "1") for number in range(2 * MOST_FILES + 3)]
    listed = FileList.of(iter(files))
    assert list(listed) == files == list(listed)
    assert listed.count == len(files)
    assert listed.size == sum(file.size for file in files)


def test_a_million_names_take_little_memory():
    listed = FileList.of(RemoteFile(f"/songs/{number:06}.wav", 10_000, "10000 1") for number in range(20_000))
    assert sum(map(len, listed.packed)) < 20_000 * 30


def test_the_default_size_has_limits():
    assert [target_bytes(total) for total in (0, 10 << 30, 1 << 50)] == [8 << 20, (10 << 30) // 1000, 128 << 20]
