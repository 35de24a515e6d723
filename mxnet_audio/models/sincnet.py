"""SincNet, which hears the waveform through band-pass filters that it learns.

M. Ravanelli, Y. Bengio: Speaker Recognition from Raw Waveform with SincNet. SLT 2018, arXiv:1808.00158.
"""

from __future__ import annotations

from mxnet_audio.engine import gluon
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models.blocks import Loudness, SpeakerNet, VectorNorm, batch_norm, global_mean
from mxnet_audio.nn.sinc import SincConv1D

__all__ = ["SincNet"]

RATE = 16000  # Hz
FILTERS, LENGTH = 80, 251  # band-pass filters, and their samples: 15.7 ms
CONVOLUTIONS = ((60, 5), (60, 5))  # filters, steps
POOL = 3
DENSE = (512, 512)
EMBEDDING = 256
SLOPE = 0.2
SHORTEST = 400  # samples: 25 ms, of which the pools leave 3 steps
LEAST = 1e-6  # variance over time that a smaller one counts as


class BandPass(gluon.nn.HybridBlock):
    """The filters' outputs rectified: samples [shape=(batch, 1, 1, n)] to (batch, filters, 1, n - 250)."""

    def __init__(self, samples: int, **kwargs):
        super().__init__(**kwargs)
        self._samples = samples
        with self.name_scope():
            self.sinc = SincConv1D(FILTERS, LENGTH, RATE)

    def hybrid_forward(self, F, x):
        return F.abs(F.expand_dims(self.sinc(F.reshape(x, (0, 1, self._samples))), axis=2))


class Statistics(gluon.nn.HybridBlock):
    """Mean and deviation over time: (batch, channels, 1, steps) to (batch, 2 * channels), for any number of steps.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> Statistics()(nd.array([[[[1, 3]]]])).asnumpy()
    array([[2., 1.]], dtype=float32)
    """

    def hybrid_forward(self, F, x):
        mean = global_mean(F, x)
        variance = global_mean(F, F.square(F.broadcast_sub(x, mean)))
        # A root has no finite gradient at 0.
        return F.Flatten(F.concat(mean, F.sqrt(F.maximum(variance, LEAST)), dim=1))


class SincNet(SpeakerNet):
    """80 band-pass filters, two convolutions of 60, statistics over time, dense layers of 512, 512 and 256.

    Each input is brought to mean 0 and deviation 1. The paper's network for a fixed 200 ms has norms of layers and no
    pooling over all of the time; here they are norms of batches, and its mean and deviation are taken, so that the
    parameters are the same for any length. The last layer of 256 is the embedding.

    The network knows samples, not seconds: it takes their rate for 16 kHz. At another, the filters' cut-off frequencies
    scale with it.

    Parameters
    ----------
    classes : int
        Number of classes.
    input_shape : tuple of int [(1, 1, samples)]
        Shape of one input, (1, 1, 400) or longer.
    head : {'cosine', 'dense'}
        The last layer.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> net = SincNet(classes=10, input_shape=(1, 1, 3200))
    >>> net.initialize()
    >>> scores, embedding = net(nd.zeros((2, 1, 1, 3200)))
    >>> scores.shape, embedding.shape
    ((2, 10), (2, 256))
    """

    features = AudioFeatureConfig(type="raw", sr=RATE, audio_file_length_limit_in_s=3.0, crop="middle")
    takes = f"(1, 1, samples) with {SHORTEST} samples or more, as raw features are"

    @classmethod
    def fits(cls, input_shape: tuple[int, ...]) -> bool:
        """Whether inputs of a shape can be taken."""
        return len(input_shape) == 3 and input_shape[:2] == (1, 1) and input_shape[2] >= SHORTEST

    def __init__(self, classes: int, input_shape: tuple[int, int, int], head: str = "cosine", **kwargs):
        super().__init__(classes, input_shape, head, **kwargs)
        nn = gluon.nn
        samples = self.input_shape[2]
        with self.name_scope():
            self.encoder = nn.HybridSequential()
            self.encoder.add(Loudness(samples), BandPass(samples))
            self.encoder.add(nn.MaxPool2D((1, POOL)), batch_norm(), nn.LeakyReLU(SLOPE))
            for filters, steps in CONVOLUTIONS:
                # The norm makes a bias needless; it is of height 1 and not Conv1D, see m5.
                self.encoder.add(nn.Conv2D(filters, (1, steps), use_bias=False), nn.MaxPool2D((1, POOL)))
                self.encoder.add(batch_norm(), nn.LeakyReLU(SLOPE))
            self.encoder.add(Statistics())
            for units in DENSE:
                self.encoder.add(nn.Dense(units, use_bias=False), VectorNorm(), nn.LeakyReLU(SLOPE))
            self.encoder.add(nn.Dense(EMBEDDING, use_bias=False), VectorNorm())
            self.head = self.new_head(EMBEDDING)
