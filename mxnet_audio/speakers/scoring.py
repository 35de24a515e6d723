"""Scores of speaker embeddings: cosine, centering, adaptive S-norm, verification, identification. Needs no MXNet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from mxnet_audio.checks import whole_number
from mxnet_audio.errors import DatasetError, ModelError
from mxnet_audio.inference.results import Encoding, Identification, Verification
from mxnet_audio.speakers.calibration import MAX_EER, ErrorRates, find_threshold, trial_pairs
from mxnet_audio.speakers.enrollment import EnrolledSpeakers, unit_length

__all__ = ["Cohort", "SpeakerScorer"]

MIN_DEVIATION = 1e-12
MIN_NEIGHBORS = 2  # recordings of other speakers that the S-norm needs
TRIALS_PER_BLOCK = 65536  # bounds the memory of `Cohort.trial_scores`
# Share of the cohort's mean that is subtracted, chosen on FSDD. The mean of few people holds their own voices, too:
# with the whole mean of two speakers, pairs of the other two are separated worse than without (EER 18.2%, without
# 15.8%, by one threshold for all six ways), with half of it better (15.3%). `benchmarks/speakers.py pretrained` has
# all shares.
MEAN_SHARE = 0.5


class Cohort:
    """Embeddings of other speakers, for centering and for the adaptive S-norm.

    Centering subtracts what all voices have in common. For the S-norm, the cosine of two embeddings is compared with
    the cosines between each of them and its `top` nearest neighbors in the cohort: their mean is subtracted, the result
    is divided by their standard deviation, and both sides are averaged [1]_.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, dim)]
        Embeddings of speakers other than those to compare. With fewer than two, scores are plain cosines.
    speakers : sequence of str, optional
        Speaker of each embedding, so that the embeddings of a compared speaker can be left out.
    top : int > 1
        Number of nearest neighbors.

    References
    ----------
    .. [1] P. Matejka et al., "Analysis of score normalization in multilingual speaker recognition", Interspeech 2017.

    Examples
    --------
    >>> Cohort(np.empty((0, 2))).scores(np.array([[1.0, 0.0]]), np.array([[0.0, 2.0], [1.0, 0.0]]))
    array([[0., 1.]])
    """

    def __init__(self, vectors: np.ndarray, speakers: Sequence[str] = (), top: int = 200):
        self.vectors, self.speakers = unit_length(np.asarray(vectors)), list(speakers)
        self.top = whole_number("top", top, 2)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.vectors)} embeddings, top={self.top})"

    def center(self, vectors: np.ndarray) -> np.ndarray:
        """Subtract half of the cohort's mean from vectors [shape=(..., dim)] of length 1, and scale them to length 1.

        Examples
        --------
        >>> Cohort(np.array([[1.0, 0.0]])).center(np.array([0.8, 0.6])).round(3)
        array([0.447, 0.894])
        """
        return unit_length(unit_length(vectors) - MEAN_SHARE * self.vectors.mean(axis=0))

    def statistics(self, vectors: np.ndarray, speakers: Sequence[str] | np.ndarray | None = None) -> np.ndarray:
        """Compute mean and standard deviation of the cosines between vectors and their neighbors in the cohort.

        Parameters
        ----------
        vectors : np.ndarray [shape=(n, dim)]
        speakers : sequence [n] of str, optional
            Speaker of each vector; embeddings of the same speaker in the cohort are left out.

        Returns
        -------
        np.ndarray [shape=(n, 2)]
            0 and 1, which leave the cosines as they are, where fewer than two embeddings are left.
        """
        statistics = np.tile([0.0, 1.0], (len(vectors), 1))
        if len(self.vectors) < MIN_NEIGHBORS:
            return statistics
        scores = unit_length(vectors) @ self.vectors.T
        counts = np.full(len(vectors), len(self.vectors))
        if speakers is not None and self.speakers:
            same = np.asarray(speakers)[:, None] == np.asarray(self.speakers)
            scores[same] = -np.inf  # first after sorting
            counts -= same.sum(axis=1)
        if (enough := counts >= MIN_NEIGHBORS).any():
            nearest = np.sort(scores[enough], axis=1)[:, -min(self.top, counts[enough].min()) :]
            deviation = np.maximum(nearest.std(axis=1), MIN_DEVIATION)
            statistics[enough] = np.stack([nearest.mean(axis=1), deviation], axis=1)
        return statistics

    def scores(self, first: np.ndarray, second: np.ndarray, second_statistics: np.ndarray | None = None) -> np.ndarray:
        """Score each vector of `first` against each of `second`.

        Parameters
        ----------
        first, second : np.ndarray [shape=(n, dim)], [shape=(m, dim)]
        second_statistics : np.ndarray [shape=(m, 2)], optional
            Result of `statistics` for `second`, where it is used repeatedly.

        Returns
        -------
        np.ndarray [shape=(n, m)]
        """
        if second_statistics is None:
            second_statistics = self.statistics(second)
        return _normalize(
            unit_length(first) @ unit_length(second).T, self.statistics(first)[:, None], second_statistics
        )

    def trial_scores(
        self,
        vectors: np.ndarray,
        first: Sequence[int] | np.ndarray,
        second: Sequence[int] | np.ndarray,
        speakers: Sequence[str] | np.ndarray | None = None,
    ) -> np.ndarray:
        """Score pairs of vectors.

        Parameters
        ----------
        vectors : np.ndarray [shape=(n, dim)]
        first, second : sequence [trials] of int
            Indices of the two vectors of each trial.
        speakers : sequence [n] of str, optional
            As for `statistics`.

        Returns
        -------
        np.ndarray [shape=(trials,)]
        """
        vectors, statistics = unit_length(vectors), self.statistics(vectors, speakers)
        first, second = np.asarray(first), np.asarray(second)
        blocks = np.array_split(np.arange(len(first)), 1 + len(first) // TRIALS_PER_BLOCK)
        cosines = [np.einsum("td,td->t", vectors[first[block]], vectors[second[block]]) for block in blocks]
        return _normalize(np.concatenate(cosines), statistics[first], statistics[second])


class SpeakerScorer:
    """Verification and identification by speaker embeddings: the part of a `SpeakerRecognizer` without its network.

    Parameters
    ----------
    enrolled : EnrolledSpeakers, optional
        Nobody by default.
    cohort : Cohort, optional
        Embeddings for `centered` and `normalize`; empty by default.
    threshold : float, optional
        Score from which two embeddings count as one speaker's; `calibrate` sets it.
    normalize : bool
        Normalize scores by the cohort, in place of plain cosines. The threshold depends on it.
    centered : bool
        Center all embeddings by the cohort. The threshold depends on it.
    rates : ErrorRates, optional
        Error rates of the threshold; `calibrate` measures them.

    Attributes
    ----------
    enrolled : EnrolledSpeakers
    cohort : Cohort
    normalize, centered : bool
    rates : ErrorRates or None

    Examples
    --------
    >>> scorer = SpeakerScorer(threshold=0.5)
    >>> scorer.enrolled.add("ann", np.array([[1.0, 0.0]]))
    1
    >>> scorer.verify_as("ann", np.array([0.8, 0.6]))
    Verification(score=0.8, same=True, threshold=0.5)
    """

    def __init__(
        self,
        enrolled: EnrolledSpeakers | None = None,
        cohort: Cohort | None = None,
        threshold: float | None = None,
        normalize: bool = False,
        *,
        centered: bool = False,
        rates: ErrorRates | None = None,
    ):
        self.enrolled = EnrolledSpeakers() if enrolled is None else enrolled
        self.cohort = Cohort(np.empty((0, 0))) if cohort is None else cohort
        self.normalize, self.centered = normalize, centered
        self._threshold, self.rates = threshold, rates

    def __repr__(self) -> str:
        options = f"threshold={self._threshold}, normalize={self.normalize}, centered={self.centered}"
        return f"{type(self).__name__}({self.enrolled!r}, {self.cohort!r}, {options})"

    @property
    def has_threshold(self) -> bool:
        """True if a threshold is set."""
        return self._threshold is not None

    @property
    def threshold(self) -> float:
        """Score from which two embeddings count as one speaker's; ModelError if none is set."""
        if self._threshold is None:
            raise ModelError("no threshold is set: call fit, load or calibrate first")
        return self._threshold

    def calibrate(
        self,
        vectors: np.ndarray,
        speakers: np.ndarray,
        sessions: np.ndarray,
        *,
        far: float | None = None,
        held_out: np.ndarray | None = None,
        source: str = "calibration recordings",
        force: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Set the threshold by the scores of all pairs of recordings.

        Parameters
        ----------
        vectors : np.ndarray [shape=(n, dim)]
            Embeddings of the recordings.
        speakers, sessions : np.ndarray [shape=(n,)]
            Speaker and session of each recording.
        far : float in (0, 1), optional
            False accept rate; see `find_threshold`.
        held_out : np.ndarray [shape=(n,)], bool, optional
            See `trial_pairs`.
        source : str
            The recordings in words, for `rates`.
        force : bool
            Set the threshold even if the equal error rate is above 0.35.

        Returns
        -------
        labels, scores : np.ndarray [shape=(trials,)]
            The pairs: 1 for one speaker and 0 for two, and their scores.

        Raises
        ------
        DatasetError
            If the equal error rate is above 0.35: no threshold separates these speakers. The present one stays. See
            also `find_threshold`.
        ParameterError
            See `find_threshold`.
        """
        first, second = trial_pairs(speakers, sessions, held_out)
        labels = (speakers[first] == speakers[second]).astype(int)
        scores = self.trial_scores(vectors, first, second, speakers)
        threshold = find_threshold(labels, scores, far)
        rates = ErrorRates.measure(labels, scores, threshold, source)
        if rates.eer > MAX_EER and not force:
            reason = f"no threshold separates these speakers: equal error rate {rates.eer:.3f}, above {MAX_EER:g}"
            raise DatasetError(f"{reason}; by chance it is 0.5. Check who speaks in which recording, or use force")
        self._threshold, self.rates = threshold, rates
        return labels, scores

    def trial_scores(
        self,
        vectors: np.ndarray,
        first: Sequence[int] | np.ndarray,
        second: Sequence[int] | np.ndarray,
        speakers: Sequence[str] | np.ndarray | None = None,
    ) -> np.ndarray:
        """Score pairs of embeddings, as the scorer compares them; parameters as in `Cohort.trial_scores`."""
        return self._norm.trial_scores(self._compared(vectors), first, second, speakers)

    def scores(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Score each embedding of `first` against each of `second`; shapes as in `Cohort.scores`."""
        return self._norm.scores(self._compared(first), self._compared(second))

    def verify(self, first: np.ndarray, second: np.ndarray) -> Verification:
        """Compare two embeddings [shape=(dim,)]; ModelError if no threshold is set."""
        score = float(self.scores(first[None], second[None])[0, 0])
        return Verification(score, score >= self.threshold, self.threshold)

    def verify_as(self, name: str, vector: np.ndarray) -> Verification:
        """Compare an embedding [shape=(dim,)] with an enrolled speaker; ModelError if it is not enrolled."""
        return self.verify(self.enrolled.centroid(name), vector)

    def identify(self, encodings: Iterable[Encoding], top_k: int = 5) -> Iterator[Identification]:
        """Find the enrolled speaker of each embedding.

        Parameters
        ----------
        encodings : iterable of Encoding
            Embeddings. An error is passed on.
        top_k : int > 0
            Number of speakers in each ranking.

        Yields
        ------
        Identification

        Raises
        ------
        ParameterError
            If `top_k` is below 1.
        ModelError
            If nobody is enrolled or no threshold is set.
        """
        top_k = whole_number("top_k", top_k)
        enrolled = self.enrolled.copy()  # others may be enrolled by threads, and while the results are taken
        threshold, names, norm = self.threshold, enrolled.names, self._norm
        centroids = self._compared(enrolled.centroids())
        statistics = norm.statistics(centroids)
        for path, vector, error in encodings:
            if vector is None:
                yield Identification(path, None, [], error)
                continue
            scores = norm.scores(self._compared(vector[None]), centroids, statistics)[0]
            ranking = [(names[index], float(scores[index])) for index in np.argsort(-scores, kind="stable")]
            best, score = ranking[0]
            yield Identification(path, best if score >= threshold else None, ranking[:top_k])

    def copy(self) -> SpeakerScorer:
        """Return a scorer with the same speakers and settings, which does not change with this one."""
        return SpeakerScorer(
            self.enrolled.copy(),
            self.cohort,
            self._threshold,
            self.normalize,
            centered=self.centered,
            rates=self.rates,
        )

    def with_changes(self, before: SpeakerScorer, after: SpeakerScorer) -> SpeakerScorer:
        """Return this scorer with the changes of another, `before` to `after`.

        Recordings of speakers are added and removed; threshold and cohort are those of `after` if they were changed.
        """
        changed = after.cohort is not before.cohort or after._threshold != before._threshold
        result = (after if changed else self).copy()
        result.enrolled = self.enrolled.with_changes(before.enrolled, after.enrolled)
        return result

    @property
    def _norm(self) -> Cohort:
        """Cohort of the S-norm, empty without it."""
        if not self.normalize:
            return Cohort(np.empty((0, 0)))
        return Cohort(self._compared(self.cohort.vectors), self.cohort.speakers, self.cohort.top)

    def _compared(self, vectors: np.ndarray) -> np.ndarray:
        return self.cohort.center(vectors) if self.centered else vectors


def _normalize(cosines: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Normalize cosines [shape=(...)] by the statistics [shape=(..., 2)] of both sides."""
    return sum((cosines - side[..., 0]) / side[..., 1] for side in (first, second)) / 2
