"""Batches of encoded rows."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Generator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from tqdm import tqdm

from mxnet_audio.audio.source import source_name
from mxnet_audio.checks import whole_number
from mxnet_audio.declarative.columns import Columns, filled_values
from mxnet_audio.declarative.label_encodings import CategoryEncoding
from mxnet_audio.declarative.sounds import FilledSounds, SoundColumn
from mxnet_audio.declarative.table import Table
from mxnet_audio.errors import AudioError, DatasetError
from mxnet_audio.inference.window_encoder import LENGTHS
from mxnet_audio.parallel import map_ordered
from mxnet_audio.pretrained import AudioEncoder

if TYPE_CHECKING:
    from mxnet_audio.declarative.config import RunConfig

__all__ = ["Batch", "EncodedTable", "Input"]

log = logging.getLogger(__name__)

PREFETCH_BATCHES = 4  # while there is something to decode
SORTED_BATCHES = 16  # whose rows are sorted by length, so that batches need little padding

Input: TypeAlias = np.ndarray | tuple[np.ndarray, np.ndarray]


class Batch(NamedTuple):
    """Rows of a table as arrays.

    Attributes
    ----------
    inputs : dict of str to np.ndarray or (np.ndarray, np.ndarray), float32
        By the name of each input feature. Sounds of a sequence encoder: vectors [shape=(batch, steps, bands)] and
        lengths [shape=(batch,), steps]. Sounds of a pretrained encoder that is trained: what its network takes
        [shape=(batch, 1, bands, frames)], and lengths [frames] unless it takes one length. Sounds of a frozen encoder:
        vectors [shape=(batch, dim)]. Numbers and binary values [shape=(batch, 1)], categories one-hot
        [shape=(batch, classes)].
    targets : dict of str to np.ndarray
        By the name of each output feature, float32: numbers (normalized) and binary values [shape=(batch,)], class
        indices of categories [shape=(batch,)], sets [shape=(batch, classes)]. Empty for predictions.
    rows : np.ndarray [shape=(batch,)], int
        Numbers of the rows.
    """

    inputs: dict[str, Input]
    targets: dict[str, np.ndarray]
    rows: np.ndarray


class EncodedTable:
    """Rows of a table as batches of arrays; sounds are decoded ahead in threads.

    Parameters
    ----------
    config : RunConfig
    columns : Columns
        Encodings of the columns, learned from the training rows.
    table : Table
    encoders : mapping of str to AudioEncoder, optional
        Pretrained encoders by the name of the input feature.
    cache : bool or str or os.PathLike
        Keep features, and vectors of frozen encoders, on disk: in the user's cache directory (True), in another
        directory, or not at all (False). With True, ``mode`` and ``lazy_cache_dir`` of the feature apply if they are
        set.
    targets : bool
        False for predictions: the table needs no output columns, and a missing sound is replaced by a constant only,
        not by the sound of another row.

    Attributes
    ----------
    skipped : list of (int, str, AudioError)
        Number, name of the sound (or of the row), and reason, of each row that cannot be used.

    Raises
    ------
    DatasetError
        If a column is missing.
    """

    def __init__(
        self,
        config: RunConfig,
        columns: Columns,
        table: Table,
        *,
        encoders: Mapping[str, AudioEncoder] | None = None,
        cache: bool | str | os.PathLike = True,
        targets: bool = True,
    ):
        self.skipped: list[tuple[int, str, AudioError]] = []
        self._table, self._columns = table, columns
        self._inputs, self._outputs = config.input_features, config.output_features if targets else ()
        self._sounds: dict[str, SoundColumn] = {}
        self._values: dict[str, list] = {}
        prefetches = []
        for feature in self._inputs:
            if feature.type != "audio":
                self._values[feature.name] = filled_values(feature, columns[feature.name], table)
                continue
            sounds = FilledSounds(feature, table, constants_only=not targets)
            if targets and (count := int(np.count_nonzero(sounds.filled))):
                _warn_of_filled(feature, count)
            self._sounds[feature.name] = SoundColumn(
                feature,
                columns[feature.name],
                sounds,
                encoder=(encoders or {}).get(feature.name),
                cache=cache,
                once=not targets,
                threads=config.backend.threads,
            )
            prefetches.append(feature.preprocessing.prefetch_size)
        for feature in self._outputs:
            self._values[feature.name] = filled_values(feature, columns[feature.name], table)
        self._threads = config.backend.threads
        self._prefetch = max((size for size in prefetches if size is not None), default=None)
        self._lengths = np.ones(len(table))  # of the sounds, as shares of the longest; 1 if they are not known yet

    def usable(self, rows: Sequence[int], *, show: bool = False) -> list[int]:
        """Read rows, and return those that can be used; the others are added to `skipped`, logged, and counted.

        Parameters
        ----------
        rows : sequence of int
        show : bool
            Show a progress bar.

        Returns
        -------
        list of int
        """
        with (
            contextlib.closing(self._read(rows, batch_size=1)) as stream,
            tqdm(stream, total=len(rows), desc="features", unit="row", disable=not show) as bar,
        ):
            found = [row for row, sample in bar if sample is not None]
        if len(found) < len(rows):
            log.warning("left out %d of %d rows", len(rows) - len(found), len(rows))
        return found

    def batches(
        self, rows: Sequence[int], batch_size: int, seed: int | Sequence[int] | None = None
    ) -> Generator[Batch, None, None]:
        """Yield batches of rows, with sounds of similar length together as far as lengths are known.

        Parameters
        ----------
        rows : sequence of int
            Rows; there are ``ceil(len(rows) / batch_size)`` batches if all of them can be used. The others are left
            out, and added to `skipped`.
        batch_size : int > 0
        seed : int or sequence of int, optional
            Seed of the order, such as ``(seed, epoch)``. By default, rows are in order, apart from the sorting by
            length.

        Yields
        ------
        Batch
        """
        batch_size = whole_number("batch_size", batch_size)
        order = self._order(np.asarray(rows, int), batch_size, seed)
        with contextlib.closing(self._read([row for batch in order for row in batch], batch_size)) as stream:
            for batch in order:
                samples = [(row, sample) for row, sample in islice(stream, len(batch)) if sample is not None]
                if samples:
                    yield self._stacked([row for row, _ in samples], [sample for _, sample in samples])

    def _order(self, rows: np.ndarray, batch_size: int, seed: int | Sequence[int] | None) -> list[list[int]]:
        """Return the rows of each batch."""
        rng = None if seed is None else np.random.default_rng(seed)
        rows = rows if rng is None else rng.permutation(rows)
        batches: list[list[int]] = []
        for start in range(0, len(rows), SORTED_BATCHES * batch_size):
            part = rows[start : start + SORTED_BATCHES * batch_size]
            # By octaves as inputs are padded, so that rows of about the same length stay shuffled.
            octaves = np.floor(np.log2(self._lengths[part]) * LENGTHS)
            part = part[np.argsort(octaves, kind="stable")].tolist()
            batches += [part[first : first + batch_size] for first in range(0, len(part), batch_size)]
        return batches if rng is None else [batches[index] for index in rng.permutation(len(batches))]

    def _read(self, rows: Sequence[int], batch_size: int) -> Generator[tuple[int, dict[str, Any] | None], None, None]:
        """Yield rows and their arrays by feature, read ahead in threads; None for rows that cannot be used."""
        prefetch = self._prefetch
        if prefetch is None:
            prefetch = 0 if all(sounds.available(rows) for sounds in self._sounds.values()) else PREFETCH_BATCHES
        ahead = None if batch_size == 1 and prefetch else prefetch * batch_size
        known = {row for row, _, _ in self.skipped}
        try:
            with contextlib.closing(map_ordered(self._sample, rows, workers=self._threads, ahead=ahead)) as stream:
                for row, sample, error in stream:
                    if error is not None and row not in known:
                        self.skipped.append((row, self._name(row), error))
                        log.warning("skipped %s", error)
                    yield row, sample
        finally:
            for sounds in self._sounds.values():
                sounds.flush()

    def _sample(self, row: int) -> dict[str, Any]:
        """Read a row; called in threads."""
        sample: dict[str, Any] = {}
        for feature in (*self._inputs, *self._outputs):
            if feature.name not in self._sounds:  # first, since it fails quickly
                sample[feature.name] = self._encoded(feature, row)
        length = 0.0
        for name, sounds in self._sounds.items():
            sample[name] = sounds.get(row)
            length += sample[name][1] / (sounds.longest or 1)
        self._lengths[row] = length or 1
        return sample

    def _encoded(self, feature: Any, row: int) -> float | np.ndarray:
        value = self._values[feature.name][row]
        try:
            if value is None:
                raise ValueError("the value is missing")
            return self._columns[feature.name].encode(value)
        except ValueError as error:
            reason = f"{self._table.row_name(row)}, column {feature.column!r}: {error}"
            raise DatasetError(reason, self._table.path) from None

    def _name(self, row: int) -> str:
        """Return the name of the first sound of a row, or else of the row."""
        for sounds in self._sounds.values():
            with contextlib.suppress(AudioError):
                if name := source_name(sounds.sounds[row]):
                    return name
        return self._table.row_name(row)

    def _stacked(self, rows: list[int], samples: list[dict[str, Any]]) -> Batch:
        inputs: dict[str, Input] = {}
        for feature in self._inputs:
            parts = [sample[feature.name] for sample in samples]
            encoding = self._columns[feature.name]
            if feature.type == "audio":
                inputs[feature.name] = self._sounds[feature.name].stacked(parts)
            elif isinstance(encoding, CategoryEncoding):
                inputs[feature.name] = np.eye(encoding.width, dtype=np.float32)[np.array(parts, int)]
            else:
                inputs[feature.name] = np.array(parts, np.float32)[:, np.newaxis]
        names = [feature.name for feature in self._outputs]
        targets = {name: np.array([sample[name] for sample in samples], np.float32) for name in names}
        return Batch(inputs, targets, np.array(rows))


def _warn_of_filled(feature: Any, count: int) -> None:
    """Log that rows have the sounds of other rows, but their own labels."""
    log.warning(
        "column %r: %d missing sounds are replaced by those of other rows (missing_value_strategy: %s); "
        "drop_row leaves these rows out",
        feature.column,
        count,
        feature.preprocessing.missing_value_strategy,
    )
