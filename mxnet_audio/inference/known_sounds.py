"""Distinction of known from unknown sounds: the cosine of an embedding and the nearest class mean. Needs no MXNet."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mxnet_audio.checks import real_number
from mxnet_audio.errors import ModelError, ParameterError

__all__ = ["DEFAULT_SHARE", "KnownSounds", "Standardization", "checked_share", "from_text", "to_text"]

DEFAULT_SHARE = 0.05  # of known sounds that are turned away
# Smallest scale, as a share of the root mean square of all deviations. Elements that hardly vary over a few hundred
# clips may be large in the next one, and would outweigh all others.
SMALLEST_SCALE = 0.3


@dataclass(frozen=True)
class Standardization:
    """Center and scale of each element of a vector.

    Attributes
    ----------
    center, scale : np.ndarray [shape=(dim,)]

    Examples
    --------
    >>> standardization = Standardization.of(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> standardization.apply(np.array([[2.0, 5.0]]))
    array([[0., 0.]])
    """

    center: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray) -> Standardization:
        """Measure vectors [shape=(n, dim)]; elements that hardly vary have a scale that is not as small."""
        vectors = vectors.astype(np.float64)
        variance = vectors.var(axis=0)
        scale = np.sqrt(variance + SMALLEST_SCALE**2 * variance.mean())
        return cls(vectors.mean(axis=0), np.where(scale > 0, scale, 1.0))

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Standardize vectors [shape=(n, dim)]."""
        return (vectors - self.center) / self.scale


@dataclass(frozen=True)
class KnownSounds:
    """Sounds like those of the classes that a model was trained on.

    The score of a sound is the cosine of its standardized embedding and the nearest class mean. A sound is known if it
    reaches the scores of training clips that were left out when the means were computed, except the lowest few.

    Attributes
    ----------
    center, scale : np.ndarray [shape=(dim,)]
        Standardization of the embeddings.
    means : np.ndarray [shape=(classes, dim)]
        Mean standardized embedding of each class that has clips.
    known_scores : np.ndarray [shape=(n,)]
        Scores of known clips, ascending.

    Examples
    --------
    >>> vectors, targets = np.array([[0.0, 1.0], [0.0, 3.0], [1.0, 0.0], [3.0, 0.0]]), np.array([0, 0, 1, 1])
    >>> known = KnownSounds.of(vectors, targets, known_scores=[0.9, 0.8, 1.0])
    >>> known.contain(np.array([[0.0, 2.0], [-1.0, -1.0]]), share=0.05)
    array([ True, False])
    """

    center: np.ndarray
    scale: np.ndarray
    means: np.ndarray
    known_scores: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, targets: np.ndarray, known_scores: Any = ()) -> KnownSounds:
        """Compute the means of the classes.

        Parameters
        ----------
        vectors : np.ndarray [shape=(n, dim)]
            Embeddings of clips.
        targets : np.ndarray [shape=(n,)]
            Class of each.
        known_scores : array-like of float
            Scores of clips that are not among these.
        """
        standardization = Standardization.of(vectors)
        vectors = standardization.apply(vectors)
        means = np.stack([vectors[targets == target].mean(axis=0) for target in np.unique(targets)])
        return cls(standardization.center, standardization.scale, means, np.sort(known_scores))

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Compute the score of each embedding [shape=(n,)], from -1 to 1.

        Parameters
        ----------
        vectors : np.ndarray [shape=(n, dim)]

        Raises
        ------
        ModelError
            If the embeddings have another size.
        """
        if vectors.shape[1:] != self.center.shape:
            raise ModelError(
                f"damaged: it describes known sounds by vectors of {len(self.center)} numbers, not {vectors.shape[1]}"
            )
        vectors = Standardization(self.center, self.scale).apply(vectors)
        return (_unit(vectors) @ _unit(self.means).T).max(axis=1)

    def contain(self, vectors: np.ndarray, share: float) -> np.ndarray:
        """Return for each embedding [shape=(n,)] whether the sound is known.

        Parameters
        ----------
        vectors : np.ndarray [shape=(n, dim)]
        share : float, above 0 and below 1
            Share of known sounds that is turned away.
        """
        return self.scores(vectors) >= np.quantile(self.known_scores, share)

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Return the arrays by name, as float32, for `from_tensors`."""
        return {name: value.astype(np.float32) for name, value in asdict(self).items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray]) -> KnownSounds:
        """Make it from the result of `to_tensors`.

        Raises
        ------
        ModelError
            If an array is missing, or of another shape than the others, or holds NaN or infinity, or a scale is not
            above 0.
        """
        try:
            known = cls(**{name: np.asarray(tensors[name], np.float32) for name in cls.__dataclass_fields__})
        except (KeyError, ValueError) as error:
            raise ModelError(f"damaged: the description of known sounds lacks {error}") from error
        shapes = known.center.shape, known.scale.shape, known.means.shape[1:]
        arrays = (known.center, known.scale, known.means, known.known_scores)
        if (
            len(set(shapes)) > 1
            or [array.ndim for array in arrays] != [1, 1, 2, 1]
            or not all(array.size and np.isfinite(array).all() for array in arrays)
            or not (known.scale > 0).all()
        ):
            raise ModelError("damaged: the description of known sounds holds arrays that do not fit, or NaN")
        return known


def to_text(known: KnownSounds) -> str:
    """Encode the arrays as text, for the metadata of a file."""
    buffer = io.BytesIO()
    np.savez(buffer, **known.to_tensors())
    return base64.b64encode(buffer.getvalue()).decode()


def from_text(text: str) -> KnownSounds:
    """Decode the result of `to_text`.

    Raises
    ------
    ModelError
        If it is something else.
    """
    try:
        data = base64.b64decode(text)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(item.file_size for item in archive.infolist()) > len(data):
                raise ValueError("its arrays are larger than the text")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return KnownSounds.from_tensors(arrays)
    except ModelError:
        raise
    except Exception as error:  # damaged archives and arrays fail in many ways
        raise ModelError(f"damaged: the description of known sounds cannot be read ({error})") from error


def checked_share(unknown: bool | float) -> float:
    """Return the share of known sounds that is turned away, given the argument `unknown` of a prediction.

    Raises
    ------
    ParameterError
        If it is neither True nor a number above 0 and below 1.
    """
    if unknown is True:
        return DEFAULT_SHARE
    share = real_number("unknown", unknown, above=0, maximum=1)
    if share == 1:
        raise ParameterError("unknown must be True, or a share of known sounds above 0 and below 1, got 1")
    return share


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
