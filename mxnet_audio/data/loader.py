"""Loader of batches: decoded in threads, ahead of the network, once or in every epoch."""

from __future__ import annotations

import contextlib
import copy
import itertools
import logging
import os
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Literal

from mxnet_audio.audio.source import source_name
from mxnet_audio.checks import one_of, whole_number
from mxnet_audio.data.batchify import Stack
from mxnet_audio.data.datasets import AudioDataset
from mxnet_audio.data.fixed import FixedResults, Mode
from mxnet_audio.data.sampler import EpochSampler
from mxnet_audio.data.transforms import Compose
from mxnet_audio.engine import gluon, mx
from mxnet_audio.errors import AudioError, DatasetError, ParameterError
from mxnet_audio.parallel import map_ordered

__all__ = ["AudioLoader"]

log = logging.getLogger(__name__)

PREFETCH_BATCHES = 4  # while there is something to decode or transform


class AudioLoader:
    """Loader of a dataset's batches, which threads read while the network works.

    The transforms of an `AudioDataset` up to the first random one have the same results in every epoch. `mode`
    determines where these are kept:

    ``eager``
        in memory; all are computed when the loader is made.
    ``lazy``
        no cache; every epoch decodes again. Memory stays at a few batches.
    ``lazy_cached``
        in files (`FeatureCache`) that the first epoch writes, and that later epochs and later runs map into memory:
        as fast as ``eager``, in the memory of a few batches. Only results of transforms with a `key` are cached; a
        changed file, transform or parameter is computed again. A file that changes while the loader is in use is
        noticed by the next loader.

    Each iteration is an epoch. Random transforms and the order (except for what ``rollover`` carries over) depend on
    `seed`, the epoch and the sample alone: not on mode, threads or timing. A function is random if its attribute
    ``random`` is true. For datasets other than `AudioDataset`, ``eager`` keeps whole samples.

    There is no ``pin_memory``, which has no effect on the CPU: batches are written straight into MXNet's memory.

    Parameters
    ----------
    dataset : gluon.data.Dataset
        An `AudioDataset`, or any other, for which ``lazy_cached`` is not available.
    batch_size : int > 0
    mode : {'eager', 'lazy', 'lazy_cached'}, optional
        Default: that of the dataset's `Features` configuration, otherwise ``lazy``.
    shuffle : bool
        True uses another order in each epoch.
    seed : int >= 0
        Seed of the order.
    last_batch : {'keep', 'discard', 'rollover'}
        Treatment of a short last batch, as in `gluon.data.DataLoader`.
    batch_sampler : iterable of list of int, optional
        Positions of the samples of each batch, such as a `BucketSampler`. `shuffle` and `last_batch` then have no
        effect, and `batch_size` only determines how far to read ahead.
    batchify_fn : callable, optional
        Function that makes arrays of a list of samples: `Stack` by default, `Pad` for variable lengths, `Mixup`.
    num_workers : int > 0, optional
        Number of threads; by default the number of usable CPUs.
    prefetch_size : int >= 0, optional
        Number of batches to read ahead; 0 reads each batch when it is asked for, without threads. Default: that of the
        dataset's `Features` configuration, otherwise Ludwig's rule: 4 while there is something to decode or transform,
        0 once everything is in memory or in the cache.
    cache_dir : str or os.PathLike, optional
        Folder of the cache, for ``lazy_cached``; by default the user's cache directory.
    ctx : mxnet.Context, optional
        Device of the batches; by default the CPU.
    on_error : {'raise', 'skip'}
        Treatment of a sample that cannot be read: raise an error that names it; or log it once, list it in `skipped`,
        and make its batch shorter.

    Attributes
    ----------
    epoch : int
        Number of the next epoch; set it to resume an interrupted run.
    skipped : dict of int to AudioError
        Samples that could not be read, by position.

    Raises
    ------
    ParameterError
        If an argument is out of range.
    DatasetError
        If the dataset is empty; later, if no sample of an epoch can be read.

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
        batchify_fn: Callable[..., Any] | None = None,
        num_workers: int | None = None,
        prefetch_size: int | None = None,
        cache_dir: str | os.PathLike | None = None,
        ctx: mx.Context | None = None,
        on_error: Literal["raise", "skip"] = "raise",
    ):
        if not len(dataset):
            raise DatasetError("the dataset is empty: there is nothing to load")
        config = dataset.feature_config if isinstance(dataset, AudioDataset) else None
        if config is not None:
            mode = config.mode if mode is None else mode
            prefetch_size = config.prefetch_size if prefetch_size is None else prefetch_size
            cache_dir = cache_dir or config.lazy_cache_dir
        self.dataset = dataset
        self.epoch = 0
        self.skipped: dict[int, AudioError] = {}
        self._batch_size = whole_number("batch_size", batch_size)
        self._workers = None if num_workers is None else whole_number("num_workers", num_workers)
        self._prefetch = None if prefetch_size is None else whole_number("prefetch_size", prefetch_size, 0)
        self._last_batch = one_of("last_batch", last_batch, ("keep", "discard", "rollover"))
        self._skip = one_of("on_error", on_error, ("raise", "skip")) == "skip"
        self._positions: Sequence[int] = range(len(dataset))
        self._batchify: Callable[..., Any] = batchify_fn or Stack()
        self._ctx, self._seed = ctx or mx.cpu(), seed
        self._sampler: gluon.data.Sampler = EpochSampler(len(dataset), shuffle, seed)
        if batch_sampler is None:
            batch_sampler = gluon.data.BatchSampler(self._sampler, self._batch_size, last_batch)
        elif iter(batch_sampler) is batch_sampler:
            raise ParameterError("batch_sampler must not be an iterator, which ends after one epoch: give a list")
        self._batches: Any = batch_sampler
        self._share = (0, 1)  # number of this worker, and of all
        self._mode: Mode = "lazy" if mode is None else mode
        self._fixed = FixedResults(dataset, self._mode, cache_dir, self._workers)

    def __repr__(self) -> str:
        sizes = f"{len(self)} batches, batch_size={self._batch_size}, mode={self._mode!r}"
        part = "" if self.size == len(self.dataset) else f"{self.size} samples of "
        return f"AudioLoader({part}{self.dataset!r}, {sizes})"

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
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
        batch_sampler: Iterable[list[int]] | None = None,
        transforms: Sequence[Callable] = (),
        batchify_fn: Callable[..., Any] | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> AudioLoader:
        """Return a loader of some of the samples, which shares memory and cache with this one.

        Parameters
        ----------
        positions : sequence of int
            Positions of the samples.
        batch_size : int > 0
        shuffle : bool
            As for the loader.
        sampler : gluon.data.Sampler, optional
            Order of the samples, as indices into `positions`; `shuffle` then has no effect.
        batch_sampler : iterable of list of int, optional
            Indices into `positions` of each batch, as for the loader.
        transforms : sequence of callable
            Transforms of the data to add to the existing ones; only for an `AudioDataset`.
        batchify_fn : callable, optional
            As for the loader; by default, that of this one.
        share : tuple of int
            Number of this worker, from 0, and of all workers, if several train together: the loader reads this worker's
            share of each batch, and yields None for a batch of which it has none.

        Returns
        -------
        AudioLoader
        """
        if not len(positions):
            raise DatasetError("no positions to take: there would be nothing to load")
        part = copy.copy(self)
        part.epoch, part.skipped, part._batch_size = 0, {}, whole_number("batch_size", batch_size)
        part._positions = [self._positions[position] for position in positions]
        part._share = share
        part._sampler = sampler or EpochSampler(len(part._positions), shuffle, self._seed)
        if transforms:
            part.dataset = self.dataset.transform_first(Compose(transforms))
        part._batchify = batchify_fn or self._batchify
        part._batches = batch_sampler or gluon.data.BatchSampler(part._sampler, part._batch_size, self._last_batch)
        return part

    def __iter__(self) -> Generator[Any, None, None]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        self._set_epoch(epoch)
        batches, ahead = itertools.tee(map(self._own_share, self._batches))
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
                        remedy = 'AudioLoader(on_error="skip") leaves such samples out'
                        raise type(error)(f"{error.reason}; {remedy}", error.path) from error
                    else:
                        failed += 1
                        if position not in self.skipped:
                            self.skipped[position] = error
                            log.warning("skipped %s", error)
                if samples:
                    read += len(samples)
                    made = self._batchify(samples, (epoch, number)) if random else self._batchify(samples)
                    yield _to_device(made, self._ctx)
                elif not batch:
                    yield None
        if failed and not read:
            first = next(iter(self.skipped.values()))
            raise DatasetError(f"none of the {failed} samples can be read; the first: {first}")

    def names(self, epoch: int, batch: int) -> list[str]:
        """Return the names of the sounds of one batch (epoch and batch count from 0), for messages."""
        self._set_epoch(epoch)
        positions = next(itertools.islice(self._batches, batch, None))
        indices = [self._positions[position] for position in positions]
        sources = getattr(self.dataset, "sources", {})
        return [(sources and source_name(sources[index])) or f"item {index}" for index in indices]

    def samples(
        self, order: Iterable[int] | None = None, epoch: int = 0
    ) -> Generator[tuple[int, Any, AudioError | None], None, None]:
        """Read sample by sample, ahead in threads.

        Parameters
        ----------
        order : iterable of int, optional
            Positions to read; by default all, in order.
        epoch : int
            Epoch, for random transforms.

        Yields
        ------
        position : int
        sample
            ``(data, label)``, or data alone without labels; None if it cannot be read.
        error : AudioError or None
            Reason why it cannot be read.
        """
        prefetch = self._prefetch
        if prefetch is None:
            prefetch = 0 if self._everything_available() else PREFETCH_BATCHES
        stream = map_ordered(
            lambda position: self._sample(self._positions[position], epoch),
            range(self.size) if order is None else order,
            workers=self._workers,
            ahead=prefetch * -(-self._batch_size // self._share[1]),
        )
        try:
            yield from stream
        finally:
            stream.close()
            self._fixed.flush()

    def _own_share(self, batch: list[int]) -> list[int]:
        rank, count = self._share
        return batch if count == 1 else batch[len(batch) * rank // count : len(batch) * (rank + 1) // count]

    def _set_epoch(self, epoch: int) -> None:
        samplers: list[Any] = [self._batches, getattr(self._batches, "_sampler", None)]  # Gluon's wraps another one
        for sampler in samplers:
            if hasattr(sampler, "epoch"):
                sampler.epoch = epoch

    def _sample(self, index: int, epoch: int) -> Any:
        if not isinstance(self.dataset, AudioDataset):
            return self._fixed.get(index)
        # Further transforms may write to their input.
        x = self._fixed.get(index, copy=self._has_further_steps() or self.dataset.pair_transform is not None)
        return self.dataset.pair(index, self.dataset.run(index, epoch, x, start=self._fixed.steps))

    def _has_further_steps(self) -> bool:
        return isinstance(self.dataset, AudioDataset) and self._fixed.steps < len(self.dataset.transforms)

    def _everything_available(self) -> bool:
        return not self._has_further_steps() and self._fixed.available(self._positions)


def _to_device(batch: Any, ctx: mx.Context) -> Any:
    if isinstance(batch, (tuple, list)):
        return tuple(_to_device(part, ctx) for part in batch)
    return batch.as_in_context(ctx) if isinstance(batch, mx.nd.NDArray) else batch
