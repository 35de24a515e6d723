"""GTZAN at the import path of the first mxnet-audio."""

from __future__ import annotations

import os
from pathlib import Path

from mxnet_audio.datasets import gtzan

__all__ = ["download_gtzan_genres_if_not_found", "gtzan_labels"]

#: Class number -> genre.
gtzan_labels: dict[int, str] = dict(enumerate(gtzan.LABELS))


def download_gtzan_genres_if_not_found(data_dir_path: str | os.PathLike) -> None:
    """Download GTZAN to a directory, as ``genres/<genre>/<genre>.000NN.au``, unless it exists.

    An existing ``genres.tar.gz`` is unpacked instead of downloaded. The file ``genres_done.txt`` marks a complete
    corpus; if it exists, nothing is checked.

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
    >>> gtzan_labels[5]
    'jazz'
    """
    done = Path(data_dir_path) / "genres_done.txt"
    if not done.exists():
        gtzan.CORPUS.download(data_dir_path)
        done.write_text("done\n", encoding="ascii")
