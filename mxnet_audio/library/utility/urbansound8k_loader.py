"""UrbanSound8K under the names that the GTZAN loader has."""

from __future__ import annotations

import os
from pathlib import Path

from mxnet_audio.datasets import urbansound8k

__all__ = ["download_urbansound8k_if_not_found", "urbansound8k_labels"]

#: Class number (the table's ``classID``) -> name.
urbansound8k_labels: dict[int, str] = dict(enumerate(urbansound8k.LABELS))


def download_urbansound8k_if_not_found(data_dir_path: str | os.PathLike) -> None:
    """Download UrbanSound8K to a directory, as ``UrbanSound8K/audio/foldN/*.wav``, unless it exists.

    An existing ``UrbanSound8K.tar.gz`` is unpacked instead of downloaded. The file ``UrbanSound8K_done.txt`` marks a
    complete corpus; if it exists, nothing is checked.

    Parameters
    ----------
    data_dir_path : str or os.PathLike
        Directory of the corpus; created if missing.

    Raises
    ------
    DatasetError
        If the archive cannot be downloaded or unpacked.

    See Also
    --------
    mxnet_audio.datasets.corpus.Corpus.download : the same for all corpora, and from other mirrors

    Examples
    --------
    >>> urbansound8k_labels[8]
    'siren'
    """
    done = Path(data_dir_path) / "UrbanSound8K_done.txt"
    if not done.exists():
        urbansound8k.CORPUS.download(data_dir_path)
        done.write_text("done\n", encoding="ascii")
