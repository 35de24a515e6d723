"""Networks by name.

Each takes log-mel spectrograms [shape=(batch, 1, n_mels, frames)], or, for `m5`, `sincnet` and `wav2vec2`, samples
[shape=(batch, 1, 1, samples)], and returns scores and the embedding in one pass. `ecapa_tdnn`, `resnet18` and `sincnet`
are for speaker recognition: by default their scores are scaled cosines.

The networks of `mxnet_audio.weights` can have published weights, and take the features that these were trained on:
`yamnet`, `ast` and `panns_*` (sounds), `musicnn`, `musicnn_vgg` and `musicnn_vgg_mtt` (music), `wav2vec2` (which
HuBERT and WavLM share) and `whisper` (speech), `ge2e_lstm` and `ecapa_voxceleb` (voices). `wav2vec2`, `whisper` and
`ast` are built from settings of the published model.
"""

from __future__ import annotations

import operator
import os
from typing import TYPE_CHECKING, Any

from mxnet_audio.checks import whole_number
from mxnet_audio.engine import mx, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models.ast import AstNet
from mxnet_audio.models.blocks import MIN_INPUT_SIZE, AudioNet, CosineDense
from mxnet_audio.models.cifar10 import Cifar10Net
from mxnet_audio.models.ecapa_tdnn import EcapaTdnnNet
from mxnet_audio.models.ecapa_voxceleb import EcapaVoxcelebNet
from mxnet_audio.models.encoder_net import Embedding, EncoderNet
from mxnet_audio.models.ge2e_lstm import Ge2eLstmNet
from mxnet_audio.models.m5 import M5Net
from mxnet_audio.models.musicnn import MusicnnNet
from mxnet_audio.models.musicnn_vgg import MusicnnVggMttNet, MusicnnVggNet
from mxnet_audio.models.panns import PannsCnn6Net, PannsCnn10Net, PannsCnn14Net, PannsMobileNetV1Net
from mxnet_audio.models.pretrained import Pretrained, has_same_head, read_pretrained, read_published, transfer
from mxnet_audio.models.resnet18 import ResNet18Net
from mxnet_audio.models.resnet_v2 import ResNetV2Net
from mxnet_audio.models.sequence_net import SequenceNet
from mxnet_audio.models.sincnet import SincNet
from mxnet_audio.models.wav2vec2 import Wav2Vec2Net
from mxnet_audio.models.whisper import WhisperNet
from mxnet_audio.models.yamnet import YamnetNet

if TYPE_CHECKING:
    from mxnet_audio import weights
    from mxnet_audio.weights.architecture import Architecture

__all__ = [
    "MIN_INPUT_SIZE",
    "NETWORKS",
    "ASTEncoder",
    "AstNet",
    "AudioNet",
    "Cifar10Net",
    "CosineDense",
    "EcapaTdnnNet",
    "EcapaVoxcelebNet",
    "Embedding",
    "EncoderNet",
    "Ge2eLstmNet",
    "M5Net",
    "MusicnnNet",
    "MusicnnVggMttNet",
    "MusicnnVggNet",
    "PannsCnn6Net",
    "PannsCnn10Net",
    "PannsCnn14Net",
    "PannsMobileNetV1Net",
    "Pretrained",
    "ResNet18Net",
    "ResNetV2Net",
    "SequenceNet",
    "SincNet",
    "Wav2Vec2Encoder",
    "Wav2Vec2Net",
    "WhisperEncoder",
    "WhisperNet",
    "YamnetNet",
    "check_shape",
    "default_features",
    "get_model",
    "model_names",
    "read_pretrained",
    "transfer",
]

NETWORKS: dict[str, type[AudioNet]] = {
    "ast": AstNet,
    "cifar10": Cifar10Net,
    "ecapa_tdnn": EcapaTdnnNet,
    "ecapa_voxceleb": EcapaVoxcelebNet,
    "ge2e_lstm": Ge2eLstmNet,
    "m5": M5Net,
    "musicnn": MusicnnNet,
    "musicnn_vgg": MusicnnVggNet,
    "musicnn_vgg_mtt": MusicnnVggMttNet,
    "panns_cnn6": PannsCnn6Net,
    "panns_cnn10": PannsCnn10Net,
    "panns_cnn14": PannsCnn14Net,
    "panns_mobilenetv1": PannsMobileNetV1Net,
    "resnet18": ResNet18Net,
    "resnet_v2": ResNetV2Net,
    "sincnet": SincNet,
    "wav2vec2": Wav2Vec2Net,
    "whisper": WhisperNet,
    "yamnet": YamnetNet,
}

# The names of the networks in transformers and other toolkits, for those who look for them.
ASTEncoder, Wav2Vec2Encoder, WhisperEncoder = AstNet, Wav2Vec2Net, WhisperNet


def model_names() -> list[str]:
    """List the names of the networks.

    Examples
    --------
    >>> model_names()[:4]
    ['ast', 'cifar10', 'ecapa_tdnn', 'ecapa_voxceleb']
    """
    return sorted(NETWORKS)


def _network(name: str) -> type[AudioNet]:
    if not isinstance(name, str) or name not in NETWORKS:
        raise ParameterError(f"network must be one of {', '.join(model_names())}, got {name!r}")
    return NETWORKS[name]


def default_features(name: str) -> AudioFeatureConfig:
    """Return the default features of a network; their length may still be open.

    Examples
    --------
    >>> default_features('cifar10').type, default_features('m5').type
    ('log_mel', 'raw')
    """
    return _network(name).features


def check_shape(name: str, input_shape: tuple[int, int, int]) -> None:
    """Raise ParameterError unless a network accepts inputs of this shape.

    Examples
    --------
    >>> check_shape('m5', (1, 96, 1366))
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: input_shape of m5 must be (1, 1, samples) with 80 samples or more, ...
    """
    network = _network(name)
    try:
        fits = network.fits(tuple(map(operator.index, input_shape)))
    except TypeError:  # something else than whole numbers
        fits = False
    if not fits:
        raise ParameterError(f"input_shape of {name} must be {network.input_format}, got {input_shape!r}")


def get_model(
    name: str,
    classes: int | None = None,
    input_shape: tuple[int, int, int] | None = None,
    *,
    head: str | None = None,
    embedding: str | None = None,
    architecture: Architecture | None = None,
    pretrained: str | os.PathLike | bool | weights.Loaded | None = None,
) -> AudioNet:
    """Make a network; its parameters are not yet initialized, unless they are transferred from a trained one.

    Parameters
    ----------
    name : str
        One of `model_names`.
    classes : int > 1
        Number of classes. Unlike in Gluon's model zoo there is no default, except for the published weights of an
        encoder and for the head "tags": the published tags.
    input_shape : tuple of int [(channels, n_mels, frames)], optional
        Shape of one input, (1, 16, 16) or larger; for `m5` and `sincnet` (1, 1, samples) with at least 80 or 400
        samples. Default: that of the trained network, or one patch of an encoder; otherwise the shape is required.
    head : {'dense', 'cosine', 'mlp', 'tags'}, optional
        Last layer, one of the network's `heads`. Default: that of the trained network, or the first of `heads`.
    embedding : str, optional
        Layer and pooling of an encoder, one of its `embeddings`. Default: that of the trained network, or the first.
    architecture : Architecture, optional
        Settings of a network that is built from settings, see `mxnet_audio.weights.read_architecture`. Default: those
        of the trained network.
    pretrained : str or os.PathLike, bool, or weights.Loaded, optional
        Directory in which a classifier stored a trained network of this name; or True, or what
        `mxnet_audio.weights.load` returned, for published weights, which are downloaded if need be. The parameters are
        transferred, those of the head only if kind and number of classes are the same; otherwise the head is
        initialized. The network is then on the CPU; call `transfer` again if you initialize it again.

    Returns
    -------
    AudioNet
        An `EncoderNet` for the networks with published weights.

    Raises
    ------
    ParameterError
        If the name is unknown or an argument does not fit the network.
    ModelError
        If the trained network cannot be read, or is another one.

    Examples
    --------
    >>> get_model('cifar10', classes=2, input_shape=(1, 64, 128)).classes
    2
    >>> get_model('ecapa_tdnn', 2, (1, 80, 200)).scale
    4.0
    >>> get_model('yamnet', classes=10, embedding='mean_std', pretrained=True)  # doctest: +SKIP
    """
    network = _network(name)
    if head is not None and head not in network.heads:
        raise ParameterError(f"head of {name} must be one of {', '.join(network.heads)}, got {head!r}")
    trained = _trained(name, network, pretrained)
    tags = (trained is not None and trained.tags) or network.tags
    if classes is None and (head == "tags" or (trained is not None and trained.is_published)):
        classes = tags
    else:
        classes = whole_number("classes", classes, 2)
    if trained is not None and architecture is None:
        architecture = trained.architecture
    if input_shape is None:
        if trained is not None:
            input_shape = trained.input_shape
        elif issubclass(network, SequenceNet):
            input_shape = network.longest_input(architecture)
        elif issubclass(network, EncoderNet):
            input_shape = network.patch_shape()
        else:
            raise ParameterError(f"input_shape of {name} is missing: {network.input_format}")
    check_shape(name, input_shape)
    if head is None:
        head = network.heads[0] if trained is None else trained.head
        if head == "tags" and classes != tags:
            head = network.heads[0]
    if embedding is None and trained is not None:
        embedding = trained.embedding
    if issubclass(network, SequenceNet):
        net: AudioNet = network(classes, input_shape, head=head, embedding=embedding, architecture=architecture)
    elif issubclass(network, EncoderNet):
        net = network(classes, input_shape, head=head, embedding=embedding)
    elif embedding is None:
        net = network(classes, input_shape, head=head)
    else:
        raise ParameterError(f"embedding of {name} must be None, since there is one only, got {embedding!r}")
    if trained is not None:
        knows_shapes = isinstance(net, EncoderNet | SequenceNet)  # of all parameters; others after a first pass
        if not knows_shapes or not has_same_head(net, trained):
            net.initialize(mx.init.Xavier(), ctx=mx.cpu())
        if not knows_shapes:
            net(nd.zeros((1, *net.input_shape), ctx=mx.cpu()))
        transfer(net, trained)
    return net


def _trained(name: str, network: type[AudioNet], pretrained: Any) -> Pretrained | None:
    """Read a trained network from its directory, or from published weights."""
    if pretrained is None or pretrained is False:
        return None
    if isinstance(pretrained, str | os.PathLike):
        return read_pretrained(name, pretrained)
    if issubclass(network, EncoderNet | SequenceNet):
        return read_published(name, network, pretrained)
    choices = ", ".join(name for name in model_names() if issubclass(NETWORKS[name], EncoderNet | SequenceNet))
    reason = f"pretrained of {name} must be the directory of a trained model, got {pretrained!r}"
    raise ParameterError(f"{reason}; networks with published weights are {choices}")
