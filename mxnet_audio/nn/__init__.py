"""Gluon blocks for sound: spectra in the network's own graph, a first layer that learns its filters, and losses.

The features of `mxnet_audio.features`, computed where the network is: on its device, in its gradient, in its
exported symbol and ONNX. Names and arguments are GluonAR's, definitions librosa's and SciPy's. Away from a network
`mxnet_audio.features` is several times faster.

=================  ==========================  ================================
block              input                       output
=================  ==========================  ================================
`STFTBlock`        (batch, audio_length)       (batch, 1, frames, bins)
`MelSpectrogram`   (batch, audio_length)       (batch, 1, frames, n_mels)
`MFCC`             (batch, audio_length)       (batch, 1, frames, n_mfcc)
`DCT1D`            (..., N)                    (..., N)
`PowerToDB`        (..., frames, bins)         the same
`ZScoreNormBlock`  (..., frames, bins)         the same
`SincConv1D`       (batch, 1, n)               (batch, channels, frames)
=================  ==========================  ================================

What is made small, called with (batch, classes) or (batch, dim) and the label (batch,), gives (batch,):

=================  ==========================  =============================================
loss               called with                 wants
=================  ==========================  =============================================
`SoftmaxLoss`      scores, label               the largest score
`NormSoftmaxLoss`  cosine, label               the largest cosine
`AMSoftmaxLoss`    cosine, label               the largest cosine, by a margin
`ArcLoss`          cosine, label               the smallest angle, by a margin
`RingLoss`         scores, embedding, label    the largest score, and norms that are alike
`GE2ELoss`         embedding, label            its own speaker the nearest one in the batch
=================  ==========================  =============================================

`get_loss` makes one by its name, and `loss_names` lists them.

Time comes before frequency, unlike librosa; ``swapaxes(2, 3)`` gives the other order. In GluonAR that holds for
`STFTBlock` alone: its `MelSpectrogram` and `MFCC` give (batch, 1, bands, frames), so ours are the other way round
there. As any Gluon block, they are initialised before use.

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
from mxnet_audio.nn.level import PowerToDB, ZScoreNormBlock
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
from mxnet_audio.nn.sinc import SincConv1D
from mxnet_audio.nn.spectral import MelSpectrogram, STFTBlock

__all__ = [
    "DCT1D",
    "MFCC",
    "AMSoftmaxLoss",
    "ArcLoss",
    "GE2ELoss",
    "MelSpectrogram",
    "NormSoftmaxLoss",
    "PowerToDB",
    "RingLoss",
    "STFTBlock",
    "SincConv1D",
    "SoftmaxLoss",
    "ZScoreNormBlock",
    "get_loss",
    "loss_names",
]
