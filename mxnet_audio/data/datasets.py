"""Sounds with labels as Gluon datasets: from lists, tables and named corpora."""

from __future__ import annotations

import copy
import operator
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from mxnet_audio import audio, datasets
from mxnet_audio.data.sources import Sources, aligned, classes
from mxnet_audio.data.steps import Held, check_rates, flat, held_data, takes_source
from mxnet_audio.data.transforms import Features, Load
from mxnet_audio.data.transforms.base import steps_of
from mxnet_audio.engine import gluon
from mxnet_audio.errors import AudioError, DatasetError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.parallel import map_ordered

__all__ = ["AudioDataset"]

_COUNTING = threading.Lock()


class AudioDataset(gluon.data.Dataset):
    """Sounds and their labels, decoded and transformed when they are asked for.

    Parameters
    ----------
    sources : sequence
        Whatever `audio.load` takes, row by row: a list, a pandas Series, a column of a Hugging Face data set
        (which is read row by row, too), an array or NDArray [shape=(clips, n) or (clips, channels, n)].
    labels : sequence of str or of int, optional
        A class for each source.
    transforms : callable or sequence of callables
        Applied in turn; a `Compose`, Gluon's or ``nn.Sequential`` counts as its parts. One that takes a source,
        such as `Load` or `Features`, comes first; without one, sounds are decoded by ``Load()``, at 22,050 Hz.
        A function counts as random only by an attribute ``random``, and is then called as ``fn(x, entropy)``.
    sr : int > 0, optional [Hz]
        Rate of sources that are bare arrays.
    missing_value_strategy : {'bfill', 'ffill', 'fill_with_mode', 'fill_with_const', 'drop_row'}, optional
        What becomes of missing sources (`fill_missing`): by default, what the configuration of a `Features` among
        these `transforms` says (not of one added later), if it says something, else an error. 'drop_row' drops
        rows without label, too. A column is looked through at once if a strategy is given: better before it decodes.
    fill_value : optional
        The source that 'fill_with_const' puts in their place.
    synsets : sequence of str, optional
        The classes, in order, if they are to be those of another dataset. Default: the labels, sorted.

    Attributes
    ----------
    sources : sequence
        What to load, fetched when indexed.
    labels : list or None
        As given.
    synsets : list of str or None
        ``synsets[i]`` is the class that the label ``i`` stands for; None where labels are numbers without names.
    transforms : tuple of callables
        All steps from a source on, loading included.
    groups : list of str or None
        Which clips belong together and should not be split, where a corpus says so.

    Raises
    ------
    DatasetError
        Lengths differ, an entry or a label is missing, labels are neither strings nor whole numbers.

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
    """

    #: ``pair_transform(data, label)`` makes the sample of both; None: the pair is the sample.
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
        self._set_transforms(steps_of(transforms))
        config = self.feature_config
        if missing_value_strategy is None and config and "missing_value_strategy" in config.model_fields_set:
            missing_value_strategy, fill_value = config.missing_value_strategy, config.fill_value
        self.groups: list[str] | None = None
        rows = aligned(sources, labels, sr, missing_value_strategy, fill_value)
        self.sources, self.labels = self._items_of(*rows)
        self.synsets = None if synsets is None else list(synsets)
        self._indices: np.ndarray | None = None
        if self.labels is not None:
            self._indices, self.synsets = classes(self.labels, self.synsets)
        self._visits = np.zeros(len(self), dtype=np.int64)

    @staticmethod
    def from_pairs(pairs: Iterable[tuple[Any, Any]], **options: Any) -> AudioDataset:
        """Make a dataset of (source, label) pairs, such as `datasets.folder` and `datasets.csv` give.

        Parameters
        ----------
        pairs : iterable of (source, label)
        **options
            As for `AudioDataset`.

        Returns
        -------
        AudioDataset
        """
        pairs = list(pairs)
        return AudioDataset([source for source, _ in pairs], [label for _, label in pairs], **options)

    @staticmethod
    def from_table(table: Any, source: str, label: str | None = None, **options: Any) -> AudioDataset:
        """Make a dataset of columns.

        Parameters
        ----------
        table : pandas.DataFrame, datasets.Dataset or mapping
            Anything with ``table[column]``.
        source, label : str
            Names of the columns of sounds and of labels. The names of a Hugging Face ``ClassLabel`` are kept.
        **options
            As for `AudioDataset`.

        Returns
        -------
        AudioDataset

        Raises
        ------
        DatasetError
            There is no such column.
        """

        def column(name: str) -> Any:
            try:
                return table[name]
            except TypeError:
                kind = type(table).__name__
                raise DatasetError(
                    f"expected a table with columns, such as pandas.read_csv gives, not {kind}"
                ) from None
            except (KeyError, ValueError):
                there = ", ".join(map(str, getattr(table, "column_names", None) or table))
                raise DatasetError(f"the table has no column {name!r}: there are {there}") from None

        kinds = getattr(table, "features", None)
        names = getattr(kinds.get(label), "names", None) if isinstance(kinds, Mapping) else None
        return AudioDataset(column(source), None if label is None else column(label), **({"synsets": names} | options))

    @staticmethod
    def from_corpus(name: str, root: str | os.PathLike, folds: Any = None, **options: Any) -> AudioDataset:
        """Make a dataset of a named corpus that has been downloaded.

        Parameters
        ----------
        name : str
            One of `datasets.names`.
        root : str or os.PathLike
            Where it was downloaded to.
        folds : a fold or an iterable of folds, optional
            Only these.
        **options
            As for `AudioDataset`.

        Returns
        -------
        AudioDataset
            Its classes are the corpus's, in its own order, whatever the folds; `groups` are its sources.
        """
        corpus = datasets.get(name)
        dataset = AudioDataset.from_pairs(corpus.pairs(root, folds), **({"synsets": corpus.labels} | options))
        dataset.groups = corpus.groups(root, folds)
        return dataset

    @property
    def feature_config(self) -> AudioFeatureConfig | None:
        """How sounds become features, where `Features` is among the transforms."""
        return next((step.config for step in self.transforms if isinstance(step, Features)), None)

    @property
    def items(self) -> list[tuple[Any, int | None]]:
        """(source, label index) of all; every row of a lazy column is read for it."""
        return [(self.sources[index], self.label(index)) for index in range(len(self))]

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> Any:
        """``(data, label)``, or data alone without labels.

        Each visit of an item draws anew where transforms are random. Forked workers (`gluon.data.DataLoader` with
        ``num_workers`` and without ``thread_pool=True``) count visits on their own, so that draws come back from
        epoch to epoch there: take `AudioLoader`, or ``thread_pool=True``.
        """
        index = self._index(index)
        with _COUNTING:
            epoch = int(self._visits[index])
            self._visits[index] += 1
        return self.pair(index, self.run(index, epoch))

    def sample(self, index: int | gluon.data.Sampler, epoch: int | None = None) -> Any:
        """Read an item as in a certain epoch.

        Parameters
        ----------
        index : int
            Or a sampler: makes a dataset of what it gives, as Gluon's own ``sample`` does.
        epoch : int >= 0, optional
            Random transforms draw by (epoch, index, place among the transforms). Default: as ``dataset[index]``.

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
            The item.
        epoch : int >= 0
            For random ones.
        x : optional
            What the first one is given; the item's source by default.
        start, stop : int
            ``transforms[start:stop]``.

        Returns
        -------
        What the last one gives.

        Raises
        ------
        AudioError
            It names the source; a nameless one by its position: "item 12". DatasetError for any other exception
            of a transform.
        """
        index = self._index(index)
        x = self.sources[index] if x is None else x
        for place, step in enumerate(self.transforms[start:stop], start):
            entropy = [(epoch, index, place)] if getattr(step, "random", False) else []
            x = self._call(index, step, x, *entropy)
        return x

    def label(self, index: int) -> int | None:
        """Class index of an item; None without labels."""
        return None if self._indices is None else int(self._indices[self._index(index)])

    def pair(self, index: int, data: Any) -> Any:
        """Make the sample of an item of its transformed data: with its label, if there are labels."""
        if self._indices is None:
            return data
        label = self.label(index)
        return (data, label) if self.pair_transform is None else self._call(index, self.pair_transform, data, label)

    def take(self, indices: int | Sequence[int] | None) -> AudioDataset:
        """Make a dataset of some of the items.

        Parameters
        ----------
        indices : sequence of int
            Which. A number stands for so many from the beginning, as in Gluon.

        Returns
        -------
        AudioDataset
        """
        if indices is None or isinstance(indices, Integral):
            indices = range(len(self))[:indices]
        indices = [self._index(index) for index in indices]
        part = self._copy()
        part.sources = self.sources.take(indices)
        part.labels = self.labels and [self.labels[index] for index in indices]
        part.groups = self.groups and [self.groups[index] for index in indices]
        part._indices = None if self._indices is None else self._indices[indices]
        part._visits = np.zeros(len(part), dtype=np.int64)
        return part

    def filter(self, fn: Callable[[Any], bool]) -> AudioDataset:
        """Make a dataset of the items for which ``fn(sample)`` is true; all are read for it, now.

        Parameters
        ----------
        fn : callable

        Returns
        -------
        AudioDataset
        """
        return self.take(list(gluon.data.FilterSampler(fn, self)))

    def shard(self, num_shards: int, index: int) -> AudioDataset:
        """Make a dataset of one of several parts of nearly one size, in order, as Gluon cuts them.

        Parameters
        ----------
        num_shards, index : int
            How many parts, and which.

        Returns
        -------
        AudioDataset
        """
        return self.take(super().shard(num_shards, index)._indices)

    def transform_first(self, fn: Callable, lazy: bool = True) -> Any:
        """Add a transform of the data.

        Parameters
        ----------
        fn : callable
            ``fn(data)``; after none other, it may also take a source.
        lazy : bool
            False: read and transform all now, in threads, and keep the results in memory. Random transforms then
            give the same in all epochs.

        Returns
        -------
        AudioDataset
            Gluon's, where a transform of data and label comes before.
        """
        if self.pair_transform is not None:
            return super().transform_first(fn, lazy)
        added = self._copy()
        added._set_transforms((*self._given, *steps_of(fn)))
        if lazy:
            return added
        held = []
        for _, data, error in map_ordered(added.run, range(len(added))):
            if error is not None:
                raise error
            held.append(Held(data))
        kept = AudioDataset(held, self.labels, transforms=held_data, synsets=self.synsets)
        kept.groups = self.groups
        return kept

    def _items_of(self, sources: Sources, labels: list | None) -> tuple[Sources, list | None]:
        """Items and their labels, given the rows: the rows themselves."""
        return sources, labels

    def _call(self, index: int, step: Callable, *arguments: Any) -> Any:
        """Call a step; what it raises is an AudioError that names the source."""
        try:
            return step(*arguments)
        except AudioError as error:
            if error.path is not None:
                raise
            kind, reason, cause = type(error), error.reason, error
        except Exception as error:
            reason = " ".join(f"{step!r} failed: {type(error).__name__}: {error}".split())  # Gluon's have many lines
            kind, cause = DatasetError, error
        raise kind(reason, audio.source_name(self.sources[index]) or f"item {index}") from cause

    def _index(self, index: int) -> int:
        at = operator.index(index)
        if not -len(self) <= at < len(self):
            raise IndexError(f"item {at} of {len(self)}")
        return at % len(self)

    def _copy(self) -> AudioDataset:
        other = copy.copy(self)
        other._visits = np.zeros(len(self), dtype=np.int64)
        return other

    def _set_transforms(self, given: tuple[Callable, ...]) -> None:
        steps = tuple(flat(given))
        if late := next(filter(takes_source, steps[1:]), None):
            raise DatasetError(f"{late!r} loads sounds: it must be the first transform")
        self._given = given
        self.transforms = self._from_source(steps)
        check_rates(self.transforms)

    def _from_source(self, steps: tuple[Callable, ...]) -> tuple[Callable, ...]:
        """Put in front what turns a source into samples, if nothing does yet."""
        return steps if steps and takes_source(steps[0]) else (Load(), *steps)
