"""Search for files that sound alike: the base of `Cifar10AudioSearch` and its relatives."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mxnet_audio.audio import Channel, channel_sources, file_of
from mxnet_audio.audio.channel import check_channel
from mxnet_audio.audio.source import source_name
from mxnet_audio.checks import iterable_argument, path_argument, whole_number
from mxnet_audio.errors import ParameterError, SearchError
from mxnet_audio.library.index_files import IndexReport, index_files, path_text, stamp
from mxnet_audio.library.indexes import Metadata, batch_writer, journal_writer, stored_path
from mxnet_audio.library.sound_index import SoundIndex
from mxnet_audio.search import Neighbour, VectorIndex
from mxnet_audio.search.entries import Entry, is_missing, real_path
from mxnet_audio.search.store import has_index, locked
from mxnet_audio.search.vectors import VectorTable, check_vectors

if TYPE_CHECKING:
    from mxnet_audio.inference.predictor import AudioSource

__all__ = ["AudioSearch", "IndexReport"]

log = logging.getLogger(__name__)


class AudioSearch(SoundIndex):
    """Index sound files, and find those that sound like a query.

    The vectors that are compared come from a pretrained encoder, which needs no training and takes sound of any length,
    or from a trained classifier. A saved index knows which one made it: after :meth:`load`, an `AudioSearch` without
    `encoder` and `classifier` loads that one on first use. A search can be pickled and copied, and shared by threads.

    Files that are missing at the time of a query are left out; :meth:`prune` and :meth:`relocate` put the index right.

    Parameters
    ----------
    model_ctx, data_ctx : mxnet.Context, optional
        Devices of the encoder or classifier that the search loads; not with one that is loaded already.
    engine : {'auto', 'exact', 'voyager', 'annoy', 'milvus'}
        'auto' compares with every vector up to 20,000 files, and uses voyager above. 'milvus' is a collection on a
        server, for many files or several machines.
    metric : {'cosine', 'euclidean'}, optional
        Distance of the embeddings; by default that of the collection, or 'cosine'.
    classifier : AudioClassifier or OnnxAudioClassifier, optional
        Loaded classifier to use, in place of :meth:`load_model`.
    encoder : str or AudioEncoder, optional
        Name of a pretrained encoder, as for `load_encoder`, or a loaded one. Not with `classifier`, nor in a subclass
        with a network of its own.
    partition : str, optional
        With 'milvus', the partition that files are added to, and that queries are restricted to.
    **server
        With 'milvus', the other arguments of `mxnet_audio.search.MilvusIndex`: `uri` and `collection` are required,
        and there are `token`, `database`, `index_type`, `index_params`, `search_params`, `consistency`, `tls` and
        `timeout`. What is added is in the collection when the call returns: nothing is saved or loaded. An existing
        collection knows its model, as a saved index does, and refuses embeddings of others. Paths of files become
        absolute ones. The files can be on other machines, so that those that are missing here are not left out of the
        answers.

    Attributes
    ----------
    classifier : AudioClassifier or OnnxAudioClassifier or None
        The classifier whose embeddings are compared.
    encoder : AudioEncoder or None
        The pretrained encoder whose embeddings are compared.
    index : VectorIndex or MilvusIndex
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

    def index_audio(
        self,
        path: str | os.PathLike,
        sound: AudioSource | None = None,
        *,
        channel: str | int = "mix",
        metadata: Mapping[str, Any] | None = None,
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
        metadata : dict of str to JSON types, optional
            With engine='milvus', data that is stored with the file, for `where` of :meth:`query`.

        Raises
        ------
        AudioError
            If the sound cannot be used.
        ModelError
            If no model is loaded, or that of the index cannot be loaded.
        ParameterError
            If `path` is not a path, there is no such `channel`, or `metadata` is given with another engine.
        """
        channel = check_channel(channel, each=True)
        options = self._of_server(metadata=metadata, partition=self._partition)
        model = self._loaded()
        if not isinstance(path, str | os.PathLike):
            kind = type(path).__name__
            raise ParameterError(f"path must be a path, got {kind}; pass sound= for sound that is not a file")
        name = os.fsdecode(path)
        # The stamp is taken before the file is read: a file that changes meanwhile counts as changed.
        file_stamp = stamp(name, channel) if sound is None else None
        source = name if sound is None else sound
        stored = stored_path(self.index, name) if sound is None else name
        for part in channel_sources([source], channel):
            suffix = "" if part is source else (source_name(part) or "").removeprefix(source_name(source) or "item 0")
            self.index.add(stored + suffix, model.encode_audio(part), file_stamp, **options)

    def index_many(
        self,
        paths: Iterable[str | os.PathLike],
        *,
        save_dir: str | os.PathLike | None = None,
        checkpoint_every: int = 200,
        progress: bool = False,
        channel: str | int = "mix",
        metadata: Metadata | None = None,
    ) -> IndexReport:
        """Add many files; an interrupted run is resumed by the same call.

        A file in the index with unchanged size and time is not read again. A file that cannot be used is skipped and
        listed; its former embedding, if any, stays.

        With `save_dir` each finished file is appended to the journal there at once, so that a killed run loses only
        the files in progress; at the end the whole index is saved. If this index is still empty and `save_dir` holds
        one, that is loaded first, with its engine and metric. Several processes can add files to one `save_dir` at the
        same time.

        With engine='milvus' the files are sent to the server in batches of `checkpoint_every`, and a killed run loses
        only the last one. Several processes and machines can add files to one collection at the same time.

        Parameters
        ----------
        paths : iterable of path
            Files to index.
        save_dir : str or os.PathLike, optional
            Directory of the saved index.
        checkpoint_every : int > 0 [files]
            Files after which the journal is forced to disk, in case of a power failure; with engine='milvus' the
            number of files in a batch.
        progress : bool
            Show a progress bar.
        channel : {'mix', 'left', 'right', 'each'} or int >= 0
            Channel of the files to index. 'each' adds every channel of its own, as ``call.wav [left]`` and
            ``call.wav [right]``.
        metadata : callable, optional
            With engine='milvus', function of a path that returns the data that is stored with the file, as a dict of
            JSON types for `where` of :meth:`query`, or None. It is called for files that are read, not for unchanged
            ones.

        Returns
        -------
        IndexReport
            Numbers of files, and the skipped files.

        Raises
        ------
        ModelError
            If no model is loaded, or that of the index cannot be loaded.
        ParameterError
            If `checkpoint_every` is below 1, `paths`, one of them, `save_dir` or `metadata` is of the wrong type, or
            one of the two is not for this engine.
        SearchError
            If `save_dir` holds another index than this one, or cannot be written to, or the server is away.
        """
        checkpoint_every = whole_number("checkpoint_every", checkpoint_every)
        channel = check_channel(channel, each=True)
        paths = [paths] if isinstance(paths, str | os.PathLike) else iterable_argument("paths", paths, "paths")
        sources = channel_sources((path_text(path) for path in paths), channel)
        if not callable(metadata) and metadata is not None:
            raise ParameterError(f"metadata must be a function of a path, got {metadata!r}")
        self._of_server(metadata=metadata)
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
        if isinstance(self.index, VectorIndex):
            writer = journal_writer(self.index, save_dir, checkpoint_every)
        else:
            writer = batch_writer(self.index, checkpoint_every, metadata, self._partition)
        report = index_files(self.index, model, sources, channel, writer, progress)
        if report.added and save_dir is not None:
            self.save(save_dir)
        return report

    def _load_saved(self, save_dir: str | os.PathLike) -> None:
        """Load the index of a directory, if this one is empty; SearchError if they are different ones."""
        index = self._local("save_dir")
        if has_index(save_dir) and not index.saved_in(save_dir):
            if len(index) or index.notes:
                raise SearchError("the directory holds another index: load it first, or choose another", save_dir)
            self.load(save_dir)

    def query(
        self,
        path: AudioSource,
        top_k: int = 10,
        skip_exact_match: bool = True,
        *,
        channel: str | int = "mix",
        where: str | None = None,
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
        where : str, optional
            With engine='milvus', a condition on the metadata of the files, in the language of Milvus:
            ``'genre == "jazz" and year > 1960'``.

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
            If `top_k` is below 1, there is no such `channel`, or `where` is no condition, or not for this engine.
        """
        self._of_server(where=where)
        vector = self._loaded().encode_audio(one_channel_of(path, channel))
        name = source_name(path)
        return self._nearest(vector, top_k, None if name is None or not skip_exact_match else file_of(name), where)

    def query_vector(
        self,
        vector: np.ndarray,
        top_k: int = 10,
        *,
        where: str | None = None,
        keep: Callable[[Entry], bool] | None = None,
    ) -> list[Neighbour]:
        """Find the indexed files nearest to an embedding [shape=(dim,)]; needs no model. Missing files are left out.

        `keep` is as of :meth:`mxnet_audio.search.VectorIndex.query`; it is not asked about missing files.
        """
        return self._nearest(vector, top_k, None, where, keep)

    def _nearest(
        self,
        vector: np.ndarray,
        top_k: int,
        own_file: str | None,
        where: str | None,
        accept: Callable[[Entry], bool] | None = None,
    ) -> list[Neighbour]:
        """Find the nearest entries that are not of `own_file`, whose files exist, and which `accept` keeps."""
        own = None if own_file is None else real_path(own_file)
        missing: list[str] = []

        def keep(entry: Entry) -> bool:
            if own is not None and file_of(entry.real) == own:
                return False
            if self._is_missing(entry):
                missing.append(entry.path)
                return False
            return accept is None or accept(entry)

        options = self._of_server(where=where, partition=self._partition)
        found = self.index.query(vector, top_k, [] if own is None else [own], keep, **options)
        self._note_left_out(missing)
        return found

    def _is_missing(self, entry: Entry) -> bool:
        """Return True if an answer leaves out an entry: its file is missing, and not on another machine."""
        return isinstance(self.index, VectorIndex) and is_missing(entry)

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


def one_channel_of(source: AudioSource, channel: str | int) -> Any:
    """Return a sound's channel as a source; ParameterError if there is no such channel."""
    return source if channel == "mix" else Channel(source, channel)
