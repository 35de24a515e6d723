"""Classifier for the .onnx files that `mxnet_audio.library.export.export_onnx` writes; needs no MXNet.

Packages needed beside this one:

- samples in, from a file with a front end: ``onnxruntime numpy lazy_loader``
- sound files as well: ``soundfile soxr`` (and ``av`` or ``audioread`` for formats that libsndfile does not read)
- a file without a front end: ``scipy librosa pydantic pyyaml safetensors platformdirs`` as well

On CPython 3.13 and later, where MXNet does not run, ``pip install '.[runtime]'`` in a clone installs all of it without
MXNet. On 3.10 to 3.12 that command installs MXNet, too; ``pip install --no-deps .`` does not.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mxnet_audio import audio
from mxnet_audio.atomic import contents
from mxnet_audio.audio.source import naming_errors, source_name
from mxnet_audio.audio.spans import load_used
from mxnet_audio.checks import path_argument
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.inference.known_sounds import KnownSounds, from_text
from mxnet_audio.inference.missing_packages import naming_missing_packages
from mxnet_audio.inference.onnx_session import OnnxSession
from mxnet_audio.inference.predictor import AudioSource, Predictor

if TYPE_CHECKING:  # needs more packages than running a model does
    from mxnet_audio.features import AudioFeatureConfig

__all__ = ["OnnxAudioClassifier"]

_LARGEST = 2 << 30  # [bytes], of a file: Protocol Buffers' limit


class OnnxAudioClassifier(Predictor):
    """Label sound, and compute embeddings, with an exported network: `AudioClassifier` without MXNet.

    It can be pickled and copied.

    Parameters
    ----------
    path : str or os.PathLike
        File that `export_onnx` wrote.
    providers : sequence of str, optional
        Execution providers of ONNX Runtime, the first choice first; the CPU by default.
    threads : int > 0, optional
        Number of threads of the network; chosen by ONNX Runtime by default.

    Raises
    ------
    ModelError
        If the file is missing, damaged, of another tool or of a newer format, or ONNX Runtime is not installed.
    ParameterError
        If `path` is not a path, ONNX Runtime lacks a provider, or `threads` is below 1.

    Attributes
    ----------
    model_path : pathlib.Path
        The file.
    description : Description
        Metadata of the file.

    Examples
    --------
    >>> from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier     # doctest: +SKIP
    >>> classifier = OnnxAudioClassifier('songs.onnx')          # doctest: +SKIP
    >>> classifier.predict_class('new.mp3')                     # doctest: +SKIP
    'jazz'
    """

    def __init__(self, path: str | os.PathLike, providers: Sequence[str] | None = None, threads: int | None = None):
        path = path_argument("path", path)
        with naming_errors(path):
            try:
                data = contents(path, _LARGEST)
            except OSError as error:
                raise ModelError(f"cannot be read ({error.strerror})") from error
            self._open(data, providers, threads, path.absolute())

    def _open(self, data: bytes, providers: Sequence[str] | None, threads: int | None, model_path: Path) -> None:
        self._session = OnnxSession(data, providers, threads)
        self.description = self._session.description
        self.model_path = model_path
        self._state = {"data": data, "providers": providers, "threads": threads, "model_path": model_path}

    def __getstate__(self) -> dict[str, Any]:
        """Return the bytes of the file, and how to run it."""
        return self._state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the file again."""
        self._open(**state)

    def __repr__(self) -> str:
        """Return one line with the network, the number of classes and the identity of the embeddings."""
        return f"OnnxAudioClassifier(network={self.network!r}, classes={len(self.labels)}, model_id={self.model_id!r})"

    @property
    def network(self) -> str:
        """Name of the network."""
        return self.description.network

    @property
    def labels(self) -> list[int | str]:
        """Classes, in the order of the probabilities."""
        return self.description.labels

    @cached_property
    def feature_config(self) -> AudioFeatureConfig:
        """Configuration of the features that the network takes."""
        with naming_missing_packages():
            from mxnet_audio.features import AudioFeatureConfig

        try:
            return AudioFeatureConfig(**self.description.features)
        except ParameterError as error:
            raise ModelError(f"damaged: its features are invalid: {error.reason}", self.model_path) from error

    @cached_property
    def known_sounds(self) -> KnownSounds:
        """Description of the sounds that the model knows; ModelError if it has none."""
        return super().known_sounds if self.description.known is None else from_text(self.description.known)

    @property
    def views(self) -> int | None:
        """Number of parts, or shifts, of a sound that outputs are averaged over; None for as many as cover it."""
        return self.description.views

    @property
    def model_id(self) -> str:
        """Identity of the embeddings: that of the classifier that was exported."""
        return self.description.model_id

    @property
    def embedding_dim(self) -> int:
        """Length of an embedding."""
        return self._session.embedding_dim

    @property
    def _input_length(self) -> tuple[int, int]:
        return self.description.sr, self.description.n_samples

    def _input(self, source: AudioSource) -> np.ndarray:
        description = self.description
        if not description.front_end:
            return super()._input(source)
        # Samples [shape=(n_samples,)], read as `features.load_features` reads them.
        with naming_errors(source_name(source)):
            used = {"used" if description.crop == "start" else "middle": description.n_samples}
            y, _ = load_used(source, description.sr, reach=description.reach, **used)
        return self._inputs(y)

    def _inputs(self, y: np.ndarray) -> np.ndarray:
        description = self.description
        if not description.front_end:
            return super()._inputs(y)
        n_samples = description.n_samples
        return audio.fit_length(y if description.crop == "middle" else y[..., :n_samples], n_samples)

    def _forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with naming_errors(self.model_path):
            return self._session.run(x)
