"""ECAPA-TDNN as SpeechBrain trained it on the voices of VoxCeleb 1 and 2 (``spkrec-ecapa-voxceleb``).

The network is that of `ecapa_tdnn`, with more channels and some other details.
M. Ravanelli et al.: SpeechBrain: A General-Purpose Speech Toolkit. 2021, arXiv:2106.04624.
"""

from __future__ import annotations

from typing import ClassVar

from mxnet_audio.checks import whole_number
from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models.blocks import VectorNorm
from mxnet_audio.models.ecapa_tdnn import BLOCKS, EMBEDDING_DIM, AttentiveStatistics, Bands, Frames
from mxnet_audio.models.sequence_net import SequenceNet
from mxnet_audio.weights.architecture import Architecture

__all__ = ["EcapaVoxcelebNet"]

CHANNELS = 1024
CHANNEL_STEP = 64
BANDS = 80
WINDOW_FRAMES = 1001  # of 10 s


class EcapaVoxcelebBody(gluon.nn.HybridBlock):
    """Spectrograms to one vector each.

    Parameters
    ----------
    channels : int
        Channels of each block, a multiple of 64.
    """

    def __init__(self, channels: int, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.encoder = gluon.nn.HybridSequential()
            self.encoder.add(Bands(BANDS), Frames(channels, speechbrain=True))
            self.encoder.add(AttentiveStatistics(len(BLOCKS) * channels, speechbrain=True))
            self.encoder.add(VectorNorm(), gluon.nn.Dense(EMBEDDING_DIM))

    def hybrid_forward(self, F, x, lengths):
        return [F.ones_like(lengths), F.expand_dims(self.encoder(x), axis=1)]


class EcapaVoxcelebNet(SequenceNet):
    """SE-Res2 blocks of 1024 channels and attentive statistics; the embedding has 192 elements.

    The mean of each band over time is subtracted. All inputs of a batch must have the same length, since convolutions
    mirror the frames at the end.

    Parameters
    ----------
    classes : int
        Number of classes; 0 for no head.
    input_shape : tuple of int [(1, 80, frames)]
        Shape of the longest input, 5 frames or more.
    head : {'dense', 'mlp'}
        Last layer: a new one, or two of them.
    embedding : {'voice'}
        Output of the last published layer.
    channels : int
        Channels of each block, a multiple of 64.

    Raises
    ------
    ParameterError
        If an argument is out of range.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> net = EcapaVoxcelebNet(classes=10, input_shape=(1, 80, 1001), channels=64)
    >>> net.initialize()
    >>> scores, embedding = net(nd.zeros((2, 1, 80, 100)))
    >>> scores.shape, embedding.shape
    ((2, 10), (2, 192))
    """

    features = AudioFeatureConfig(type="speechbrain")
    input_format = f"(1, {BANDS}, frames) with 5 frames or more, as of speechbrain features"
    heads = ("dense", "mlp")
    min_batch_size = 2  # the batch norm of a single vector is zero
    window = 10.0
    pads = False
    min_input = 5  # 4 frames are mirrored at each end
    reductions: ClassVar[tuple[str, ...]] = ("voice",)

    def __init__(
        self,
        classes: int,
        input_shape: tuple[int, int, int],
        head: str | None = None,
        embedding: str | None = None,
        *,
        architecture: Architecture | None = None,
        channels: int = CHANNELS,
        **kwargs,
    ):
        self._channels = whole_number("channels", channels)
        if self._channels % CHANNEL_STEP:
            raise ParameterError(f"channels must be a multiple of {CHANNEL_STEP}, got {channels}")
        super().__init__(classes, input_shape, head, embedding, architecture=architecture, **kwargs)
        # The shared blocks leave the shapes of their parameters open until a first pass.
        self.body.infer_shape(nd.zeros((1, 1, BANDS, self.min_input)), nd.ones(1))

    @classmethod
    def fits(cls, input_shape: tuple[int, ...]) -> bool:
        """Return whether inputs of a shape are accepted."""
        return super().fits(input_shape) and input_shape[1] == BANDS

    @classmethod
    def longest_input(cls, architecture: Architecture | None) -> tuple[int, int, int]:
        """Return the shape of an input that is as long as a window: (1, bands, frames)."""
        return 1, BANDS, WINDOW_FRAMES

    @property
    def dim(self) -> int:
        """Length of the embedding."""
        return EMBEDDING_DIM

    def make_body(self, layers: int) -> EcapaVoxcelebBody:
        """Make the layers up to the embedding."""
        return EcapaVoxcelebBody(self._channels)
