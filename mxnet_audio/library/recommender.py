"""Recommend what sounds like what was heard: the base of `Cifar10AudioRecommender` and its relatives."""

from __future__ import annotations

import os
from collections import Counter
from typing import NamedTuple

import numpy as np

from mxnet_audio.errors import SearchError
from mxnet_audio.library.search import AudioSearch
from mxnet_audio.search.index import real_path

__all__ = ["AudioRecommender", "Recommendation"]

# Taste drifts: what counts is the last so many different songs.
_MEMORY = 200
# A heard song's neighbourhood reaches to its so many nearest songs.
_REACH = 10


class Recommendation(NamedTuple):
    """A song to hear: its path as it was given when it was indexed, and its score in [0, 1]."""

    path: str
    score: float


class AudioRecommender(AudioSearch):
    """Recommend songs of the index to someone, by the songs that they heard.

    The score of a song ``c`` is the share of the listener's plays that it is close to::

        score(c) = sum_h plays(h) * exp(-d(h, c) / reach(h)) / sum_h plays(h)

    over the last 200 different songs ``h`` that were heard, where ``reach(h)`` is the distance from ``h`` to
    its tenth nearest song not yet heard. Every heard song so speaks for its own neighbourhood, as wide as the
    songs lie there: someone who hears both jazz and metal is recommended both, and not what lies half-way, as
    a mean of the two would have it. Songs of equal score come in the order of indexing.

    Parameters
    ----------
    engine, metric, classifier, model_ctx, data_ctx
        As in :class:`AudioSearch`, whose methods this class shares: `load_model`, `index_audio`,
        `index_many`, `query`, `remove`, `save`, `load`. What was heard is saved and loaded with the index.

    Examples
    --------
    >>> from mxnet_audio.library.cifar10 import Cifar10AudioRecommender     # doctest: +SKIP
    >>> recommender = Cifar10AudioRecommender()                             # doctest: +SKIP
    >>> recommender.load_model(model_dir_path='./models')                   # doctest: +SKIP
    >>> recommender.index_many(paths, save_dir='./index')                   # doctest: +SKIP
    >>> recommender.track('song.mp3')                                       # doctest: +SKIP
    >>> recommender.recommend(limits=1)                                     # doctest: +SKIP
    [Recommendation(path='like_it.mp3', score=0.81)]
    """

    @property
    def history(self) -> list[str]:
        """Paths of the songs that were heard, as they were given, oldest first, with repeats."""
        return [path for path, _ in self._heard()]

    def _heard(self) -> list[list[str]]:
        """Path and real path of each play; kept in the index's notes, to be saved with it in one step."""
        return self.index.notes.get("heard", [])

    def track(self, path: str | os.PathLike) -> None:
        """Take note that a song was heard; heard again, it weighs more.

        A song that is not in the index yet is indexed.

        Raises
        ------
        AudioError
            The song has to be indexed, and cannot be; then it is not taken note of.
        ModelError
            The song has to be indexed, and no model is loaded.
        """
        if path not in self:
            self.index_audio(path)
        self.index.notes.setdefault("heard", []).append([os.fsdecode(path), real_path(path)])

    def recommend(self, limits: int = 10) -> list[Recommendation]:
        """Recommend songs that were not heard yet.

        Parameters
        ----------
        limits : int > 0
            How many at most.

        Returns
        -------
        list of Recommendation
            ``(path, score)``, best first; empty when every song of the index was heard.

        Raises
        ------
        SearchError
            `limits` is below 1, or nothing is known of the listener: no song of the index was tracked.
        """
        if isinstance(limits, bool) or not isinstance(limits, (int, np.integer)) or limits < 1:
            raise SearchError(f"limits must be a whole number of 1 or more, not {limits!r}")
        plays = Counter(real for _, real in self._heard())
        recent = list(dict.fromkeys(real for _, real in reversed(self._heard()) if real in self.index))
        recent = recent[:_MEMORY]
        if not recent:
            raise SearchError("nothing is known of the listener yet: call track(path) for the songs heard")
        songs = self.index.paths
        fresh = np.array([real not in plays for real in self.index.real_paths], dtype=bool)
        if not fresh.any():
            return []
        distances = self.index.pairwise(np.stack([self.index.vector(real) for real in recent]))[:, fresh]
        near = min(_REACH, distances.shape[1]) - 1
        reach = np.partition(distances, near, axis=1)[:, [near]]
        weight = np.array([plays[real] for real in recent], dtype=float)
        # Not below rounding, for ten copies of a heard song leave it no reach at all.
        scores = weight @ np.exp(-distances / np.maximum(reach, 1e-12)) / weight.sum()
        # Rounded, so that songs with equal vectors stay in order whatever the last bit says.
        order = np.argsort(-np.round(scores, 9), kind="stable")[:limits]
        fresh_songs = np.flatnonzero(fresh)
        return [Recommendation(songs[fresh_songs[row]], float(scores[row])) for row in order]
