"""Export of a network to one .onnx file; see `mxnet_audio.inference.onnx_classifier`, which runs it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

import mxnet_audio
from mxnet_audio import features, nn
from mxnet_audio.atomic import replacing
from mxnet_audio.checks import path_argument
from mxnet_audio.engine import contexts, gluon, mx
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference.known_sounds import KnownSounds, to_text
from mxnet_audio.inference.onnx_file import checksum_entry
from mxnet_audio.inference.onnx_metadata import Description, Windows
from mxnet_audio.inference.onnx_session import OnnxSession
from mxnet_audio.inference.predictor import input_length
from mxnet_audio.inference.window_encoder import WindowEncoder
from mxnet_audio.library.encoder_head import dense_layers
from mxnet_audio.library.inputs import stream_features
from mxnet_audio.library.onnx_graph import GraphInput, onnx_graph
from mxnet_audio.library.trained_model import TrainedModel
from mxnet_audio.models import AudioNet, EncoderNet, SequenceNet
from mxnet_audio.pretrained import AudioEncoder
from mxnet_audio.pretrained.encoder import SEQUENCE
from mxnet_audio.pretrained.sequence_forward import SequenceForward
from mxnet_audio.pretrained.sound_encoder import sound_encoder

__all__ = ["TOLERANCE", "export_onnx", "exported_id"]

TOLERANCE = 1e-4  # of probabilities, and of embeddings relative to their peak
_ENCODER_BLOCKS = {"yamnet": nn.YamnetMel, "musicnn": nn.MusicnnMel}
_NO_FRONT_END = "front_end must be False (leave --front-end out)"
_FEW_FRAMES = 64  # more than the smallest input has, in the comparison of the file with MXNet

# From inputs and their lengths to probabilities, if the network has classes, and embeddings.
_Forward: TypeAlias = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray | None, np.ndarray]]


class _Exported(NamedTuple):
    """Network to export, with a block before it, the function of its scores, its description, and its results."""

    net: AudioNet
    front: gluon.HybridBlock | None
    activation: str
    description: Description
    forward: _Forward


def export_onnx(model: TrainedModel | AudioEncoder, path: str | os.PathLike, *, front_end: bool = False) -> None:
    """Write a network as one ONNX file that contains everything needed to use it.

    The graph takes ``features`` [shape=(batch, 1, bands, frames)], or with `front_end` ``samples``
    [shape=(batch, n)] at the rate of the features, in batches of any size. It returns ``probabilities``
    [shape=(batch, classes)] and ``embedding`` [shape=(batch, dim)]. Labels, their thresholds if clips can have several,
    feature configuration, the identity of the embeddings, and what is needed to tell unknown sounds, are in the file's
    metadata. Before the file is put in place, it is checked by onnx and, if ONNX Runtime is installed, run and compared
    with MXNet (tolerance 1e-4).

    Networks that take sound of any length, such as wav2vec2, take ``lengths`` [shape=(batch,), float32] as well: the
    number of frames, or samples, of each input, behind which it is padded; the number of frames in a batch is free, up
    to a window. `OnnxAudioClassifier` cuts longer sound, and gives the results of the classifier, or encoder, itself.
    The probabilities of an encoder are the scores of its published classes; without classes, there are none.

    Files of other networks take inputs of one length: the middle of longer sound, and shorter sound padded with
    silence. The classifier on a pretrained encoder of patches, such as yamnet, takes all of a sound instead, and
    nothing else. So the results differ for sound of other lengths, and the file has a `model_id` of its own: indexes do
    not mix the embeddings of both.

    Parameters
    ----------
    model : TrainedModel or AudioEncoder
        Model of a classifier that was trained or loaded: ``classifier.model``; or an encoder with published weights
        whose network takes sound of any length.
    path : str or os.PathLike
        File to write; an existing file is replaced.
    front_end : bool
        Compute the features in the graph: for mel types, MFCC without deltas or lifter, those of YAMNet and musicnn,
        and raw samples; not for networks that take sound of any length.

    Raises
    ------
    ModelError
        If the extra ``[onnx]`` is not installed, the parameters take more than 2 GB, or the file cannot be written.
    ParameterError
        If `path` is not a path, or a directory, or the features cannot be computed in the graph; for the encoder
        resemblyzer, which raises the level of quiet sound; or for an encoder that takes patches of one length.

    See Also
    --------
    mxnet_audio.inference.onnx_classifier.OnnxAudioClassifier : runs the file without MXNet.

    Examples
    --------
    >>> from mxnet_audio.library.export import export_onnx            # doctest: +SKIP
    >>> export_onnx(classifier.model, 'songs.onnx', front_end=True)   # doctest: +SKIP
    >>> export_onnx(load_encoder('panns_cnn14'), 'tagger.onnx')       # doctest: +SKIP
    """
    if path_argument("path", path).is_dir():
        raise ParameterError("path must be the name of a file, got a directory", path)
    exported = _of_encoder(model) if isinstance(model, AudioEncoder) else _of_classifier(model, front_end)
    if front_end and exported.front is None:
        raise ParameterError(f"{_NO_FRONT_END} for networks that take sound of any length")
    try:
        with replacing(path) as temporary:
            _write(exported, temporary)
            if importlib.util.find_spec("onnxruntime") is not None:
                _compare(exported, temporary)
    except OSError as error:
        raise ModelError(f"cannot be written ({error.strerror})", path) from error


def exported_id(model: TrainedModel) -> str:
    """Return the identity of the embeddings of an exported model: its own for a network on an encoder of patches."""
    if not isinstance(model.net, EncoderNet):
        return model.id
    return hashlib.sha256(f"{model.id} {model.net.input_shape}".encode()).hexdigest()[:16]


def _of_encoder(encoder: AudioEncoder) -> _Exported:
    net, labels, multi_label = encoder.net, list(encoder.labels), encoder.loaded.multi_label
    if not isinstance(net, SequenceNet):
        raise ParameterError(
            f"model must take sound of any length, but {encoder.record.name} takes patches: export a classifier on it"
        )
    if encoder.embedding_name.rpartition(":")[2] == SEQUENCE:
        raise ParameterError("model must compute one vector for a sound: reduce_output must be a reduction, got None")
    model_ctx, data_ctx = contexts(encoder.model_ctx, encoder.data_ctx)
    stream = sound_encoder(
        net, encoder.loaded.features, model_ctx=model_ctx, data_ctx=data_ctx, labels=labels, multi_label=multi_label
    )
    assert isinstance(stream, WindowEncoder)
    description = _description(
        encoder.record.network, labels, stream.config, encoder.model_id, _windows(net, stream, multi_label=multi_label)
    )
    return _Exported(net, None, "sigmoid" if multi_label else "softmax", description, stream.forward)


def _of_classifier(model: TrainedModel, front_end: bool) -> _Exported:
    net, config = model.net, model.feature_config
    if getattr(net, "min_level", None) is not None:
        raise ParameterError(f"model must take sound at its own level; {model.network} raises that of quiet sound")
    front, windows, forward = None, None, _forward_of(model)
    if isinstance(net, SequenceNet):
        config = stream_features(net, config)
        stream = sound_encoder(net, config, model_ctx=model.model_ctx, data_ctx=model.data_ctx)
        assert isinstance(stream, WindowEncoder)
        layers = [[one.weight.name, one.bias.name] for one in dense_layers(net)]
        windows = _windows(net, stream, layers, multi_label=model.thresholds is not None)
        forward = SequenceForward(net, model.activation, model_ctx=model.model_ctx, data_ctx=model.data_ctx)
    elif front_end:
        front = _front_end(config)
    known = model.extras.get("known")
    description = _description(
        model.network,
        model.labels,
        config,
        exported_id(model),
        windows,
        front_end=front is not None,
        views=model.views,
        known=None if known is None else to_text(KnownSounds.from_tensors(known)),
        thresholds=None if model.thresholds is None else model.thresholds.tolist(),
    )
    return _Exported(net, front, model.activation, description, forward)


def _forward_of(model: TrainedModel) -> _Forward:
    return lambda x, _: model.forward(x)


def _windows(
    net: SequenceNet, stream: WindowEncoder, head: list[list[str]] | None = None, *, multi_label: bool = False
) -> Windows:
    """Describe a network that takes sound of any length."""
    return Windows(
        seconds=stream.window,
        min_input=net.min_input if net.fixed_steps is None else net.input_shape[2],
        max_input=stream.longest,
        pads=stream.pads,
        pool=stream.pool,
        silence=stream.silence,
        multi_label=multi_label,
        head=head or [],
    )


def _description(
    network: str,
    labels: list,
    config: AudioFeatureConfig,
    model_id: str,
    windows: Windows | None,
    *,
    front_end: bool = False,
    views: int | None = None,
    known: str | None = None,
    thresholds: list[float] | None = None,
) -> Description:
    if windows is None:
        sr, n_samples = input_length(config)
    else:
        assert config.sr is not None
        sr, n_samples = config.sr, round(windows.seconds * config.sr)
    return Description(
        network=network,
        labels=labels,
        features=config.identity(),
        model_id=model_id,
        sr=sr,
        n_samples=n_samples,
        front_end=front_end,
        crop=config.kept_part,
        reach=None if windows is not None else config.reach,
        views=views,
        mxnet_audio=mxnet_audio.__version__,
        known=known,
        windows=windows,
        thresholds=thresholds,
    )


def _write(exported: _Exported, path: Path) -> None:
    net, front, activation, description, forward = exported
    shape, windows = net.input_shape, description.windows
    if front is not None:
        inputs = {"samples": GraphInput((1, description.n_samples), ("batch", description.n_samples))}
        symbols = [front(mx.sym.var("samples"))]
    else:
        frames = "frames" if windows is not None and windows.min_input < windows.max_input else shape[2]
        inputs = {"features": GraphInput((1, *shape), ("batch", *shape[:2], frames))}
        symbols = [mx.sym.var("features")]
    if windows is not None:
        inputs["lengths"] = GraphInput((1,), ("batch",))
        symbols.append(mx.sym.var("lengths"))
    scores, embedding = net(*symbols)
    smallest = shape[2] if windows is None else windows.min_input
    width = forward(np.zeros((1, *shape[:2], smallest), np.float32), np.array([smallest]))[1].shape[1]
    outputs, widths = {"embedding": embedding}, {"embedding": width, "probabilities": net.classes}
    if description.labels:
        outputs = {"probabilities": getattr(mx.sym, activation)(scores), **outputs}
    parameters = {**net.collect_params(), **({} if front is None else front.collect_params())}
    model = onnx_graph(outputs, widths, inputs, parameters)
    for key, value in description.metadata().items():
        model.metadata_props.add(key=key, value=value)
    from onnx.checker import check_model

    body = model.SerializeToString()
    path.write_bytes(body + checksum_entry(body))
    check_model(str(path), full_check=True)


def _front_end(config: AudioFeatureConfig) -> gluon.HybridBlock:
    """Make the block from samples [shape=(batch, n_samples)] to features [shape=(batch, 1, bands, frames)].

    It computes what `features.extract` computes.
    """
    front = gluon.nn.HybridSequential()
    n_samples = input_length(config)[1]
    if config.type == "raw":
        if config.norm is not None or config.padding_value:
            raise ParameterError(f"{_NO_FRONT_END} for raw features with norm or padding_value")
        front.add(gluon.nn.HybridLambda(lambda F, x: F.reshape(x, shape=(0, 1, 1, n_samples))))
        return front
    if config.type not in ("mel", "log_mel", "mfcc", *_ENCODER_BLOCKS):
        raise ParameterError(f"{_NO_FRONT_END} for {config.type} features")
    if config.type == "mfcc" and (config.deltas or config.lifter):
        raise ParameterError(f"{_NO_FRONT_END} for mfcc features with deltas or lifter")
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


def _compare(exported: _Exported, path: Path) -> None:
    """Run the file, and raise ModelError if its outputs differ from MXNet's."""
    session = OnnxSession(path.read_bytes())
    for x, given, lengths in _examples(exported):
        found, expected = session.run(given, lengths), exported.forward(x, lengths)
        for one, other, is_vector in zip(found, expected, (False, True)):
            if one is None or other is None:  # there are no classes
                continue
            off = np.abs(one - other).max() / ((np.abs(other).max() or 1) if is_vector else 1)
            if not off <= TOLERANCE:
                raise ModelError(f"not exported: ONNX Runtime's results differ from MXNet's by {off:.2g}")


def _examples(exported: _Exported) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield inputs of the network, the same as inputs of the file, and their lengths."""
    description, random = exported.description, np.random.default_rng(0)
    windows, config = description.windows, AudioFeatureConfig(**description.features)
    if windows is None:
        samples = random.normal(0, [[0.1], [0.01]], (2, description.n_samples)).astype(np.float32)
        x = features.as_image(features.extract(samples, description.sr, config), config.time_axis)
        yield x, samples if description.front_end else x, np.full(2, x.shape[-1])
        return
    # Other lengths than that of the example that the graph was written for.
    smallest, is_open = windows.min_input, windows.min_input < windows.max_input
    for frames in sorted({smallest, min(smallest + _FEW_FRAMES, windows.max_input)}):
        x = random.normal(0, 1, (2, *exported.net.input_shape[:2], frames)).astype(np.float32)
        shorter = smallest if is_open else max(1, frames // 2)
        yield x, x, np.array([frames, shorter if windows.pads else frames])
