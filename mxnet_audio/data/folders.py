"""The user's own recordings as a Gluon dataset: folders of clips, or a table."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from mxnet_audio import audio, datasets
from mxnet_audio.checks import one_of, user_path_argument
from mxnet_audio.data.datasets import AudioDataset
from mxnet_audio.datasets.splits import Folds, of_folds
from mxnet_audio.datasets.tables import existing_rows, read_rows
from mxnet_audio.errors import AudioError, DatasetError

__all__ = ["AudioFolderDataset", "ListingDataset"]

logger = logging.getLogger(__name__)

Self = TypeVar("Self", bound="ListingDataset")


class ListingDataset(AudioDataset):
    """Base of datasets whose constructor lists the files of a folder.

    ``from_pairs``, ``from_table`` and ``from_corpus`` list no folder; their `skipped` is empty.

    Attributes
    ----------
    skipped : sequence of (str, AudioError)
        Files that were left out, and why.
    """

    skipped: Sequence[tuple[str, AudioError]] = ()

    @classmethod
    def _of_columns(cls: type[Self], sources: Any, labels: Any, **options: Any) -> Self:
        dataset = cls.__new__(cls)
        AudioDataset.__init__(dataset, sources, labels, **options)
        return dataset


class AudioFolderDataset(ListingDataset):
    """The user's own recordings: a folder of class folders, or a table of files and labels.

    The arguments are those of MXNet's proposal. An item is ``(samples, label)`` and not ``(filename, label)``, so that
    Gluon's ``DataLoader`` can use it; `items` has the filenames. WAV files alone were proposed; here all formats of
    `audio.AUDIO_SUFFIXES` are read.

    Parameters
    ----------
    root : str or os.PathLike
        Folder that holds a folder of clips for each class, at any depth, also in or above folders of splits (see
        `datasets.folder`); or the files of the table.
    transform : callable, optional
        Function ``transform(data, label)`` that makes the sample.
    has_csv : bool
        False lists the folders even if `train_csv` is given.
    train_csv : str or os.PathLike, optional
        Table of files and labels (see `datasets.csv`). If it is omitted, the folders are listed, whatever `has_csv` is.
        The first row may name the columns: as ``path`` and ``label``, or as ``ID,Class``, where an ID is a file name
        without its suffix (MXNet's Urban Sounds), or as in other well-known tables. Otherwise the first column holds
        files, the second labels.
    file_format : str, optional
        Suffix such as '.wav': of the folders, only such files are listed; in the table, it is added to names without
        it. Default: all of `audio.AUDIO_SUFFIXES`, and names as they are in the table.
    skip_rows : int >= 0
        Number of lines to leave out at the beginning of the table, such as a header with other words.
    missing : {'skip', 'raise', 'keep'}
        Treatment of a row whose file does not exist: leave it out with a warning, raise an error, or keep it.
    folds, columns, separator : optional
        Splits or folds to list; columns and separator of the table: see `datasets.csv`.
    transforms, synsets
        As for `AudioDataset`.

    Attributes
    ----------
    synsets : list of str
        Classes, sorted, without those that have no clip.
    items : list of (str, int)
        Path and label index of each clip.
    skipped : list of (str, DatasetError)
        Rows that were left out, and why.

    Raises
    ------
    DatasetError
        If there is no such folder or table, or no sound in it; if a column is missing; if a file has two labels.
    ParameterError
        If an argument is wrong, such as an unknown `file_format` or a path that is none.

    References
    ----------
    ``example/gluon/urban_sounds`` of MXNet, which numbers classes in the order in which they occur.

    Examples
    --------
    >>> import numpy, soundfile
    >>> folder = getfixture('tmp_path')
    >>> for name in ("dog/1.wav", "cat/1.wav"):
    ...     (folder / name).parent.mkdir()
    ...     soundfile.write(folder / name, numpy.zeros(22050), 22050)
    >>> dataset = AudioFolderDataset(folder)
    >>> dataset.synsets, dataset[1][0].shape, dataset[1][1]
    (['cat', 'dog'], (22050,), 1)
    """

    def __init__(
        self,
        root: str | os.PathLike,
        transform: Callable[[Any, int], Any] | None = None,
        has_csv: bool = True,
        train_csv: str | os.PathLike | None = None,
        file_format: str | None = None,
        skip_rows: int = 0,
        *,
        missing: Literal["skip", "raise", "keep"] = "skip",
        folds: Folds | None = None,
        columns: Mapping[str, str] | None = None,
        separator: str | None = None,
        transforms: Callable | Iterable[Callable] = (),
        synsets: Sequence[str] | None = None,
    ):
        self._suffix = "." + str(file_format).lower().lstrip(".") if file_format else ""
        if self._suffix:
            one_of("file_format", self._suffix, sorted(audio.AUDIO_SUFFIXES))
        self._table = user_path_argument("train_csv", train_csv) if has_csv and train_csv is not None else None
        self._skip_rows, self._missing, self._folds = skip_rows, missing, folds
        self._columns, self._separator = columns, separator
        self.skipped = []
        pairs = self._list_audio_files(root)
        super().__init__(
            [path for path, _ in pairs], [label for _, label in pairs], transforms=transforms, synsets=synsets
        )
        self.pair_transform = transform

    def _list_audio_files(self, root: str | os.PathLike) -> list[tuple[str, str]]:
        """List the files of a folder, or of the table, with their labels. Subclasses may list other files."""
        root = user_path_argument("root", root)
        if self._table is None:
            pairs = [
                pair for pair in datasets.folder(root, folds=self._folds) if pair[0].lower().endswith(self._suffix)
            ]
            if not pairs:
                raise DatasetError(f"there are no {self._suffix} files in its class folders", root)
            return pairs
        rows = read_rows(
            self._table,
            root,
            skip_rows=self._skip_rows,
            suffix=self._suffix,
            require_header=False,
            columns=self._columns,
            separator=self._separator,
        )
        rows, self.skipped = existing_rows(of_folds(rows, self._folds, self._table), self._table, self._missing)
        return _without_repeats([(row.path, row.label) for row in rows], self._table)


def _without_repeats(pairs: list[tuple[str, str]], table: Path) -> list[tuple[str, str]]:
    """Return each file once; `read_rows` has checked that it has one label."""
    unique: dict[str, tuple[str, str]] = {}
    for pair in pairs:
        unique.setdefault(os.path.normpath(pair[0]), pair)
    if len(unique) < len(pairs):
        logger.warning("%s: skipped %d rows that repeat others", table, len(pairs) - len(unique))
    return list(unique.values())
