"""Parts that the networks share: the base classes, heads, normalizations, and pools clamped to the input."""

from __future__ import annotations

from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.nn.loss import scale_for, unit
from mxnet_audio.nn.norms import MOMENTUM, VectorNorm

__all__ = [
    "MIN_INPUT_SIZE",
    "SPEECH",
    "AudioNet",
    "CosineDense",
    "GlobalMean",
    "Loudness",
    "SoftReLU",
    "SpeakerNet",
    "Standardize",
    "VectorNorm",
    "batch_norm",
    "clamped_max_pool",
    "global_mean",
]

MIN_INPUT_SIZE = 16  # bands and frames: smaller inputs leave nothing to pool
VARIANCE_EPSILON = 1e-8  # added to the variance of samples before they are divided by its root

# Default features of speaker networks: 25 ms every 10 ms, in the bands of speech.
SPEECH = AudioFeatureConfig(
    sr=16000, n_fft=512, win_length=400, hop_length=160, window="hamming", n_mels=80, fmin=20, fmax=7600
)


def global_mean(F, x):
    """Compute the mean of each map: (batch, channels, height, width) to (batch, channels, 1, 1).

    The backward pass of MXNet 1.9.1's global average pooling takes 12 to 200 times as long where maps have some 50
    elements or more, which was 40% of ECAPA-TDNN's training; for fewer than 25 it takes half as long.
    """
    return F.contrib.AdaptiveAvgPooling2D(x, output_size=1)


class GlobalMean(gluon.nn.HybridBlock):
    """Gluon's GlobalAvgPool2D, computed by `global_mean`."""

    def hybrid_forward(self, F, x):
        return global_mean(F, x)


class SoftReLU(gluon.nn.HybridBlock):
    """Softrelu, ``log(1 + exp(x))``: a smooth rectifier in place of relu."""

    def hybrid_forward(self, F, x):
        return F.Activation(x, act_type="softrelu")


class Standardize(gluon.nn.HybridBlock):
    """Subtract the corpus mean and divide by the corpus standard deviation; both are set once, not learned.

    A BatchNorm at the input cannot do this: MXNet updates running statistics in the backward pass, which does not
    reach a block without parameters to learn.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.mean = self.params.get("mean", shape=(1,), init="zeros", grad_req="null")
            self.std = self.params.get("std", shape=(1,), init="ones", grad_req="null")

    def set(self, mean: float, std: float) -> None:
        """Set the mean and standard deviation of the corpus."""
        self.mean.set_data(nd.array([mean]))
        self.std.set_data(nd.array([std]))

    def hybrid_forward(self, F, x, mean, std):
        return F.broadcast_div(F.broadcast_sub(x, mean), std)


class Loudness(gluon.nn.HybridBlock):
    """Normalize the samples of each input to mean 0 and standard deviation 1.

    Gluon's InstanceNorm computes the same, but adds up the samples one by one in float32, which leaves five digits of
    40,000 squares; MXNet's sum compensates rounding errors (Kahan).

    Parameters
    ----------
    samples : int
        Length of an input [shape=(batch, 1, 1, samples)], and of the output.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> Loudness(2)(nd.array([[[[0.5, 0.0]]], [[[-3.0, 1.0]]]])).asnumpy().round(3).squeeze()
    array([[ 1., -1.],
           [-1.,  1.]], dtype=float32)
    """

    def __init__(self, samples: int, **kwargs):
        super().__init__(**kwargs)
        self._samples = samples

    def hybrid_forward(self, F, x):
        x = F.broadcast_sub(x, self._mean(F, x))
        return F.broadcast_div(x, F.sqrt(self._mean(F, F.square(x)) + VARIANCE_EPSILON))

    def _mean(self, F, x):
        return F.sum(x, axis=-1, keepdims=True) / self._samples  # ONNX forbids mean as MXNet exports it


class CosineDense(gluon.nn.HybridBlock):
    """Compute scaled cosines between embeddings and one learned vector for each class.

    Parameters
    ----------
    units : int
        Number of classes.
    in_units : int
        Length of an embedding.
    scale : float
        Factor of the cosines. Default: `mxnet_audio.nn.loss.scale_for`.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, in_units)]
        Embeddings; a zero vector has cosines of 0.

    Outputs
    -------
    NDArray or Symbol [shape=(batch, units)]

    Examples
    --------
    >>> from mxnet_audio.engine import mx, nd
    >>> block = CosineDense(2, 2, scale=10)
    >>> block.initialize(mx.init.One())
    >>> block(nd.array([[3, 0], [2, 2], [0, 0]])).asnumpy().round(2)
    array([[ 7.07,  7.07],
           [10.  , 10.  ],
           [ 0.  ,  0.  ]], dtype=float32)
    """

    def __init__(self, units: int, in_units: int, scale: float | None = None, **kwargs):
        super().__init__(**kwargs)
        self._units, self.scale = units, scale_for(units) if scale is None else scale
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(units, in_units))

    def hybrid_forward(self, F, x, weight):
        cosine = F.FullyConnected(unit(F, x), unit(F, weight), no_bias=True, num_hidden=self._units)
        return self.scale * cosine


class AudioNet(gluon.nn.HybridBlock):
    """Base of the networks, which return the scores and the embedding (the penultimate layer) in one pass.

    A subclass sets `encoder` (standardized input to embedding) and `head` (embedding to scores). A call with an array
    [shape=(batch, channels, n_mels, frames)] returns the scores before the softmax [shape=(batch, classes)] and the
    embedding [shape=(batch, dim)].

    Parameters
    ----------
    classes : int
        Number of classes.
    input_shape : tuple of int [(channels, n_mels, frames)]
        Shape of one input.
    head : str, optional
        Last layer, one of `heads`. Default: the first of them.

    Raises
    ------
    ParameterError
        If the network has no such head.

    Attributes
    ----------
    features : AudioFeatureConfig
        Default features, apart from their size.
    input_format : str
        Accepted input shapes, in words.
    heads : tuple of str
        Possible last layers: "dense" (plain scores), "cosine" (`CosineDense`), "mlp" and "tags" (see `EncoderNet`).
    head_name : str
        Last layer of this network.
    embedding : str or None
        Name of the embedding; None where there is one only.
    tags : int
        Number of classes of the published weights; 0 for none.
    standardizes : bool
        Whether inputs are standardized by mean and deviation of the corpus.
    min_batch_size : int
        Smallest batch that the network can be trained on.
    scale : float
        Factor of the cosines in the scores: `mxnet_audio.nn.loss.scale_for` with a cosine head, otherwise 1.
    """

    features = AudioFeatureConfig()
    heads: tuple[str, ...] = ("dense",)
    embedding: str | None = None
    tags = 0
    standardizes = True
    min_batch_size = 1
    input_format = f"(1, n_mels, frames) with {MIN_INPUT_SIZE} bands and {MIN_INPUT_SIZE} frames or more"

    @classmethod
    def fits(cls, input_shape: tuple[int, ...]) -> bool:
        """Return whether inputs of a shape are accepted."""
        return len(input_shape) == 3 and input_shape[0] == 1 and min(input_shape[1:]) >= MIN_INPUT_SIZE

    def __init__(self, classes: int, input_shape: tuple[int, int, int], head: str | None = None, **kwargs):
        super().__init__(**kwargs)
        self.classes = classes
        channels, bands, frames = input_shape
        self.input_shape = (channels, bands, frames)
        self.head_name = self.heads[0] if head is None else head
        if self.head_name not in self.heads:
            raise ParameterError(f"head of {type(self).__name__} must be one of {', '.join(self.heads)}, got {head!r}")
        self.scale = scale_for(classes) if self.head_name == "cosine" else 1.0
        if self.standardizes:
            with self.name_scope():
                self.standardize = Standardize()

    def new_head(self, width: int) -> gluon.nn.HybridBlock:
        """Make the last layer for embeddings of this length; call it within the network's name scope."""
        if self.head_name == "cosine":
            return CosineDense(self.classes, width, self.scale)
        return gluon.nn.Dense(self.classes, in_units=width)

    def hybrid_forward(self, F, x):
        embedding = self.encoder(self.standardize(x))
        return self.head(embedding), embedding


class SpeakerNet(AudioNet):
    """Base of the speaker networks, whose embeddings are compared by the cosine.

    The embedding is the output of a batch norm without a rectifier, which would leave all embeddings in one orthant.
    """

    features = SPEECH
    heads = ("cosine", "dense")
    min_batch_size = 2  # the batch norm of a single vector is zero


def batch_norm(channels: int = 0, epsilon: float = 1e-5) -> gluon.nn.BatchNorm:
    """Make a batch norm whose running statistics follow the weights quickly (`MOMENTUM`); 0 channels for any number."""
    return gluon.nn.BatchNorm(momentum=MOMENTUM, epsilon=epsilon, in_channels=channels)


def clamped_max_pool(pool: tuple[int, int], size: tuple[int, int]) -> tuple[gluon.nn.MaxPool2D, tuple[int, int]]:
    """Make a max pooling (stride equal to the pool) that is no larger than its input.

    Parameters
    ----------
    pool : tuple of int
        Intended pool, in bands and frames.
    size : tuple of int
        Bands and frames of its input.

    Returns
    -------
    block : gluon.nn.MaxPool2D
    size : tuple of int
        Bands and frames of its output.

    Examples
    --------
    >>> clamped_max_pool((2, 4), (96, 3))
    (MaxPool2D(size=(2, 3), stride=(2, 3), padding=(0, 0), ceil_mode=False, global_pool=False,
     pool_type=max, layout=NCHW), (48, 1))
    """
    pool = (min(pool[0], size[0]), min(pool[1], size[1]))
    return gluon.nn.MaxPool2D(pool, pool), (size[0] // pool[0], size[1] // pool[1])
