"""M5, the network that hears the waveform: W. Dai et al., "Very deep convolutional neural networks for raw waveforms".

arXiv 1610.00087 (ICASSP 2017), whose M5 tells UrbanSound8K's sounds apart from 4 s at 8 kHz.
"""

from __future__ import annotations

from mxnet_audio.engine import gluon
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models.blocks import AudioNet, batch_norm, clamped_max_pool

__all__ = ["M5Net"]

# filters, length of a filter, stride [samples]
PLAN = ((128, 80, 4), (128, 3, 1), (256, 3, 1), (512, 3, 1))
POOL = 4


class M5Net(AudioNet):
    """Convolutions of 128, 128, 256 and 512 filters, each shrunk to a quarter; the mean over time is the embedding.

    The first filters are 80 samples long, 10 ms at 8 kHz, and take the place of a spectrogram. Time shrinks as in the
    paper (from 32,000 samples to 8000, 2000, 500, 125), but for the end, where 31 steps are left in place of its 32.

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
    takes = f"(1, 1, samples) with {PLAN[0][1]} samples or more, as raw features are"

    @classmethod
    def fits(cls, input_shape: tuple[int, ...]) -> bool:
        """Whether inputs of a shape can be taken."""
        return len(input_shape) == 3 and input_shape[:2] == (1, 1) and input_shape[2] >= PLAN[0][1]

    def __init__(self, classes: int, input_shape: tuple[int, int, int], **kwargs):
        super().__init__(classes, input_shape, **kwargs)
        nn = gluon.nn
        size = self.input_shape[1:]
        with self.name_scope():
            # Of height 1 and not Conv1D: once hybridised, that cannot load parameters, and ONNX does not know it.
            self.encoder = nn.HybridSequential()
            for filters, length, stride in PLAN:
                padding = (length - stride + 1) // 2  # a step of output for each stride of input
                size = (1, (size[1] + 2 * padding - length) // stride + 1)
                pooling, size = clamped_max_pool((1, POOL), size)
                convolution = nn.Conv2D(filters, (1, length), (1, stride), (0, padding), use_bias=False)
                # Pooling before relu is the same function, on a quarter of the values; the norm makes a bias needless.
                self.encoder.add(convolution, batch_norm(), pooling, nn.Activation("relu"))
            self.encoder.add(nn.GlobalAvgPool2D(), nn.Flatten())
            self.head = nn.HybridSequential()
            self.head.add(nn.Dense(classes))
