"""Gluon blocks for sound: spectral front ends, a learned filter bank, layers of encoders, and losses for embeddings.

The front ends compute the features of `mxnet_audio.features` inside the network: on its device, differentiable, and in
its exported symbol and ONNX model. Outside a network `mxnet_audio.features` is several times faster. As every Gluon
block, they are initialized before use.

=================  ==========================  ================================
block              input                       output
=================  ==========================  ================================
`STFTBlock`        (batch, audio_length)       (batch, 1, frames, bins)
`MelSpectrogram`   (batch, audio_length)       (batch, 1, frames, n_mels)
`MFCC`             (batch, audio_length)       (batch, 1, frames, n_mfcc)
`YamnetMel`        (batch, audio_length)       (batch, 1, frames, 64)
`MusicnnMel`       (batch, audio_length)       (batch, 1, frames, 96)
`DCT1D`            (..., N)                    (..., N)
`PowerToDB`        (..., frames, bins)         the same
`ZScoreNormBlock`  (..., frames, bins)         the same
`SincConv1D`       (batch, 1, n)               (batch, channels, frames)
=================  ==========================  ================================

Time comes before frequency, unlike in librosa; ``swapaxes(2, 3)`` gives librosa's order.

Encoders with published weights are made of the following blocks. `steps_within` and `attention_mask` make the masks of
sequences of different lengths in one batch.

====================  ====================================================  ============================
block                 input                                                 output
====================  ====================================================  ============================
`TransformerLayer`    (batch, steps, units), mask, position bias            (batch, steps, units)
`Attention`           the same                                              the same
`PositionGate`        (batch, steps, units)                                 (batch, heads, steps, 1)
`Reduce`              (batch, steps, dim), lengths                          (batch, dim)
`LayerSum`            (batch, steps, dim), for each layer                   (batch, steps, dim)
====================  ====================================================  ============================

`mxnet_audio.nn.sequence` has the sequence encoders of Ludwig, with its names and defaults.

`add_lora` puts adapters of low rank (`LoraDense`) beside dense layers of any network, `merge_lora` adds them to the
weights, and `freeze` keeps parameters, and the statistics of their batch norms, unchanged in training.

Each loss takes scores or cosines [shape=(batch, classes)], embeddings [shape=(batch, dim)] or both, and the label
[shape=(batch,)], and returns one number per item [shape=(batch,)]. `get_loss` makes a loss by its name, `loss_names`
lists the names.

=================  ==========================  ================================================================
loss               inputs                      objective
=================  ==========================  ================================================================
`SoftmaxLoss`      scores, label               the largest score for the label
`NormSoftmaxLoss`  cosine, label               the largest cosine for the label
`AMSoftmaxLoss`    cosine, label               the largest cosine for the label, by a margin
`ArcLoss`          cosine, label               the smallest angle to the label, by a margin
`RingLoss`         scores, embedding, label    the largest score for the label, and embeddings of similar norm
`GE2ELoss`         embedding, label            an embedding nearest to its own speaker's centroid in the batch
=================  ==========================  ================================================================

Notes
-----
Names and arguments are those of GluonAR, definitions those of librosa and SciPy. The blocks and losses of
``gluonar.nn.basic_blocks`` and ``gluonar.loss`` are imported from ``mxnet_audio.nn``. Three defaults differ:
`STFTBlock` has ``n_fft // 2 + 1`` bins, as librosa has, where GluonAR leaves out the last one; sound is padded with
zeros, where GluonAR reflects it; and `MelSpectrogram` and `MFCC` give frames before bands, as `STFTBlock` does, where
GluonAR gives (batch, 1, bands, frames). ``layout='gluonar'`` gives all three as in GluonAR.

Examples
--------
>>> from mxnet_audio.engine import gluon, nd
>>> net = gluon.nn.HybridSequential()
>>> net.add(MelSpectrogram(12000, sr=12000, n_fft=512, hop_length=256, n_mels=96), PowerToDB(), ZScoreNormBlock())
>>> net.add(gluon.nn.Conv2D(8, 3), gluon.nn.GlobalAvgPool2D(), gluon.nn.Dense(10))
>>> net.initialize()
>>> net.hybridize()
>>> net(nd.ones((2, 12000))).shape
(2, 10)
"""

from __future__ import annotations

from mxnet_audio.nn.cepstral import DCT1D, MFCC
from mxnet_audio.nn.freezing import freeze
from mxnet_audio.nn.level import PowerToDB, ZScoreNormBlock
from mxnet_audio.nn.lora import LoraDense, add_lora, merge_lora
from mxnet_audio.nn.loss import (
    AMSoftmaxLoss,
    ArcLoss,
    GE2ELoss,
    NormSoftmaxLoss,
    RingLoss,
    SoftmaxLoss,
    get_loss,
    loss_names,
)
from mxnet_audio.nn.pretrained import MusicnnMel, YamnetMel
from mxnet_audio.nn.reduce import LayerSum, Reduce, steps_within
from mxnet_audio.nn.sinc import SincConv1D
from mxnet_audio.nn.spectral import MelSpectrogram, STFTBlock
from mxnet_audio.nn.transformer import Attention, PositionGate, TransformerLayer, attention_mask

__all__ = [
    "DCT1D",
    "MFCC",
    "AMSoftmaxLoss",
    "ArcLoss",
    "Attention",
    "GE2ELoss",
    "LayerSum",
    "LoraDense",
    "MelSpectrogram",
    "MusicnnMel",
    "NormSoftmaxLoss",
    "PositionGate",
    "PowerToDB",
    "Reduce",
    "RingLoss",
    "STFTBlock",
    "SincConv1D",
    "SoftmaxLoss",
    "TransformerLayer",
    "YamnetMel",
    "ZScoreNormBlock",
    "add_lora",
    "attention_mask",
    "freeze",
    "get_loss",
    "loss_names",
    "merge_lora",
    "steps_within",
]
