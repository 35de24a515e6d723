"""Recommend songs by listening history: the base of `Cifar10AudioRecommender` and its relatives."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mxnet_audio.audio.channel import check_channel, file_of
from mxnet_audio.checks import path_argument, whole_number
from mxnet_audio.errors import ParameterError, SearchError
from mxnet_audio.library.search import AudioSearch, one_channel_of
from mxnet_audio.library.sound_index import plays_of
from mxnet_audio.search import MilvusIndex, VectorIndex
from mxnet_audio.search.entries import Entry, real_path
from mxnet_audio.search.vectors import VectorTable

__all__ = ["AudioRecommender", "Recommendation"]

HISTORY_SONGS = 200  # number of last different songs that count, since tastes change
REACH_SONGS = 10  # number of nearest songs that form the neighbourhood of a song
NEAR_SONGS = 100  # number of nearest songs of each song that a server is asked for


class Recommendation(NamedTuple):
    """A recommended song; usable as a path, as in ``open(recommendation)``.

    Attributes
    ----------
    path : str
        Path as it was given when the song was indexed.
    score : float in [0, 1]
        Share of the listener's plays that the song is close to.
    """

    path: str
    score: float

    def __fspath__(self) -> str:
        """Return the path."""
        return self.path


class AudioRecommender(AudioSearch):
    """Recommend songs of the index by the songs that a listener played.

    The score of a song ``c`` is the share of the listener's plays that it is close to::

        score(c) = sum_h plays(h) * exp(-d(h, c) / reach(h)) / sum_h plays(h)

    over the last 200 different songs ``h`` that were played, where ``reach(h)`` is the distance from ``h`` to its
    tenth nearest song not yet played. Each played song thus counts for its own neighbourhood, which is as wide as the
    songs lie there: a listener to both jazz and metal is recommended both, not songs half-way, as with the mean of the
    two. Songs of equal score come in the order of indexing.

    With engine='milvus' the songs near to those played are scored, not all: the 100 nearest of each, or `top_k`.

    Parameters
    ----------
    model_ctx, data_ctx, engine, metric, classifier, encoder, partition, **server
        As for :class:`AudioSearch`, whose methods this class has too: `load_model`, `index_audio`, `index_many`,
        `query`, `remove`, `save`, `load`. The history is saved and loaded with the index, and `reset` clears it. With
        engine='milvus' it stays in this object, and is pickled with it: a collection is shared by many listeners, and
        what one of them plays is not stored there, nor a song that is missing in it.

    Examples
    --------
    >>> recommender = AudioRecommender(encoder='musicnn')                   # doctest: +SKIP
    >>> recommender.index_many(paths, save_dir='./index')                   # doctest: +SKIP
    >>> recommender.track('song.mp3')                                       # doctest: +SKIP
    >>> recommender.recommend(top_k=1)                                      # doctest: +SKIP
    [Recommendation(path='similar.mp3', score=0.81)]
    """

    @property
    def history(self) -> list[str]:
        """Paths of the played songs as they were given, oldest first, with repeats."""
        return [path for path, _ in plays_of(self._notes)]

    def track(self, path: str | os.PathLike, *, channel: str | int = "mix") -> None:
        """Record that a song was played; a song played again counts more.

        A song that is missing in the index is indexed; with engine='milvus' its vector stays in this object.

        Parameters
        ----------
        path : str or os.PathLike
            The song.
        channel : {'mix', 'left', 'right'} or int >= 0
            Channel to index, if the song is missing in the index.

        Raises
        ------
        AudioError
            If the song must be indexed and cannot be used; then the play is not recorded.
        ModelError
            If the song must be indexed and no model is loaded, or that of the index cannot be loaded.
        ParameterError
            If `path` is not a path, or there is no such `channel`.
        """
        path_argument("path", path)
        check_channel(channel)
        if path not in self:
            if isinstance(self.index, VectorIndex):
                self.index_audio(path, channel=channel)
            else:
                vector = self._loaded().encode_audio(one_channel_of(os.fsdecode(path), channel))
                self._notes.setdefault("vectors", {})[real_path(path)] = vector
        with self._notes_lock:
            plays = self._notes.setdefault("heard", plays_of(self._notes))
            plays.append([os.fsdecode(path), real_path(path)])

    def recommend(
        self, top_k: int = 10, *, limits: int | None = None, where: str | None = None
    ) -> list[Recommendation]:
        """Recommend songs that were not played yet.

        Parameters
        ----------
        top_k : int > 0
            Maximum number of songs.
        limits : int > 0, optional
            The same under the name that the first mxnet-audio gave it.
        where : str, optional
            With engine='milvus', a condition on the metadata of the songs, as in :meth:`query`.

        Returns
        -------
        list of Recommendation
            ``(path, score)``, best first; empty if every song of the index was played. Files that are missing now are
            left out, and the log says so once.

        Raises
        ------
        ParameterError
            If `top_k` is below 1 or contradicts `limits`, or `where` is no condition, or not for this engine.
        SearchError
            If no song of the index was tracked.
        """
        name, count = ("top_k", top_k) if limits is None else ("limits", limits)
        count = whole_number(name, count)
        if limits is not None and top_k not in (10, limits):  # 10 is the default
            raise ParameterError(f"limits is another name of top_k, got {limits!r} and {top_k!r}: pass one of them")
        self._of_server(where=where)
        with self._notes_lock:
            return self._best(count, where)

    def _best(self, count: int, where: str | None) -> list[Recommendation]:
        """Return the songs of the best scores whose files exist."""
        played = [real for _, real in plays_of(self._notes)]
        plays = Counter(played)
        known, own = self.index.lookup(plays), self._notes.get("vectors", {})
        recent = [real for real in dict.fromkeys(reversed(played)) if real in known or real in own][:HISTORY_SONGS]
        if not recent:
            reason = "none of the tracked sounds is in the index now" if plays else "nothing was tracked yet"
            raise SearchError(f"{reason}: call track(path) for each sound that was heard")

        def is_fresh(song: Entry) -> bool:
            return song.real not in plays and file_of(song.real) not in plays

        if isinstance(self.index, VectorIndex):
            songs, distances = _all_songs(self.index, recent, is_fresh)
        else:
            stored = [real for real in recent if real in known]
            vectors = {**own, **dict(zip(stored, self.index.vectors(stored)))}
            options = self._of_server(where=where, partition=self._partition)
            heard = np.stack([vectors[real] for real in recent])
            songs, distances = _near_songs(self.index, heard, is_fresh, max(count, NEAR_SONGS), options)
        if not songs:
            return []
        nearest = min(REACH_SONGS, distances.shape[1]) - 1
        reach = np.partition(distances, nearest, axis=1)[:, [nearest]]
        weight = np.array([plays[real] for real in recent], dtype=float)
        # At least 1e-12, since the reach of a played song with ten copies is 0.
        scores = weight @ np.exp(-distances / np.maximum(reach, 1e-12)) / weight.sum()
        found: list[Recommendation] = []
        missing: list[str] = []
        # Rounded, so that songs with equal vectors stay in order in spite of rounding errors.
        for row in np.argsort(-np.round(scores, 9), kind="stable"):
            if len(found) == count:
                break
            song = songs[row]
            if self._is_missing(song):
                missing.append(song.path)
            else:
                found.append(Recommendation(song.path, float(scores[row])))
        self._note_left_out(missing)
        return found


def _all_songs(
    index: VectorIndex, recent: list[str], is_fresh: Callable[[Entry], bool]
) -> tuple[list[Entry], np.ndarray]:
    """Return the fresh songs of an index, and the distances of the recent ones to them [shape=(m, n)]."""
    songs = index.entries
    fresh = np.array([is_fresh(song) for song in songs], dtype=bool)
    if not fresh.any():
        return [], np.empty((len(recent), 0))
    distances = index.pairwise(np.stack([index.vector(real) for real in recent]))[:, fresh]
    return [songs[row] for row in np.flatnonzero(fresh)], distances


def _near_songs(
    index: MilvusIndex, heard: np.ndarray, is_fresh: Callable[[Entry], bool], count: int, options: dict[str, Any]
) -> tuple[list[Entry], np.ndarray]:
    """Return the `count` fresh songs nearest to each vector, and the distances as `_all_songs`."""
    songs: dict[str, Entry] = {}

    def keep(song: Entry) -> bool:
        if not is_fresh(song):
            return False
        songs[song.real] = song
        return True

    index.query_many(heard, count, keep=keep, **options)
    near = sorted(songs.values(), key=lambda song: song.id)  # in the order of insertion
    if not near:
        return [], np.empty((len(heard), 0))
    table = VectorTable(index.metric)
    table.add(range(len(near)), index.vectors([song.real for song in near]))
    return near, table.pairwise(heard)
