"""Index that is served: queries, the sounds that they find, and its replacement while it serves."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from anyio import CapacityLimiter, to_thread

from mxnet_audio.audio import file_of
from mxnet_audio.errors import InvalidAudioError, SearchError
from mxnet_audio.inference.results import Output
from mxnet_audio.library.search import AudioSearch
from mxnet_audio.search import VectorIndex
from mxnet_audio.search.entries import Entry
from mxnet_audio.search.store import manifest_stamp, read_manifest
from mxnet_audio.search.vectors import check_vectors
from mxnet_audio.serve.catalogue import Catalogue, catalogue_of
from mxnet_audio.serve.problems import RequestError, UnknownSound
from mxnet_audio.serve.similar_parts import Compute, Part, SimilarParts

__all__ = ["IndexNotReplaced", "IndexUnavailable", "LiveIndex", "Match"]

log = logging.getLogger(__name__)

MOST_PARTS = 10  # sounds of an answer whose parts are looked for
POLL_SECONDS = 2.0  # from one look at the stored index to the next


class IndexNotReplaced(RequestError):
    """Raised if the stored index cannot be served in place of the present one."""

    status, kind = 409, "index-not-replaced"


class IndexUnavailable(RequestError):
    """Raised if the server of a collection does not answer."""

    status, kind = 503, "index-unavailable"


class Match(NamedTuple):
    """Sound that a query found.

    Attributes
    ----------
    entry : Entry
        Entry of the index.
    distance : float
    id : str
        Identity, for `LiveIndex.find`.
    name : str
        Name to show.
    part : Part or None
        Part that is most like the query; None if it is not known.
    """

    entry: Entry
    distance: float
    id: str
    name: str
    part: Part | None = None


class _Late(Exception):
    """Raised when the time for the parts of sounds is over."""


class LiveIndex:
    """Index that is served, which a newer one can replace at any time.

    A query uses one index from its start to its end. Threads can share a `LiveIndex`.

    Parameters
    ----------
    search : AudioSearch
        Index and its model.
    root : path, optional
        Folder of sound files that requests may name; names of files in it are relative to it.
    """

    def __init__(self, search: AudioSearch, root: Path | None = None):
        self.search = search
        self._root = root
        self._parts = SimilarParts()
        self._catalogue: Catalogue | None = None
        self._catalogue_lock, self._reload_lock = threading.Lock(), threading.Lock()
        self._reloading = CapacityLimiter(1)  # requests that wait for a reload need no threads

    @property
    def catalogue(self) -> Catalogue:
        """Ids and names of the sounds of the present index."""
        with self._catalogue_lock:
            index = self.search.index
            if self._catalogue is None or self._catalogue.index is not index:
                self._catalogue = catalogue_of(index, self._root, self._catalogue)
            return self._catalogue

    def __len__(self) -> int:
        """Return the number of sounds; IndexUnavailable if the server of a collection is away."""
        with _answering():
            return len(self.search)

    @property
    def metric(self) -> str:
        """Name of the distance; IndexUnavailable if the server of a collection is away."""
        with _answering():
            return self.search.index.metric

    def nearest(
        self, vector: np.ndarray, top_k: int = 10, *, where: str | None = None, own: os.stat_result | None = None
    ) -> list[Match]:
        """Find the sounds that are nearest to an embedding.

        Parameters
        ----------
        vector : np.ndarray [shape=(dim,)]
        top_k : int > 0
            Number of sounds.
        where : str, optional
            Condition on the metadata of a collection on a server.
        own : os.stat_result, optional
            Status of the file that the embedding is of; its sounds are left out.

        Returns
        -------
        list of Match
            Nearest first, without those whose files are missing.

        Raises
        ------
        InvalidAudioError
            If the embedding cannot be compared, such as a zero vector by angles.
        ParameterError
            If `top_k` or `where` is wrong, or the index has no conditions.
        IndexUnavailable
            If the server of a collection is away.
        """
        kept: dict[str, list[Entry]] = {}

        def keep(entry: Entry) -> bool:
            if own is not None and _is_file(entry, own):
                return False
            kept.setdefault(entry.path, []).append(entry)
            return True

        catalogue = self.catalogue
        try:
            check_vectors(vector, metric=self.metric)
        except SearchError as error:
            raise InvalidAudioError(error.reason) from error
        with _answering():
            found = self.search.query_vector(vector, top_k, where=where, keep=keep)
        entries = [(kept[path].pop(0), distance) for path, distance in found]
        return [Match(each, distance, catalogue.id_of(each), catalogue.name_of(each)) for each, distance in entries]

    def with_parts(
        self, matches: Sequence[Match], vector: np.ndarray, seconds: float, compute: Compute, longest: float
    ) -> list[Match]:
        """Find the parts of sounds that are most like a query.

        Parameters
        ----------
        matches : sequence of Match
            Sounds; the first ten get their parts.
        vector : np.ndarray [shape=(dim,)]
            Embedding of the query.
        seconds : float > 0 [s]
            Length of the query.
        compute : callable
            Function from a list of ``(samples, rate)`` to the outputs of the index's model.
        longest : float > 0 [s]
            Time after which no further part is looked for.

        Returns
        -------
        list of Match
            The same, with `part` where it was found.
        """
        end, found, metric = time.monotonic() + longest, list(matches), self.metric

        def compute_in_time(sounds: list[tuple[np.ndarray, int]]) -> Sequence[Output]:
            if time.monotonic() > end:
                raise _Late
            return compute(sounds)

        with suppress(_Late):
            for number, match in enumerate(found[:MOST_PARTS]):
                part = self._parts.find(match.entry, vector, seconds, metric, compute_in_time)
                found[number] = match._replace(part=part)
        return found

    def find(self, id: str) -> Entry:
        """Return the entry with an id.

        Raises
        ------
        UnknownSound
            If the index has none.
        IndexUnavailable
            If the server of a collection is away.
        """
        with _answering():
            entry = self.catalogue.find(id)
        if entry is None:
            raise UnknownSound("no such sound in the index")
        return entry

    def reload(self) -> bool:
        """Load the stored index beside the present one, and serve it from then on, unless it is the same.

        Of several calls at once, the first loads the index, and the others find that it is the same.

        Returns
        -------
        bool
            True if the index was replaced; False also for a collection on a server, which is never loaded.

        Raises
        ------
        IndexNotReplaced
            If the stored index is missing, damaged, or of another model; the present one stays.
        """
        with self._reload_lock:
            directory = self._directory
            if directory is None:
                return False
            try:
                if self.search.index.is_current():  # type: ignore[union-attr]  # only a VectorIndex has a directory
                    return False
                self._check_model(directory)
                self.search.load(directory)
            except SearchError as error:
                reason = error.reason
                for folder in (directory, os.path.realpath(directory)):
                    reason = reason.replace(folder + os.sep, "")
                log.warning("%s: not loaded, the former index stays in service: %s", directory, error.reason)
                raise IndexNotReplaced(f"the former index stays in service: {reason}") from error
            log.info("%s: loaded again, with %d sounds", directory, len(self.search))
            return True

    async def reload_in_thread(self) -> bool:
        """Call :meth:`reload` in another thread."""
        return await to_thread.run_sync(self.reload, limiter=self._reloading)

    def _check_model(self, directory: str) -> None:
        """Raise SearchError, in words without folders of the server, if the stored index is of another model."""
        stored = read_manifest(directory)["model_id"]
        model: Any = self.search.classifier if self.search.encoder is None else self.search.encoder
        if stored != model.model_id:
            raise SearchError(
                f"the stored index holds embeddings of the model {stored}, the served model is {model.model_id}: "
                "start the server again with that one"
            )

    @property
    def _directory(self) -> str | None:
        """Folder of the stored index; None if the index is on a server, or was never stored."""
        index = self.search.index
        return index.directory if isinstance(index, VectorIndex) else None

    async def watch(self) -> None:
        """Look every two seconds for a newer stored index, and serve it; runs until it is cancelled."""
        if self._directory is None:
            return
        stamp = None
        while True:
            try:
                stamp = await asyncio.to_thread(self._follow, stamp)
            except Exception:  # such as a full memory: nobody waits for this task, and it should go on
                log.exception("the stored index was not looked at")
            await asyncio.sleep(POLL_SECONDS)

    def _follow(self, former: tuple[int, ...] | None) -> tuple[int, ...] | None:
        """Reload the index if its manifest has changed, and return the stamp of the manifest."""
        directory = self._directory
        assert directory is not None  # loading an index again does not change it
        try:
            stamp = manifest_stamp(directory)
        except SearchError:  # missing, perhaps until another is moved there
            return None
        if stamp != former and not self._is_begun_anew(directory):
            with suppress(IndexNotReplaced):  # the log has it
                self.reload()
        return stamp

    def _is_begun_anew(self, directory: str) -> bool:
        """Return True if the stored index is empty, as a new one is at its beginning, and the present one is not."""
        try:
            return not read_manifest(directory)["count"] and len(self.search) > 0
        except SearchError:  # which loading it reports
            return False


@contextmanager
def _answering() -> Iterator[None]:
    """Raise IndexUnavailable, which names no server, for an error of the index."""
    try:
        yield
    except SearchError as error:
        log.warning("the index cannot be searched: %s", error)
        raise IndexUnavailable(
            "the index cannot be searched now: try again later; the server's log tells why"
        ) from error


def _is_file(entry: Entry, status: os.stat_result) -> bool:
    """Return True if an entry is of the file with a status."""
    if entry.stamp is None:
        return False
    try:
        return os.path.samestat(os.stat(file_of(entry.real)), status)  # noqa: PTH116 - names not in UTF-8
    except (OSError, ValueError):  # missing, or on another machine
        return False
