"""Registry of the named corpora."""

from __future__ import annotations

from mxnet_audio.datasets import esc50, fsdd, gtzan, urbansound8k
from mxnet_audio.datasets.corpus import Corpus
from mxnet_audio.errors import ParameterError

__all__ = ["get", "names"]

_CORPORA = {
    corpus.name: corpus for corpus in (esc50.ESC10, esc50.CORPUS, fsdd.CORPUS, gtzan.CORPUS, urbansound8k.CORPUS)
}


def names() -> list[str]:
    """Return the sorted names of the corpora.

    Examples
    --------
    >>> names()
    ['esc10', 'esc50', 'fsdd', 'gtzan', 'urbansound8k']
    """
    return sorted(_CORPORA)


def get(name: str) -> Corpus:
    """Return a corpus by its name.

    Nothing is downloaded: call :meth:`Corpus.download <mxnet_audio.datasets.corpus.Corpus.download>` of the result.

    Parameters
    ----------
    name : str
        One of `names`; upper and lower case are equal.

    Returns
    -------
    Corpus

    Raises
    ------
    ParameterError
        If no corpus has this name.

    Examples
    --------
    >>> get("gtzan").labels[:3]
    ('blues', 'classical', 'country')
    """
    corpus = _CORPORA.get(name.lower()) if isinstance(name, str) else None
    if corpus is None:
        raise ParameterError(f"corpus must be one of {', '.join(names())}, got {name!r}")
    return corpus
