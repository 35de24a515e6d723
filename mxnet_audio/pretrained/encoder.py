"""Pretrained encoders by name, with the interface of a scikit-learn transformer."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from mxnet_audio import weights
from mxnet_audio.audio.channel import channel_sources, check_channel
from mxnet_audio.audio.source import source_name
from mxnet_audio.checks import path_argument
from mxnet_audio.engine import contexts, mx
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference.predictor import AudioSource, AudioSources, as_list
from mxnet_audio.inference.results import Encoding, Output
from mxnet_audio.inference.window_encoder import WindowEncoder
from mxnet_audio.models import EncoderNet, SequenceNet, get_model
from mxnet_audio.pretrained.patch_encoder import Frames, PatchEncoder
from mxnet_audio.pretrained.random_weights import random_weights
from mxnet_audio.pretrained.sound_encoder import sound_encoder
from mxnet_audio.weights.registry import call_with_type, check_name

__all__ = ["AUTO", "AudioEncoder", "load_encoder"]

log = logging.getLogger(__name__)

DEFAULT = "default"  # reduction: that of the encoder's first embedding
SEQUENCE = "null"  # no reduction; Ludwig's name
LOADED = ("_loaded", "_net", "_encoder")  # attributes of an encoder that are computed from its parameters
AUTO = ("yamnet", "musicnn")  # choices of 'auto', the first one whose weights can be had


class AudioEncoder(TransformerMixin, BaseEstimator):
    """Network with published weights that turns sound into vectors, without training.

    It is a scikit-learn transformer from paths to vectors: pipelines, grid searches, `set_output` and `clone` work.
    The weights are loaded on first use; `load_encoder` loads them at once.

    Parameters
    ----------
    name : str
        One of `mxnet_audio.weights.names`, or 'auto': yamnet where its weights can be had, else musicnn.
    embedding : str, optional
        Vectors of the network to use, one of `record.embeddings`; by default the first. Networks that compute a
        sequence of vectors for each layer, such as wav2vec2, take a reduction over time ('mean'), or a layer and a
        reduction ('6:mean', 'weighted:mean'); with the reduction 'null', `encode_frames` gives the sequences, and there
        are no vectors of whole sounds.
    layer, reduce_output : int >= 0 or 'weighted', and str or None, optional
        Layer and reduction, in place of `embedding`: ``layer=6, reduce_output="mean"`` is ``embedding="6:mean"``.
        Layer 0 is the input of the first transformer layer, 'weighted' the learned sum of all; by default the last.
        Reductions are 'mean', 'max', 'sum', 'last', 'cls_pooled', 'concat' and None, which is 'null'.
    source : str or os.PathLike, optional
        File or folder of the weights, or name of a model on the Hugging Face hub; see `mxnet_audio.weights.load`.
    pretrained_model_name_or_path : str or os.PathLike, optional
        Another name of `source`, that of transformers.
    revision : str, optional
        Branch, tag or commit of a model on the hub.
    use_pretrained : bool
        False for random weights, the same each time, in a network with the settings of the model at `source`, or with
        the default ones: to train it from scratch, or to measure its speed.
    model_ctx, data_ctx : mxnet.Context, optional
        Device of the network, and device on which batches are put first; the CPU by default.

    See Also
    --------
    load_encoder : makes an encoder, and raises the errors of its arguments and weights.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression                      # doctest: +SKIP
    >>> from sklearn.pipeline import make_pipeline                               # doctest: +SKIP
    >>> pipeline = make_pipeline(load_encoder("yamnet"), LogisticRegression())   # doctest: +SKIP
    >>> pipeline.fit(paths, labels).predict(["new.wav"])                         # doctest: +SKIP
    array(['dog'], dtype='<U3')
    """

    def __init__(
        self,
        name: str = "auto",
        *,
        embedding: str | None = None,
        reduce_output: str | None = DEFAULT,
        layer: int | str | None = None,
        source: Any = None,
        pretrained_model_name_or_path: Any = None,
        revision: str | None = None,
        use_pretrained: bool = True,
        model_ctx: mx.Context | None = None,
        data_ctx: mx.Context | None = None,
    ):
        self.name = name
        self.embedding = embedding
        self.reduce_output = reduce_output
        self.layer = layer
        self.source = source
        self.pretrained_model_name_or_path = pretrained_model_name_or_path
        self.revision = revision
        self.use_pretrained = use_pretrained
        self.model_ctx = model_ctx
        self.data_ctx = data_ctx

    def __getstate__(self) -> dict[str, Any]:
        """Return the parameters without the network, which is loaded again on first use."""
        return {name: value for name, value in super().__getstate__().items() if name not in LOADED}

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a parameter; the network is loaded again on first use."""
        super().__setattr__(name, value)
        if not name.startswith("_"):
            for loaded in LOADED:
                self.__dict__.pop(loaded, None)

    def set_params(self, **params: Any) -> AudioEncoder:
        """Set parameters by name, as scikit-learn's estimators do.

        Raises
        ------
        ParameterError
            If there is no such parameter.
        """
        try:
            super().set_params(**params)
        except ValueError as error:
            raise ParameterError(str(error)) from error
        return self

    @cached_property
    def _loaded(self) -> weights.Loaded:
        if not isinstance(self.use_pretrained, bool):
            raise ParameterError(f"use_pretrained must be True or False, got {self.use_pretrained!r}")
        load = _load_weights if self.use_pretrained else random_weights
        return load(self.name, self._source, self.revision)

    @cached_property
    def _net(self) -> EncoderNet | SequenceNet:
        net = get_model(self.record.network, embedding=self._choice[0], pretrained=self._loaded)
        assert isinstance(net, EncoderNet | SequenceNet)
        parameters, ctx = net.collect_params(), contexts(self.model_ctx, self.data_ctx)[0]
        if parameters.list_ctx() != [ctx]:  # which would copy them
            parameters.reset_ctx(ctx)
        net.hybridize(static_alloc=isinstance(net, EncoderNet))
        return net

    @cached_property
    def _encoder(self) -> PatchEncoder | WindowEncoder:
        model_ctx, data_ctx = contexts(self.model_ctx, self.data_ctx)
        return sound_encoder(
            self._net,
            self._loaded.features,
            model_ctx=model_ctx,
            data_ctx=data_ctx,
            labels=self.labels,
            multi_label=self._loaded.multi_label,
            reduces=self._choice[1],
        )

    @property
    def _source(self) -> Any:
        """The argument `source`, or `pretrained_model_name_or_path`."""
        other = self.pretrained_model_name_or_path
        if other is not None and self.source not in (None, other):
            raise ParameterError(f"source must be left out with pretrained_model_name_or_path, got {self.source!r}")
        return self.source if other is None else other

    @property
    def _choice(self) -> tuple[str, bool]:
        """Name of the network's embedding, and whether its sequences are reduced to it."""
        record, name = self.record, self.embedding
        if self.layer is not None or self.reduce_output != DEFAULT:
            if name is not None:
                raise ParameterError(f"embedding must be left out with layer and reduce_output, got {name!r}")
            reduction = record.embedding if self.reduce_output == DEFAULT else self.reduce_output
            reduction = SEQUENCE if reduction is None else reduction
            name = reduction if self.layer is None else f"{self.layer}:{reduction}"
        if name is None:
            return record.embedding, True
        reduces = not (isinstance(name, str) and record.reductions and name.rpartition(":")[2] == SEQUENCE)
        if not reduces:
            name = name.removesuffix(SEQUENCE) + record.embedding
        return record.check_embedding(name, f"embedding of {record.name}"), reduces

    @property
    def record(self) -> weights.Record:
        """Facts about the published weights: domain, licence, citation, …"""
        return self._loaded.record

    @property
    def loaded(self) -> weights.Loaded:
        """The published weights."""
        return self._loaded

    @property
    def net(self) -> EncoderNet | SequenceNet:
        """The network."""
        return self._net

    @property
    def labels(self) -> list[str]:
        """Published tags, in the order of the scores; empty if the encoder has none."""
        return self._loaded.labels

    @property
    def ignored(self) -> list[str]:
        """Names of published tensors that only training needs; they were not loaded."""
        return self._loaded.ignored

    @property
    def feature_config(self) -> AudioFeatureConfig:
        """Configuration of the features of one input of the network."""
        return self._encoder.config

    @property
    def window(self) -> float | None:
        """Length of the windows [s] that the network takes at once; None if it takes patches of one length."""
        return self._encoder.window if isinstance(self._encoder, WindowEncoder) else None

    @property
    def embedding_dim(self) -> int:
        """Length of a vector."""
        net, (name, reduces) = self.net, self._choice
        if isinstance(net, EncoderNet):
            return self.record.embeddings[name]
        return net.dim * (net.fixed_steps or 1) if net.reduction == "concat" and reduces else net.dim

    @property
    def embedding_name(self) -> str:
        """Name of the embedding: what `embedding` has to be for an equal encoder."""
        name, reduces = self._choice
        return name if reduces else name.removesuffix(self.record.embedding) + SEQUENCE

    @property
    def origin(self) -> tuple[str | None, str | None]:
        """File or folder of the weights, if `source` was given; or their name and commit on the Hugging Face hub."""
        if self.record.repository and self._loaded.revision is not None:
            return self._loaded.source, self._loaded.revision
        source = self._source
        return None if source is None else str(path_argument("source", source).absolute()), None

    @property
    def model_id(self) -> str:
        """Identity of the vectors: it changes with the weights, the network's settings, the layer and the features."""
        name, net, hashes = self.embedding_name, self.net, " ".join(file.sha256 for file in self.record.files)
        if not self.use_pretrained:
            hashes = self._loaded.identity
        if isinstance(net, SequenceNet):
            # Without defaults: a setting that a later version reads, too, does not change the identity of all others.
            settings = "" if net.architecture is None else net.architecture.model_dump_json(exclude_defaults=True)
            hashes = f"{self._loaded.identity} {net.window:g} {settings}"
            name = f"{net.layer}:{name.rpartition(':')[2]}"
        identity = f"{self.record.name} {name} {self.feature_config.key()} {hashes}"
        return hashlib.sha256(identity.encode()).hexdigest()[:16]

    def encode_audio(self, path: AudioSource, *, channel: str | int = "mix") -> np.ndarray:
        """Compute the vector of one sound of any length.

        Parameters
        ----------
        path : str or os.PathLike or binary file or bytes or (np.ndarray, rate)
            Sound, as `mxnet_audio.audio.load` takes it. All of it counts; it is read as a stream.
        channel : {'mix', 'left', 'right'} or int >= 0
            Channel to use; 'mix' is the average of all.

        Returns
        -------
        np.ndarray [shape=(dim,)], float32

        Raises
        ------
        AudioDecodeError, InvalidAudioError
            If the sound cannot be used.
        ModelError
            If the weights cannot be loaded.
        ParameterError
            If the encoder has sequences only, since `reduce_output` is None.
        """
        (encoding,) = self.encode_many([path], channel=check_channel(channel))
        if encoding.error is not None:
            raise encoding.error
        assert encoding.vector is not None
        return encoding.vector

    def encode_many(
        self, paths: AudioSources, batch_size: int | None = None, *, channel: str | int = "mix"
    ) -> Iterator[Encoding]:
        """Compute the vectors of many sounds, in order.

        Parameters
        ----------
        paths : iterable
            Sounds, each as in `encode_audio`; or a single path.
        batch_size : int > 0, optional
            Number of patches, or windows, in one pass of the network; by default those of half a minute.
        channel : {'mix', 'left', 'right', 'each'} or int >= 0
            Channel of each sound to use: 'mix' is the average of all, 'each' makes every channel a sound of its own,
            named as `mxnet_audio.audio.channel_sources` names it.

        Yields
        ------
        Encoding
            One for each sound; if it cannot be used, `error` holds the reason.

        Raises
        ------
        ModelError
            If the weights cannot be loaded.
        ParameterError
            If `batch_size` is below 1, `paths` is not iterable, or the encoder has sequences only.
        """
        for path, _, vector, error in self.forward_many(paths, batch_size, channel=channel):
            yield Encoding(path, vector, error)

    def forward_many(
        self, paths: AudioSources, batch_size: int | None = None, *, channel: str | int = "mix"
    ) -> Iterator[Output]:
        """Compute tag scores and vectors of many sounds; parameters and errors as in `encode_many`.

        Yields
        ------
        Output
            ``(path, scores, vector, error)``. The scores are means over the patches or windows, between 0 and 1. Where
            "Silence" is a tag, they count by 1 minus their score of it, and its score is the lowest among them.
        """
        if not self._choice[1]:
            raise ParameterError(
                "reduce_output must be a reduction, such as 'mean', for one vector for a sound, got "
                "None: encode_frames gives the whole sequence"
            )
        sources = channel_sources(as_list(paths), channel)
        for source, vector, scores, error in self._encoder.encode_many(sources, batch_size):
            yield Output(source_name(source), scores, vector, error)

    def encode_frames(self, path: AudioSource, *, channel: str | int = "mix") -> tuple[np.ndarray, np.ndarray]:
        """Compute the vectors of one sound in the course of time; parameters and errors as in `encode_audio`.

        They are those of consecutive patches; or of the steps of the network's sequences, such as one for every 20 ms
        of wav2vec2; or, if the steps have no position in time, of windows.

        Returns
        -------
        vectors : np.ndarray [shape=(n, dim)], float32
            Vectors before they are pooled.
        times : np.ndarray [shape=(n, 2)], seconds
            Start and end of the sound that each vector represents.
        """
        frames = self._encoder.encode_frames(*channel_sources([path], check_channel(channel)))
        return frames.vectors, frames.times

    def iter_frames(self, path: AudioSource, *, channel: str | int = "mix") -> Iterator[Frames]:
        """Yield vectors, times and tag scores of one sound, as `encode_frames`, in constant memory.

        Parameters and errors as in `encode_audio`. Steps of sequences have no scores.
        """
        return self._encoder.iter_frames(*channel_sources([path], check_channel(channel)))

    def iter_windows(
        self, path: AudioSource, window: float | None = None, hop: float | None = None, *, channel: str | int = "mix"
    ) -> Iterator[Frames]:
        """Yield vectors, times and tag scores of windows of one sound, each of which is an input of its own.

        Memory is constant. Parameters and errors as in `encode_audio`, and:

        Parameters
        ----------
        window : float > 0 [s], optional
            Length of a window; `AudioEncoder.window` by default, and at most.
        hop : float > 0 [s], optional
            Time from the start of a window to that of the next, at most `window`, which is the default.

        Raises
        ------
        ParameterError
            If `window` or `hop` is out of range, or the network takes patches of one length, see `iter_frames`.
        """
        if not isinstance(self._encoder, WindowEncoder):
            raise ParameterError(f"{self.record.name} takes patches of one length: call iter_frames")
        (source,) = channel_sources([path], check_channel(channel))
        return self._encoder.iter_windows(source, window, hop)

    def fit(self, X: Any = None, y: Any = None) -> AudioEncoder:
        """Load the weights; nothing is trained.

        Parameters
        ----------
        X, y : Any
            Ignored.

        Returns
        -------
        AudioEncoder
            This encoder.
        """
        self._encoder  # noqa: B018
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Compute the vectors of sounds.

        Parameters
        ----------
        X : array-like of paths, or of other sounds as in `encode_audio`
            A column of a table is accepted, too.

        Returns
        -------
        np.ndarray [shape=(n, dim)], float32

        Raises
        ------
        AudioError
            If a sound cannot be used; `encode_many` goes on instead.
        ParameterError
            If `X` holds several columns.
        """
        vectors: list[Any] = []
        for encoding in self.encode_many(_column(X)):
            if encoding.error is not None:
                raise encoding.error
            vectors.append(encoding.vector)
        return np.stack(vectors) if vectors else np.empty((0, self.embedding_dim), np.float32)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns of `transform`: name of the encoder and number of the value."""
        return np.array([f"{self.record.name}{index}" for index in range(self.embedding_dim)], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array, tags.input_tags.string = False, True
        return tags


def load_encoder(
    name: str = "auto",
    *,
    embedding: str | None = None,
    reduce_output: str | None = DEFAULT,
    layer: int | str | None = None,
    source: Any = None,
    pretrained_model_name_or_path: Any = None,
    revision: str | None = None,
    use_pretrained: bool = True,
    model_ctx: mx.Context | None = None,
    data_ctx: mx.Context | None = None,
) -> AudioEncoder:
    """Load a pretrained encoder.

    Parameters
    ----------
    name, embedding, reduce_output, layer, source, pretrained_model_name_or_path, revision, use_pretrained, model_ctx, \
data_ctx
        As for `AudioEncoder`.

    Returns
    -------
    AudioEncoder

    Raises
    ------
    ModelError
        If the weights are missing here and cannot be downloaded, or are damaged or of another network.
    ParameterError
        If there is no such encoder, embedding or device.

    Examples
    --------
    >>> encoder = load_encoder("yamnet")              # doctest: +SKIP
    >>> encoder.encode_audio("clip.wav").shape        # doctest: +SKIP
    (1024,)
    """
    return AudioEncoder(
        name,
        embedding=embedding,
        reduce_output=reduce_output,
        layer=layer,
        source=source,
        pretrained_model_name_or_path=pretrained_model_name_or_path,
        revision=revision,
        use_pretrained=use_pretrained,
        model_ctx=model_ctx,
        data_ctx=data_ctx,
    ).fit()


def stored_source(name: str, source: str | None, revision: str | None, mend: str) -> str | None:
    """Return the argument `source` that loads weights again, given their `AudioEncoder.origin`.

    Weights that a record names may be found elsewhere if they were moved, since all sources hold the same bytes. The
    message says by `mend` how to give other weights, which can be anyone's.

    Raises
    ------
    ModelError
        If the folder of other weights is missing.
    ParameterError
        If there is no such encoder.
    """
    record = weights.record(name)
    if source is None or revision is not None or Path(source).exists():
        return source
    if not record.repository:
        return None
    raise ModelError(f"missing, but the {name} model was here: {mend}", source)


def _load_weights(name: str, source: Any, revision: str | None) -> weights.Loaded:
    """Load published weights by name; for 'auto' those of the first encoder that can be had."""
    if check_name("name", name, "auto") != "auto":
        return weights.load(name, source, revision=revision)
    if source is not None or revision is not None:
        advice = "" if source is None else f": {call_with_type(source)}"
        raise ParameterError(f"name must be the type of the model if source or revision is given, got 'auto'{advice}")
    failures = []
    for candidate in AUTO:
        try:
            return weights.load(candidate)
        except ModelError as error:
            log.info("%s is not at hand: %s", candidate, str(error).partition("\n")[0])
            failures.append(str(error))
    raise ModelError("\n".join(["no encoder is at hand:", *failures]))


def _column(values: Any) -> Any:
    """Return the items of a list, or of a table or an array with one column."""
    array = values.to_numpy() if hasattr(values, "to_numpy") else values
    if isinstance(array, np.ndarray) and array.ndim == 2:
        if array.shape[1] != 1:
            raise ParameterError(f"X must be one column of paths, got shape {array.shape}")
        return array[:, 0]
    return array
