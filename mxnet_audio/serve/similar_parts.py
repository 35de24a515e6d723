"""Parts of the sounds of an index that are most like a query."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import BinaryIO, NamedTuple

import numpy as np

from mxnet_audio import audio
from mxnet_audio.audio.stream_windows import is_silent, stream_windows
from mxnet_audio.errors import AudioError, SearchError
from mxnet_audio.inference.results import Output
from mxnet_audio.search.entries import Entry
from mxnet_audio.search.vectors import VectorTable, check_vectors
from mxnet_audio.serve.sound_files import channel_of, open_sound

__all__ = ["Compute", "Part", "SimilarParts"]

REACH = 120.0  # [s] of each sound that are compared
SHORTEST, LONGEST = 1.0, 10.0  # [s] of a part
_AT_ONCE = 16  # windows in one pass of the network
_CACHE_BYTES = 64 << 20
_OVERHEAD = 1024  # bytes of each sound in the cache, beside its embeddings

Compute = Callable[[list[tuple[np.ndarray, int]]], Sequence[Output]]  # of sounds and their rates


class Part(NamedTuple):
    """Part of a sound: start and end [s]; and True if it is the whole sound, which is no longer than a window."""

    start: float
    end: float
    is_whole: bool


class _Windows(NamedTuple):
    """Windows of a sound: start and end [shape=(n, 2), seconds], and embeddings [shape=(n, dim)]."""

    times: np.ndarray
    vectors: np.ndarray

    @property
    def size(self) -> int:
        """Bytes in the cache."""
        return _OVERHEAD + self.vectors.nbytes


class SimilarParts:
    """Finder of the parts of sounds that are most like a query.

    A sound is read as a stream and cut into windows as long as the query, of 1 to 10 s, that overlap by half. Their
    embeddings are computed as those of whole sounds are. Of a long sound, the first two minutes are compared. The
    embeddings of the last sounds, at most 64 MiB, are kept as long as their files do not change.
    """

    def __init__(self) -> None:
        self._cache: OrderedDict[tuple, _Windows] = OrderedDict()
        self._bytes = 0  # of all that is in the cache
        self._lock = threading.Lock()

    def find(self, entry: Entry, vector: np.ndarray, seconds: float, metric: str, compute: Compute) -> Part | None:
        """Find the part of a sound that is most like a query.

        Parameters
        ----------
        entry : Entry
            Entry of the sound in the index.
        vector : np.ndarray [shape=(dim,)]
            Embedding of the query.
        seconds : float > 0 [s]
            Length of the query.
        metric : {'cosine', 'euclidean'}
        compute : callable
            Function from a list of ``(samples, rate)`` to the outputs of the index's model.

        Returns
        -------
        Part or None
            None if the sound cannot be read, or is silent.
        """
        length = min(max(seconds, SHORTEST), LONGEST)
        try:
            with open_sound(entry) as file:
                windows = self._windows(file, entry, round(length, 1), compute)
        except AudioError:  # it has been replaced since it was indexed
            return None
        best = _nearest(windows, vector, metric)
        if best is None:
            return None
        start, end = windows.times[best].tolist()
        return Part(start, end, is_whole=not windows.vectors.size)

    def _windows(self, file: BinaryIO, entry: Entry, length: float, compute: Compute) -> _Windows:
        """Return the windows of a sound, from the cache if its file has not changed."""
        status = os.fstat(file.fileno())
        channel = channel_of(entry)
        key = (entry.real, channel, status.st_size, status.st_mtime_ns, length)
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        windows = _computed(file, channel, length, compute)
        with self._lock:
            if key not in self._cache:  # another thread may have computed the same
                self._cache[key] = windows
                self._bytes += windows.size
            while self._bytes > _CACHE_BYTES:
                _, oldest = self._cache.popitem(last=False)
                self._bytes -= oldest.size
        return windows


def _computed(file: BinaryIO, channel: str | int, length: float, compute: Compute) -> _Windows:
    """Compute the embeddings of the windows of a sound; a sound of one window is not computed."""
    rate = audio.info(file).sr
    size = max(2, round(length * rate))
    blocks = _first(audio.blocks(file, channel=channel), round(REACH * rate))
    parts = stream_windows(blocks, size, size // 2)
    head = list(islice(parts, 2))
    if len(head) < 2:
        return _Windows(np.array([[0.0, part.end / rate] for part in head]), np.empty((len(head), 0), np.float32))
    times, vectors = [], []
    every = (part for part in chain(head, parts) if not is_silent(part.samples))
    while some := list(islice(every, _AT_ONCE)):
        for part, output in zip(some, compute([(part.samples, rate) for part in some])):
            if output.vector is not None:
                times.append((part.start / rate, part.end / rate))
                vectors.append(output.vector)
    return _Windows(np.array(times), np.array(vectors, np.float32))


def _first(blocks: Iterable[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """Yield the first `count` samples."""
    for block in blocks:
        yield block[:count]
        count -= len(block)
        if count <= 0:
            return


def _nearest(windows: _Windows, vector: np.ndarray, metric: str) -> int | None:
    """Return the number of the window that is nearest to a vector; None if there is none that can be compared."""
    if len(windows.times) < 2:
        return 0 if len(windows.times) else None
    table = VectorTable(metric)
    for number, row in enumerate(windows.vectors):
        try:
            table.add([number], check_vectors(row, metric=metric))
        except SearchError:  # a zero vector has no angle
            continue
    return int(table.nearest(vector, 1)[0][0]) if len(table) else None
