"""Long recordings as a Gluon dataset of short pieces, none of which is decoded before it is asked for."""

from __future__ import annotations

import logging
import math
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mxnet_audio import audio
from mxnet_audio.data.datasets import AudioDataset
from mxnet_audio.data.sources import Sources
from mxnet_audio.data.steps import takes_source
from mxnet_audio.data.transforms import Transform
from mxnet_audio.errors import AudioError, DatasetError
from mxnet_audio.parallel import map_ordered

__all__ = ["AudioChunkDataset", "Chunk"]

logger = logging.getLogger(__name__)

_READING = threading.Lock()


@dataclass(frozen=True)
class Chunk:
    """A piece of a recording; it may reach beyond both ends.

    Attributes
    ----------
    source : whatever `audio.load` takes
    start, stop : float [s]
    digest : list of str
        The identity of a recording in memory or in an open file, once one of its chunks, which share the list, has
        hashed it.
    """

    source: Any
    start: float
    stop: float
    digest: list[str] = field(default_factory=list, repr=False, compare=False)

    @property
    def name(self) -> str | None:
        """Name of the recording, for messages."""
        return audio.source_name(self.source)

    def identity(self) -> str:
        """Text that changes when the piece does: see `audio.source_identity`."""
        return f"{self._recording()}\0{self.start!r}\0{self.stop!r}"

    def _recording(self) -> str:
        if isinstance(self.source, str | os.PathLike):
            return audio.source_identity(self.source)
        with _READING:
            if self.digest:
                return self.digest[0]
            identity = audio.source_identity(self.source)
            if identity.startswith(("array\0", "bytes\0")):  # a file that an entry names may change
                self.digest.append(identity)
            return identity


class AudioChunkDataset(AudioDataset):
    """Pieces of a fixed length of recordings of any length; together they cover every sample.

    Chunk ``k`` of a file is what sounds from ``k * hop`` to ``k * hop + chunk``, with `context` more on either
    side. Chunks go on while samples remain that none has covered, as in `audio.windows`. What lies beyond the
    ends of a file is zeros, so that all chunks have one length. Lengths come from headers: files are decoded
    when an item is asked for, and only where it lies.

    Parameters
    ----------
    sources, labels, transforms, synsets
        As for `AudioDataset`; a source's chunks share its label. A first transform that takes a source, such as
        `Features`, is given each chunk as ``(array, rate)``.
    chunk : float > 0 [s]
        Length of a chunk.
    hop : float > 0, at most `chunk` [s]
        From start to start; by default `chunk`, so that chunks lie end to end.
    context : float >= 0 [s]
        How much of what lies before and after comes with each chunk, where it exists.
    sr : int > 0 or None [Hz]
        Rate wanted; None keeps each file's. Resampling sees a chunk alone, so its outermost samples differ from
        those of the resampled file: some context keeps them out of the chunk.
    mono : bool
        Average the channels.

    Attributes
    ----------
    spans : list of (int, float, float)
        For each item the number of its source (-1: `fill_value`), and where in it it starts and ends [s], without
        context and without the zeros behind the end.
    groups : list of str
        For each item its recording, so that those of one recording can stay together.
    skipped : list of (str, AudioError)
        Sources that cannot be cut, and why: they are logged and left out.

    Raises
    ------
    DatasetError
        A length is out of range, or no source can be cut.

    See Also
    --------
    audio.windows : the same cuts of samples in memory.

    Examples
    --------
    >>> long = (np.arange(5, dtype=np.float32), 1)
    >>> dataset = AudioChunkDataset([long], chunk=2, context=1, sr=None)
    >>> [data.tolist() for data in dataset]
    [[0.0, 0.0, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0], [3.0, 4.0, 0.0, 0.0]]
    >>> dataset.spans
    [(0, 0.0, 2.0), (0, 2.0, 4.0), (0, 4.0, 5.0)]
    """

    def __init__(
        self,
        sources: Any,
        chunk: float,
        hop: float | None = None,
        context: float = 0.0,
        labels: Any = None,
        *,
        sr: int | None = 22050,
        mono: bool = True,
        transforms: Callable | Iterable[Callable] = (),
        synsets: Sequence[str] | None = None,
    ):
        hop = chunk if hop is None else hop
        if not (0 < hop <= chunk < math.inf and 0 <= context < math.inf):
            raise DatasetError(
                "wanted 0 < hop <= chunk and context >= 0, in seconds, "
                f"got a chunk of {chunk}, a hop of {hop} and a context of {context}"
            )
        self._hop, self._cutting = hop, {"chunk": chunk, "context": context, "sr": sr, "mono": mono}
        super().__init__(sources, labels, transforms=transforms, synsets=synsets)

    @property
    def spans(self) -> list[tuple[int, float, float]]:
        """Source and time of each item."""
        return [self._span(index) for index in range(len(self))]

    def run(self, index: int, *arguments: Any, **options: Any) -> Any:
        """Apply some of the transforms, as `AudioDataset.run`; errors say where in the recording, too."""
        try:
            return super().run(index, *arguments, **options)
        except AudioError as error:
            _, start, stop = (round(value, 3) for value in self._span(index))
            raise type(error)(f"{start:.9g} s to {stop:.9g} s: {error.reason}", error.path) from error

    def _span(self, index: int) -> tuple[int, float, float]:
        chunks = self.sources.values
        row, start, stop = chunks.places[self.sources.rows[index]][:3]
        return chunks.files.rows[row], start, stop

    def _items_of(self, sources: Sources, labels: list | None) -> tuple[Sources, list | None]:
        """Cut the rows."""
        self.skipped: list[tuple[str, AudioError]] = []
        self.groups = []
        places: list[tuple[int, float, float, float, float]] = []
        chunk, context = self._cutting["chunk"], self._cutting["context"]
        for row, found, error in map_ordered(
            lambda row: _cuts(sources, row, chunk, self._hop, context), range(len(sources))
        ):
            if error is not None:
                logger.warning("left out: %s", error)
                self.skipped.append((error.path, error))
            else:
                name, cuts = found
                places.extend((row, *cut) for cut in cuts)
                self.groups.extend([name] * len(cuts))
        if self.skipped and not places:
            raise DatasetError(f"none of the {len(sources)} sounds can be cut, such as {self.skipped[0][1]}")
        return Sources(_Chunks(sources, places)), labels and [labels[place[0]] for place in places]

    def _from_source(self, steps: tuple[Callable, ...]) -> tuple[Callable, ...]:
        rated = bool(steps) and takes_source(steps[0])
        return (_LoadChunk(**self._cutting, rated=rated), *steps)


class _Chunks(Sequence):
    """Chunks by number, made when they are asked for: a lazy column stays one."""

    def __init__(self, files: Sources, places: list[tuple[int, float, float, float, float]]):
        self.files, self.places = files, places
        self._digests: dict[int, list[str]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Chunk:
        row, _, _, start, stop = self.places[index]
        return Chunk(self.files[row], start, stop, self._digests[row])


class _LoadChunk(Transform):
    """A `Chunk` as samples; with `rated` as (samples, rate), for a transform that takes a source."""

    takes_source = True

    def __init__(self, chunk: float, context: float, sr: int | None, mono: bool, rated: bool):
        super().__init__(chunk=chunk, context=context, sr=sr, mono=mono, rated=rated)

    def apply(self, x: Chunk) -> np.ndarray | tuple[np.ndarray, int]:
        start = max(0.0, x.start)
        # The chunks of one open file share its position.
        with _READING if hasattr(x.source, "read") else nullcontext():
            y, rate = audio.load(x.source, self.sr, self.mono, start, x.stop - start)
        before = round((start - x.start) * rate)
        size = round(self.chunk * rate) + 2 * round(self.context * rate)
        whole = np.zeros((*y.shape[:-1], size), dtype=np.float32)
        y = y[..., : size - before]  # resampling may have given one more
        whole[..., before : before + y.shape[-1]] = y
        return (whole, rate) if self.rated else whole


def _cuts(
    files: Sources, row: int, chunk: float, hop: float, context: float
) -> tuple[str, list[tuple[float, float, float, float]]]:
    """The name of a file; start and end [s] of each of its chunks, then the same with context."""
    source = files[row]
    name = audio.source_name(source) or f"item {files.rows[row]}"
    with audio.naming_errors(name):
        info = audio.info(source)
        if info.frames is None:
            raise DatasetError("its header does not say how long it is: convert it, or load it and give (array, rate)")
        if info.frames == 0:
            raise DatasetError("there are no samples")
        rate = info.sr
        size, step, more = round(chunk * rate), round(hop * rate), round(context * rate)
        if step < 1:
            raise DatasetError(f"a hop of {hop} s is less than a sample at {rate} Hz")
    count = 1 + max(0, -(-(info.frames - size) // step))
    return name, [
        (at / rate, min(at + size, info.frames) / rate, (at - more) / rate, (at + size + more) / rate)
        for at in range(0, count * step, step)
    ]
