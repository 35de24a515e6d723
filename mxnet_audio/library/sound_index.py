"""Index of sounds and the model of its embeddings: what a search and a recommender are made of."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mxnet_audio.checks import iterable_argument, path_argument
from mxnet_audio.errors import ModelError, ParameterError, SearchError
from mxnet_audio.library.index_model import describe, get_encoder, model_name, restore
from mxnet_audio.library.indexes import Index, new_index, stored_path
from mxnet_audio.search import VectorIndex

if TYPE_CHECKING:
    from mxnet_audio.engine import mx
    from mxnet_audio.library.classifier import AudioClassifier
    from mxnet_audio.pretrained import AudioEncoder

__all__ = ["SoundIndex", "plays_of"]


class SoundIndex:
    """Index of sounds, and the encoder or classifier that computes its embeddings.

    The base of :class:`AudioSearch`, whose parameters and attributes it has.
    """

    classifier_class: type[AudioClassifier] | None = None

    def __init__(
        self,
        model_ctx: mx.Context | None = None,
        data_ctx: mx.Context | None = None,
        *,
        engine: str = "auto",
        metric: str | None = None,
        classifier: Any = None,
        encoder: str | AudioEncoder | None = None,
        partition: str | None = None,
        **server: Any,
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
        self.index = new_index(engine, metric, server)
        self._partition = self._of_server(partition=partition).get("partition")
        self.classifier = classifier
        self._contexts = {"model_ctx": model_ctx, "data_ctx": data_ctx}
        self.encoder = None if encoder is None else get_encoder(encoder, self._contexts)
        self._restored: Any = None  # encoder or classifier that was loaded because an index names it
        self.left_out: set[str] = set()
        self._lock = threading.RLock()  # held while the model or the index is chosen
        self._own_notes: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes that can be pickled."""
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.RLock())

    def __repr__(self) -> str:
        """Return one line with the number of files, the engine and the metric, or the collection."""
        index = self.index
        if not isinstance(index, VectorIndex):
            return f"{type(self).__name__}({index!r})"
        return f"{type(self).__name__}(files={len(index)}, engine={index.engine!r}, metric={index.metric!r})"

    @property
    def _notes(self) -> dict[str, Any]:
        """Notes that are saved with a local index; with a collection, which others use, they stay in this object."""
        return self.index.notes if isinstance(self.index, VectorIndex) else self._own_notes

    @property
    def _notes_lock(self) -> threading.RLock:
        """Lock that is held to change the notes, or to make several calls of a local index in one step."""
        return self.index.lock if isinstance(self.index, VectorIndex) else self._lock

    def _of_server(self, **options: Any) -> dict[str, Any]:
        """Return the options that are given; ParameterError if there are any with a local index, which has none."""
        given = {name: value for name, value in options.items() if value is not None}
        if given and isinstance(self.index, VectorIndex):
            raise ParameterError(f"{min(given)} must be left out with a local index: only engine='milvus' has it")
        return given

    def _local(self, name: str) -> VectorIndex:
        """Return the index if it is a local one; ParameterError if it is on a server, which has no folder."""
        if isinstance(self.index, VectorIndex):
            return self.index
        raise ParameterError(
            f"{name} needs a local index: what engine='milvus' has added is in the collection at once "
            "(`mxnet-audio index pull` copies a collection to a folder)"
        )

    def __len__(self) -> int:
        return len(self.index)

    def __contains__(self, path: str | os.PathLike) -> bool:
        return path in self.index

    @property
    def paths(self) -> list[str]:
        """Paths of the index as they were given (absolute on a server), in the order of indexing."""
        return list(self.index.paths)

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

    def _check_model(self, index: Index, model: Any, directory: str | os.PathLike | None = None) -> None:
        """Raise SearchError if an index holds embeddings of another model."""
        if index.model_id != model.model_id and len(index):
            other = "save the index of this one in another directory"
            if not isinstance(index, VectorIndex):
                other = "index the files of this one in another collection"
                directory = f"{index.address}, collection {index.collection}"
            raise SearchError(
                f"the index holds embeddings of {model_name(index.model_id, index.model)}, but this is "
                f"{model_name(model.model_id, describe(model))}: use that one, or {other}",
                directory,
            )

    def _describe_model(self) -> None:
        """Note in the index which model its embeddings are of."""
        description, model_id = describe(self._model), self._model.model_id
        is_other = self.index.model_id != model_id
        if description is not None or is_other:
            self.index.model = description
        if is_other:  # a collection would be checked again
            self.index.model_id = model_id

    def _loaded(self) -> Any:
        """Return the encoder or the classifier, once it is certain that its model is the index's."""
        with self._lock:
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
        with self._notes_lock:
            found = self.index.find(paths)
            for name, reals in found.items():
                if not reals:
                    raise SearchError("the file is not in the index", name)
            entries = self.index.lookup({real for reals in found.values() for real in reals})
            self.index.remove(entries)
            return [entry.path for entry in sorted(entries.values(), key=lambda entry: entry.id)]

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
        target = os.fsdecode(path_argument("new", new))
        with self._notes_lock:
            plays = plays_of(self._notes)
            moved = self.index.relocate(old, stored_path(self.index, target))
            for play in plays:
                play[:] = moved.get(play[1], play)
            self.left_out.clear()
            return [path for path, _ in moved.values()]

    def reset(self) -> None:
        """Remove all files from the index, and what was saved with them; a saved index stays on disk."""
        with self._notes_lock:
            self.index.remove(self.index.real_paths)
            self._notes.clear()

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
        self._local("save").save(directory)

    def load(self, directory: str | os.PathLike) -> None:
        """Load an index, with the engine and metric that it was saved with, in place of this one.

        Raises
        ------
        ParameterError
            If `directory` is not a path.
        SearchError
            If the index is missing, damaged, of a newer format, or holds embeddings of another model. This one stays.
        """
        self._local("load")
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


def plays_of(notes: dict[str, Any]) -> list[list[str]]:
    """Return path and real path of each play of a recommender, from its notes, oldest first.

    Raises
    ------
    SearchError
        If the notes hold something else.
    """
    plays = notes.get("heard", [])
    pairs = isinstance(plays, list) and all(isinstance(play, list) and len(play) == 2 for play in plays)
    if not pairs or not all(isinstance(name, str) for play in plays for name in play):
        raise SearchError("the index is damaged: its list of plays cannot be read")
    return plays
