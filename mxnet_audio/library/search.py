"""Search for files that sound alike: the base of `Cifar10AudioSearch` and its relatives."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from mxnet_audio.audio import Channel, channel_sources, file_of
from mxnet_audio.audio.source import source_name
from mxnet_audio.checks import iterable_argument, path_argument, whole_number
from mxnet_audio.errors import ModelError, ParameterError, SearchError
from mxnet_audio.library.index_files import IndexReport, index_files, path_text, stamp
from mxnet_audio.library.index_model import describe, get_encoder, model_name, restore
from mxnet_audio.search import Neighbour, VectorIndex
from mxnet_audio.search.entries import Entry, is_missing, real_path
from mxnet_audio.search.store import has_index, locked
from mxnet_audio.search.vectors import VectorTable, check_vectors

if TYPE_CHECKING:
    from mxnet_audio.engine import mx
    from mxnet_audio.inference.predictor import AudioSource
    from mxnet_audio.library.classifier import AudioClassifier
    from mxnet_audio.pretrained import AudioEncoder

__all__ = ["AudioSearch", "IndexReport"]

log = logging.getLogger(__name__)


class AudioSearch:
    """Index sound files, and find those that sound like a query.

    The vectors that are compared come from a pretrained encoder, which needs no training and takes sound of any length,
    or from a trained classifier. A saved index knows which one made it: after :meth:`load`, an `AudioSearch` without
    `encoder` and `classifier` loads that one on first use. A search can be pickled and copied, and shared by threads.

    Files that are missing at the time of a query are left out; :meth:`prune` and :meth:`relocate` put the index right.

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
    left_out : set of str
        Paths of the index that queries have left out since it was loaded, because their files are missing.

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
        self.left_out: set[str] = set()
        self._lock = threading.RLock()  # held while the model or the index is chosen

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes that can be pickled."""
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.RLock())

    def __repr__(self) -> str:
        """Return one line with the number of files, the engine and the metric."""
        index = self.index
        return f"{type(self).__name__}(files={len(index)}, engine={index.engine!r}, metric={index.metric!r})"

    def __len__(self) -> int:
        return len(self.index)

    def __contains__(self, path: str | os.PathLike) -> bool:
        return path in self.index

    @property
    def paths(self) -> list[str]:
        """Paths of the index as they were given, in the order of indexing."""
        return self.index.paths

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
        with self._lock:
            return self._load_and_check()

    def _load_and_check(self) -> Any:
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

    def index_audio(
        self, path: str | os.PathLike, sound: AudioSource | None = None, *, channel: str | int = "mix"
    ) -> None:
        """Add one file to the index; a file that is in the index already is replaced.

        Parameters
        ----------
        path : str or os.PathLike
            The file.
        sound : str or os.PathLike or binary file or bytes or (np.ndarray, rate), optional
            Sound to index under the name `path`, such as an array with its rate; read from the file by default.
        channel : {'mix', 'left', 'right', 'each'} or int >= 0
            Channel to index. 'each' adds every channel of its own, as ``call.wav [left]`` and ``call.wav [right]``.

        Raises
        ------
        AudioError
            If the sound cannot be used.
        ModelError
            If no model is loaded, or that of the index cannot be loaded.
        ParameterError
            If `path` is not a path, or there is no such `channel`.
        """
        model = self._loaded()
        if not isinstance(path, str | os.PathLike):
            kind = type(path).__name__
            raise ParameterError(f"path must be a path, got {kind}; pass sound= for sound that is not a file")
        name = os.fsdecode(path)
        # The stamp is taken before the file is read: a file that changes meanwhile counts as changed.
        file_stamp = stamp(name, channel) if sound is None else None
        source = name if sound is None else sound
        for part in channel_sources([source], channel):
            suffix = "" if part is source else (source_name(part) or "").removeprefix(source_name(source) or "item 0")
            self.index.add(name + suffix, model.encode_audio(part), file_stamp)

    def index_many(
        self,
        paths: Iterable[str | os.PathLike],
        *,
        save_dir: str | os.PathLike | None = None,
        checkpoint_every: int = 200,
        progress: bool = False,
        channel: str | int = "mix",
    ) -> IndexReport:
        """Add many files; an interrupted run is resumed by the same call.

        A file in the index with unchanged size and time is not read again. A file that cannot be used is skipped and
        listed; its former embedding, if any, stays.

        With `save_dir` each finished file is appended to the journal there at once, so that a killed run loses only
        the files in progress; at the end the whole index is saved. If this index is still empty and `save_dir` holds
        one, that is loaded first, with its engine and metric. Several processes can add files to one `save_dir` at the
        same time.

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
        channel : {'mix', 'left', 'right', 'each'} or int >= 0
            Channel of the files to index. 'each' adds every channel of its own, as ``call.wav [left]`` and
            ``call.wav [right]``.

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
        sources = channel_sources((path_text(path) for path in paths), channel)
        with self._lock:
            if save_dir is not None:
                self._load_saved(path_argument("save_dir", save_dir))
            model = self._loaded()
            if save_dir is not None:
                # Another process may create the index at the same time.
                with contextlib.nullcontext() if has_index(save_dir) else locked(save_dir):
                    self._load_saved(save_dir)
                    model = self._loaded()
                    self.save(save_dir)
                self._check_model(self.index, model, save_dir)
        report = index_files(self.index, model, sources, channel, save_dir, checkpoint_every, progress)
        if report.added and save_dir is not None:
            self.save(save_dir)
        return report

    def _load_saved(self, save_dir: str | os.PathLike) -> None:
        """Load the index of a directory, if this one is empty; SearchError if they are different ones."""
        if has_index(save_dir) and not self.index.saved_in(save_dir):
            if len(self.index) or self.index.notes:
                raise SearchError("the directory holds another index: load it first, or choose another", save_dir)
            self.load(save_dir)

    def query(
        self, path: AudioSource, top_k: int = 10, skip_exact_match: bool = True, *, channel: str | int = "mix"
    ) -> list[Neighbour]:
        """Find the indexed files that sound most like a query.

        Parameters
        ----------
        path : str or os.PathLike or binary file or bytes or (np.ndarray, rate)
            The query, in the index or not; anything that `predict_class` takes.
        top_k : int > 0
            Number of files; a smaller index returns all it has.
        skip_exact_match : bool
            Leave out the query itself, recognized by its real path, with its channels, and return `top_k` others.
            Copies of it under other names are returned, at distance 0: they are files of their own.
        channel : {'mix', 'left', 'right'} or int >= 0
            Channel of the query.

        Returns
        -------
        list of Neighbour
            ``(path, distance)``, nearest first. Files that are missing now are left out, and the log says so once.

        Raises
        ------
        AudioError
            If the query cannot be used.
        ModelError
            If no model is loaded, or that of the index cannot be loaded.
        ParameterError
            If `top_k` is below 1, or there is no such `channel`.
        """
        vector = self._loaded().encode_audio(one_channel_of(path, channel))
        name = source_name(path)
        return self._nearest(vector, top_k, None if name is None or not skip_exact_match else file_of(name))

    def query_vector(self, vector: np.ndarray, top_k: int = 10) -> list[Neighbour]:
        """Find the indexed files nearest to an embedding [shape=(dim,)]; needs no model. Missing files are left out."""
        return self._nearest(vector, top_k, None)

    def _nearest(self, vector: np.ndarray, top_k: int, own_file: str | None) -> list[Neighbour]:
        """Find the nearest entries that are not of `own_file` and whose files exist."""
        own = None if own_file is None else real_path(own_file)
        missing: list[str] = []

        def keep(entry: Entry) -> bool:
            if own is not None and file_of(entry.real) == own:
                return False
            if is_missing(entry):
                missing.append(entry.path)
                return False
            return True

        found = self.index.query(vector, top_k, exclude=[] if own is None else [own], keep=keep)
        self._note_left_out(missing)
        return found

    def _note_left_out(self, missing: list[str]) -> None:
        """Remember the paths that an answer left out, and say so at the first of them."""
        if missing and not self.left_out:
            log.warning(
                "left out of the answer, as missing on disk: %d of the index's files, such as %s. Remove them with "
                "prune() (mxnet-audio index --prune); if a folder was moved, use relocate(old, new) "
                "(mxnet-audio index relocate OLD NEW)",
                len(missing),
                missing[0],
            )
        self.left_out.update(missing)

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

    def remove(self, path: str | os.PathLike | Iterable[str | os.PathLike]) -> list[str]:
        """Remove files from the index; they stay on disk.

        Parameters
        ----------
        path : str or os.PathLike, or iterable of them
            Files, which stand for their channels, too; or folders, which stand for all files in them.

        Returns
        -------
        list of str
            Paths that were removed.

        Raises
        ------
        ParameterError
            If one is not a path.
        SearchError
            If one is not in the index; then nothing is removed.
        """
        single = isinstance(path, str | bytes | os.PathLike)
        paths: Any = [path] if single else iterable_argument("path", path, "paths")
        with self.index.lock:
            found = self.index.find(paths)
            for name, reals in found.items():
                if not reals:
                    raise SearchError("the file is not in the index", name)
            return self._remove({real for reals in found.values() for real in reals})

    def _remove(self, reals: set[str]) -> list[str]:
        """Remove entries by real path, and return their paths."""
        entries = [entry for entry in self.index.entries if entry.real in reals]
        self.index.remove([entry.real for entry in entries])
        return [entry.path for entry in entries]

    def prune(self) -> list[str]:
        """Remove the files that are missing now, such as moved and deleted ones; return their paths.

        Sounds that were indexed under a name of their own stay.

        Raises
        ------
        SearchError
            If the folder of a missing file is missing or empty, too, or all files are missing: a disk may not be
            mounted. Then nothing is removed: mount the disk, or use :meth:`relocate` or :meth:`remove`.
        """
        pruned = self.index.prune()
        self.left_out.clear()
        return [entry.path for entry in pruned]

    def relocate(self, old: str | os.PathLike, new: str | os.PathLike) -> list[str]:
        """Give the files of a folder that was moved, or one file, their new paths, without reading them again.

        A file that was indexed under its new path, too, is in the index once afterwards.

        Parameters
        ----------
        old, new : str or os.PathLike
            File or folder, before and after it was moved.

        Returns
        -------
        list of str
            The new paths.

        Raises
        ------
        ParameterError
            If `old` or `new` is not a path.
        SearchError
            If the index has nothing of `old`.
        """
        with self.index.lock:
            moved = self.index.relocate(old, new)
            for play in self.index.notes.get("heard", []):  # those of a recommender that shares the index
                play[:] = moved.get(play[1], play)
            self.left_out.clear()
            return [path for path, _ in moved.values()]

    def reset(self) -> None:
        """Remove all files from the index, and what was saved with them; a saved index stays on disk."""
        with self.index.lock:
            self.index.remove(self.index.real_paths)
            self.index.notes.clear()

    def save(self, directory: str | os.PathLike) -> None:
        """Save the index in a directory, completely or not at all.

        What others have changed there since this index was loaded or saved is kept, see `VectorIndex.save`; any other
        index is replaced. Nothing is written if nothing changed.

        Raises
        ------
        ParameterError
            If `directory` is not a path.
        SearchError
            If the directory cannot be written to, or holds the index of another model now.
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
        with self._lock:
            # A model that was loaded because the former index names it is not needed for this one.
            model = None if self._model is self._restored else self._model
            if model is None:
                self.classifier = self.encoder = self._restored = None
            elif model.model_id:
                self._check_model(index, model, directory)
                index.check(dim=model.embedding_dim, directory=directory)
            self.index = index
            self.left_out = set()


def one_channel_of(source: AudioSource, channel: str | int) -> Any:
    """Return a sound's channel as a source; ParameterError if there is no such channel."""
    return source if channel == "mix" else Channel(source, channel)
