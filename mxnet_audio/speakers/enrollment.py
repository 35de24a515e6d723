"""Enrolled speakers: embeddings of their recordings, by name. Needs no MXNet."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Mapping

import numpy as np

from mxnet_audio.errors import ModelError, ParameterError

__all__ = ["EnrolledSpeakers", "canonical_name", "distinct_recordings", "shared_recordings", "unit_length"]

MIN_NORM = 1e-12
DUPLICATE_COSINE = 1 - 1e-6  # cosine above which two embeddings are of one recording, up to rounding
_LOCK = threading.Lock()  # one for all objects, which can then be copied and pickled


def unit_length(vectors: np.ndarray) -> np.ndarray:
    """Scale vectors [shape=(..., dim)] to length 1.

    Examples
    --------
    >>> unit_length(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), MIN_NORM)


def canonical_name(name: str) -> str:
    """Return a name in Unicode's NFC form: macOS writes an accented letter as two characters."""
    return unicodedata.normalize("NFC", name)


def shared_recordings(vectors: np.ndarray, others: np.ndarray) -> int:
    """Count the embeddings [shape=(n, dim)] of length 1 that occur in `others` [shape=(m, dim)], up to rounding."""
    return len(vectors) - len(_without(vectors, others))


def _without(vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Leave out the embeddings [shape=(n, dim)] of length 1 that occur in `others` [shape=(m, dim)], up to rounding."""
    if not (len(vectors) and len(others)):
        return vectors
    return vectors[~(vectors @ others.T > DUPLICATE_COSINE).any(axis=1)]


def distinct_recordings(vectors: np.ndarray) -> np.ndarray:
    """Leave out the embeddings [shape=(n, dim)] of length 1 that occur before, up to rounding."""
    repeated = np.tril(vectors @ vectors.T, -1).max(axis=1) > DUPLICATE_COSINE
    return vectors[~repeated]


def _centroid(vectors: np.ndarray) -> np.ndarray:
    return unit_length(vectors.mean(axis=0))


class EnrolledSpeakers:
    """Embeddings of enrolled speakers, by name.

    Names are kept in Unicode's NFC form. Threads may add and remove speakers at once.

    Parameters
    ----------
    vectors : dict of str to np.ndarray [shape=(recordings, dim)], optional
        Embeddings of speakers to enroll now.

    Attributes
    ----------
    vectors : dict of str to np.ndarray [shape=(recordings, dim)]
        Embeddings of length 1, by speaker.

    Examples
    --------
    >>> enrolled = EnrolledSpeakers()
    >>> enrolled.add("ann", np.array([[1.0, 0.0], [0.0, 1.0]]))
    2
    >>> enrolled.names, enrolled.centroids().round(3)
    (['ann'], array([[0.707, 0.707]]))
    """

    def __init__(self, vectors: Mapping[str, np.ndarray] | None = None):
        self.vectors: dict[str, np.ndarray] = {}
        for name, embeddings in (vectors or {}).items():
            self.add(name, embeddings)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.vectors)} speakers, {sum(self.counts.values())} recordings)"

    @property
    def names(self) -> list[str]:
        """Names of the enrolled speakers, in the order of enrollment."""
        return list(self.vectors)

    @property
    def counts(self) -> dict[str, int]:
        """Number of recordings of each enrolled speaker."""
        return {name: len(vectors) for name, vectors in self.vectors.items()}

    def add(self, name: str, vectors: np.ndarray, replace: bool = False) -> int:
        """Enroll a speaker by embeddings [shape=(recordings, dim)]; return the number of the speaker's recordings.

        They are added to the speaker's earlier recordings, or with `replace` put in their place. A recording that is
        enrolled already counts once. ParameterError is raised if the name is empty or not printable.
        """
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise ParameterError(f"the name of a speaker must be printable text, got {name!r}")
        name = canonical_name(name)
        vectors = unit_length(vectors)
        with _LOCK:
            before = [] if replace or name not in self.vectors else [self.vectors[name]]
            recordings = distinct_recordings(np.concatenate([*before, vectors]))
            self.vectors = {**self.vectors, name: recordings}  # a new one, since threads may iterate over the other
        return len(recordings)

    def remove(self, name: str) -> None:
        """Remove a speaker and their embeddings.

        Raises
        ------
        ModelError
            If no speaker of this name is enrolled.
        """
        with _LOCK:
            self.centroid(name)
            self.vectors = {other: vectors for other, vectors in self.vectors.items() if other != canonical_name(name)}

    def with_changes(self, before: EnrolledSpeakers, after: EnrolledSpeakers) -> EnrolledSpeakers:
        """Return these speakers with the recordings that were added to and removed from others, `before` to `after`.

        Examples
        --------
        >>> ann, bob = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
        >>> stored = EnrolledSpeakers({"ann": ann})
        >>> stored.with_changes(EnrolledSpeakers(), EnrolledSpeakers({"bob": bob})).counts
        {'ann': 1, 'bob': 1}
        """
        result = EnrolledSpeakers()
        for name in dict.fromkeys([*self.vectors, *after.vectors]):
            mine, old, new = (side.vectors.get(name, np.empty((0, 0))) for side in (self, before, after))
            parts = [_without(mine, _without(old, new)), _without(new, old)]
            if kept := [part for part in parts if len(part)]:
                result.add(name, np.concatenate(kept))
        return result

    def copy(self) -> EnrolledSpeakers:
        """Return the same speakers, to which others can be added."""
        result = EnrolledSpeakers()
        result.vectors = self.vectors  # `add` and `remove` put another mapping in its place
        return result

    def duplicates(self, vectors: np.ndarray, name: str | None = None) -> dict[str, int]:
        """Count the recordings [shape=(n, dim)] that speakers, other than `name`, are enrolled with.

        Returns
        -------
        dict of str to int
            Number of shared recordings, for each speaker with at least one.

        Examples
        --------
        >>> EnrolledSpeakers({"ann": np.array([[1.0, 0.0]])}).duplicates(np.array([[2.0, 0.0], [0.0, 1.0]]), "bob")
        {'ann': 1}
        """
        vectors, name = unit_length(vectors), name and canonical_name(name)
        counts = {other: shared_recordings(vectors, embeddings) for other, embeddings in self.vectors.items()}
        return {other: count for other, count in counts.items() if count and other != name}

    def centroid(self, name: str) -> np.ndarray:
        """Return the mean embedding of a speaker [shape=(dim,)], of length 1.

        Raises
        ------
        ModelError
            If no speaker of this name is enrolled.
        """
        name = canonical_name(str(name))
        vectors = self.vectors.get(name)
        if vectors is None:
            raise ModelError(f"no speaker {name!r} is enrolled; enrolled: {', '.join(self.names) or 'nobody'}")
        return _centroid(vectors)

    def centroids(self) -> np.ndarray:
        """Return the mean embeddings of all speakers [shape=(speakers, dim)], each of length 1.

        Raises
        ------
        ModelError
            If no speaker is enrolled.
        """
        if not (speakers := self.vectors):
            raise ModelError("nobody is enrolled: enroll a speaker first")
        return np.stack([_centroid(vectors) for vectors in speakers.values()])
