"""Encoder of Whisper, a transformer on log-mel spectra of 30 s of speech.

A. Radford et al.: Robust Speech Recognition via Large-Scale Weak Supervision. ICML 2023, arXiv:2212.04356.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from mxnet_audio.engine import gluon, mx, nd
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models.encoder_net import two_layers
from mxnet_audio.models.sequence_net import SequenceNet
from mxnet_audio.nn.transformer import Activation, TransformerLayer
from mxnet_audio.weights.architecture import Architecture, WhisperArchitecture
from mxnet_audio.weights.embeddings import REDUCTIONS

__all__ = ["WhisperNet"]

FRAMES_PER_STEP = 2  # stride of the second convolution
FRAME_SECONDS = 0.01
SILENT_BANDS = 0.75  # share of the bands that have one value in a frame of silence; masks may cover others
LONGEST_PERIOD = 10_000  # of the sinusoids, divided by 2 pi, in steps


@mx.init.register
class Sinusoids(mx.init.Initializer):
    """Sines, then cosines of the positions [shape=(positions, dim)], of periods in a geometric series."""

    def _init_weight(self, name, array):
        positions, dim = array.shape
        rates = np.exp(-math.log(LONGEST_PERIOD) * np.linspace(0, 1, dim // 2))
        angles = np.arange(positions)[:, None] * rates
        array[:] = np.concatenate([np.sin(angles), np.cos(angles), np.zeros((positions, dim % 2))], axis=1)


class WhisperBody(gluon.nn.HybridBlock):
    """Spectra and their lengths to the lengths of the sequences, and the sequences of all layers."""

    def __init__(self, settings: WhisperArchitecture, layers: int, **kwargs):
        super().__init__(**kwargs)
        dim = settings.d_model
        self._dropout = settings.dropout
        with self.name_scope():
            # Conv2D of height 1, since a hybridized Conv1D cannot load parameters, and has no ONNX export.
            self.conv1 = gluon.nn.Conv2D(dim, (1, 3), padding=(0, 1), in_channels=settings.num_mel_bins)
            self.conv2 = gluon.nn.Conv2D(dim, (1, 3), (1, FRAMES_PER_STEP), padding=(0, 1), in_channels=dim)
            self.activation = Activation("gelu")
            # Constant, as published.
            shape = (settings.max_source_positions, dim)
            self.positions = self.params.get("positions", shape=shape, init=Sinusoids(), differentiable=False)
            self.layers = gluon.nn.HybridSequential()
            for _ in range(layers):
                self.layers.add(
                    TransformerLayer(
                        dim,
                        settings.encoder_attention_heads,
                        settings.encoder_ffn_dim,
                        settings.activation_function,
                        norm_first=True,
                        dropout=settings.dropout,
                        attention_dropout=settings.attention_dropout,
                        activation_dropout=settings.activation_dropout,
                        biases=("query", "value"),
                        one_by_one=True,
                    )
                )
            self.norm = gluon.nn.LayerNorm(in_channels=dim) if layers == settings.encoder_layers else None

    def hybrid_forward(self, F, x, lengths, positions):
        x = self.activation(self.conv1(F.transpose(x, (0, 2, 1, 3))))
        x = F.transpose(F.squeeze(self.activation(self.conv2(x)), axis=2), (0, 2, 1))
        x = F.broadcast_add(x, F.expand_dims(positions, axis=0))
        states = [F.Dropout(x, p=self._dropout) if self._dropout else x]
        for layer in self.layers:
            states.append(layer(states[-1]))
        if self.norm is not None:
            states[-1] = self.norm(states[-1])
        return [F.ceil(lengths / FRAMES_PER_STEP), *states]


class MeanOfAll(gluon.nn.HybridBlock):
    """Mean over all steps of sequences, whatever their lengths are."""

    def __init__(self, steps: int, **kwargs):
        super().__init__(**kwargs)
        self._steps = steps

    def hybrid_forward(self, F, x, lengths):
        return F.sum(x, axis=1) / self._steps  # ONNX forbids mean as MXNet exports it


class WhisperNet(SequenceNet):
    """Encoder of Whisper: two convolutions, position embeddings and transformer layers, norms first.

    As published, it takes windows of one length, 30 s: shorter sound is padded with silence, which takes part in the
    attention and in the sequences. Embeddings, however, are reduced over the steps that the sound covers, one for every
    two frames of `lengths`; without these, over those before the digital silence at the end. The published classifiers,
    head "tags", take the mean over all steps. The last sequence is the output of the final norm.

    Parameters
    ----------
    classes : int
        Number of classes; 0 for no head.
    input_shape : tuple of int [(1, bands, frames)]
        Shape of one input: (1, 80, 3000), or as in `architecture`.
    head : {'dense', 'mlp', 'tags'}
        Last layer: a new one, two of them, or those of a published classifier.
    embedding : str, optional
        Layer and reduction over time. Default: "mean", of the last layer.
    architecture : WhisperArchitecture, optional
        Settings. Default: those of whisper-base.

    Raises
    ------
    ParameterError
        If `input_shape` is not that of a window, or an argument does not fit the settings.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> tiny = WhisperArchitecture(d_model=8, encoder_layers=2, encoder_attention_heads=2, max_source_positions=50)
    >>> net = WhisperNet(classes=3, input_shape=(1, 80, 100), architecture=tiny)
    >>> net.initialize()
    >>> scores, embedding = net(nd.zeros((2, 1, 80, 100)), nd.array([100, 60]))
    >>> scores.shape, embedding.shape
    ((2, 3), (2, 8))
    """

    features = AudioFeatureConfig(type="whisper")
    input_format = "(1, 80, 3000), or (1, num_mel_bins, 2 * max_source_positions), as of whisper features"
    architecture: WhisperArchitecture
    architecture_type = WhisperArchitecture
    reductions: ClassVar[tuple[str, ...]] = REDUCTIONS
    step = (FRAMES_PER_STEP * FRAME_SECONDS, FRAMES_PER_STEP * FRAME_SECONDS)

    def __init__(
        self,
        classes: int,
        input_shape: tuple[int, int, int],
        head: str | None = None,
        embedding: str | None = None,
        *,
        architecture: Architecture | None = None,
        **kwargs,
    ):
        settings: WhisperArchitecture = self.settings(architecture)
        self.fixed_steps = settings.max_source_positions
        self.window = settings.max_source_positions * FRAMES_PER_STEP * FRAME_SECONDS
        super().__init__(classes, input_shape, head, embedding, architecture=settings, **kwargs)

    @classmethod
    def longest_input(cls, architecture: Architecture | None) -> tuple[int, int, int]:
        """Return the shape of inputs: (1, bands, frames)."""
        settings: WhisperArchitecture = cls.settings(architecture)
        return 1, settings.num_mel_bins, FRAMES_PER_STEP * settings.max_source_positions

    @property
    def dim(self) -> int:
        """Length of the vectors of a sequence."""
        return self.architecture.d_model

    @property
    def layers(self) -> int:
        """Number of the last layer."""
        return self.architecture.encoder_layers

    def make_body(self, layers: int) -> WhisperBody:
        """Make the encoder, up to a layer."""
        return WhisperBody(self.architecture, layers)

    def new_tags_reduce(self) -> MeanOfAll:
        """Make the mean over all steps, silence at the end included, as published."""
        return MeanOfAll(self.architecture.max_source_positions)

    def new_tags_head(self, width: int) -> gluon.nn.HybridSequential:
        """Make the projector and the classifier of a published classifier."""
        return two_layers(width, self.architecture.classifier_proj_size, self.classes)

    def _checked(self, x: nd.NDArray, lengths: nd.NDArray | None) -> nd.NDArray:
        checked = super()._checked(x, lengths)
        return frames_of_sound(x) if lengths is None else checked


def frames_of_sound(x: nd.NDArray) -> nd.NDArray:
    """Count the frames before the digital silence at the end, where most bands have the same, smallest value.

    It is up to two more than the sound has, since frames overlap its end. Masks and mixtures of training do not change
    it, unless they cover the end of the sound.

    Parameters
    ----------
    x : NDArray [shape=(batch, 1, bands, frames)]
        Whisper features.

    Returns
    -------
    NDArray [shape=(batch,)]
        Of an input that is silent altogether, all frames.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> frames_of_sound(nd.array([[[[0.5, -1, -1], [0, 1, -1]]], [[[0, 0, 0], [0, 0, 0]]]])).asnumpy()
    array([2., 3.], dtype=float32)
    """
    is_smallest = nd.broadcast_equal(x, x.min(axis=2, keepdims=True))
    is_sound = is_smallest.mean(axis=(1, 2)) < SILENT_BANDS
    counts = nd.arange(1, x.shape[3] + 1, ctx=x.context).expand_dims(0)
    frames = nd.broadcast_mul(is_sound, counts).max(axis=1)
    return nd.where(frames, frames, nd.full(len(x), x.shape[3], ctx=x.context))
