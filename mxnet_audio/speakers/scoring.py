"""EnrolledSpeakers that are known by their vectors: who was enrolled, and how alike two voices are.

Nothing here needs MXNet, and nothing holds sound.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

from mxnet_audio.errors import ModelError

__all__ = ["Cohort", "EnrolledSpeakers", "unit"]

LEAST = 1e-12
SAME = 1 - 1e-6  # cosine of what is one recording, but for roundings
BLOCK = 65536  # trials at a time, to bound the memory


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors [shape=(..., dim)] brought to length 1.

    Examples
    --------
    >>> unit(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), LEAST)


class EnrolledSpeakers:
    """Enrolled speakers: the vectors of what each was heard to say.

    Parameters
    ----------
    vectors : dict of str to np.ndarray [shape=(utterances, dim)], optional
        Of those who are enrolled already.

    Examples
    --------
    >>> voices = EnrolledSpeakers()
    >>> voices.add("ann", np.array([[1.0, 0.0], [0.0, 1.0]]))
    2
    >>> voices.names, voices.centres().round(3)
    (['ann'], array([[0.707, 0.707]]))
    """

    def __init__(self, vectors: dict[str, np.ndarray] | None = None):
        self.vectors: dict[str, np.ndarray] = {}
        for name, heard in (vectors or {}).items():
            self.add(name, heard)

    @property
    def names(self) -> list[str]:
        """Who is enrolled, in the order of enrolment."""
        return list(self.vectors)

    def add(self, name: str, vectors: np.ndarray, replace: bool = False) -> int:
        """Enrol a speaker, or hear more of one; with `replace`, forget what was heard before.

        A recording that was heard already counts once.

        Returns
        -------
        int
            Utterances that he is known by now.

        Raises
        ------
        ModelError
            If the name is empty, or cannot be printed.
        """
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise ModelError(f"a speaker has a name, not {name!r}")
        name = _one_spelling(name)
        before = [] if replace or name not in self.vectors else [self.vectors[name]]
        heard = np.concatenate([*before, unit(vectors)])
        again = np.tril(heard @ heard.T, -1).max(axis=1) > SAME
        self.vectors[name] = heard[~again]
        return len(self.vectors[name])

    def remove(self, name: str) -> None:
        """Forget a speaker; ModelError if nobody of that name is enrolled."""
        self.centre(name)
        del self.vectors[_one_spelling(name)]

    def known(self, vectors: np.ndarray, name: str) -> dict[str, int]:
        """How many of some recordings [shape=(n, dim)] others than this speaker are known by, where any are.

        Examples
        --------
        >>> EnrolledSpeakers({"ann": np.array([[1.0, 0.0]])}).known(np.array([[2.0, 0.0], [0.0, 1.0]]), "bob")
        {'ann': 1}
        """
        vectors, name = unit(vectors), _one_spelling(name)
        counts = {other: int((vectors @ heard.T > SAME).any(axis=1).sum()) for other, heard in self.vectors.items()}
        return {other: count for other, count in counts.items() if count and other != name}

    def centre(self, name: str) -> np.ndarray:
        """Vector of one speaker [shape=(dim,)]; ModelError if nobody of that name is enrolled."""
        name = _one_spelling(name)
        if name not in self.vectors:
            known = ", ".join(self.names) or "nobody"
            raise ModelError(f"no {name!r} is enrolled; there is {known}")
        return unit(self.vectors[name].mean(axis=0))

    def centres(self) -> np.ndarray:
        """Vectors of all speakers [shape=(speakers, dim)]; ModelError if there is none."""
        if not self.vectors:
            raise ModelError("nobody is enrolled: enroll a voice first")
        return np.stack([self.centre(name) for name in self.vectors])


class Cohort:
    """Other people's voices, by which scores are brought to one scale: adaptive S-norm.

    What two voices score is compared with what each of them scores against the `top` most alike of the cohort: less its
    mean, by its deviation, the mean of both sides. P. Matejka et al., "Analysis of score normalization in multilingual
    speaker recognition" (Interspeech 2017).

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, dim)]
        Of people who are not the ones compared; fewer than two leave scores as they are: cosines.
    speakers : sequence of str, optional
        Whose they are, to leave out a speaker's own where one of the cohort is compared after all.
    top : int > 1
        How many of the cohort count, for each voice.

    Examples
    --------
    >>> Cohort(np.empty((0, 2))).scores(np.array([[1.0, 0.0]]), np.array([[0.0, 2.0], [1.0, 0.0]]))
    array([[0., 1.]])
    """

    def __init__(self, vectors: np.ndarray, speakers: Sequence[str] = (), top: int = 200):
        self.vectors, self.speakers, self.top = unit(np.asarray(vectors)), list(speakers), top

    def levels(self, vectors: np.ndarray, speakers: Sequence[str] | None = None) -> np.ndarray:
        """Mean and deviation [shape=(n, 2)] of what vectors [shape=(n, dim)] score against their nearest.

        With `speakers`, of each vector, those of the cohort that are of the same speaker do not count.
        """
        if len(self.vectors) < 2:
            return np.tile([0.0, 1.0], (len(vectors), 1))
        scores, count = unit(vectors) @ self.vectors.T, len(self.vectors)
        if speakers is not None and self.speakers:
            own = np.asarray(speakers)[:, None] == np.asarray(self.speakers)
            scores[own] = -np.inf  # at the beginning, once sorted
            count -= own.sum(axis=1).max()
        nearest = np.sort(scores, axis=1)[:, -min(self.top, max(count, 2)) :]
        return np.stack([nearest.mean(axis=1), np.maximum(nearest.std(axis=1), LEAST)], axis=1)

    def scores(self, first: np.ndarray, second: np.ndarray, levels: np.ndarray | None = None) -> np.ndarray:
        """How alike each of some vectors [shape=(n, dim)] is to each of others [shape=(m, dim)]: [shape=(n, m)].

        With `levels` those of the others are known already.
        """
        levels = self.levels(second) if levels is None else levels
        return normalized(unit(first) @ unit(second).T, self.levels(first)[:, None], levels)

    def trials(
        self, vectors: np.ndarray, first: Sequence[int], second: Sequence[int], speakers: Sequence[str] | None = None
    ) -> np.ndarray:
        """How alike the two vectors of each trial are [shape=(trials,)], of vectors by their positions."""
        vectors, levels = unit(vectors), self.levels(vectors, speakers)
        first, second = np.asarray(first), np.asarray(second)
        parts = np.array_split(np.arange(len(first)), 1 + len(first) // BLOCK)
        cosines = [np.einsum("td,td->t", vectors[first[part]], vectors[second[part]]) for part in parts]
        return normalized(np.concatenate(cosines), levels[first], levels[second])


def _one_spelling(name: str) -> str:
    """A name in NFC: macOS hands letters and their accents over one by one."""
    return unicodedata.normalize("NFC", name)


def normalized(cosines: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosines [shape=(...)] by the levels [shape=(..., 2)] of both sides."""
    return sum((cosines - side[..., 0]) / side[..., 1] for side in (first, second)) / 2
