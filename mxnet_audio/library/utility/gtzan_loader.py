"""GTZAN by its well-known names."""

from __future__ import annotations

import os
from pathlib import Path

from mxnet_audio.datasets import gtzan

__all__ = ["download_gtzan_genres_if_not_found", "gtzan_labels"]

#: Class number -> genre.
gtzan_labels: dict[int, str] = dict(enumerate(gtzan.LABELS))


def download_gtzan_genres_if_not_found(data_dir_path: str | os.PathLike) -> None:
    """Have GTZAN in a directory, as ``genres/<genre>/<genre>.000NN.au``.

    A ``genres.tar.gz`` that is there already is unpacked instead of downloaded. The file ``genres_done.txt``
    says that all is done; where it is, nothing is looked at.

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
    >>> gtzan_labels[5]
    'jazz'
    """
    done = Path(data_dir_path) / "genres_done.txt"
    if not done.exists():
        gtzan.CORPUS.download(data_dir_path)
        done.write_text("done\n", encoding="ascii")
