"""UrbanSound8K by its well-known names."""

from __future__ import annotations

import os
from pathlib import Path

from mxnet_audio.datasets import urbansound8k

__all__ = ["download_urbansound8k_if_not_found", "urbansound8k_labels"]

#: Class number (the table's ``classID``) -> name.
urbansound8k_labels: dict[int, str] = dict(enumerate(urbansound8k.LABELS))


def download_urbansound8k_if_not_found(data_dir_path: str | os.PathLike) -> None:
    """Have UrbanSound8K in a directory: ``UrbanSound8K/audio/foldN`` and ``UrbanSound8K/metadata``.

    An ``UrbanSound8K.tar.gz`` that is there already is unpacked instead of downloaded. The file
    ``UrbanSound8K_done.txt`` says that all is done; where it is, nothing is looked at.

    Parameters
    ----------
    data_dir_path : str or os.PathLike
        Made when missing.

    Raises
    ------
    DatasetError
        If the archive cannot be downloaded or unpacked.

    See Also
    --------
    mxnet_audio.datasets.corpus.Corpus.download : the same with mirrors of your own, and for other corpora

    Examples
    --------
    >>> urbansound8k_labels[8]
    'siren'
    """
    done = Path(data_dir_path) / "UrbanSound8K_done.txt"
    if not done.exists():
        urbansound8k.CORPUS.download(data_dir_path)
        done.write_text("done\n", encoding="ascii")
