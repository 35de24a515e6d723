"""Find the files that sound alike: the base of `Cifar10AudioSearch` and its relatives."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from mxnet_audio.errors import AudioError, ModelError, SearchError
from mxnet_audio.search import Neighbour, VectorIndex
from mxnet_audio.search.index import real_path
from mxnet_audio.search.store import has_index

__all__ = ["AudioSearch", "IndexReport"]

_logger = logging.getLogger(__name__)


@dataclass
class IndexReport:
    """What :meth:`AudioSearch.index_many` did with the files; each distinct file is counted once.

    Attributes
    ----------
    added : int
        Files indexed, those indexed again because they had changed among them.
    unchanged : int
        Files that were in the index already, with the same size and time.
    skipped : list of (str, AudioError)
        Files that cannot be used, and why.
    """

    added: int = 0
    unchanged: int = 0
    skipped: list[tuple[str, AudioError]] = field(default_factory=list)


class AudioSearch:
    """Index sound files, and find those that sound like a given one.

    A subclass names the classifier whose embeddings are compared; or give one.

    Parameters
    ----------
    engine : {'auto', 'exact', 'voyager', 'annoy'}
        'auto' compares with every vector up to 20,000 files, and uses voyager above.
    metric : {'cosine', 'euclidean'}
    classifier : AudioClassifier, optional
        A loaded classifier to share, instead of :meth:`load_model`.
    model_ctx, data_ctx : mxnet.Context, optional
        Handed to the classifier that :meth:`load_model` makes.

    Attributes
    ----------
    index : VectorIndex
        The vectors and their paths.

    Examples
    --------
    >>> from mxnet_audio.library.cifar10 import Cifar10AudioSearch      # doctest: +SKIP
    >>> search = Cifar10AudioSearch()                                   # doctest: +SKIP
    >>> search.load_model(model_dir_path='./models')                    # doctest: +SKIP
    >>> report = search.index_many(paths, save_dir='./index')           # doctest: +SKIP
    >>> search.query('song.mp3', top_k=2)                               # doctest: +SKIP
    [Neighbour(path='like_it.mp3', distance=0.02), Neighbour(path='less_so.mp3', distance=0.05)]
    """

    classifier_class: type | None = None

    def __init__(self, *, engine="auto", metric="cosine", classifier=None, model_ctx=None, data_ctx=None):
        self.classifier = classifier
        self.index = VectorIndex(engine, metric)
        self._contexts = {"model_ctx": model_ctx, "data_ctx": data_ctx}

    def __len__(self) -> int:
        return len(self.index)

    def __contains__(self, path: str | os.PathLike) -> bool:
        return path in self.index

    def load_model(self, model_dir_path: str | os.PathLike) -> None:
        """Load the trained classifier whose embeddings are compared.

        Parameters
        ----------
        model_dir_path : str or os.PathLike
            What its `fit` was given.

        Raises
        ------
        ModelError
            The model is missing or damaged.
        SearchError
            The index holds vectors of another model.
        """
        classifier = self.classifier
        if classifier is None:
            if self.classifier_class is None:
                raise ModelError(f"{type(self).__name__} has no network of its own: give it classifier=")
            classifier = self.classifier_class(**self._contexts)
        classifier.load_model(model_dir_path=model_dir_path)
        self._bind(classifier)
        self.classifier = classifier

    def _bind(self, classifier) -> None:
        """Hold the index to the classifier's model, as it is now."""
        model_id = classifier.model_id
        if len(self.index) and self.index.model_id != model_id:
            raise SearchError(
                f"the index holds vectors of the model {self.index.model_id}, this model is {model_id}: "
                "load that model, or keep the files indexed with this one in another directory"
            )
        self.index.model_id = model_id

    def _loaded(self):
        if self.classifier is None or not self.classifier.model_id:
            raise ModelError("no model is loaded: call load_model(model_dir_path=...) first")
        self._bind(self.classifier)
        return self.classifier

    def index_audio(self, path: str | os.PathLike) -> None:
        """Add one file to the index; one that is there is replaced.

        Raises
        ------
        AudioError
            The file cannot be used; the error says why.
        ModelError
            No model is loaded.
        """
        classifier = self._loaded()
        stamp = _stamp(path)  # before it is read: a file that changes meanwhile counts as changed
        self.index.add(path, classifier.encode_audio(path), stamp)

    def index_many(
        self,
        paths: Iterable[str | os.PathLike],
        *,
        save_dir: str | os.PathLike | None = None,
        checkpoint_every: int = 200,
        progress: bool = False,
    ) -> IndexReport:
        """Add many files, going on where a killed run stopped.

        A file in the index whose size and time are unchanged is not read again. One that cannot be used is
        skipped and listed; what an earlier run indexed of it stays.

        With `save_dir` each finished file is written to the journal there at once, so that a kill loses only
        those being worked on; at the end the index is saved whole. Is this object still empty and `save_dir`
        holds an index, that is loaded first, with its engine and metric: run the same command again after a
        kill, and it goes on.

        Parameters
        ----------
        paths : iterable of path
        save_dir : str or os.PathLike, optional
        checkpoint_every : int > 0 [files]
            The journal is forced to the disk, against a power cut, after so many.
        progress : bool
            Show a progress bar.

        Returns
        -------
        IndexReport

        Raises
        ------
        ModelError
            No model is loaded.
        SearchError
            `save_dir` holds another index than this one, or cannot be written.
        """
        classifier = self._loaded()
        if checkpoint_every < 1:
            raise SearchError(f"checkpoint_every must be 1 or more, not {checkpoint_every}")
        if save_dir is not None:
            self._settle(save_dir)
        if isinstance(paths, (str, os.PathLike)):
            paths = [paths]
        distinct = {}
        for path in paths:
            distinct.setdefault(real_path(path), path)
        stamps = {path: _stamp(path) for path in distinct.values()}
        todo = [path for path, stamp in stamps.items() if stamp is None or self.index.stamp(path) != stamp]
        report = IndexReport(unchanged=len(stamps) - len(todo))
        with contextlib.ExitStack() as stack:
            journal = None
            if save_dir is not None and todo:
                journal = stack.enter_context(self.index.journal(save_dir, checkpoint_every))
            bar = stack.enter_context(tqdm(total=len(todo), unit="file", disable=not progress))
            for path, encoding in zip(todo, classifier.encode_many(todo)):
                bar.update()
                error = encoding.error
                if error is None:
                    try:
                        self.index.add(path, encoding.vector, stamps[path])
                    except SearchError as refused:
                        error = refused
                if error is not None:
                    _logger.warning("skipped %s", error)
                    report.skipped.append((os.fsdecode(path), error))
                    continue
                report.added += 1
                if journal is not None:
                    self.index.record(journal, path)
        if report.added and save_dir is not None:
            self.save(save_dir)
        return report

    def _settle(self, save_dir: str | os.PathLike) -> None:
        """Make what is in `save_dir` and what is in memory the same."""
        if has_index(save_dir) and not self.index.saved_in(save_dir):
            if len(self.index) or self.index.notes:
                raise SearchError("the directory holds another index: load it first, or choose another", save_dir)
            self.load(save_dir)
        self.save(save_dir)

    def query(self, path: str | os.PathLike, top_k: int = 10, skip_exact_match: bool = True) -> list[Neighbour]:
        """Find the indexed files that sound most like this one.

        Parameters
        ----------
        path : str or os.PathLike
            Any file, in the index or not.
        top_k : int > 0
            How many; a smaller index gives all it has.
        skip_exact_match : bool
            Leave out the file itself, known by its real path, and give `top_k` others. Copies of it under
            other names are shown, at distance 0: they are files of their own, and finding them is a use.

        Returns
        -------
        list of Neighbour
            ``(path, distance)``, nearest first.

        Raises
        ------
        AudioError
            The file cannot be used; the error says why.
        ModelError
            No model is loaded.
        SearchError
            `top_k` is below 1.
        """
        vector = self._loaded().encode_audio(path)
        return self.index.query(vector, top_k, exclude=[path] if skip_exact_match else [])

    def query_vector(self, vector, top_k: int = 10) -> list[Neighbour]:
        """Find the indexed files nearest to an embedding [shape=(dim,)]; needs no model."""
        return self.index.query(vector, top_k)

    def remove(self, path: str | os.PathLike) -> None:
        """Take a file out of the index; SearchError when it is not there."""
        self.index.remove(path)

    def save(self, directory: str | os.PathLike) -> None:
        """Save the index, whole or not at all; one that was there before is replaced.

        Raises
        ------
        SearchError
            The directory cannot be written.
        """
        self.index.save(directory)

    def load(self, directory: str | os.PathLike) -> None:
        """Load an index, with the engine and metric that it was saved with, in place of this one.

        Raises
        ------
        SearchError
            It is missing, damaged, of a newer format, or holds another model's vectors.
        """
        model = self.classifier
        if model is None or not model.model_id:
            self.index = VectorIndex.load(directory)
        else:
            self.index = VectorIndex.load(directory, model.model_id, model.embedding_dim)


def _stamp(path: str | os.PathLike) -> tuple[int, int] | None:
    """Size and time of a file; None when there is none (reading it will say so)."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
