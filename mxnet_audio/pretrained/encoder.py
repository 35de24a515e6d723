"""Pretrained encoders by name, with the interface of a scikit-learn transformer."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from mxnet_audio import weights
from mxnet_audio.audio.channel import channel_sources, check_channel
from mxnet_audio.audio.source import source_name
from mxnet_audio.checks import one_of
from mxnet_audio.engine import contexts, mx
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference.predictor import AudioSource, AudioSources, as_list
from mxnet_audio.inference.results import Encoding, Output
from mxnet_audio.models import EncoderNet, get_model
from mxnet_audio.pretrained.patch_encoder import Frames, PatchEncoder

__all__ = ["AUTO", "AudioEncoder", "load_encoder"]

log = logging.getLogger(__name__)

SILENCE = "Silence"  # tag of AudioSet
LOADED = ("_loaded", "_encoder")  # attributes of an encoder that are computed from its parameters
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
        Layer and pooling of the vectors, one of the encoder's ``embeddings``; its first by default.
    source : str or os.PathLike, optional
        File or folder of the published weights; by default they are looked for as `mxnet_audio.weights.find` does.
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
        source: Any = None,
        model_ctx: mx.Context | None = None,
        data_ctx: mx.Context | None = None,
    ):
        self.name = name
        self.embedding = embedding
        self.source = source
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
        return _load_weights(self.name, self.source)

    @cached_property
    def _encoder(self) -> PatchEncoder:
        model_ctx, data_ctx = contexts(self.model_ctx, self.data_ctx)
        net = get_model(self.record.network, embedding=self._embedding_name, pretrained=self._loaded)
        net.collect_params().reset_ctx(model_ctx)
        net.hybridize(static_alloc=True)
        silence = self.labels.index(SILENCE) if SILENCE in self.labels else None
        return PatchEncoder(net, model_ctx=model_ctx, data_ctx=data_ctx, silence=silence)

    @property
    def _embedding_name(self) -> str:
        record = self.record
        name = record.embedding if self.embedding is None else self.embedding
        return one_of(f"embedding of {record.name}", name, tuple(record.embeddings))

    @property
    def record(self) -> weights.Record:
        """Facts about the published weights: domain, licence, citation, …"""
        return self._loaded.record

    @property
    def net(self) -> EncoderNet:
        """The network."""
        return self._encoder.net

    @property
    def labels(self) -> list[str]:
        """Published tags, in the order of the scores; empty if the encoder has none."""
        return self._loaded.labels

    @property
    def feature_config(self) -> AudioFeatureConfig:
        """Configuration of the features of one patch."""
        return self._encoder.config

    @property
    def embedding_dim(self) -> int:
        """Length of a vector."""
        return self.record.embeddings[self._embedding_name]

    @property
    def model_id(self) -> str:
        """Identity of the vectors: it changes with the weights, the layer and the features."""
        hashes = " ".join(file.sha256 for file in self.record.files)
        identity = f"{self.record.name} {self._embedding_name} {self.feature_config.key()} {hashes}"
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
            Number of patches in one pass of the network; by default those of half a minute.
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
            If `batch_size` is below 1, or `paths` is not iterable.
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
            ``(path, scores, vector, error)``. The scores are means over the patches, between 0 and 1. Where "Silence"
            is a tag, patches count by 1 minus their score of it, and its score is the lowest among the patches.
        """
        sources = channel_sources(as_list(paths), channel)
        for source, vector, scores, error in self._encoder.encode_many(sources, batch_size):
            yield Output(source_name(source), scores, vector, error)

    def encode_frames(self, path: AudioSource, *, channel: str | int = "mix") -> tuple[np.ndarray, np.ndarray]:
        """Compute the vectors of consecutive patches of one sound; parameters and errors as in `encode_audio`.

        Returns
        -------
        vectors : np.ndarray [shape=(patches, dim)], float32
            Vector of each patch, before pooling.
        times : np.ndarray [shape=(patches, 2)], seconds
            Start and end of each patch.
        """
        frames = self._encoder.encode_frames(*channel_sources([path], check_channel(channel)))
        return frames.vectors, frames.times

    def iter_frames(self, path: AudioSource, *, channel: str | int = "mix") -> Iterator[Frames]:
        """Yield vectors, times and tag scores of the patches of one sound, in constant memory.

        Parameters and errors as in `encode_audio`.
        """
        return self._encoder.iter_frames(*channel_sources([path], check_channel(channel)))

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
    source: Any = None,
    model_ctx: mx.Context | None = None,
    data_ctx: mx.Context | None = None,
) -> AudioEncoder:
    """Load a pretrained encoder.

    Parameters
    ----------
    name, embedding, source, model_ctx, data_ctx
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
    return AudioEncoder(name, embedding=embedding, source=source, model_ctx=model_ctx, data_ctx=data_ctx).fit()


def _load_weights(name: str, source: Any) -> weights.Loaded:
    """Load published weights by name; for 'auto' those of the first encoder that can be had."""
    if one_of("name", name, ("auto", *weights.names())) != "auto":
        return weights.load(name, source)
    if source is not None:
        raise ParameterError("name must be that of an encoder if source is given, got 'auto'")
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
