"""Trained classifiers without MXNet: the .onnx files that `mxnet_audio.library.export.export_onnx` writes.

What is needed beside this package, by use:

- samples in, from a file with a front end: ``onnxruntime numpy lazy_loader``
- sound files as well: ``soundfile soxr`` (and ``av`` or ``audioread`` for what libsndfile does not read)
- a file without a front end: ``scipy librosa pydantic pyyaml safetensors platformdirs`` as well

On CPython 3.13 and later, where MXNet does not run, ``pip install 'mxnet-audio[runtime]'`` brings all of it, and no
MXNet. On 3.10 to 3.12 MXNet comes along with that; it stays away with ``pip install --no-deps mxnet-audio``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mxnet_audio import audio
from mxnet_audio.audio.source import naming_errors, source_name
from mxnet_audio.errors import InvalidAudioError, ModelError
from mxnet_audio.inference.onnx_metadata import PRODUCER, Description, ours, sealed
from mxnet_audio.inference.predictor import Predictor

if TYPE_CHECKING:  # which needs more than running does
    from onnxruntime import InferenceSession

    from mxnet_audio.features import AudioFeatureConfig
    from mxnet_audio.inference.results import TimedPrediction
    from mxnet_audio.metrics import ClassificationReport

__all__ = ["OnnxAudioClassifier"]


class OnnxAudioClassifier(Predictor):
    """Label sound, and turn it into vectors, with an exported network; `AudioClassifier` without MXNet.

    Parameters
    ----------
    path : str or os.PathLike
        What `export_onnx` wrote.
    providers : sequence of str, optional
        Where ONNX Runtime computes, the first choice first; the CPU by default.
    threads : int > 0, optional
        Threads of the network; ONNX Runtime's own choice by default.

    Raises
    ------
    ModelError
        The file is missing, damaged, of another tool or a newer format, or ONNX Runtime or a provider is not there.

    Attributes
    ----------
    description : Description
        What the file says of itself.

    Examples
    --------
    >>> from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier     # doctest: +SKIP
    >>> classifier = OnnxAudioClassifier('songs.onnx')          # doctest: +SKIP
    >>> classifier.predict_class('new.mp3')                     # doctest: +SKIP
    'jazz'
    """

    def __init__(self, path: str | os.PathLike, providers: Sequence[str] | None = None, threads: int | None = None):
        with naming_errors(path):
            try:
                data = Path(path).read_bytes()
            except OSError as error:
                raise ModelError(f"cannot be read ({error.strerror})") from error
            self._session = _session(data, providers, threads)
            self.description = Description.of(self._session.get_modelmeta().custom_metadata_map)
            if not sealed(data):
                raise ModelError("damaged, or changed since: its SHA-256 is not the one that it names")

    @property
    def network(self) -> str:
        """Name of the network."""
        return self.description.network

    @property
    def labels(self) -> list[int | str]:
        """The classes, in the order in which probabilities are given."""
        return self.description.labels

    @cached_property
    def feature_config(self) -> AudioFeatureConfig:
        """How sound becomes the network's input."""
        with _missing_named():
            from mxnet_audio.features import AudioFeatureConfig

        return AudioFeatureConfig(**self.description.features)

    @property
    def views(self) -> int:
        """Windows, or shifts, of a sound that predictions and vectors are averaged over."""
        return self.description.views

    @property
    def model_id(self) -> str:
        """Identity of the vectors: that of the classifier that was exported."""
        return self.description.model_id

    @property
    def embedding_dim(self) -> int:
        """Length of a vector."""
        return self._session.get_outputs()[1].shape[1]

    @property
    def _input_length(self) -> tuple[int, int]:
        return self.description.sr, self.description.n_samples

    def predict_timeline(self, path, window: float | None = None, hop: float | None = None) -> list[TimedPrediction]:
        """Label a long file stretch by stretch; see `AudioClassifier.predict_timeline`."""
        with _missing_named():
            return super().predict_timeline(path, window, hop)

    def _reader(self) -> Callable[[Any], np.ndarray]:
        if self.description.front_end:
            return self._samples
        from mxnet_audio.features import as_image, load_features

        config = self.feature_config  # now, and not in each thread
        return lambda source: as_image(load_features(source, config), config.time_axis)

    def _samples(self, source: Any) -> np.ndarray:
        """Samples [shape=(n_samples,)] of a sound, as `features.load_features` takes them."""
        said = self.description
        with naming_errors(source_name(source)):
            if hasattr(source, "read") and not (hasattr(source, "seekable") and source.seekable()):
                source = source.read()  # it may be looked at twice
            y, _ = audio.load(source, sr=said.sr, duration=said.reach)
            try:
                audio.valid_audio(y if said.reach is None else y[: said.n_samples], allow_silence=False)
            except InvalidAudioError:
                if said.reach is None:
                    raise
                # Its beginning is silent; is all of it?
                audio.valid_audio(audio.load(source, sr=said.sr)[0], allow_silence=False)
        return self._inputs(y)

    def _inputs(self, y: np.ndarray) -> np.ndarray:
        said = self.description
        if said.front_end:
            return audio.fit_length(y if said.crop == "middle" else y[..., : said.n_samples], said.n_samples)
        from mxnet_audio.features import as_image, extract

        return as_image(extract(y, said.sr, self.feature_config), self.feature_config.time_axis)

    def _forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        name = "samples" if self.description.front_end else "features"
        x = np.ascontiguousarray(x, dtype=np.float32)
        probabilities, vectors = self._session.run(["probabilities", "embedding"], {name: x})
        return probabilities, vectors

    def _outputs(self, paths, batch_size: int) -> Iterator[tuple]:
        with _missing_named():
            yield from super()._outputs(paths, batch_size)

    def _compared(self, pairs, answers) -> ClassificationReport:
        with _missing_named():
            return super()._compared(pairs, answers)


@contextlib.contextmanager
def _missing_named() -> Iterator[None]:
    """A package that is not there is named, with how to get it."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        package = {"yaml": "pyyaml", "sklearn": "scikit-learn"}.get(name, name)
        raise ModelError(f"this needs {package}, which is not installed: pip install {package}") from error


def _session(data: bytes, providers: Sequence[str] | None, threads: int | None) -> InferenceSession:
    """What runs a file of ours."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError("to run it, pip install onnxruntime") from error
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise ModelError(f"threads is 1 or more, not {threads!r}")
    providers = [providers] if isinstance(providers, str) else list(providers or ["CPUExecutionProvider"])
    known = onnxruntime.get_available_providers()
    if unknown := [provider for provider in providers if provider not in known]:
        raise ModelError(f"ONNX Runtime has no {', '.join(unknown)} here; there are {', '.join(known)}")
    if not data:
        raise ModelError("damaged: it is empty")
    if not ours(data):  # before it is run: of another's file ONNX Runtime may say anything
        raise ModelError(f"not an .onnx file that {PRODUCER} has written")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; it has opinions on many graphs
    options.intra_op_num_threads = threads or 0
    try:
        return onnxruntime.InferenceSession(data, options, providers=providers)
    except Exception as error:  # of many kinds, with nothing in common
        raise ModelError(f"damaged, or cut off ({' '.join(str(error).split())})") from error
