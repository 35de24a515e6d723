"""The user's own recordings as a Gluon dataset: folders of clips, or a table."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from mxnet_audio import audio, datasets
from mxnet_audio.data.datasets import AudioDataset
from mxnet_audio.datasets.local import present, read_rows
from mxnet_audio.errors import DatasetError

__all__ = ["AudioFolderDataset"]

logger = logging.getLogger(__name__)


class AudioFolderDataset(AudioDataset):
    """The user's own recordings: a folder of class folders, or a table of files and labels.

    Parameters
    ----------
    root : str or os.PathLike
        Holds a folder of clips for each class, to any depth; or the files of the table.
    transform : callable, optional
        ``transform(data, label)`` makes the sample of both.
    has_csv : bool
        False takes the folders even if `train_csv` is given.
    train_csv : str or os.PathLike, optional
        A table of files and labels, comma-separated. If its first row has the word ``path`` or ``label``, and its
        first cell is no file that is there, it names the columns and must have both; otherwise the first column holds
        files, the second labels.
    file_format : str, optional
        Such as '.wav': only such files of the folders; in the table, it is added to names that do not end in it.
        Default: all of `audio.AUDIO_SUFFIXES`, and names as they are.
    skip_rows : int >= 0
        Lines to leave out at the beginning of the table, such as a header of other words.
    missing : {'skip', 'raise', 'keep'}
        What becomes of a row whose file is not there: it is left out with a warning, it is an error, or it stays.
    transforms, synsets
        As for `AudioDataset`.

    Attributes
    ----------
    synsets : list of str
        The classes, sorted; those without a clip are left out.
    items : list of (str, int)
        Path and label of each clip.
    skipped : list of (str, DatasetError)
        Rows that were left out, and why.

    Raises
    ------
    DatasetError
        There is no such folder or table, or no sound in it; a column is missing; a file has two labels.

    References
    ----------
    ``example/gluon/urban_sounds`` of MXNet, which took WAV files alone and numbered classes as they came.

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
        transforms: Callable | Iterable[Callable] = (),
        synsets: Sequence[str] | None = None,
    ):
        root = Path(root).expanduser()
        suffix = "." + file_format.lower().lstrip(".") if file_format else ""
        if suffix and suffix not in audio.AUDIO_SUFFIXES:
            raise DatasetError(f"file_format {file_format!r} is none of {', '.join(sorted(audio.AUDIO_SUFFIXES))}")
        self.skipped: list[tuple[str, DatasetError]] = []
        if has_csv and train_csv is not None:
            table = Path(train_csv).expanduser()
            rows = read_rows(table, root, skip_rows=skip_rows, suffix=suffix, named=False)
            rows, self.skipped = present(rows, table, missing)
            pairs = _once([(row.path, row.label) for row in rows], table)
        else:
            pairs = [pair for pair in datasets.folder(root) if pair[0].lower().endswith(suffix)]
            if not pairs:
                raise DatasetError(f"holds no {suffix} files", root)
        super().__init__(
            [path for path, _ in pairs], [label for _, label in pairs], transforms=transforms, synsets=synsets
        )
        self.pair_transform = transform


def _once(pairs: list[tuple[str, str]], table: Path) -> list[tuple[str, str]]:
    """Each file once; two labels for one file are an error."""
    labels: dict[str, str] = {}
    kept = []
    for path, label in pairs:
        place = os.path.normpath(path)
        if place not in labels:
            labels[place] = label
            kept.append((path, label))
        elif labels[place] != label:
            raise DatasetError(f"is both {labels[place]!r} and {label!r} in {table}", path)
    if len(kept) < len(pairs):
        logger.warning("%s: %d rows repeat others and are left out", table, len(pairs) - len(kept))
    return kept
