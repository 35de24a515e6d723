"""From a dataset to batches on a device: decoded in threads, ahead of the network, once or in every epoch."""

from __future__ import annotations

import contextlib
import copy
import itertools
import logging
import operator
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from mxnet_audio.audio import source_name
from mxnet_audio.data.batchify import Stack
from mxnet_audio.data.datasets import AudioDataset
from mxnet_audio.data.sampler import EpochSampler
from mxnet_audio.data.transforms import Compose
from mxnet_audio.engine import gluon, mx
from mxnet_audio.errors import AudioError, DatasetError
from mxnet_audio.features import FeatureCache
from mxnet_audio.parallel import map_ordered

__all__ = ["AudioLoader"]

log = logging.getLogger(__name__)

AHEAD = 4  # batches

Mode = Literal["eager", "lazy", "lazy_cached"]


class AudioLoader:
    """Batches of a dataset, read by threads while the network works.

    The transforms of an `AudioDataset` up to the first random one give the same in every epoch. `mode` says
    where their result is kept:

    ``eager``
        In memory; all is read when the loader is made.
    ``lazy``
        Nowhere: every epoch reads all anew, in the memory of a few batches.
    ``lazy_cached``
        In files (`FeatureCache`) that the first epoch writes and later ones, and later runs, map into memory:
        an epoch as fast as in memory, in the memory of a few batches. Transforms count as far as they have a
        `key`; a changed file, transform or parameter misses. A file that changes while the loader is in use is
        noticed by the next one.

    Iterating is an epoch. Random transforms and the order (but for what ``rollover`` carries over) depend on `seed`,
    the epoch and the sample alone: not on mode, threads or timing. A function is random if its attribute ``random``
    says so. Of other datasets than `AudioDataset`, ``eager`` keeps whole samples.

    Parameters
    ----------
    dataset : gluon.data.Dataset
        An `AudioDataset`; or any other, which then has no ``lazy_cached``.
    batch_size : int > 0
    mode : {'eager', 'lazy', 'lazy_cached'}, optional
        Default: what the dataset's `Features` configuration says, else ``lazy``.
    shuffle : bool
        Another order in each epoch.
    seed : int >= 0
        Of the order.
    last_batch : {'keep', 'discard', 'rollover'}
        What becomes of a short last batch, as in `gluon.data.DataLoader`.
    batch_sampler : iterable of list of int, optional
        Which samples make a batch, such as `BucketSampler`. Then `shuffle` does not count, and `batch_size` only says
        how far to read ahead.
    batchify_fn : callable, optional
        List of samples to arrays: `Stack` by default, `Pad` for variable lengths, `Mixup`.
    num_workers : int > 0, optional
        Threads; the number of usable CPUs by default.
    prefetch_size : int >= 0, optional
        Batches that are read ahead. Default: Ludwig's rule, 4 while there is something to decode or to transform, and
        0, with no threads, once all is in memory or in the cache.
    cache_dir : str or os.PathLike, optional
        Of ``lazy_cached``; the user's cache directory by default.
    ctx : mxnet.Context, optional
        Where batches are put; the CPU by default.
    on_error : {'raise', 'skip'}
        What becomes of a sample that cannot be read: an error naming it; or it is logged once, listed in `skipped`,
        and its batch is shorter.

    Attributes
    ----------
    epoch : int
        Number of the next epoch; set it to go on with an interrupted run.
    skipped : dict of int to AudioError
        Samples that could not be read, by their position.

    Raises
    ------
    DatasetError
        The dataset is empty, or an argument is out of range; later, if not one sample of an epoch can be read.

    See Also
    --------
    gluon.data.DataLoader : forks workers, and has no cache.

    Examples
    --------
    >>> import numpy as np
    >>> from mxnet_audio.data import transforms
    >>> clips = [(np.sin(np.arange(4000) * pitch), 8000) for pitch in (0.1, 0.2, 0.3)]
    >>> dataset = AudioDataset(clips, ["low", "mid", "high"]).transform_first(transforms.Load(sr=8000))
    >>> for x, y in AudioLoader(dataset, batch_size=2):
    ...     x.shape, y.asnumpy().tolist()
    ((2, 4000), [1, 2])
    ((1, 4000), [0])
    """

    def __init__(
        self,
        dataset: gluon.data.Dataset,
        batch_size: int,
        mode: Mode | None = None,
        *,
        shuffle: bool = False,
        seed: int = 0,
        last_batch: Literal["keep", "discard", "rollover"] = "keep",
        batch_sampler: Iterable[list[int]] | None = None,
        batchify_fn: Callable[[list], Any] | None = None,
        num_workers: int | None = None,
        prefetch_size: int | None = None,
        cache_dir: str | os.PathLike | None = None,
        ctx: mx.Context | None = None,
        on_error: Literal["raise", "skip"] = "raise",
    ):
        if not len(dataset):
            raise DatasetError("the dataset is empty: there is nothing to load")
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("num_workers", num_workers, 1),
            ("prefetch_size", prefetch_size, 0),
        ):
            if value is not None and operator.index(value) < least:
                raise DatasetError(f"{name} is {least} or more, not {value}")
        for name, value, known in (
            ("mode", mode, ("eager", "lazy", "lazy_cached", None)),
            ("last_batch", last_batch, ("keep", "discard", "rollover")),
            ("on_error", on_error, ("raise", "skip")),
        ):
            if value not in known:
                raise DatasetError(f"{name} is {', '.join(filter(None, known))}, not {value!r}")
        self.dataset = dataset
        self.epoch = 0
        self.skipped: dict[int, AudioError] = {}
        self._positions: Sequence[int] = range(len(dataset))
        self._batchify = batchify_fn or Stack()
        self._ctx = ctx or mx.cpu()
        self._workers, self._skip = num_workers, on_error == "skip"
        self._seed, self._last_batch, self._batch_size = seed, last_batch, batch_size
        self._sampler = EpochSampler(len(dataset), shuffle, seed)
        if batch_sampler is None:
            batch_sampler = gluon.data.BatchSampler(self._sampler, batch_size, last_batch)
        elif iter(batch_sampler) is batch_sampler:
            raise DatasetError("batch_sampler is an iterator, spent after one epoch: give a sequence or a sampler")
        self._batches = batch_sampler

        steps = dataset.transforms if isinstance(dataset, AudioDataset) else ()
        config = dataset.feature_config if isinstance(dataset, AudioDataset) else None
        if config is not None:
            mode = mode or config.mode
            prefetch_size = config.prefetch_size if prefetch_size is None else prefetch_size
            cache_dir = cache_dir or config.lazy_cache_dir
        self._mode, self._prefetch = mode or "lazy", prefetch_size
        self._memory: dict[int, Any] = {}
        self._cache: FeatureCache | None = None
        self._names: dict[int, str | None] = {}
        fixed = list(itertools.takewhile(lambda step: not getattr(step, "random", False), steps))
        if self._mode == "lazy_cached":
            if not isinstance(dataset, AudioDataset):
                raise DatasetError(f"lazy_cached needs an AudioDataset, to know its sounds again, not {type(dataset)}")
            fixed = list(itertools.takewhile(lambda step: getattr(step, "key", None) is not None, fixed))
            if not fixed:
                raise DatasetError(
                    f"lazy_cached keeps what transforms with a key make: the first has none, {steps[0]!r}"
                )
            self._cache = FeatureCache("; ".join(step.key for step in fixed), cache_dir)
        self._fixed, self._steps = len(fixed), len(steps)
        if self._mode == "eager":
            for position, result, error in map_ordered(self._kept, range(len(dataset)), workers=num_workers):
                if isinstance(result, np.ndarray):
                    result.flags.writeable = False  # what one epoch changed would be there in the next
                self._memory[position] = result if error is None else error  # raised when its turn comes

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return len(self._batches)

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self._positions)

    def take(
        self,
        positions: Sequence[int],
        batch_size: int,
        *,
        shuffle: bool = False,
        sampler: gluon.data.Sampler | None = None,
        transforms: Sequence[Callable] = (),
        batchify_fn: Callable[[list], Any] | None = None,
    ) -> AudioLoader:
        """Make a loader of some of the samples, which shares memory and cache with this one.

        Parameters
        ----------
        positions : sequence of int
            Which samples.
        batch_size : int > 0
        shuffle : bool
        sampler : gluon.data.Sampler, optional
            The order, in places among `positions`; then `shuffle` does not count.
        transforms : sequence of callable
            What else is done to the data, after the transforms that there are; of an `AudioDataset` only.
        batchify_fn : callable, optional
            As for the loader; this one's own by default.

        Returns
        -------
        AudioLoader
        """
        if not len(positions):
            raise DatasetError("no positions to take: there would be nothing to load")
        part = copy.copy(self)
        part.epoch, part.skipped, part._batch_size = 0, {}, batch_size
        part._positions = [self._positions[position] for position in positions]
        part._sampler = sampler or EpochSampler(len(part._positions), shuffle, self._seed)
        if transforms:
            part.dataset = self.dataset.transform_first(Compose(transforms))
            part._steps = len(part.dataset.transforms)
        part._batchify = batchify_fn or self._batchify
        part._batches = gluon.data.BatchSampler(part._sampler, batch_size, self._last_batch)
        return part

    def __iter__(self) -> Iterator:
        epoch, self.epoch = self.epoch, self.epoch + 1
        self._begin(epoch)
        batches, ahead = itertools.tee(self._batches)
        random = getattr(self._batchify, "random", False)
        order = (position for batch in ahead for position in batch)
        read = failed = 0
        with contextlib.closing(self.samples(order, epoch)) as stream:
            for number, batch in enumerate(batches):
                samples = []
                for position, sample, error in itertools.islice(stream, len(batch)):
                    if error is None:
                        samples.append(sample)
                    elif not self._skip:
                        raise error
                    else:
                        failed += 1
                        if position not in self.skipped:
                            self.skipped[position] = error
                            log.warning("left out: %s", error)
                if samples:
                    read += len(samples)
                    made = self._batchify(samples, (epoch, number)) if random else self._batchify(samples)
                    yield _to(made, self._ctx)
        if failed and not read:
            first = next(iter(self.skipped.values()))
            raise DatasetError(f"none of the {failed} samples can be read; the first: {first}")

    def names(self, epoch: int, batch: int) -> list[str]:
        """Name the sounds of one batch [both from 0], to tell which it was."""
        self._begin(epoch)
        places = next(itertools.islice(self._batches, batch, None))
        indices = [self._positions[place] for place in places]
        sources = getattr(self.dataset, "sources", {})
        return [(sources and source_name(sources[index])) or f"item {index}" for index in indices]

    def _begin(self, epoch: int) -> None:
        for sampler in (self._batches, getattr(self._batches, "_sampler", None)):  # Gluon's holds another one
            if hasattr(sampler, "epoch"):
                sampler.epoch = epoch

    def samples(
        self, order: Iterable[int] | None = None, epoch: int = 0
    ) -> Iterator[tuple[int, Any, AudioError | None]]:
        """Read sample by sample, ahead in threads.

        Parameters
        ----------
        order : iterable of int, optional
            Positions; all, in order, by default.
        epoch : int
            For random transforms.

        Yields
        ------
        position : int
        sample
            ``(data, label)``, data alone without labels; None if it cannot be read.
        error : AudioError or None
            Why it cannot be read.
        """
        order = range(self.size) if order is None else order
        ahead = self._prefetch
        if ahead is None:
            ahead = 0 if self._nothing_to_do() else AHEAD
        stream = map_ordered(
            lambda position: self._sample(self._positions[position], epoch),
            order,
            workers=self._workers,
            ahead=ahead * self._batch_size,
        )
        try:
            yield from stream
        finally:
            stream.close()
            if self._cache is not None:
                self._cache.flush()

    def _sample(self, index: int, epoch: int) -> Any:
        if not isinstance(self.dataset, AudioDataset):
            return self._kept(index)
        x = self._kept(index)
        further = self._fixed < self._steps or self.dataset.pair_transform is not None
        if further and self._mode != "lazy" and isinstance(x, np.ndarray):
            x = x.copy()  # they may write to what they are given
        return self.dataset.pair(index, self.dataset.run(index, epoch, x, start=self._fixed))

    def _kept(self, index: int) -> Any:
        """What is the same in every epoch."""
        if self._mode == "eager" and index in self._memory:
            held = self._memory[index]
            if isinstance(held, AudioError):
                raise held
            return held
        if not isinstance(self.dataset, AudioDataset):
            return self.dataset[index]
        if self._cache is None:
            return self.dataset.run(index, stop=self._fixed)
        array = self._cache.get(self._names.get(index))
        if array is None:
            source = self.dataset.sources[index]
            self._names[index] = name = self._names.get(index) or self._cache.name(source)
            array = self._cache.fetch(source, lambda: self.dataset.run(index, x=source, stop=self._fixed), name)
        return array

    def _nothing_to_do(self) -> bool:
        """Whether all that is asked for is in memory or in the cache."""
        if self._fixed < self._steps:
            return False
        if self._cache is None:
            return self._mode == "eager"
        return all(self._names.get(index) in self._cache for index in self._positions)


def _to(made: Any, ctx: mx.Context) -> Any:
    if isinstance(made, (tuple, list)):
        return tuple(_to(part, ctx) for part in made)
    return made.as_in_context(ctx) if isinstance(made, mx.nd.NDArray) else made
