"""Speaker encoder of three LSTM layers, trained with the loss GE2E; Resemblyzer's network.

L. Wan et al.: Generalized End-to-End Loss for Speaker Verification. ICASSP 2018, arXiv:1710.10467.
"""

from __future__ import annotations

from typing import ClassVar

from mxnet_audio.engine import gluon
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models.encoder_net import Embedding, EncoderNet
from mxnet_audio.nn.loss import unit

__all__ = ["Ge2eLstmNet"]

BANDS, FRAMES = 40, 160  # of a patch: 1.6 s
LAYERS = 3
HIDDEN = 256
EMBEDDING_DIM = 256


class LastState(gluon.nn.HybridBlock):
    """LSTM layers: steps [shape=(frames, batch, dim)] to the last hidden state of the last layer [shape=(batch, 256)].

    Gluon's LSTM computes the same, but has no ONNX export for three layers, nor for its initial state.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            for layer in range(LAYERS):
                for source, width in (("i2h", HIDDEN if layer else BANDS), ("h2h", HIDDEN)):
                    for kind, shape in (("weight", (4 * HIDDEN, width)), ("bias", (4 * HIDDEN,))):
                        name = f"l{layer}_{source}_{kind}"
                        init = "zeros" if kind == "bias" else None
                        setattr(self, name, self.params.get(name, shape=shape, init=init))

    def hybrid_forward(self, F, x, **parameters):
        zero = F.zeros_like(F.slice(x, begin=(0, None, 0), end=(1, None, 1)))
        state = F.broadcast_axis(zero, axis=2, size=HIDDEN)
        for layer in range(LAYERS):
            names = (f"l{layer}_{source}_{kind}" for kind in ("weight", "bias") for source in ("i2h", "h2h"))
            flat = F.concat(*(F.reshape(parameters[name], (-1,)) for name in names), dim=0)
            x, last, _ = F.RNN(x, flat, state, state, state_size=HIDDEN, num_layers=1, mode="lstm", state_outputs=True)
        return F.reshape(last, (-1, HIDDEN))


class Ge2eBody(gluon.nn.HybridBlock):
    """Patches [shape=(n, 1, 40, 160)] to vectors of length 1 [shape=(n, 256)]."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.lstm = LastState()
            self.linear = gluon.nn.Dense(EMBEDDING_DIM, activation="relu", in_units=HIDDEN)

    def hybrid_forward(self, F, x):
        steps = F.reshape(F.transpose(x, (3, 0, 1, 2)), (FRAMES, -1, BANDS))
        return [unit(F, self.linear(self.lstm(steps)))]


class Ge2eLstmNet(EncoderNet):
    """Three LSTM layers of 256 and a dense layer; the mean of the patches' unit vectors, made unit, is the embedding.

    A patch is 1.6 s long; 1.3 patches begin in a second.

    Parameters
    ----------
    classes : int
        Number of classes; 0 for no head, as in the published network.
    input_shape : tuple of int [(1, 40, frames)]
        Shape of one input, (1, 40, 160) or longer.
    head : {'cosine', 'dense', 'mlp'}
        Last layer.
    embedding : {'voice'}
        Unit vector.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> net = Ge2eLstmNet(classes=10, input_shape=(1, 40, 160))
    >>> net.initialize()
    >>> scores, embedding = net(nd.ones((2, 1, 40, 160)))
    >>> scores.shape, embedding.shape
    ((2, 10), (2, 256))
    """

    features = AudioFeatureConfig(type="mel", sr=16000, n_fft=400, hop_length=160, n_mels=BANDS, n_frames=FRAMES)
    input_format = f"(1, {BANDS}, frames) with {FRAMES} frames or more"
    heads = ("cosine", "dense", "mlp")
    patch_hop = 77
    min_level = -30.0
    min_seconds = 0.1
    layer_dims = (EMBEDDING_DIM,)
    embeddings: ClassVar[dict[str, Embedding]] = {"voice": Embedding(0, "unit_mean")}
    tags = 0

    def make_body(self, layers: int) -> Ge2eBody:
        """Make the LSTM and the dense layer."""
        return Ge2eBody()
