"""M5, the network that hears the waveform: W. Dai et al., "Very deep convolutional neural networks for raw waveforms".

arXiv 1610.00087 (ICASSP 2017), whose M5 tells UrbanSound8K's sounds apart from 4 s at 8 kHz.
"""

from __future__ import annotations

from mxnet_audio.engine import gluon
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models.blocks import AudioNet, GlobalMean, Loudness, batch_norm, clamped_max_pool

__all__ = ["M5Net"]

FILTER, STRIDE = 80, 4  # samples: of the first filters, and from one place to the next
FILTERS = (128, 128, 256, 512)
POOL = 4


class Frames(gluon.nn.HybridBlock):
    """Samples as frames of a stride: the convolution of 80 samples becomes one of 20 frames, at every frame.

    It is the same function, but of 4 channels in place of 1, for which MXNet's convolution takes a third of the time.
    Zeros go before and after, so that there is an output for each whole stride of the input.

    Parameters
    ----------
    samples : int
        Length of an input [shape=(batch, 1, 1, samples)]; the output is (batch, 4, 1, samples // 4 + 19).

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> Frames(32000)(nd.zeros((2, 1, 1, 32000))).shape
    (2, 4, 1, 8019)
    """

    def __init__(self, samples: int, **kwargs):
        super().__init__(**kwargs)
        before = (FILTER - STRIDE) // 2
        self._padding = (0,) * 6 + (before, before - samples % STRIDE)

    def hybrid_forward(self, F, x):
        x = F.pad(x, mode="constant", pad_width=self._padding)
        return F.transpose(F.reshape(x, (0, 0, -1, STRIDE)), (0, 3, 1, 2))


class M5Net(AudioNet):
    """Convolutions of 128, 128, 256 and 512 filters, each shrunk to a quarter; the mean over time is the embedding.

    Each input is brought to mean 0 and deviation 1, as in the paper: there are no decibels here to keep quiet sound in
    view, and a batch's norm goes by the loud ones. The first filters are 80 samples long, 10 ms at 8 kHz, and take the
    place of a spectrogram. Time shrinks as in the paper (from 32,000 samples to 8000, 2000, 500, 125), but for the end,
    where 31 steps are left in place of its 32.

    Parameters
    ----------
    classes : int
        Number of classes.
    input_shape : tuple of int [(1, 1, samples)]
        Shape of one input, (1, 1, 80) or longer; pools are clamped to what is left of it.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> net = M5Net(classes=10, input_shape=(1, 1, 32000))
    >>> net.initialize()
    >>> scores, embedding = net(nd.zeros((2, 1, 1, 32000)))
    >>> scores.shape, embedding.shape
    ((2, 10), (2, 512))
    """

    features = AudioFeatureConfig(type="raw", sr=8000, audio_file_length_limit_in_s=4.0, crop="middle")
    takes = f"(1, 1, samples) with {FILTER} samples or more, as raw features are"

    @classmethod
    def fits(cls, input_shape: tuple[int, ...]) -> bool:
        """Whether inputs of a shape can be taken."""
        return len(input_shape) == 3 and input_shape[:2] == (1, 1) and input_shape[2] >= FILTER

    def __init__(self, classes: int, input_shape: tuple[int, int, int], **kwargs):
        super().__init__(classes, input_shape, **kwargs)
        nn = gluon.nn
        length = self.input_shape[2]
        with self.name_scope():
            self.encoder = nn.HybridSequential()
            self.encoder.add(Loudness(length), Frames(length))
            length //= STRIDE
            for layer, filters in enumerate(FILTERS):
                # Of height 1 and not Conv1D: once hybridised that cannot load parameters, and ONNX does not know it.
                kernel, padding = ((1, FILTER // STRIDE), (0, 0)) if layer == 0 else ((1, 3), (0, 1))
                pooling, (_, length) = clamped_max_pool((1, POOL), (1, length))
                # The norm makes a bias needless. Pooling before relu is the same function, on a quarter of the values.
                self.encoder.add(nn.Conv2D(filters, kernel, padding=padding, use_bias=False), batch_norm())
                self.encoder.add(pooling, nn.Activation("relu"))
            self.encoder.add(GlobalMean(), nn.Flatten())
            self.head = nn.HybridSequential()
            self.head.add(nn.Dense(classes))
