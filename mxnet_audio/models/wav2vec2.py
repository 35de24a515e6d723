"""wav2vec 2.0, HuBERT and WavLM: convolutions of samples, and transformer layers.

A. Baevski et al.: wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations. NeurIPS 2020,
arXiv:2006.11477. W.-N. Hsu et al.: HuBERT: Self-Supervised Speech Representation Learning by Masked Prediction of
Hidden Units. 2021, arXiv:2106.07447. S. Chen et al.: WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack
Speech Processing. 2022, arXiv:2110.13900.
"""

from __future__ import annotations

from mxnet_audio.engine import gluon
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models.encoder_net import two_layers
from mxnet_audio.models.sequence_net import SequenceNet
from mxnet_audio.models.wav2vec2_conv import FeatureExtractor, PositionalConv, hop, receptive_field
from mxnet_audio.nn.reduce import steps_within
from mxnet_audio.nn.transformer import TransformerLayer, attention_mask
from mxnet_audio.weights.architecture import Architecture, Wav2Vec2Architecture

__all__ = ["Wav2Vec2Net"]

SR = 16000  # Hz
WINDOW = 20.0  # s


class DistanceBias(gluon.nn.HybridBlock):
    """Number for each head and each distance between two steps, added to the scores of attention; WavLM's.

    Published are numbers for buckets of distances; the conversion gives each distance that of its bucket.

    Parameters
    ----------
    heads : int
        Number of heads.
    longest : int
        Longest distance that has its own number; longer ones have the same.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, steps, ...)]
        Sequences.

    Outputs
    -------
    NDArray or Symbol [shape=(1, heads, steps, steps)]
        From each step (row) to each step (column).

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> bias = DistanceBias(heads=1, longest=1)
    >>> bias.initialize()
    >>> bias.weight.set_data(nd.array([[4, 5, 6]]))
    >>> bias(nd.zeros((1, 3))).asnumpy()[0, 0]
    array([[5., 6., 6.],
           [4., 5., 6.],
           [4., 4., 5.]], dtype=float32)
    """

    def __init__(self, heads: int, longest: int, **kwargs):
        super().__init__(**kwargs)
        self._longest = longest
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(heads, 2 * longest + 1), init="zeros")

    def hybrid_forward(self, F, x, weight):
        steps = F.contrib.arange_like(x, axis=1)
        distances = F.broadcast_sub(F.expand_dims(steps, axis=0), F.expand_dims(steps, axis=1))
        columns = F.clip(distances, -self._longest, self._longest) + self._longest
        return F.expand_dims(F.take(weight, columns, axis=1), axis=0)


class Wav2Vec2Body(gluon.nn.HybridBlock):
    """Samples and their lengths to the lengths of the sequences, and the sequences of all layers."""

    def __init__(self, architecture: Wav2Vec2Architecture, layers: int, **kwargs):
        super().__init__(**kwargs)
        units, channels, heads = architecture.hidden_size, architecture.conv_dim[-1], architecture.num_attention_heads
        epsilon = architecture.layer_norm_eps
        stable, is_wavlm = architecture.do_stable_layer_norm, architecture.model_type == "wavlm"
        is_last = layers == architecture.num_hidden_layers
        self._projection_dropout, self._dropout = architecture.feat_proj_dropout, architecture.hidden_dropout
        self._norm_last = stable and is_last
        with self.name_scope():
            self.extractor = FeatureExtractor(architecture)
            has_norm = architecture.feat_proj_layer_norm
            self.feature_norm = gluon.nn.LayerNorm(epsilon=epsilon, in_channels=channels) if has_norm else None
            self.projection = gluon.nn.Dense(units, flatten=False, in_units=channels)
            self.positions = PositionalConv(architecture)
            self.distances = DistanceBias(heads, architecture.max_bucket_distance) if is_wavlm and layers else None
            self.norm = gluon.nn.LayerNorm(epsilon=epsilon, in_channels=units) if is_last or not stable else None
            self.layers = gluon.nn.HybridSequential()
            for _ in range(layers):
                self.layers.add(
                    TransformerLayer(
                        units,
                        heads,
                        architecture.intermediate_size,
                        architecture.hidden_act,
                        norm_first=stable,
                        epsilon=epsilon,
                        dropout=architecture.hidden_dropout,
                        attention_dropout=architecture.attention_dropout,
                        activation_dropout=architecture.activation_dropout,
                        gated=is_wavlm,
                    )
                )

    def hybrid_forward(self, F, x, lengths):
        steps, x = self.extractor(x, lengths)
        if self.feature_norm is not None:
            x = self.feature_norm(x)
        x = self.projection(x)
        if self._projection_dropout:
            x = F.Dropout(x, p=self._projection_dropout)
        within = F.expand_dims(steps_within(F, x, steps), axis=2)
        x = F.broadcast_mul(x, within)
        x = x + self.positions(x, within)
        if self.norm is not None and not self._norm_last:
            x = self.norm(x)
        if self._dropout:
            x = F.Dropout(x, p=self._dropout)
        states = [x]
        mask = attention_mask(F, x, steps)
        bias = None if self.distances is None else self.distances(x)
        for layer in self.layers:
            states.append(layer(states[-1], mask, bias))
        if self._norm_last:
            states[-1] = self.norm(states[-1])
        return [steps, *states]


class Wav2Vec2Net(SequenceNet):
    """wav2vec 2.0, HuBERT or WavLM, by `model_type` of its settings.

    Layer 0 is the input of the first transformer layer. The numbers of layers are those of ``hidden_states`` in
    transformers. In a network with norms before its layers, the last one is after the final norm, as in transformers up
    to version 4, with which the published sums of layers were trained; version 5 takes it before the norm. The group
    norm of the first convolution counts samples within the length of an input only, so that an input has the same
    embedding alone and in a batch.

    Parameters
    ----------
    classes : int
        Number of classes; 0 for no head.
    input_shape : tuple of int [(1, 1, samples)]
        Shape of the longest input.
    head : {'dense', 'mlp', 'tags'}
        Last layer.
    embedding : str
        Layer and reduction over time, such as 'mean', '6:mean' or 'weighted:mean'.
    architecture : Wav2Vec2Architecture
        Settings of the network. Default: those of wav2vec2-base.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> settings = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "conv_dim": (8,) * 7}
    >>> settings |= {"intermediate_size": 8, "num_conv_pos_embedding_groups": 2}
    >>> net = Wav2Vec2Net(3, (1, 1, 16000), architecture=Wav2Vec2Architecture(**settings))
    >>> net.initialize()
    >>> scores, embedding = net(nd.ones((2, 1, 1, 8000)), nd.array([8000, 400]))
    >>> scores.shape, embedding.shape
    ((2, 3), (2, 8))
    """

    features = AudioFeatureConfig(type="raw", sr=SR, norm="unit_variance", audio_file_length_limit_in_s=WINDOW)
    input_format = "(1, 1, samples), as of raw features, and as long as the network's receptive field"
    window = WINDOW
    architecture_type = Wav2Vec2Architecture
    frozen = ("body.extractor",)  # as its authors fine-tune it

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
        settings = self.settings(architecture)
        self.min_input = receptive_field(settings.conv_kernel, settings.conv_stride)
        self.step = hop(settings.conv_stride) / SR, self.min_input / SR
        super().__init__(classes, input_shape, head, embedding, architecture=settings, **kwargs)

    @classmethod
    def fits(cls, input_shape: tuple[int, ...]) -> bool:
        """Return whether inputs of a shape are accepted."""
        return super().fits(input_shape) and input_shape[1] == 1

    @classmethod
    def longest_input(cls, architecture: Architecture | None) -> tuple[int, int, int]:
        """Return the shape of an input that is as long as a window: (1, 1, samples)."""
        return 1, 1, round(WINDOW * SR)

    @property
    def dim(self) -> int:
        """Length of the vectors of a sequence."""
        return self.architecture.hidden_size

    @property
    def layers(self) -> int:
        """Number of the last layer."""
        return self.architecture.num_hidden_layers

    def make_body(self, layers: int) -> Wav2Vec2Body:
        """Make the convolutions and the first transformer layers."""
        return Wav2Vec2Body(self.architecture, layers)

    def new_tags_head(self, width: int) -> gluon.nn.HybridSequential:
        """Make the published last layers, for vectors of this length: a projection and the scores."""
        return two_layers(width, self.architecture.classifier_proj_size, self.classes)
