"""What the networks share: the classifier's contract, its heads, soft rectification, elongated pooling that fits."""

from __future__ import annotations

from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.nn.loss import scale_for, unit

__all__ = [
    "MINIMUM",
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

# Weight of the past in running statistics. MXNet's 0.9 looks back ten batches, over which weights move far in small
# corpora: measured on ESC-10 (resnet_v2, folds 1 and 2, tested on 3, one seed each), accuracy over the last 15 of 40
# epochs is 0.58 +- 0.09 with 0.99, 0.68 +- 0.07 with 0.9, 0.73 +- 0.05 with 0.7 and 0.72 +- 0.04 with 0.5.
MOMENTUM = 0.7

MINIMUM = 16  # bands and frames: less leaves the pools nothing to look at
QUIET = 1e-8  # variance that quiet sound is divided by

# What speaker networks hear: 25 ms every 10 ms, in the bands of speech.
SPEECH = AudioFeatureConfig(
    sr=16000, n_fft=512, win_length=400, hop_length=160, window="hamming", n_mels=80, fmin=20, fmax=7600
)


def global_mean(F, x):
    """Mean over each map: (batch, channels, height, width) to (batch, channels, 1, 1).

    For the backward pass of its global average pooling MXNet 1.9.1 takes 12 to 200 times as long where maps have some
    50 places or more, which was 40% of ECAPA-TDNN's training; for less than 25 it takes half as long.
    """
    return F.contrib.AdaptiveAvgPooling2D(x, output_size=1)


class GlobalMean(gluon.nn.HybridBlock):
    """Gluon's GlobalAvgPool2D, by `global_mean`."""

    def hybrid_forward(self, F, x):
        return global_mean(F, x)


class SoftReLU(gluon.nn.HybridBlock):
    """Softrelu, ``log(1 + exp(x))``: the smooth rectifier that these networks use in place of relu."""

    def hybrid_forward(self, F, x):
        return F.Activation(x, act_type="softrelu")


class Standardize(gluon.nn.HybridBlock):
    """Take the corpus' mean from the input and divide by its deviation; both are set once, not learned.

    A BatchNorm cannot do this at the input: MXNet updates running statistics in the backward pass, which does
    not reach a block that has nothing to learn.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.mean = self.params.get("mean", shape=(1,), init="zeros", grad_req="null")
            self.std = self.params.get("std", shape=(1,), init="ones", grad_req="null")

    def set(self, mean: float, std: float) -> None:
        """Set the corpus' mean and deviation."""
        self.mean.set_data(nd.array([mean]))
        self.std.set_data(nd.array([std]))

    def hybrid_forward(self, F, x, mean, std):
        return F.broadcast_div(F.broadcast_sub(x, mean), std)


class Loudness(gluon.nn.HybridBlock):
    """Samples brought to mean 0 and deviation 1, each input by itself.

    It is Gluon's InstanceNorm to the last digits that this loses: that adds up the samples one by one in float32, five
    digits of 40,000 squares; MXNet's sum keeps what rounding takes away (Kahan's).

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
        return F.broadcast_div(x, F.sqrt(self._mean(F, F.square(x)) + QUIET))

    def _mean(self, F, x):
        return F.sum(x, axis=-1, keepdims=True) / self._samples  # and not mean, which MXNet writes as ONNX forbids it


class CosineDense(gluon.nn.HybridBlock):
    """Scores that are cosines: of the angles between an embedding and a vector for each class, times a scale.

    Parameters
    ----------
    units : int
        Number of classes.
    in_units : int
        Length of an embedding.
    scale : float
        Scores over cosines; by default that of `mxnet_audio.nn.loss.scale_for`.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, in_units)]
        Embeddings; zeros have cosines of 0.

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
    """A classifier that hands out its embedding: scores and the penultimate layer in one pass.

    A network sets `encoder` (standardised input to embedding) and `head` (embedding to scores). Call it with
    an array [shape=(batch, channels, n_mels, frames)]; it returns scores [shape=(batch, classes)],
    before the softmax, and the embedding [shape=(batch, dim)].

    Parameters
    ----------
    classes : int
        Number of classes.
    input_shape : tuple of int [(channels, n_mels, frames)]
        Shape of one input.
    head : str, optional
        The last layer, one of `heads`; the first of them by default.

    Attributes
    ----------
    features : AudioFeatureConfig
        What the network is fed with unless another is given, but for its size.
    takes : str
        The shapes of input that it takes, in words.
    heads : tuple of str
        The last layers that it can have: "dense" (plain scores), "cosine" (`CosineDense`).
    head_name : str
        The one that it has.
    least_batch : int
        Fewest inputs that it can be trained on at once.
    scale : float
        What its scores are over cosines: with a cosine head as `mxnet_audio.nn.loss.scale_for` has it, else 1.
    """

    features = AudioFeatureConfig()
    heads: tuple[str, ...] = ("dense",)
    least_batch = 1
    takes = f"(1, n_mels, frames) with {MINIMUM} bands and {MINIMUM} frames or more"

    @classmethod
    def fits(cls, input_shape: tuple[int, ...]) -> bool:
        """Whether inputs of a shape can be taken."""
        return len(input_shape) == 3 and input_shape[0] == 1 and min(input_shape[1:]) >= MINIMUM

    def __init__(self, classes: int, input_shape: tuple[int, int, int], head: str | None = None, **kwargs):
        super().__init__(**kwargs)
        self.classes = classes
        self.input_shape = tuple(input_shape)
        self.head_name = self.heads[0] if head is None else head
        if self.head_name not in self.heads:
            raise ModelError(f"{type(self).__name__} has no head {head!r}; there is {', '.join(self.heads)}")
        self.scale = scale_for(classes) if self.head_name == "cosine" else 1.0
        with self.name_scope():
            self.standardize = Standardize()

    def hybrid_forward(self, F, x):
        embedding = self.encoder(self.standardize(x))
        return self.head(embedding), embedding


class SpeakerNet(AudioNet):
    """A network whose embedding is made to be compared by the cosine, and to be trained for that.

    It ends in a batch norm and no rectifier: one would leave all embeddings in the same corner of the space.
    """

    features = SPEECH
    heads = ("cosine", "dense")
    least_batch = 2  # of one vector a norm makes zeros

    def new_head(self, width: int) -> gluon.nn.HybridBlock:
        """The last layer for embeddings of a width; to be called within the network's name scope."""
        if self.head_name == "cosine":
            return CosineDense(self.classes, width, self.scale)
        return gluon.nn.Dense(self.classes, in_units=width)


class VectorNorm(gluon.nn.BatchNorm):
    """Batch norm of vectors [shape=(batch, dim)], as maps of one point.

    MXNet 1.9.1 takes the oneDNN primitive of a norm of vectors for that of maps of one point in another layout, if one
    of the same size came before it in the process, in whichever network: it ends in a segmentation fault.

    Examples
    --------
    >>> norm = VectorNorm()
    >>> norm.initialize()
    >>> norm(nd.ones((2, 16))).shape
    (2, 16)
    """

    def __init__(self, momentum: float = MOMENTUM, **kwargs):
        super().__init__(momentum=momentum, **kwargs)

    def hybrid_forward(self, F, x, **statistics):
        maps = super().hybrid_forward(F, F.reshape(x, (0, 0, 1, 1)), **statistics)
        return F.reshape(maps, (0, 0))


def batch_norm() -> gluon.nn.BatchNorm:
    """Batch normalisation whose running statistics keep up with the weights."""
    return gluon.nn.BatchNorm(momentum=MOMENTUM)


def clamped_max_pool(pool: tuple[int, int], size: tuple[int, int]):
    """Max pooling (pool == stride) of the plan, cut down to what is left of the input.

    Parameters
    ----------
    pool : tuple of int
        Pool that the plan wants, in bands and frames.
    size : tuple of int
        Bands and frames that are left before it.

    Returns
    -------
    block : gluon.nn.MaxPool2D
    size : tuple of int
        Bands and frames that are left after it.

    Examples
    --------
    >>> clamped_max_pool((2, 4), (96, 3))
    (MaxPool2D(size=(2, 3), stride=(2, 3), padding=(0, 0), ceil_mode=False, global_pool=False,
     pool_type=max, layout=NCHW), (48, 1))
    """
    pool = tuple(min(p, s) for p, s in zip(pool, size))
    return gluon.nn.MaxPool2D(pool, pool), tuple(s // p for s, p in zip(size, pool))
