"""Partitions: files that a worker does together, of about the same size."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from mxnet_audio.checks import shown, whole_number
from mxnet_audio.cluster.storage import RemoteFile
from mxnet_audio.cluster.urls import check_url, display_name
from mxnet_audio.errors import ParameterError

__all__ = ["FileList", "Partition", "digest", "partitions", "target_bytes"]

MOST_FILES = 2000  # in a partition, so that results fit in a worker's memory and a lost worker costs little
SMALLEST, LARGEST, SHARES = 8 << 20, 128 << 20, 1000  # [bytes] of a partition by default: a share of all files


@dataclass(frozen=True)
class Partition:
    """Files that a worker does together.

    Attributes
    ----------
    id : str
        Digest of the names and stamps of its files: the same files make the same partition.
    files : int
        Number of files.
    size : int [bytes]
    packed : bytes
        The files, compressed, for a worker or the end of the run.
    """

    id: str
    files: int
    size: int
    packed: bytes

    def unpack(self) -> list[RemoteFile]:
        """Return the files."""
        return _unpack(self.packed)


@dataclass
class FileList:
    """List of files in little memory: about 30 bytes for each, where names resemble each other.

    Examples
    --------
    >>> files = FileList.of(RemoteFile(f"/songs/{i}.wav", 1000, "1") for i in range(5000))
    >>> files.count, files.size, sum(map(len, files.packed)) < 100_000, next(iter(files)).url
    (5000, 5000000, True, '/songs/0.wav')
    """

    count: int = 0
    size: int = 0
    packed: list[bytes] = field(default_factory=list)

    @classmethod
    def of(cls, files: Iterable[RemoteFile]) -> FileList:
        """Make the list of files, which are read once; ParameterError if one is something else."""
        found, block = cls(), []
        for file in files:
            block.append(_checked(file))
            found.count += 1
            found.size += block[-1].size
            if len(block) == MOST_FILES:
                found.packed.append(_pack(block))
                block = []
        found.packed.append(_pack(block))
        return found

    def __iter__(self) -> Iterator[RemoteFile]:
        return (file for block in self.packed for file in _unpack(block))


def partitions(files: Iterable[RemoteFile], size: int, is_done: Callable[[RemoteFile], bool]) -> Iterator[Partition]:
    """Divide files into partitions of about `size` bytes, in order.

    Boundaries are those of all files, whether they are done or not, so that an interrupted run is continued with the
    same partitions. Partitions without any file to do are left out, and so are repeated files within one.

    Examples
    --------
    >>> files = [RemoteFile(f"{i}.wav", 400, "1") for i in range(5)]
    >>> [part.files for part in partitions(files, 1000, lambda file: file.url == "0.wav")]
    [1, 2, 1]
    """
    block: dict[RemoteFile, None] = {}
    total = count = 0
    for file in files:
        if count and (total + file.size > size or count == MOST_FILES):
            if block:
                yield _partition(list(block))
            block, total, count = {}, 0, 0
        total, count = total + file.size, count + 1
        if not is_done(file):
            block[file] = None
    if block:
        yield _partition(list(block))


def target_bytes(total: int) -> int:
    """Return the size of a partition by default: a thousandth of all files, from 8 MiB to 128 MiB.

    Examples
    --------
    >>> target_bytes(1000) >> 10, target_bytes(10 << 30) >> 20
    (8192, 10)
    """
    return min(max(SMALLEST, total // SHARES), LARGEST)


def digest(*parts: str) -> int:
    """Return a number of 64 bits for texts."""
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def _checked(file: object) -> RemoteFile:
    """Return a file with plain values and an absolute path, since workers run in other folders."""
    if not isinstance(file, tuple) or len(file) != 3:
        raise ParameterError(f"files must be RemoteFile tuples, as find_sounds yields them, got {shown(file)}")
    url, size, stamp = file
    return RemoteFile(check_url(url), whole_number("size of a file", size, 0), str(stamp))


def _partition(files: list[RemoteFile]) -> Partition:
    names = "\n".join(f"{display_name(file.url)}\0{file.stamp}" for file in files)
    identity = hashlib.sha256(names.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return Partition(identity, len(files), sum(file.size for file in files), _pack(files))


def _pack(files: list[RemoteFile]) -> bytes:
    return zlib.compress(json.dumps(files).encode(), 1)


def _unpack(packed: bytes) -> list[RemoteFile]:
    return [RemoteFile(*file) for file in json.loads(zlib.decompress(packed))]
