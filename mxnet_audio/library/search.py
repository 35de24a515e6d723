"""Search for files that sound alike: the base of `Cifar10AudioSearch` and its relatives."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from mxnet_audio.audio.source import source_name
from mxnet_audio.checks import iterable_argument, path_argument, whole_number
from mxnet_audio.errors import AudioError, ModelError, ParameterError, SearchError
from mxnet_audio.library.index_model import describe, get_encoder, model_name, restore
from mxnet_audio.search import Neighbour, VectorIndex
from mxnet_audio.search.index import real_path
from mxnet_audio.search.store import has_index
from mxnet_audio.search.vectors import VectorTable, check_vectors

if TYPE_CHECKING:
    from mxnet_audio.engine import mx
    from mxnet_audio.inference.predictor import AudioSource
    from mxnet_audio.library.classifier import AudioClassifier
    from mxnet_audio.pretrained import AudioEncoder

__all__ = ["AudioSearch", "IndexReport"]

log = logging.getLogger(__name__)


@dataclass
class IndexReport:
    """Result of :meth:`AudioSearch.index_many`; each distinct file is counted once.

    Attributes
    ----------
    added : int
        Files that were indexed, also those indexed again because they had changed.
    unchanged : int
        Files that were in the index already, with the same size and time.
    skipped : list of (str, AudioError)
        Files that cannot be used, and the reasons.
    """

    added: int = 0
    unchanged: int = 0
    skipped: list[tuple[str, AudioError]] = field(default_factory=list)


class AudioSearch:
    """Index sound files, and find those that sound like a query.

    The vectors that are compared come from a pretrained encoder, which needs no training and takes sound of any length,
    or from a trained classifier. A saved index knows which one made it: after :meth:`load`, an `AudioSearch` without
    `encoder` and `classifier` loads that one on first use. A search can be pickled and copied.

    Parameters
    ----------
    model_ctx, data_ctx : mxnet.Context, optional
        Devices of the encoder or classifier that the search loads; not with one that is loaded already.
    engine : {'auto', 'exact', 'voyager', 'annoy'}
        'auto' compares with every vector up to 20,000 files, and uses voyager above.
    metric : {'cosine', 'euclidean'}
        Distance of the embeddings.
    classifier : AudioClassifier or OnnxAudioClassifier, optional
        Loaded classifier to use, in place of :meth:`load_model`.
    encoder : str or AudioEncoder, optional
        Name of a pretrained encoder, as for `load_encoder`, or a loaded one. Not with `classifier`, nor in a subclass
        with a network of its own.

    Attributes
    ----------
    classifier : AudioClassifier or OnnxAudioClassifier or None
        The classifier whose embeddings are compared.
    encoder : AudioEncoder or None
        The pretrained encoder whose embeddings are compared.
    index : VectorIndex
        The embeddings and their paths.

    Raises
    ------
    ModelError
        If the weights of the encoder cannot be had.
    ParameterError
        If an argument is unknown, of the wrong type, or contradicts another.

    Examples
    --------
    >>> search = AudioSearch(encoder='musicnn')                         # doctest: +SKIP
    >>> report = search.index_many(paths, save_dir='./index')           # doctest: +SKIP
    >>> search.query('song.mp3', top_k=2)                               # doctest: +SKIP
    [Neighbour(path='close.mp3', distance=0.02), Neighbour(path='farther.mp3', distance=0.05)]
    """

    classifier_class: type[AudioClassifier] | None = None

    def __init__(
        self,
        model_ctx: mx.Context | None = None,
        data_ctx: mx.Context | None = None,
        *,
        engine: str = "auto",
        metric: str = "cosine",
        classifier: Any = None,
        encoder: str | AudioEncoder | None = None,
    ):
        if classifier is not None and encoder is not None:
            raise ParameterError("encoder must be left out with classifier: vectors come from one of them")
        if encoder is not None and self.classifier_class is not None:
            raise ParameterError(
                f"encoder must be left out with {type(self).__name__}, which has a network of its own: "
                "AudioSearch and AudioRecommender take an encoder"
            )
        if classifier is not None and (model_ctx is not None or data_ctx is not None):
            raise ParameterError("model_ctx and data_ctx must be left out with classifier, which has its own")
        if classifier is not None and (isinstance(classifier, type) or not hasattr(classifier, "encode_many")):
            raise ParameterError(f"classifier must be an AudioClassifier or an OnnxAudioClassifier, got {classifier!r}")
        self.index = VectorIndex(engine, metric)
        self.classifier = classifier
        self._contexts = {"model_ctx": model_ctx, "data_ctx": data_ctx}
        self.encoder = None if encoder is None else get_encoder(encoder, self._contexts)
        self._restored: Any = None  # encoder or classifier that was loaded because an index names it

    def __repr__(self) -> str:
        """Return one line with the number of files, the engine and the metric."""
        index = self.index
        return f"{type(self).__name__}(files={len(index)}, engine={index.engine!r}, metric={index.metric!r})"

    def __len__(self) -> int:
        return len(self.index)

    def __contains__(self, path: str | os.PathLike) -> bool:
        return path in self.index

    def load_model(self, model_dir_path: str | os.PathLike) -> None:
        """Load the trained classifier whose embeddings are compared. If that fails, nothing changes.

        Parameters
        ----------
        model_dir_path : str or os.PathLike
            Directory that was given to `fit`.

        Raises
        ------
        ModelError
            If the model is missing or damaged.
        ParameterError
            If this class has no network of its own and no classifier was passed, or the model is fixed, as that of an
            encoder or an `OnnxAudioClassifier`.
        SearchError
            If the index holds embeddings of another model.
        """
        model = self._model
        if model is not None and not hasattr(model, "load_model"):
            raise ParameterError(f"classifier must have load_model, got {type(model).__name__}: its model is fixed")
        loaded = self._new_classifier() if self.classifier is None else copy.copy(self.classifier)
        loaded.load_model(model_dir_path=model_dir_path)
        self._check_model(self.index, loaded)
        if self.classifier is None:
            self.classifier = loaded
        else:  # shared with others, so it is changed in place, now that the index has accepted the copy's model
            vars(self.classifier).update(vars(loaded))
        self._describe_model()

    def _new_classifier(self) -> AudioClassifier:
        if self.classifier_class is None:
            raise ParameterError(f"classifier must be passed to {type(self).__name__}, which has no network of its own")
        return self.classifier_class(**self._contexts)

    @property
    def _model(self) -> Any:
        """The encoder or the classifier; None if there is none yet."""
        return self.classifier if self.encoder is None else self.encoder

    def _check_model(self, index: VectorIndex, model: Any, directory: str | os.PathLike | None = None) -> None:
        """Raise SearchError if an index holds embeddings of another model."""
        if len(index) and index.model_id != model.model_id:
            raise SearchError(
                f"the index holds embeddings of {model_name(index.model_id, index.model)}, but this is "
                f"{model_name(model.model_id, describe(model))}: "
                "use that one, or save the index of this one in another directory",
                directory,
            )

    def _describe_model(self) -> None:
        """Note in the index which model its embeddings are of."""
        description = describe(self._model)
        if description is not None or self.index.model_id != self._model.model_id:
            self.index.model = description
        self.index.model_id = self._model.model_id

    def _loaded(self) -> Any:
        """Return the encoder or the classifier, once it is certain that its model is the index's."""
        model, description = self._model, self.index.model
        if model is None and description is not None and self.classifier_class is None:
            model = restore(description, self._contexts)
            self._check_model(self.index, model)
            self._restored = model
            if "encoder" in description:
                self.encoder = model
            else:
                self.classifier = model
        if model is None or not model.model_id:
            raise ModelError(
                "no model is loaded: call load_model(model_dir_path=...) first, or pass encoder= or classifier="
            )
        self._check_model(self.index, model)
        self._describe_model()
        return model

    def index_audio(self, path: str | os.PathLike, sound: AudioSource | None = None) -> None:
        """Add one file to the index; a file that is in the index already is replaced.

        Parameters
        ----------
        path : str or os.PathLike
            The file.
        sound : str or os.PathLike or binary file or bytes or (np.ndarray, rate), optional
            Sound to index under the name `path`, such as an array with its rate; read from the file by default.

        Raises
        ------
        AudioError
            If the sound cannot be used.
        ModelError
            If no model is loaded, or that of the index cannot be loaded.
        ParameterError
            If `path` is not a path.
        """
        model = self._loaded()
        if not isinstance(path, str | os.PathLike):
            kind = type(path).__name__
            raise ParameterError(f"path must be a path, got {kind}; pass sound= for sound that is not a file")
        # The stamp is taken before the file is read: a file that changes meanwhile counts as changed.
        stamp = _stamp(path) if sound is None else None
        self.index.add(path, model.encode_audio(path if sound is None else sound), stamp)

    def index_many(
        self,
        paths: Iterable[str | os.PathLike],
        *,
        save_dir: str | os.PathLike | None = None,
        checkpoint_every: int = 200,
        progress: bool = False,
    ) -> IndexReport:
        """Add many files; an interrupted run is resumed by the same call.

        A file in the index with unchanged size and time is not read again. A file that cannot be used is skipped and
        listed; its former embedding, if any, stays.

        With `save_dir` each finished file is appended to the journal there at once, so that a killed run loses only
        the files in progress; at the end the whole index is saved. If this index is still empty and `save_dir` holds
        one, that is loaded first, with its engine and metric.

        Parameters
        ----------
        paths : iterable of path
            Files to index.
        save_dir : str or os.PathLike, optional
            Directory of the saved index.
        checkpoint_every : int > 0 [files]
            Files after which the journal is forced to disk, in case of a power failure.
        progress : bool
            Show a progress bar.

        Returns
        -------
        IndexReport
            Numbers of files, and the skipped files.

        Raises
        ------
        ModelError
            If no model is loaded, or that of the index cannot be loaded.
        ParameterError
            If `checkpoint_every` is below 1, or `paths`, one of them or `save_dir` is of the wrong type.
        SearchError
            If `save_dir` holds another index than this one, or cannot be written to.
        """
        checkpoint_every = whole_number("checkpoint_every", checkpoint_every)
        paths = [paths] if isinstance(paths, str | os.PathLike) else iterable_argument("paths", paths, "paths")
        if save_dir is not None:
            self._load_saved(path_argument("save_dir", save_dir))
        model = self._loaded()
        if save_dir is not None:
            self.save(save_dir)
        distinct: dict[str, str | os.PathLike] = {}
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
            for path, encoding in zip(todo, model.encode_many(todo)):
                bar.update()
                error = encoding.error
                if error is None:
                    try:
                        self.index.add(path, encoding.vector, stamps[path])
                    except SearchError as refused:
                        error = refused
                if error is not None:
                    log.warning("skipped %s", error)
                    report.skipped.append((os.fsdecode(path), error))
                    continue
                report.added += 1
                if journal is not None:
                    self.index.record(journal, path)
        if report.added and save_dir is not None:
            self.save(save_dir)
        return report

    def _load_saved(self, save_dir: str | os.PathLike) -> None:
        """Load the index of a directory, if this one is empty; SearchError if they are different ones."""
        if has_index(save_dir) and not self.index.saved_in(save_dir):
            if len(self.index) or self.index.notes:
                raise SearchError("the directory holds another index: load it first, or choose another", save_dir)
            self.load(save_dir)

    def query(self, path: AudioSource, top_k: int = 10, skip_exact_match: bool = True) -> list[Neighbour]:
        """Find the indexed files that sound most like a query.

        Parameters
        ----------
        path : str or os.PathLike or binary file or bytes or (np.ndarray, rate)
            The query, in the index or not; anything that `predict_class` takes.
        top_k : int > 0
            Number of files; a smaller index returns all it has.
        skip_exact_match : bool
            Leave out the query itself, recognized by its real path, and return `top_k` others. Copies of it under
            other names are returned, at distance 0: they are files of their own.

        Returns
        -------
        list of Neighbour
            ``(path, distance)``, nearest first.

        Raises
        ------
        AudioError
            If the query cannot be used.
        ModelError
            If no model is loaded, or that of the index cannot be loaded.
        ParameterError
            If `top_k` is below 1.
        """
        vector = self._loaded().encode_audio(path)
        name = source_name(path)
        return self.index.query(vector, top_k, exclude=[] if name is None or not skip_exact_match else [name])

    def query_vector(self, vector: np.ndarray, top_k: int = 10) -> list[Neighbour]:
        """Find the indexed files nearest to an embedding [shape=(dim,)]; needs no model."""
        return self.index.query(vector, top_k)

    def distance(self, first: np.ndarray, second: np.ndarray) -> float:
        """Compute the distance of two embeddings [shape=(dim,)] by the metric of the index.

        Examples
        --------
        >>> AudioSearch().distance([1, 0], [0, 2]), AudioSearch(metric='euclidean').distance([1, 0], [1, 2])
        (1.0, 2.0)
        """
        table = VectorTable(self.index.metric)
        table.add([0], second)
        (query,) = check_vectors(first, table.dim, table.metric)
        return float(table.nearest(query, 1)[1][0])

    def remove(self, path: str | os.PathLike) -> None:
        """Remove a file from the index; SearchError if it is not in the index."""
        self.index.remove(path)

    def reset(self) -> None:
        """Remove all files from the index, and what was saved with them; a saved index stays on disk."""
        for path in self.index.paths:
            self.index.remove(path)
        self.index.notes.clear()

    def save(self, directory: str | os.PathLike) -> None:
        """Save the index in a directory, completely or not at all; an existing index is replaced.

        Raises
        ------
        ParameterError
            If `directory` is not a path.
        SearchError
            If the directory cannot be written to.
        """
        self.index.save(directory)

    def load(self, directory: str | os.PathLike) -> None:
        """Load an index, with the engine and metric that it was saved with, in place of this one.

        Raises
        ------
        ParameterError
            If `directory` is not a path.
        SearchError
            If the index is missing, damaged, of a newer format, or holds embeddings of another model. This one stays.
        """
        index = VectorIndex.load(directory)
        # A model that was loaded because the former index names it is not needed for this one.
        model = None if self._model is self._restored else self._model
        if model is None:
            self.classifier = self.encoder = self._restored = None
        elif model.model_id:
            self._check_model(index, model, directory)
            index.check(dim=model.embedding_dim, directory=directory)
        self.index = index


def _stamp(path: str | os.PathLike) -> tuple[int, int] | None:
    """Return size and time of a file; None if it is missing, which reading it will report."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
