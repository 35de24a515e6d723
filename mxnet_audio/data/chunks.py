"""Long recordings as a Gluon dataset of chunks, each decoded only when it is indexed."""

from __future__ import annotations

import logging
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from mxnet_audio import audio
from mxnet_audio.audio.source import naming_errors, source_identity, source_name
from mxnet_audio.checks import real_number
from mxnet_audio.data.columns import Sources
from mxnet_audio.data.datasets import AudioDataset
from mxnet_audio.data.steps import takes_source
from mxnet_audio.data.transforms import Transform
from mxnet_audio.errors import AudioError, DatasetError
from mxnet_audio.parallel import map_ordered

__all__ = ["AudioChunkDataset"]

logger = logging.getLogger(__name__)

_OPEN_FILE_LOCK = threading.Lock()  # chunks of one open file share its position


@dataclass(frozen=True)
class Chunk:
    """Part of a recording; it may extend beyond both ends.

    Attributes
    ----------
    source : anything that `audio.load` takes
    start, stop : float [s]
    digest : list of str
        Identity of a recording in memory or in an open file, once it was hashed. All chunks of a recording share the
        list.
    """

    source: Any
    start: float
    stop: float
    digest: list[str] = field(default_factory=list, repr=False, compare=False)

    @property
    def name(self) -> str | None:
        """Name of the recording, for messages."""
        return source_name(self.source)

    def identity(self) -> str:
        """Return text that changes when the chunk does: see `mxnet_audio.audio.source.source_identity`."""
        return f"{self._recording()}\0{self.start!r}\0{self.stop!r}"

    def _recording(self) -> str:
        if isinstance(self.source, str | os.PathLike):
            return source_identity(self.source)
        with _OPEN_FILE_LOCK:
            if self.digest:
                return self.digest[0]
            identity = source_identity(self.source)
            if identity.startswith(("array\0", "bytes\0")):  # a file that an entry names may change
                self.digest.append(identity)
            return identity


class AudioChunkDataset(AudioDataset):
    """Chunks of a fixed length of recordings of any length; together they cover every sample.

    Chunk ``k`` of a file starts at ``k * hop`` and ends at ``k * hop + chunk``, plus `context` on both sides. There
    are chunks until every sample is in one, as in `audio.windows`. Beyond the ends of a file there are zeros, so that
    all chunks have the same length. Durations are read from the files' headers; only the chunk that is indexed is
    decoded.

    Parameters
    ----------
    sources, labels, transforms, synsets
        As for `AudioDataset`; the chunks of a source share its label. A first transform that takes a source, such as
        `Features`, is given each chunk as ``(array, rate)``.
    chunk : float > 0 [s]
        Length of a chunk.
    hop : float > 0, at most `chunk` [s]
        Distance between the starts of chunks; by default `chunk`, which gives chunks without overlap.
    context : float >= 0 [s]
        Length of the sound before and after each chunk that is added to it.
    sr : int > 0 or None [Hz]
        Rate of the samples; None keeps each file's. Each chunk is resampled separately, so that its outermost samples
        differ from those of the resampled file; with some context they lie outside the chunk.
    mono : bool
        True averages the channels.

    Attributes
    ----------
    spans : list of (int, float, float)
        For each item: the number of its source (-1 for `fill_value`), and the start and end of the chunk [s], without
        context and without the zeros at the end.
    groups : list of str
        For each item, its recording, so that chunks of a recording can be kept together.
    skipped : list of (str, AudioError)
        Sources that cannot be cut, and why. They are logged and left out.

    Raises
    ------
    ParameterError
        If a length is out of range.
    DatasetError
        If no source can be cut.

    See Also
    --------
    audio.windows : cuts samples in memory in the same way.

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
        real_number("chunk", chunk, above=0)
        real_number("hop", hop, above=0, maximum=chunk)
        real_number("context", context, minimum=0)
        self._chunk, self._hop, self._context, self._sr, self._mono = chunk, hop, context, sr, mono
        super().__init__(sources, labels, transforms=transforms, synsets=synsets)

    @property
    def spans(self) -> list[tuple[int, float, float]]:
        """Source, start and end [s] of each item."""
        return [self._span(index) for index in range(len(self))]

    def run(self, index: int, *arguments: Any, **options: Any) -> Any:
        """Apply some of the transforms, as `AudioDataset.run`; errors also name the position in the recording."""
        try:
            return super().run(index, *arguments, **options)
        except AudioError as error:
            _, start, stop = (round(value, 3) for value in self._span(index))
            raise type(error)(f"{start:.9g} s to {stop:.9g} s: {error.reason}", error.path) from error

    def _span(self, index: int) -> tuple[int, float, float]:
        chunks = self.sources.values
        cut = chunks.cuts[self.sources.rows[index]]
        return chunks.files.rows[cut.row], cut.start, cut.stop

    def _source_rows(self) -> Sequence[int]:
        return [row for row, _, _ in self.spans]

    def _items_of(self, sources: Sources, labels: list | None) -> tuple[Sources, list | None]:
        """Cut the sources into chunks."""
        self.skipped: list[tuple[str, AudioError]] = []
        self.groups = []
        cuts: list[_Cut] = []
        for _, found, error in map_ordered(
            lambda row: _cut_recording(sources, row, self._chunk, self._hop, self._context), range(len(sources))
        ):
            if error is not None:
                logger.warning("skipped %s", error)
                self.skipped.append((str(error.path), error))
            else:
                name, parts = found
                cuts.extend(parts)
                self.groups.extend([name] * len(parts))
        if self.skipped and not cuts:
            raise DatasetError(f"none of the {len(sources)} sounds can be cut, such as {self.skipped[0][1]}")
        return Sources(_Chunks(sources, cuts)), labels and [labels[cut.row] for cut in cuts]

    def _from_source(self, steps: tuple[Callable, ...]) -> tuple[Callable, ...]:
        rated = bool(steps) and takes_source(steps[0])
        return (_LoadChunk(self._chunk, self._context, self._sr, self._mono, rated), *steps)


class _Cut(NamedTuple):
    """Row of a recording, start and end of a chunk [s], and the same with context."""

    row: int
    start: float
    stop: float
    context_start: float
    context_stop: float


class _Chunks(Sequence):
    """Chunks by number, made when they are indexed, so that a lazy column stays lazy."""

    def __init__(self, files: Sources, cuts: list[_Cut]):
        self.files, self.cuts = files, cuts
        self._digests: dict[int, list[str]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self.cuts)

    def __getitem__(self, index: Any) -> Any:
        cut = self.cuts[index]
        return Chunk(self.files[cut.row], cut.context_start, cut.context_stop, self._digests[cut.row])


class _LoadChunk(Transform):
    """Load a `Chunk` as samples; with `rated`, as (samples, rate) for a transform that takes a source."""

    takes_source = True

    def __init__(self, chunk: float, context: float, sr: int | None, mono: bool, rated: bool):
        super().__init__(chunk=chunk, context=context, sr=sr, mono=mono, rated=rated)

    def apply(self, x: Chunk) -> np.ndarray | tuple[np.ndarray, int]:
        start = max(0.0, x.start)
        inner = x.source
        while hasattr(inner, "opened"):  # one channel, or a played sound
            inner = inner.source
        with _OPEN_FILE_LOCK if hasattr(inner, "read") else nullcontext():
            y, rate = audio.load(x.source, self.sr, self.mono, start, x.stop - start)
        before = round((start - x.start) * rate)
        size = round(self.chunk * rate) + 2 * round(self.context * rate)
        padded = np.zeros((*y.shape[:-1], size), dtype=np.float32)
        y = y[..., : size - before]  # resampling may have added a sample
        padded[..., before : before + y.shape[-1]] = y
        return (padded, rate) if self.rated else padded


def _cut_recording(files: Sources, row: int, chunk: float, hop: float, context: float) -> tuple[str, list[_Cut]]:
    """Return the name of a recording and the positions of its chunks."""
    source = files[row]
    name = source_name(source) or f"item {files.rows[row]}"
    with naming_errors(name):
        info = audio.info(source)
        if info.frames is None:
            raise DatasetError("its header has no duration: convert it, or load it and give (array, rate)")
        if info.frames == 0:
            raise DatasetError("there are no samples")
        rate = info.sr
        size, step, margin = round(chunk * rate), round(hop * rate), round(context * rate)
        if step < 1:
            raise DatasetError(f"a hop of {hop} s is less than a sample at {rate} Hz")
    count = 1 + max(0, -(-(info.frames - size) // step))
    return name, [
        _Cut(
            row,
            start / rate,
            min(start + size, info.frames) / rate,
            (start - margin) / rate,
            (start + size + margin) / rate,
        )
        for start in range(0, count * step, step)
    ]
