"""Named corpora as data, and the user's own folders and tables, all as pairs of path and label."""

from __future__ import annotations

from mxnet_audio.datasets import esc50, fsdd, gtzan, urbansound8k
from mxnet_audio.datasets.corpus import Clip, Corpus, Remote, Validation
from mxnet_audio.datasets.local import clips, csv, folder
from mxnet_audio.errors import DatasetError

__all__ = ["Clip", "Corpus", "Remote", "Validation", "clips", "csv", "folder", "get", "names"]

_CORPORA = {
    corpus.name: corpus for corpus in (esc50.ESC10, esc50.CORPUS, fsdd.CORPUS, gtzan.CORPUS, urbansound8k.CORPUS)
}


def names() -> list[str]:
    """Names of the corpora, sorted.

    Examples
    --------
    >>> names()
    ['esc10', 'esc50', 'fsdd', 'gtzan', 'urbansound8k']
    """
    return sorted(_CORPORA)


def get(name: str) -> Corpus:
    """A corpus by its name.

    Parameters
    ----------
    name : str
        One of `names`, in letters of any case.

    Returns
    -------
    Corpus

    Raises
    ------
    DatasetError
        If there is none of that name.

    Examples
    --------
    >>> get("gtzan").labels[:3]
    ('blues', 'classical', 'country')
    """
    if name.lower() not in _CORPORA:
        raise DatasetError(f"no corpus is called {name!r}: there are {', '.join(names())}")
    return _CORPORA[name.lower()]
