"""Sounds with labels as Gluon datasets: from lists, tables and named corpora."""

from __future__ import annotations

import copy
import operator
import os
import reprlib
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from mxnet_audio import datasets
from mxnet_audio.audio.source import source_name
from mxnet_audio.checks import iterable_argument, whole_number
from mxnet_audio.data.columns import Sources, align, class_indices, class_names, column_of
from mxnet_audio.data.steps import CopyTransformed, Transformed, call_named, check_rates, flatten, takes_source
from mxnet_audio.data.transforms import Features, Load
from mxnet_audio.engine import gluon
from mxnet_audio.errors import ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.parallel import map_ordered

__all__ = ["AudioDataset"]

_VISITS_LOCK = threading.Lock()

Self = TypeVar("Self", bound="AudioDataset")


class AudioDataset(gluon.data.Dataset):
    """Sounds and their labels, decoded and transformed when they are indexed.

    Items are NumPy arrays; `AudioLoader` and Gluon's ``DataLoader`` make NDArrays of whole batches, which saves a copy
    of each item. Transforms take both kinds.

    Parameters
    ----------
    sources : sequence
        Anything that `audio.load` takes, row by row: a list, a pandas Series, a column of a Hugging Face data set
        (which is read row by row, too), an array or NDArray [shape=(clips, n) or (clips, channels, n)].
    labels : sequence of str or of int, optional
        Class of each source.
    transforms : callable or sequence of callables
        Transforms that are applied in turn; `Compose`, Gluon's and ``nn.Sequential`` are opened. One that takes a
        source, such as `Load` or `Features`, must come first; without one, sounds are decoded by ``Load()``, at
        22,050 Hz. A function counts as random only if its attribute ``random`` is true, and is then called as
        ``fn(x, entropy)``.
    sr : int > 0, optional [Hz]
        Rate of sources that are bare arrays.
    missing_value_strategy : {'bfill', 'ffill', 'fill_with_mode', 'fill_with_const', 'drop_row'}, optional
        Treatment of missing sources (`fill_missing`). Default: that of the configuration of a `Features` among these
        `transforms` (not of one added later) if it is set there, otherwise an error. 'drop_row' also drops rows without
        a label. With a strategy, all rows of a column are read at once: give a column that does not decode.
    fill_value : optional
        Source that replaces missing ones with 'fill_with_const'.
    synsets : sequence of str, optional
        Classes in order, for instance those of another dataset. Default: the sorted labels.

    Attributes
    ----------
    sources : sequence
        Sounds to load, fetched when indexed.
    labels : list or None
        Labels as given.
    synsets : list of str or None
        ``synsets[i]`` is the class with index ``i``; None if labels are numbers without names.
    transforms : tuple of callables
        All steps from a source to the data, including the one that loads.
    groups : list of str or None
        Group of each item, from the corpus: clips of one group should not be split.

    Raises
    ------
    DatasetError
        If lengths differ, an entry or a label is missing, or labels are neither strings nor whole numbers.
    ParameterError
        If an argument is of the wrong type, or transforms do not fit together.

    See Also
    --------
    AudioFolderDataset, AudioChunkDataset, AudioLoader

    Examples
    --------
    >>> clips = [(np.zeros(4000), 8000), (np.ones(8000), 8000)]
    >>> dataset = AudioDataset(clips, ["rain", "dog"], transforms=Load(sr=8000))
    >>> data, label = dataset[0]
    >>> data.shape, label, dataset.synsets
    ((4000,), 1, ['dog', 'rain'])
    >>> dataset
    AudioDataset(2 items, 2 classes, transforms=[Load(sr=8000, mono=True)])
    """

    #: Function ``pair_transform(data, label)`` that makes the sample; without it, the sample is the pair.
    pair_transform: Callable[[Any, int], Any] | None = None

    def __init__(
        self,
        sources: Any,
        labels: Any = None,
        *,
        transforms: Callable | Iterable[Callable] = (),
        sr: int | None = None,
        missing_value_strategy: str | None = None,
        fill_value: Any = None,
        synsets: Sequence[str] | None = None,
    ):
        self._set_transforms(flatten(transforms))
        config = self.feature_config
        if missing_value_strategy is None and config and "missing_value_strategy" in config.model_fields_set:
            missing_value_strategy, fill_value = config.missing_value_strategy, config.fill_value
        self.groups: list[str] | None = None
        rows = align(sources, labels, sr, missing_value_strategy, fill_value)
        self.sources, self.labels = self._items_of(*rows)
        self.synsets = None if synsets is None else list(iterable_argument("synsets", synsets, "classes"))
        self._indices: np.ndarray | None = None
        if self.labels is not None:
            self._indices, self.synsets = class_indices(self.labels, self.synsets)
        self._visits = np.zeros(len(self), dtype=np.int64)

    @classmethod
    def from_pairs(cls: type[Self], pairs: Iterable[tuple[Any, Any]], **options: Any) -> Self:
        """Make a dataset of (source, label) pairs, as `datasets.folder` and `datasets.csv` return them.

        Parameters
        ----------
        pairs : iterable of (source, label)
        **options
            Other arguments of the class.

        Returns
        -------
        AudioDataset
            An instance of the class that this is called on.

        Raises
        ------
        ParameterError
            If these are not pairs.
        """
        pairs = list(iterable_argument("pairs", pairs, "pairs (source, label)"))
        for pair in pairs:
            if not (isinstance(pair, tuple | list) and len(pair) == 2):
                raise ParameterError(f"pairs must be pairs (source, label), got {reprlib.repr(pair)} among them")
        return cls._of_columns([source for source, _ in pairs], [label for _, label in pairs], **options)

    @classmethod
    def from_table(cls: type[Self], table: Any, source: str, label: str | None = None, **options: Any) -> Self:
        """Make a dataset of columns of a table.

        Parameters
        ----------
        table : pandas.DataFrame, datasets.Dataset or mapping
            Anything with ``table[column]``.
        source, label : str
            Names of the columns of sounds and of labels. The names of a Hugging Face ``ClassLabel`` are kept.
        **options
            Other arguments of the class.

        Returns
        -------
        AudioDataset
            An instance of the class that this is called on.

        Raises
        ------
        DatasetError
            If this is not a table, or there is no such column.
        """
        labels = None if label is None else column_of(table, label)
        options = {"synsets": class_names(table, label)} | options
        return cls._of_columns(column_of(table, source), labels, **options)

    @classmethod
    def from_corpus(cls: type[Self], name: str, root: str | os.PathLike, folds: Any = None, **options: Any) -> Self:
        """Make a dataset of a named corpus that has been downloaded.

        Nothing is downloaded here: ``datasets.get(name).download(root)`` does that.

        Parameters
        ----------
        name : str
            One of `datasets.names`.
        root : str or os.PathLike
            Folder that it was downloaded to.
        folds : a fold or an iterable of folds, optional
            Folds to use; by default all.
        **options
            Other arguments of the class.

        Returns
        -------
        AudioDataset
            An instance of the class that this is called on. Its classes are those of the corpus, in its order, for
            all folds; `groups` are the corpus's recordings.
        """
        corpus = datasets.get(name)
        dataset = cls.from_pairs(corpus.pairs(root, folds), **({"synsets": corpus.labels} | options))
        groups = corpus.groups(root, folds)
        dataset.groups = [groups[row] for row in dataset._source_rows()]
        return dataset

    @property
    def feature_config(self) -> AudioFeatureConfig | None:
        """Configuration of the `Features` among the transforms, if there is one."""
        return next((step.config for step in self.transforms if isinstance(step, Features)), None)

    @property
    def items(self) -> list[tuple[Any, int | None]]:
        """(source, label index) of all items; reads every row of a lazy column."""
        return [(self.sources[index], self.label(index)) for index in range(len(self))]

    def __repr__(self) -> str:
        classes = "no labels" if self.labels is None else f"{len(self.synsets or set(self.labels))} classes"
        return f"{type(self).__name__}({len(self)} items, {classes}, transforms={list(self.transforms)!r})"

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> Any:
        """Return ``(data, label)``, or data alone without labels.

        Random transforms draw anew at each visit of an item. Forked workers (`gluon.data.DataLoader` with
        ``num_workers`` and without ``thread_pool=True``) count visits separately, so that draws repeat from epoch to
        epoch: use `AudioLoader`, or ``thread_pool=True``.
        """
        index = self._index(index)
        with _VISITS_LOCK:
            epoch = int(self._visits[index])
            self._visits[index] += 1
        return self.pair(index, self.run(index, epoch))

    def sample(self, index: int | gluon.data.Sampler, epoch: int | None = None) -> Any:
        """Return an item as it is in a certain epoch.

        Parameters
        ----------
        index : int
            Index of the item. For a sampler, return a dataset of its items, as Gluon's ``sample`` does.
        epoch : int >= 0, optional
            Random transforms draw by (epoch, index, position among the transforms). Default: as ``dataset[index]``.

        Returns
        -------
        (data, label), or data without labels
        """
        if isinstance(index, gluon.data.Sampler):
            return self.take(list(index))
        return self[index] if epoch is None else self.pair(index, self.run(index, epoch))

    def run(self, index: int, epoch: int = 0, x: Any = None, start: int = 0, stop: int | None = None) -> Any:
        """Apply some of the transforms.

        Parameters
        ----------
        index : int
            Index of the item.
        epoch : int >= 0
            Epoch, for random transforms.
        x : optional
            Input of the first transform; the item's source by default.
        start, stop : int
            Apply ``transforms[start:stop]``.

        Returns
        -------
        Result of the last transform

        Raises
        ------
        AudioError
            If a transform fails. The error names the source, or the position of a source without a name: "item 12".
            Exceptions of other types become a DatasetError.
        """
        index = self._index(index)
        x = self.sources[index] if x is None else x
        for position, step in enumerate(self.transforms[start:stop], start):
            entropy = [(epoch, index, position)] if getattr(step, "random", False) else []
            x = self._call(index, step, x, *entropy)
        return x

    def label(self, index: int) -> int | None:
        """Return the class index of an item; None without labels."""
        return None if self._indices is None else int(self._indices[self._index(index)])

    def pair(self, index: int, data: Any) -> Any:
        """Return the sample of an item, given its transformed data: with the label if there are labels."""
        if self._indices is None:
            return data
        label = self.label(index)
        return (data, label) if self.pair_transform is None else self._call(index, self.pair_transform, data, label)

    def take(self: Self, indices: int | Sequence[int] | None) -> Self:
        """Return a dataset of some of the items.

        Parameters
        ----------
        indices : sequence of int
            Indices of the items. A number stands for that many from the beginning, as in Gluon.

        Returns
        -------
        AudioDataset
        """
        if indices is None or isinstance(indices, int | np.integer):
            indices = range(len(self))[:indices]
        indices = [self._index(index) for index in iterable_argument("indices", indices, "whole numbers")]
        part = self._copy()
        part.sources = self.sources.take(indices)
        part.labels = self.labels and [self.labels[index] for index in indices]
        part.groups = self.groups and [self.groups[index] for index in indices]
        part._indices = None if self._indices is None else self._indices[indices]
        part._visits = np.zeros(len(part), dtype=np.int64)
        return part

    def filter(self: Self, fn: Callable[[Any], bool]) -> Self:
        """Return a dataset of the items for which ``fn(sample)`` is true; all items are read at once."""
        return self.take(list(gluon.data.FilterSampler(fn, self)))

    def shard(self: Self, num_shards: int, index: int) -> Self:
        """Return one of `num_shards` parts of nearly equal size, in order, cut as in Gluon."""
        num_shards, index = whole_number("num_shards", num_shards), whole_number("index", index, 0)
        if index >= num_shards:
            raise ParameterError(f"index must be < num_shards ({num_shards}), got {index}")
        return self.take(list(gluon.data.SimpleDataset(range(len(self))).shard(num_shards, index)))

    def transform_first(self, fn: Callable, lazy: bool = True) -> AudioDataset | gluon.data.Dataset:
        """Add a transform of the data.

        Parameters
        ----------
        fn : callable
            ``fn(data)``; if it is the only transform, it may also take a source.
        lazy : bool
            False reads and transforms all items now, in threads, and keeps the results in memory. Random transforms
            then give the same result in all epochs.

        Returns
        -------
        AudioDataset
            Gluon's dataset, if there is a transform of data and label before this one.
        """
        if self.pair_transform is not None:
            return super().transform_first(fn, lazy)
        added = self._copy()
        added._set_transforms((*self._given, *flatten(fn)))
        if lazy:
            return added
        results = []
        for _, data, error in map_ordered(added.run, range(len(added))):
            if error is not None:
                raise error
            results.append(Transformed(data))
        in_memory = AudioDataset(results, self.labels, transforms=CopyTransformed(), synsets=self.synsets)
        in_memory.groups = self.groups
        return in_memory

    @classmethod
    def _of_columns(cls: type[Self], sources: Any, labels: Any, **options: Any) -> Self:
        return cls(sources, labels=labels, **options)

    def _items_of(self, sources: Sources, labels: list | None) -> tuple[Sources, list | None]:
        """Return the items and their labels, given the rows: here, the rows themselves."""
        return sources, labels

    def _source_rows(self) -> Sequence[int]:
        """Return the row of the given sources that each item comes from."""
        return self.sources.rows

    def _call(self, index: int, step: Callable, *arguments: Any) -> Any:
        return call_named(step, *arguments, name=lambda: source_name(self.sources[index]) or f"item {index}")

    def _index(self, index: int) -> int:
        position = operator.index(index)
        if not -len(self) <= position < len(self):
            raise IndexError(f"item {position} of {len(self)}")
        return position % len(self)

    def _copy(self: Self) -> Self:
        other = copy.copy(self)
        other._visits = np.zeros(len(self), dtype=np.int64)
        return other

    def _set_transforms(self, given: tuple[Callable, ...]) -> None:
        if late := next(filter(takes_source, given[1:]), None):
            raise ParameterError(f"transforms: {late!r} loads sounds: it must be the first transform")
        self._given = given
        self.transforms = self._from_source(given)
        check_rates(self.transforms)

    def _from_source(self, steps: tuple[Callable, ...]) -> tuple[Callable, ...]:
        """Prepend a transform that loads, unless the first one does."""
        return steps if steps and takes_source(steps[0]) else (Load(), *steps)
