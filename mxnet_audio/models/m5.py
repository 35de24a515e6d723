"""M5, a convolutional network on the waveform.

W. Dai et al.: Very deep convolutional neural networks for raw waveforms. ICASSP 2017, arXiv:1610.00087. There, M5
classifies UrbanSound8K from 4 s at 8 kHz.
"""

from __future__ import annotations

from mxnet_audio.engine import gluon
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models.blocks import AudioNet, GlobalMean, Loudness, batch_norm, clamped_max_pool

__all__ = ["M5Net"]

FILTER_LENGTH, STRIDE = 80, 4  # samples, of the first convolution
FILTERS = (128, 128, 256, 512)
POOL_SIZE = 4


class Frames(gluon.nn.HybridBlock):
    """Reshape samples to frames of 4, so that a convolution of 80 samples becomes one of 20 frames.

    The function is the same, but of 4 channels instead of 1, for which MXNet's convolution takes a third of the time.
    Zeros are added at both ends, so that there is an output for each whole stride of the input.

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
        before = (FILTER_LENGTH - STRIDE) // 2
        self._padding = (0,) * 6 + (before, before - samples % STRIDE)

    def hybrid_forward(self, F, x):
        x = F.pad(x, mode="constant", pad_width=self._padding)
        return F.transpose(F.reshape(x, (0, 0, -1, STRIDE)), (0, 3, 1, 2))


class M5Net(AudioNet):
    """Convolutions of 128, 128, 256 and 512 filters, each followed by a pool of 4; the mean over time is the embedding.

    Each input is normalized to mean 0 and standard deviation 1, as in the paper: without decibels, loud inputs would
    dominate the batch norms. The first filters are 80 samples long, 10 ms at 8 kHz, and replace a spectrogram. The
    lengths are those of the paper (from 32,000 samples to 8000, 2000, 500, 125), except for the last, 31 instead of 32.

    PyTorch's tutorial returns log-probabilities, where this network returns scores and the loss contains
    ``log_softmax``; its convolutions have biases, which are redundant before a batch norm; it pools after relu, which
    gives the same values for four times the work; and it pads no zeros at the ends, where samples then count less.

    Parameters
    ----------
    classes : int
        Number of classes.
    input_shape : tuple of int [(1, 1, samples)]
        Shape of one input, (1, 1, 80) or longer; pools are clamped to the size of their input.

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
    input_format = f"(1, 1, samples) with {FILTER_LENGTH} samples or more, as of raw features"

    @classmethod
    def fits(cls, input_shape: tuple[int, ...]) -> bool:
        """Return whether inputs of a shape are accepted."""
        return len(input_shape) == 3 and input_shape[:2] == (1, 1) and input_shape[2] >= FILTER_LENGTH

    def __init__(self, classes: int, input_shape: tuple[int, int, int], **kwargs):
        super().__init__(classes, input_shape, **kwargs)
        nn = gluon.nn
        length = self.input_shape[2]
        with self.name_scope():
            self.encoder = nn.HybridSequential()
            self.encoder.add(Loudness(length), Frames(length))
            length //= STRIDE
            for layer, filters in enumerate(FILTERS):
                # Conv2D of height 1, since a hybridized Conv1D cannot load parameters, and has no ONNX export.
                kernel, padding = ((1, FILTER_LENGTH // STRIDE), (0, 0)) if layer == 0 else ((1, 3), (0, 1))
                pooling, (_, length) = clamped_max_pool((1, POOL_SIZE), (1, length))
                # The norm makes a bias redundant. Pooling before relu gives the same values, for a quarter of the work.
                self.encoder.add(nn.Conv2D(filters, kernel, padding=padding, use_bias=False), batch_norm())
                self.encoder.add(pooling, nn.Activation("relu"))
            self.encoder.add(GlobalMean(), nn.Flatten())
            self.head = nn.HybridSequential()
            self.head.add(nn.Dense(classes))
