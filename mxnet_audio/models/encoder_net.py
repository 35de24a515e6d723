"""Base of the networks with published weights: inputs of any length are cut into patches of the published length."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar, Literal, NamedTuple

from mxnet_audio.checks import one_of
from mxnet_audio.engine import gluon, mx, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.models.blocks import AudioNet
from mxnet_audio.nn.loss import unit

__all__ = ["Embedding", "EncoderNet", "PatchOutputs", "patch_starts", "two_layers"]

MLP_UNITS = 256  # of the hidden layer of the head "mlp"
MIN_VARIANCE = 1e-30  # smaller variances over patches count as this one: a root has no finite gradient at 0


class Embedding(NamedTuple):
    """Vector of a sound: the outputs of a layer for its patches, pooled.

    Attributes
    ----------
    layer : int
        Number of the layer.
    pool : {'mean', 'mean_std', 'unit_mean'}
        Mean over the patches; mean and standard deviation, one after the other; or the mean, divided by its norm.
    """

    layer: int
    pool: Literal["mean", "mean_std", "unit_mean"] = "mean"


def two_layers(in_units: int, units: int, classes: int, activation: str | None = None) -> gluon.nn.HybridSequential:
    """Make a hidden layer and the layer of the scores; call it within the network's name scope."""
    head = gluon.nn.HybridSequential()
    head.add(gluon.nn.Dense(units, activation=activation, in_units=in_units))
    head.add(gluon.nn.Dense(classes, in_units=units))
    return head


def patch_starts(frames: int, size: int, hop: int) -> list[int]:
    """List the first frames of the patches of a sound; if frames remain, one more patch ends with the last frame.

    Examples
    --------
    >>> patch_starts(200, size=96, hop=48)
    [0, 48, 96, 104]
    """
    last = frames - size
    starts = list(range(0, last + 1, hop))
    return starts if starts[-1] == last else [*starts, last]


class EncoderNet(AudioNet):
    """Base of the networks with published weights.

    An input of one patch or more is cut into patches, as `patch_starts` lists them. All patches pass `body` as one
    batch, and the outputs of one of its layers are pooled over the patches of each input. The result is the embedding.
    The head "dense" is a new layer on the embedding, the head "mlp" two of them with a rectifier in between. The head
    "tags" is the published last layer; its scores are logits, averaged over the patches. Inputs are not standardized,
    since published weights determine their scale.

    A subclass defines the class attributes and `make_body`.

    Parameters
    ----------
    classes : int
        Number of classes; 0 for no head, in which case the scores are the embedding.
    input_shape : tuple of int [(1, bands, frames)]
        Shape of one input.
    head : str, optional
        Last layer, one of `heads`. Default: the first of them.
    embedding : str, optional
        Layer and pooling, one of `embeddings`. Default: the first of them.

    Raises
    ------
    ParameterError
        If the network has no such head or embedding, the number of classes is not that of the published tags, or
        `input_shape` is shorter than a patch.

    Attributes
    ----------
    features : AudioFeatureConfig
        Features of one patch.
    patch_hop : int
        Frames from the start of a patch to that of the next.
    min_level : float or None [dBFS]
        Level that quieter sound is raised to before the features are computed.
    min_seconds : float [s]
        Length of the shortest sound that is encoded.
    layer_dims : tuple of int
        Lengths of the outputs of the body's layers.
    embeddings : dict of str to Embedding
        Embeddings by name.
    embedding : str
        Name of this network's embedding.
    layer, pool : int and str
        Its layer and its pooling.
    tag_layer : int
        Layer that the published head takes.
    """

    heads = ("dense", "mlp", "tags")
    standardizes = False
    patch_hop: int
    min_level: float | None = None
    min_seconds: float = 0.0
    layer_dims: tuple[int, ...]
    embeddings: ClassVar[dict[str, Embedding]]
    tag_layer = 0

    @classmethod
    def patch_shape(cls) -> tuple[int, int, int]:
        """Return the shape of one patch: (1, bands, frames)."""
        bands, frames = cls.features.shape
        assert bands is not None and frames is not None
        return 1, bands, frames

    @classmethod
    def fits(cls, input_shape: tuple[int, ...]) -> bool:
        """Return whether inputs of a shape are accepted."""
        *others, frames = cls.patch_shape()
        return len(input_shape) == 3 and list(input_shape[:2]) == others and input_shape[2] >= frames

    def __init__(
        self,
        classes: int,
        input_shape: tuple[int, int, int],
        head: str | None = None,
        embedding: str | None = None,
        **kwargs,
    ):
        super().__init__(classes, input_shape, head, **kwargs)
        if not self.fits(self.input_shape):
            raise ParameterError(f"input_shape must be {self.input_format}, got {self.input_shape}")
        names = tuple(self.embeddings)
        self.embedding = names[0] if embedding is None else one_of("embedding", embedding, names)
        self.layer, self.pool = self.embeddings[self.embedding]
        has_tags = self.head_name == "tags"
        if has_tags and classes != self.tags:
            raise ParameterError(f"classes must be {self.tags} with the head of the published tags, got {classes}")
        size = self.patch_shape()[2]
        self._slices = [(start, start + size) for start in patch_starts(self.input_shape[2], size, self.patch_hop)]
        width = self.layer_dims[self.layer] * (2 if self.pool == "mean_std" else 1)
        with self.name_scope():
            # No layers behind those in use: MXNet warns of parameters that do not take part in a computation.
            self.body = self.make_body(1 + max(self.layer, self.tag_layer if has_tags else 0))
            self.head = self.new_head(self.layer_dims[self.tag_layer] if has_tags else width) if classes else None

    def make_body(self, layers: int) -> gluon.nn.HybridBlock:
        """Make the block from patches to a list with the outputs of as many layers [shape=(patches, dim)]."""
        raise NotImplementedError

    def new_head(self, width: int) -> gluon.nn.HybridBlock:
        """Make the last layer or layers for embeddings of this length; call it within the network's name scope."""
        if self.head_name != "mlp":
            return super().new_head(width)
        return two_layers(width, MLP_UNITS, self.classes, "relu")

    def forward(self, x, *args):
        """Check the shape of an array, and compute; a Symbol has no shape yet."""
        _check_shape(x, self.input_shape)
        return super().forward(x, *args)

    def hybrid_forward(self, F, x):
        if len(self._slices) > 1:
            x = F.concat(*(F.slice_axis(x, axis=3, begin=begin, end=end) for begin, end in self._slices), dim=0)
        layers = self.body(x)
        embedding = self._pooled(F, layers, self.layer, self.pool)
        if self.head is None:
            return embedding, embedding
        return self.head(self._pooled(F, layers, self.tag_layer) if self.head_name == "tags" else embedding), embedding

    def _pooled(self, F, layers, layer, pool="mean"):
        """Pool the outputs of a layer over the patches of each input."""
        mean, n = layers[layer], len(self._slices)
        if n > 1:
            outputs = F.reshape(mean, (n, -1, self.layer_dims[layer]))
            mean = F.sum(outputs, axis=0) / n  # ONNX forbids mean as MXNet exports it
        if pool == "unit_mean":
            return unit(F, mean)
        if pool == "mean":
            return mean
        if n == 1:
            return F.concat(mean, F.zeros_like(mean), dim=1)
        variance = F.sum(F.square(F.broadcast_sub(outputs, F.expand_dims(mean, axis=0))), axis=0) / n
        return F.concat(mean, F.sqrt(F.maximum(variance, MIN_VARIANCE)), dim=1)

    def patch_outputs(self, patches: nd.NDArray) -> tuple[nd.NDArray | None, nd.NDArray]:
        """Compute the outputs for single patches, without pooling, by a block for prediction only.

        Parameters
        ----------
        patches : NDArray [shape=(n, 1, bands, frames)]
            Patches of the length in `features`.

        Returns
        -------
        scores : NDArray [shape=(n, tags)] or None
            Logits of the published tags; None with another head.
        outputs : NDArray [shape=(n, dim)]
            Outputs of the layer that the embedding is pooled from.

        Raises
        ------
        ParameterError
            If the patches have another shape.
        """
        _check_shape(patches, self.patch_shape())
        *scores, outputs = self._patch_outputs(patches)
        return (scores[0] if scores else None), outputs

    @cached_property
    def _patch_outputs(self) -> PatchOutputs:
        return PatchOutputs(self)  # not a child: its parameters would have two names


class PatchOutputs(gluon.nn.HybridBlock):
    """Outputs of a network for single patches: logits of the tags, if the network has them, and its embedding's layer.

    It shares the parameters of the network. On the CPU, oneDNN fuses convolutions with their rectifiers, which takes
    0.4 times as long for YAMNet, but allows no training.

    Parameters
    ----------
    net : EncoderNet
        Network.
    """

    def __init__(self, net: EncoderNet, **kwargs):
        super().__init__(**kwargs)
        self._layer, self._tag_layer = net.layer, net.tag_layer
        self.body, self.head = net.body, net.head if net.head_name == "tags" else None

    def forward(self, x, *args):
        """Compute, by a graph that is fused for the device of the array."""
        fuses = x.context.device_type == "cpu" and mx.runtime.Features().is_enabled("MKLDNN")
        backend = "MKLDNN" if fuses else None
        if not self._active or backend != self._backend:
            # Not with a static shape: fused convolutions would keep copies of the parameters, and miss their changes.
            self.hybridize(backend=backend, static_alloc=True)
        return super().forward(x, *args)

    def hybrid_forward(self, F, x):
        layers = self.body(x)
        outputs = [layers[self._layer]]
        return outputs if self.head is None else [self.head(layers[self._tag_layer]), *outputs]


def _check_shape(x, shape: tuple[int, int, int]) -> None:
    if isinstance(x, nd.NDArray) and x.shape[1:] != shape:
        raise ParameterError(f"inputs must have shape (n, {', '.join(map(str, shape))}), got {x.shape}")
