"""Audio spectrogram transformer (AST), a transformer on patches of log-mel spectra, for any sound.

Y. Gong, Y.-A. Chung and J. Glass: AST: Audio Spectrogram Transformer. Interspeech 2021, arXiv:2104.01778.
"""

from __future__ import annotations

from typing import ClassVar

from mxnet_audio.engine import gluon, mx
from mxnet_audio.errors import ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models.sequence_net import SequenceNet
from mxnet_audio.nn.reduce import Reduce
from mxnet_audio.nn.transformer import TransformerLayer
from mxnet_audio.weights.architecture import Architecture, AstArchitecture

__all__ = ["AstNet"]

FRAME_SECONDS = 0.01
CLASS_TOKENS = 2  # vectors before those of the patches: the class token and the distillation token
TOKEN_DEVIATION = 0.02  # of initial tokens and position embeddings


class AstBody(gluon.nn.HybridBlock):
    """Spectra and their lengths to the lengths of the sequences, and the sequences of all layers.

    A sequence is the class token, the distillation token, and the patches: all of the lowest bands in the order of
    time, then those of the next higher bands.
    """

    def __init__(self, settings: AstArchitecture, layers: int, **kwargs):
        super().__init__(**kwargs)
        dim, size = settings.hidden_size, settings.patch_size
        strides = (settings.frequency_stride, settings.time_stride)
        self._dropout, self._steps = settings.hidden_dropout_prob, CLASS_TOKENS + settings.patches
        with self.name_scope():
            self.projection = gluon.nn.Conv2D(dim, size, strides, in_channels=1)
            self.tokens = self._vectors("tokens", CLASS_TOKENS, dim)
            self.positions = self._vectors("positions", self._steps, dim)
            self.layers = gluon.nn.HybridSequential()
            for _ in range(layers):
                self.layers.add(
                    TransformerLayer(
                        dim,
                        settings.num_attention_heads,
                        settings.intermediate_size,
                        settings.hidden_act,
                        norm_first=True,
                        epsilon=settings.layer_norm_eps,
                        dropout=settings.hidden_dropout_prob,
                        attention_dropout=settings.attention_probs_dropout_prob,
                        biases=("query", "key", "value") if settings.qkv_bias else (),
                    )
                )
            self.norm = None
            if layers == settings.num_hidden_layers:
                self.norm = gluon.nn.LayerNorm(epsilon=settings.layer_norm_eps, in_channels=dim)

    def _vectors(self, name: str, steps: int, dim: int) -> gluon.Parameter:
        return self.params.get(name, shape=(1, steps, dim), init=mx.init.Normal(TOKEN_DEVIATION))

    def hybrid_forward(self, F, x, lengths, tokens, positions):
        patches = F.transpose(F.reshape(self.projection(x), (0, 0, -1)), (0, 2, 1))
        # The tokens, once for each input.
        tokens = F.broadcast_add(tokens, F.zeros_like(F.slice_axis(patches, axis=1, begin=0, end=1)))
        x = F.broadcast_add(F.concat(tokens, patches, dim=1), positions)
        states = [F.Dropout(x, p=self._dropout) if self._dropout else x]
        for layer in self.layers:
            states.append(layer(states[-1]))
        if self.norm is not None:
            states[-1] = self.norm(states[-1])
        return [F.zeros_like(lengths) + self._steps, *states]


class AstReduce(gluon.nn.HybridBlock):
    """Mean of the class token and the distillation token for 'cls_pooled', otherwise a reduction of the patches."""

    def __init__(self, reduction: str, **kwargs):
        super().__init__(**kwargs)
        self._pools_tokens = reduction == "cls_pooled"
        self.reduce = Reduce("mean" if self._pools_tokens else reduction)

    def hybrid_forward(self, F, x, lengths):
        if not self._pools_tokens:
            return self.reduce(F.slice_axis(x, axis=1, begin=CLASS_TOKENS, end=None), lengths - CLASS_TOKENS)
        tokens = F.slice_axis(x, axis=1, begin=0, end=CLASS_TOKENS)
        return self.reduce(tokens, F.zeros_like(lengths) + CLASS_TOKENS)  # MXNet warns of inputs that are not used


class AstNet(SequenceNet):
    """Audio spectrogram transformer: patches of spectra, with two class tokens before them, and transformer layers.

    It takes windows of one length, 10.24 s, with zeros behind shorter sound, which count as published. The embedding
    "cls_pooled" is the mean of the two class tokens; others are reduced over the patches. The last sequence is the
    output of the final norm.

    Parameters
    ----------
    classes : int
        Number of classes; 0 for no head.
    input_shape : tuple of int [(1, bands, frames)]
        Shape of one input: (1, 128, 1024), or as in `architecture`.
    head : {'dense', 'mlp', 'tags'}
        Last layer: a new one, two of them, or that of a published classifier.
    embedding : str, optional
        Layer and reduction. Default: "cls_pooled", of the last layer, which the published classifiers take.
    architecture : AstArchitecture, optional
        Settings. Default: those of ast-finetuned-audioset-10-10-0.4593.

    Raises
    ------
    ParameterError
        If `input_shape` is not that of a window, or an argument does not fit the settings.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> tiny = AstArchitecture(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, max_length=64)
    >>> net = AstNet(classes=3, input_shape=(1, 128, 64), architecture=tiny)
    >>> net.initialize()
    >>> scores, embedding = net(nd.zeros((2, 1, 128, 64)))
    >>> scores.shape, embedding.shape
    ((2, 3), (2, 8))
    """

    features = AudioFeatureConfig(type="ast")
    input_format = "(1, 128, 1024), or (1, num_mel_bins, max_length), as of ast features"
    architecture: AstArchitecture
    architecture_type = AstArchitecture
    reductions: ClassVar[tuple[str, ...]] = ("cls_pooled", "mean", "max", "sum", "last", "concat")

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
        settings: AstArchitecture = self.settings(architecture)
        if settings.patch_size > min(settings.num_mel_bins, settings.max_length):
            raise ParameterError(f"patch_size must be <= num_mel_bins and max_length, got {settings!r}")
        self.fixed_steps = settings.patches
        self.window = settings.max_length * FRAME_SECONDS
        super().__init__(classes, input_shape, head, embedding, architecture=settings, **kwargs)

    @classmethod
    def longest_input(cls, architecture: Architecture | None) -> tuple[int, int, int]:
        """Return the shape of inputs: (1, bands, frames)."""
        settings: AstArchitecture = cls.settings(architecture)
        return 1, settings.num_mel_bins, settings.max_length

    @property
    def dim(self) -> int:
        """Length of the vectors of a sequence."""
        return self.architecture.hidden_size

    @property
    def layers(self) -> int:
        """Number of the last layer."""
        return self.architecture.num_hidden_layers

    def make_body(self, layers: int) -> AstBody:
        """Make the transformer, up to a layer."""
        return AstBody(self.architecture, layers)

    def new_reduce(self) -> AstReduce:
        """Make the block from sequences and their lengths to the embedding."""
        return AstReduce(self.reduction)

    def new_tags_reduce(self) -> AstReduce:
        """Make the mean of the two class tokens."""
        return AstReduce("cls_pooled")

    def new_tags_head(self, width: int) -> gluon.nn.HybridSequential:
        """Make the norm and the classifier of a published classifier."""
        head = gluon.nn.HybridSequential()
        head.add(gluon.nn.LayerNorm(epsilon=self.architecture.layer_norm_eps, in_channels=width))
        head.add(gluon.nn.Dense(self.classes, in_units=width))
        return head
