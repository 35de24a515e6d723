"""Outputs of an encoder for the parts of a sound, and their pools over the whole sound. Needs no MXNet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from mxnet_audio.errors import AudioError

__all__ = ["Frames", "Pool", "PooledSound", "SoundOutput"]

SILENCE = "Silence"  # tag of AudioSet
MIN_PART_WEIGHT = 1e-3  # so that sound that is silent throughout has scores, too
MIN_SILENT_WEIGHT = 1e-9  # of digital silence, of which an encoder may be unsure


class _FrameFields(NamedTuple):
    vectors: np.ndarray
    times: np.ndarray
    scores: np.ndarray


class Frames(_FrameFields):
    """Outputs of an encoder for consecutive parts of a sound: a tuple ``(vectors, times, scores)``.

    Attributes
    ----------
    vectors : np.ndarray [shape=(parts, dim)], float32
        Embedding of each part.
    times : np.ndarray [shape=(parts, 2)], seconds
        Start and end of each part.
    scores : np.ndarray [shape=(parts, tags)], float32
        Score of each published tag, between 0 and 1; no columns if the encoder has no tags, or none for such parts.
    silent : np.ndarray [shape=(parts,)], bool
        True for parts of digital silence, whose peak is below -100 dBFS. Not an item of the tuple.
    """

    silent: np.ndarray

    def __new__(
        cls, vectors: np.ndarray, times: np.ndarray, scores: np.ndarray, *, silent: np.ndarray | None = None
    ) -> Frames:
        """Make the tuple; `silent` becomes an attribute, False for all parts by default."""
        frames = super().__new__(cls, vectors, times, scores)
        frames.silent = np.zeros(len(times), bool) if silent is None else silent
        return frames

    def joined(self, *others: Frames) -> Frames:
        """Return these parts, and those of others after them."""
        every = (self, *others)
        silent = np.concatenate([frames.silent for frames in every])
        return Frames(*(np.concatenate(arrays) for arrays in zip(*every)), silent=silent)

    def of(self, rows: slice | np.ndarray) -> Frames:
        """Return some of the parts."""
        return Frames(*(array[rows] for array in self), silent=self.silent[rows])


class SoundOutput(NamedTuple):
    """Outputs of an encoder for one sound, pooled over its parts.

    Attributes
    ----------
    source : Any
        The sound as it was given.
    vector : np.ndarray [shape=(dim,)], float32, or None
        The embedding; None if the sound could not be used.
    scores : np.ndarray [shape=(tags,)], float32, or None
        Mean score of each published tag.
    error : AudioError or None
        Reason why the sound could not be used.
    """

    source: Any
    vector: np.ndarray | None
    scores: np.ndarray | None
    error: AudioError | None = None


class Pool:
    """Running pool of vectors, in float64.

    Parameters
    ----------
    kind : {'mean', 'mean_std', 'unit_mean', 'sum', 'max', 'last'}
        Result: the mean; mean and standard deviation; the mean at length 1; the sum; the maximum of each element; or
        the last vector.

    Examples
    --------
    >>> pool = Pool("mean_std")
    >>> pool.add(np.array([[1.0, 5.0]]))
    >>> pool.add(np.array([[3.0, 5.0]]))
    >>> pool.result()
    array([2., 5., 1., 0.], dtype=float32)
    """

    def __init__(self, kind: str = "mean"):
        self.kind, self.count = kind, 0.0
        self.total: np.ndarray | float = 0.0
        self.squares: np.ndarray | float = 0.0

    def add(self, vectors: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Add vectors [shape=(n, dim)], which count by their weights [shape=(n,)], 1 by default."""
        vectors = vectors.astype(np.float64)
        weights = np.ones(len(vectors)) if weights is None else weights
        if self.kind == "last":
            self.total = vectors[-1]
        elif self.kind == "max":
            self.total = np.maximum(self.total if self.count else -np.inf, vectors.max(axis=0))
        else:
            self.total = self.total + weights @ vectors
        self.count += weights.sum()
        if self.kind == "mean_std":
            self.squares = self.squares + weights @ np.square(vectors)

    def result(self) -> np.ndarray:
        """Return the pooled vector [shape=(dim,)], float32."""
        if self.kind in ("sum", "max", "last"):
            return np.asarray(self.total, np.float32)
        mean = np.asarray(self.total / self.count)
        if self.kind == "mean_std":
            variance = self.squares / self.count - np.square(mean)
            mean = np.concatenate([mean, np.sqrt(np.maximum(variance, 0))])
        elif self.kind == "unit_mean":
            mean = mean / max(np.linalg.norm(mean), np.finfo(np.float32).tiny)
        return mean.astype(np.float32)


@dataclass(eq=False)
class PooledSound:
    """Sound whose parts are being computed.

    Parts of digital silence have no weight in the scores. Where silence is a tag, a part counts by 1 minus its score
    of this tag, so that a sneeze between pauses is tagged as a sneeze; the sound is as silent as its least silent part.

    Parameters
    ----------
    source : Any
        The sound.
    vectors : Pool
        Pool of the vectors.
    silence : int, optional
        Number of the tag for silence.
    error : AudioError, optional
        Reason why the sound cannot be used.

    Attributes
    ----------
    waiting : int
        Number of parts that are read, but not yet computed.
    is_read : bool
        True once the sound was read to its end.
    """

    source: Any
    vectors: Pool
    silence: int | None = None
    error: AudioError | None = None
    waiting: int = 0
    is_read: bool = False
    scores: Pool = field(default_factory=Pool)
    least_silence: float = 1.0

    @property
    def is_complete(self) -> bool:
        """True once all parts were computed."""
        return self.is_read and not self.waiting

    def add(
        self, vectors: np.ndarray, scores: np.ndarray, audible: np.ndarray, shares: np.ndarray | None = None
    ) -> None:
        """Add outputs of parts that were waiting.

        Parameters
        ----------
        vectors : np.ndarray [shape=(n, dim)]
        scores : np.ndarray [shape=(n, tags)]
        audible : np.ndarray [shape=(n,)], bool
            False for digital silence.
        shares : np.ndarray [shape=(n,)], optional
            Share of each part that no part before it contains; 1 by default.
        """
        shares = np.ones(len(vectors)) if shares is None else shares
        self.vectors.add(vectors, shares)
        self.waiting -= len(vectors)
        weights = np.ones(len(scores))
        if self.silence is not None:
            silence = scores[:, self.silence]
            weights = 1 - silence + MIN_PART_WEIGHT
            self.least_silence = min(self.least_silence, float(silence.min()))
        self.scores.add(scores, shares * np.where(audible, weights, MIN_SILENT_WEIGHT))

    def output(self) -> SoundOutput:
        """Return the outputs for the whole sound, or its error."""
        if self.error is not None:
            return SoundOutput(self.source, None, None, self.error)
        scores = self.scores.result()
        if self.silence is not None:
            scores[self.silence] = self.least_silence
        return SoundOutput(self.source, self.vectors.result(), scores)
