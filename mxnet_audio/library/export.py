"""Export of a trained network to one .onnx file; see `mxnet_audio.inference.onnx_classifier`, which runs it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import mxnet_audio
from mxnet_audio import features, nn
from mxnet_audio.atomic import replacing
from mxnet_audio.checks import path_argument
from mxnet_audio.engine import gluon, mx
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference.known_sounds import KnownSounds, to_text
from mxnet_audio.inference.onnx_metadata import PRODUCER, Description, checksum_entry
from mxnet_audio.inference.predictor import input_length
from mxnet_audio.library.trained_model import TrainedModel
from mxnet_audio.models import EncoderNet

__all__ = ["TOLERANCE", "export_onnx", "exported_id"]

OPSET, IR = 13, 7  # operators that MXNet 1.9.1 writes, and the version of the format released with them
TOLERANCE = 1e-4  # of probabilities, and of embeddings relative to their peak
_ENCODER_BLOCKS = {"yamnet": nn.YamnetMel, "musicnn": nn.MusicnnMel}


def export_onnx(model: TrainedModel, path: str | os.PathLike, *, front_end: bool = False) -> None:
    """Write a trained network as one ONNX file that contains everything needed to use it.

    The graph takes ``features`` [shape=(batch, 1, bands, frames)], or with `front_end` ``samples``
    [shape=(batch, n)] at the rate of the features, in batches of any size. It returns ``probabilities``
    [shape=(batch, classes)] and ``embedding`` [shape=(batch, dim)]. Labels, feature configuration, the identity of the
    embeddings, and what is needed to tell unknown sounds, are in the file's metadata. Before the file is put in place,
    it is checked by onnx and, if ONNX Runtime is installed, run and compared with MXNet (tolerance 1e-4).

    The file takes inputs of one length: the middle of longer sound, and shorter sound padded with silence. The
    classifier on a pretrained encoder takes all of a sound instead, and nothing else. So the results differ for sound
    of other lengths, and the file has a `model_id` of its own: indexes do not mix the embeddings of both.

    Parameters
    ----------
    model : TrainedModel
        Model of a classifier that was trained or loaded: ``classifier.model``.
    path : str or os.PathLike
        File to write; an existing file is replaced.
    front_end : bool
        Compute the features in the graph: for mel types, MFCC without deltas or lifter, those of YAMNet and musicnn,
        and raw samples.

    Raises
    ------
    ModelError
        If the extra ``[onnx]`` is not installed, or the file cannot be written.
    ParameterError
        If `path` is not a path, or a directory, or the features cannot be computed in the graph; or for the encoder
        resemblyzer, which raises the level of quiet sound.

    See Also
    --------
    mxnet_audio.inference.onnx_classifier.OnnxAudioClassifier : runs the file without MXNet.

    Examples
    --------
    >>> from mxnet_audio.library.export import export_onnx            # doctest: +SKIP
    >>> export_onnx(classifier.model, 'songs.onnx', front_end=True)   # doctest: +SKIP
    """
    if path_argument("path", path).is_dir():
        raise ParameterError("path must be the name of a file, got a directory", path)
    config = model.feature_config
    if getattr(model.net, "min_level", None) is not None:
        raise ParameterError(f"model must take sound at its own level; {model.network} raises that of quiet sound")
    front = _front_end(config) if front_end else None
    try:
        with _quiet_exporter(), replacing(path) as temporary:
            _write(model, front, temporary)
            if importlib.util.find_spec("onnxruntime") is not None:
                _compare(model, temporary, front_end)
    except OSError as error:
        raise ModelError(f"cannot be written ({error.strerror})", path) from error


def exported_id(model: TrainedModel) -> str:
    """Return the identity of the embeddings of an exported model: its own for a network on an encoder."""
    if not isinstance(model.net, EncoderNet):
        return model.id
    return hashlib.sha256(f"{model.id} {model.net.input_shape}".encode()).hexdigest()[:16]


def _write(model: TrainedModel, front: gluon.HybridBlock | None, path: Path) -> None:
    try:
        import onnx
        import onnx.mapping  # imported by MXNet's exporter, and removed in onnx 1.18
    except ImportError as error:
        raise ModelError("to write ONNX, pip install 'onnx<1.18'") from error

    config, net = model.feature_config, model.net
    sr, n_samples = input_length(config)
    name, shape = ("features", net.input_shape) if front is None else ("samples", (n_samples,))
    x = mx.sym.var(name)
    scores, embedding = net(x if front is None else front(x))
    outputs = [mx.sym.softmax(scores, name="probabilities"), mx.sym.identity(embedding, name="embedding")]
    mx.nd.waitall()  # MXNet may still be rearranging weights, see `training.get_parameters`
    parameters = {**net.collect_params(), **({} if front is None else front.collect_params())}
    mx.onnx.export_model(
        mx.sym.Group(outputs),
        {key: parameter.data(parameter.list_ctx()[0]) for key, parameter in parameters.items()},
        [(1, *shape)],
        np.float32,
        str(path),
        dynamic=True,
        dynamic_input_shapes=[("batch", *shape)],
    )
    exported = onnx.load(path)
    exported.ir_version, exported.opset_import[0].version = IR, OPSET  # not the newest of this onnx
    exported.producer_name, exported.producer_version = PRODUCER, mxnet_audio.__version__
    takes = next(entry for entry in exported.graph.input if entry.name == name)
    del exported.graph.input[:]  # lists weights too, which runtimes would then not treat as constants
    exported.graph.input.append(takes)
    widths = {"probabilities": net.classes, "embedding": model.forward(np.zeros((1, *net.input_shape)))[1].shape[1]}
    for output in exported.graph.output:
        batch, width = output.type.tensor_type.shape.dim
        batch.dim_param, width.dim_value = "batch", widths[output.name]
    known = model.extras.get("known")
    description = Description(
        network=model.network,
        labels=model.labels,
        features=config.identity(),
        model_id=exported_id(model),
        sr=sr,
        n_samples=n_samples,
        front_end=front is not None,
        crop=config.kept_part,
        reach=config.reach,
        views=model.views,
        mxnet_audio=mxnet_audio.__version__,
        known=None if known is None else to_text(KnownSounds.from_tensors(known)),
    )
    for key, value in description.metadata().items():
        exported.metadata_props.add(key=key, value=value)
    body = exported.SerializeToString()
    path.write_bytes(body + checksum_entry(body))
    onnx.checker.check_model(str(path), full_check=True)


def _front_end(config: AudioFeatureConfig) -> gluon.HybridBlock:
    """Make the block from samples [shape=(batch, n_samples)] to features [shape=(batch, 1, bands, frames)].

    It computes what `features.extract` computes.
    """
    front = gluon.nn.HybridSequential()
    n_samples = input_length(config)[1]
    if config.type == "raw":
        if config.norm is not None or config.padding_value:
            raise ParameterError("front_end must be False for raw features with norm or padding_value")
        front.add(gluon.nn.HybridLambda(lambda F, x: F.reshape(x, shape=(0, 1, 1, n_samples))))
        return front
    if config.type not in ("mel", "log_mel", "mfcc", *_ENCODER_BLOCKS):
        raise ParameterError(f"front_end must be False for {config.type} features")
    if config.type == "mfcc" and (config.deltas or config.lifter):
        raise ParameterError("front_end must be False for mfcc features with deltas or lifter")
    if config.type in _ENCODER_BLOCKS:
        front.add(_ENCODER_BLOCKS[config.type](n_samples))
    else:
        names = ("sr", "n_fft", "hop_length", "power", "n_mels", "fmin", "fmax", "htk", "norm", "win_length", "window")
        front.add(nn.MelSpectrogram(n_samples, **{name: getattr(config, name) for name in (*names, "center")}))
    if config.type in ("log_mel", "mfcc"):
        front.add(nn.PowerToDB(config.ref, config.amin, config.top_db))
    if config.type == "mfcc":
        front.add(nn.DCT1D(config.dct_type, config.n_mels, config.dct_norm))
        front.add(gluon.nn.HybridLambda(lambda F, x: F.slice_axis(x, axis=-1, begin=0, end=config.n_mfcc)))
    front.add(gluon.nn.HybridLambda(lambda F, x: F.transpose(x, axes=(0, 1, 3, 2))))
    front.initialize()
    return front


def _compare(model: TrainedModel, path: Path, front_end: bool) -> None:
    """Run the file, and raise ModelError if its outputs differ from MXNet's."""
    from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier

    config = model.feature_config
    sr, n_samples = input_length(config)
    samples = np.random.default_rng(0).normal(0, [[0.1], [0.01]], (2, n_samples)).astype(np.float32)
    image = features.as_image(features.extract(samples, sr, config), config.time_axis)
    scores, vectors = model.forward(image)
    onnx_scores, onnx_vectors = OnnxAudioClassifier(path).forward((samples if front_end else image)[:, np.newaxis])
    off = max(np.abs(onnx_scores - scores).max(), np.abs(onnx_vectors - vectors).max() / (np.abs(vectors).max() or 1))
    if not off <= TOLERANCE:
        raise ModelError(f"not exported: ONNX Runtime's results differ from MXNet's by {off:.2g}")


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep MXNet's exporter from warning about its own imports and from setting up the root logger."""
    root, silent = logging.getLogger(), logging.NullHandler()
    root.addHandler(silent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        root.removeHandler(silent)
