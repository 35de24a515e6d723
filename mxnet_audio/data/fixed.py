"""Results that are the same in every epoch: computed again, held in memory, or cached in files."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable
from typing import Any, Literal, get_args

import numpy as np

from mxnet_audio.checks import one_of
from mxnet_audio.data.datasets import AudioDataset
from mxnet_audio.engine import gluon
from mxnet_audio.errors import AudioError, ParameterError
from mxnet_audio.features import FeatureCache
from mxnet_audio.parallel import map_ordered

__all__ = ["FixedResults", "Mode"]

Mode = Literal["eager", "lazy", "lazy_cached"]


class FixedResults:
    """Results of the transforms up to the first random one, which are the same in every epoch.

    Parameters
    ----------
    dataset : gluon.data.Dataset
        Of a dataset other than `AudioDataset`, results are whole samples.
    mode : {'eager', 'lazy', 'lazy_cached'}
        As for `AudioLoader`; ``eager`` computes all results now.
    cache_dir : str or os.PathLike, optional
        Folder of the cache.
    workers : int > 0, optional
        Number of threads, for ``eager``.

    Attributes
    ----------
    steps : int
        Number of transforms that the results include.

    Raises
    ------
    ParameterError
        If ``lazy_cached`` is not possible: for another dataset, or for a first transform without a key.
    """

    def __init__(
        self,
        dataset: gluon.data.Dataset,
        mode: Mode,
        cache_dir: str | os.PathLike | None = None,
        workers: int | None = None,
    ):
        self._dataset, self._mode = dataset, one_of("mode", mode, get_args(Mode))
        self._memory: dict[int, Any] = {}
        self._cache: FeatureCache | None = None
        self._names: dict[int, str | None] = {}  # of results in the cache
        transforms = dataset.transforms if isinstance(dataset, AudioDataset) else ()
        fixed = list(itertools.takewhile(lambda step: not getattr(step, "random", False), transforms))
        if mode == "lazy_cached":
            if not isinstance(dataset, AudioDataset):
                raise ParameterError(f"mode 'lazy_cached' needs an AudioDataset, got {type(dataset).__name__}")
            fixed = list(itertools.takewhile(lambda step: _key(step) is not None, fixed))
            if not fixed:
                first = f"{transforms[0]!r} has none"
                raise ParameterError(f"mode 'lazy_cached' caches results of transforms with a key: {first}")
            self._cache = FeatureCache("; ".join(str(_key(step)) for step in fixed), cache_dir)
        self.steps = len(fixed)
        if mode == "eager":
            for index, result, error in map_ordered(self._compute, range(len(dataset)), workers=workers):
                if isinstance(result, np.ndarray):
                    result.flags.writeable = False  # a change in one epoch would last in the next
                self._memory[index] = result if error is None else error  # raised when the sample is read

    def get(self, index: int, copy: bool = False) -> Any:
        """Return the result of an item.

        Parameters
        ----------
        index : int
        copy : bool
            True returns an array that may be written to.

        Returns
        -------
        Result of the transforms, or a whole sample

        Raises
        ------
        AudioError
            If it cannot be computed.
        """
        if self._mode == "eager":
            result = self._memory[index]
            if isinstance(result, AudioError):
                raise result
        else:
            result = self._compute(index) if self._cache is None else self._cached(self._cache, index)
        return result.copy() if copy and self._mode != "lazy" and isinstance(result, np.ndarray) else result

    def available(self, indices: Iterable[int]) -> bool:
        """Return True if all results are in memory or in the cache."""
        cache = self._cache
        if cache is None:
            return self._mode == "eager"
        return all(self._names.get(index) in cache for index in indices)

    def flush(self) -> None:
        """Write new results to the cache."""
        if self._cache is not None:
            self._cache.flush()

    def _compute(self, index: int) -> Any:
        if not isinstance(self._dataset, AudioDataset):
            return self._dataset[index]
        return self._dataset.run(index, stop=self.steps)

    def _cached(self, cache: FeatureCache, index: int) -> np.ndarray:
        array = cache.get(self._names.get(index))
        if array is None:
            source = self._dataset.sources[index]
            self._names[index] = name = self._names.get(index) or cache.name(source)
            array = cache.fetch(source, lambda: self._dataset.run(index, x=source, stop=self.steps), name)
        return array


def _key(step: Callable) -> str | None:
    return getattr(step, "key", None)
