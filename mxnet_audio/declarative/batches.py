"""Batches of encoded rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from mxnet_audio.errors import AudioError

__all__ = ["Batch", "EncodedTable", "Input"]

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
        Encoding of the columns, learned from the training rows.
    table : Table
    encoders : mapping of str to AudioEncoder, optional
        Pretrained encoders by the name of the input feature.
    cache : bool or str or os.PathLike
        As for `AudioClassifier.fit`.
    targets : bool
        False for predictions: the table needs no output columns, and rows whose sound cannot be used are listed in
        `skipped` like others.

    Attributes
    ----------
    skipped : list of (int, str, AudioError)
        Row, name of its sound, and reason, of each row that cannot be used.
    """

    skipped: list[tuple[int, str, AudioError]]

    def __init__(
        self,
        config: Any,
        columns: Any,
        table: Any,
        *,
        encoders: Any = None,
        cache: Any = True,
        targets: bool = True,
    ):
        raise NotImplementedError

    def usable(self, rows: Sequence[int]) -> list[int]:
        """Read all rows once, and return those that can be used; the others are added to `skipped`."""
        raise NotImplementedError

    def batches(self, rows: Sequence[int], batch_size: int, seed: int | Sequence[int] | None = None) -> Iterator[Batch]:
        """Yield batches of rows, in order, or shuffled by a seed (such as ``(seed, epoch)``), of similar length.

        Rows that cannot be used are left out, and added to `skipped`.
        """
        raise NotImplementedError
