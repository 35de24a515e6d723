"""SincNet, a network on the waveform whose first layer is a learned bank of band-pass filters.

M. Ravanelli, Y. Bengio: Speaker Recognition from Raw Waveform with SincNet. SLT 2018, arXiv:1808.00158.
"""

from __future__ import annotations

from mxnet_audio.engine import gluon
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models.blocks import Loudness, SpeakerNet, VectorNorm, batch_norm, global_mean
from mxnet_audio.nn.sinc import SincConv1D

__all__ = ["SincNet"]

SAMPLE_RATE = 16000  # Hz
FILTERS, FILTER_LENGTH = 80, 251  # band-pass filters, and their length in samples: 15.7 ms
CONVOLUTIONS = ((60, 5), (60, 5))  # filters, steps
POOL_SIZE = 3
DENSE_UNITS = (512, 512)
EMBEDDING_DIM = 256
LEAKY_SLOPE = 0.2
MIN_SAMPLES = 400  # 25 ms, of which the pools leave 3 steps
MIN_VARIANCE = 1e-6  # smaller variances over time count as this one


class BandPass(gluon.nn.HybridBlock):
    """Absolute outputs of band-pass filters: samples [shape=(batch, 1, 1, n)] to (batch, filters, 1, n - 250)."""

    def __init__(self, samples: int, **kwargs):
        super().__init__(**kwargs)
        self._samples = samples
        with self.name_scope():
            self.sinc = SincConv1D(FILTERS, FILTER_LENGTH, SAMPLE_RATE)

    def hybrid_forward(self, F, x):
        return F.abs(F.expand_dims(self.sinc(F.reshape(x, (0, 1, self._samples))), axis=2))


class Statistics(gluon.nn.HybridBlock):
    """Mean and standard deviation over time: (batch, channels, 1, steps) to (batch, 2 * channels), for any length.

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
        return F.Flatten(F.concat(mean, F.sqrt(F.maximum(variance, MIN_VARIANCE)), dim=1))


class SincNet(SpeakerNet):
    """80 band-pass filters, two convolutions of 60 filters, statistics over time, dense layers of 512, 512 and 256.

    Each input is normalized to mean 0 and standard deviation 1. The paper's network, for a fixed 200 ms, has layer
    norms and no pooling over time; this one has batch norms and takes mean and deviation over time, so that the
    parameters are the same for any length. The last dense layer gives the embedding.

    Cut-off frequencies in Hz assume a rate of 16 kHz; at another rate they scale with it.

    Parameters
    ----------
    classes : int
        Number of classes.
    input_shape : tuple of int [(1, 1, samples)]
        Shape of one input, (1, 1, 400) or longer.
    head : {'cosine', 'dense'}
        Last layer.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> net = SincNet(classes=10, input_shape=(1, 1, 3200))
    >>> net.initialize()
    >>> scores, embedding = net(nd.zeros((2, 1, 1, 3200)))
    >>> scores.shape, embedding.shape
    ((2, 10), (2, 256))
    """

    features = AudioFeatureConfig(type="raw", sr=SAMPLE_RATE, audio_file_length_limit_in_s=3.0, crop="middle")
    input_format = f"(1, 1, samples) with {MIN_SAMPLES} samples or more, as of raw features"

    @classmethod
    def fits(cls, input_shape: tuple[int, ...]) -> bool:
        """Return whether inputs of a shape are accepted."""
        return len(input_shape) == 3 and input_shape[:2] == (1, 1) and input_shape[2] >= MIN_SAMPLES

    def __init__(self, classes: int, input_shape: tuple[int, int, int], head: str = "cosine", **kwargs):
        super().__init__(classes, input_shape, head, **kwargs)
        nn = gluon.nn
        samples = self.input_shape[2]
        with self.name_scope():
            self.encoder = nn.HybridSequential()
            self.encoder.add(Loudness(samples), BandPass(samples))
            self.encoder.add(nn.MaxPool2D((1, POOL_SIZE)), batch_norm(), nn.LeakyReLU(LEAKY_SLOPE))
            for filters, steps in CONVOLUTIONS:
                # The norm makes a bias redundant. For Conv2D of height 1 instead of Conv1D, see m5.
                self.encoder.add(nn.Conv2D(filters, (1, steps), use_bias=False), nn.MaxPool2D((1, POOL_SIZE)))
                self.encoder.add(batch_norm(), nn.LeakyReLU(LEAKY_SLOPE))
            self.encoder.add(Statistics())
            for units in DENSE_UNITS:
                self.encoder.add(nn.Dense(units, use_bias=False), VectorNorm(), nn.LeakyReLU(LEAKY_SLOPE))
            self.encoder.add(nn.Dense(EMBEDDING_DIM, use_bias=False), VectorNorm())
            self.head = self.new_head(EMBEDDING_DIM)
