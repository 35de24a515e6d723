"""Discrete cosine transform, and the cepstral coefficients that it makes of a mel spectrogram."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft

from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import FeatureError
from mxnet_audio.features.spectral import check_least
from mxnet_audio.nn.level import PowerToDB
from mxnet_audio.nn.spectral import FrontEnd, MelSpectrogram

__all__ = ["DCT1D", "MFCC"]


class DCT1D(gluon.nn.HybridBlock):
    """Discrete cosine transform of the last axis.

    Parameters
    ----------
    mode : 1, 2, 3 or 4
        Type of the transform.
    N : int > 0
        Length of the last axis.
    norm : 'ortho' or None
        Whether the transform is orthonormal.

    Inputs
    ------
    x : NDArray or Symbol [shape=(..., N)], float32

    Outputs
    -------
    NDArray or Symbol [shape=(..., N)], float32

    Raises
    ------
    FeatureError
        ``N`` is not given or too small, or there is no such type or norm.

    See Also
    --------
    scipy.fft.dct : the definition that this follows.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> block = DCT1D(N=4, norm='ortho')
    >>> block.initialize()
    >>> block(nd.ones((1, 4))).asnumpy().round(3).clip(0)
    array([[2., 0., 0., 0.]], dtype=float32)
    """

    def __init__(self, mode: int = 2, N: int | None = None, norm: str | None = None, prefix=None, params=None):
        super().__init__(prefix=prefix, params=params)
        if mode not in (1, 2, 3, 4):
            raise FeatureError(f"mode: {mode!r} is no type of DCT; there are 1, 2, 3 and 4")
        if norm not in ("ortho", None):
            raise FeatureError(f"norm: {norm!r} is neither 'ortho' nor None")
        if N is None:
            raise FeatureError("N, the length of the transform, must be given")
        check_least(2 if mode == 1 else 1, N=N)
        self._length = N
        with self.name_scope():
            matrix = scipy.fft.dct(np.eye(N), type=mode, norm=norm, axis=0)
            self.matrix = self.params.get_constant("matrix", nd.array(matrix, dtype="float32"))

    def hybrid_forward(self, F, x, matrix):
        return F.FullyConnected(x, matrix, num_hidden=self._length, no_bias=True, flatten=False)


class MFCC(FrontEnd):
    """Mel-frequency cepstral coefficients: the first of the DCT of a mel spectrogram in decibels.

    Parameters
    ----------
    audio_length, sr, n_fft, hop_length, power, n_mels, fmin, fmax
        As for `MelSpectrogram`.
    n_mfcc : int > 0
        Number of coefficients.
    dct_type : 1, 2, 3 or 4
        Type of the DCT.
    norm : 'ortho' or None
        Whether the DCT is orthonormal.
    mel_norm : 'slaney' or None
        Norm of the mel bands.
    **mel
        The others of `MelSpectrogram`: ``htk, win_length, window, center, pad_mode, drop_last_bin``.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, audio_length)], float32
        Samples.

    Outputs
    -------
    NDArray or Symbol [shape=(batch, 1, frames, n_mfcc)], float32

    Raises
    ------
    FeatureError
        As `MelSpectrogram` and `DCT1D`; or ``n_mfcc`` is above ``n_mels``.

    See Also
    --------
    librosa.feature.mfcc : the definition that this follows, for one item.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> block = MFCC(12000, sr=12000, n_mfcc=13, n_fft=512, hop_length=256, n_mels=40)
    >>> block.initialize()
    >>> block(nd.ones((2, 12000))).shape
    (2, 1, 47, 13)
    """

    def __init__(
        self,
        audio_length: int,
        sr: float = 16000,
        n_mfcc: int = 20,
        dct_type: int = 2,
        norm: str | None = "ortho",
        n_fft: int = 2048,
        hop_length: int | None = 512,
        power: float = 2.0,
        n_mels: int = 128,
        fmin: float = 0.0,
        fmax: float | None = None,
        *,
        mel_norm: str | None = "slaney",
        prefix=None,
        params=None,
        **mel: Any,
    ):
        super().__init__(audio_length, prefix=prefix, params=params)
        check_least(1, n_mfcc=n_mfcc)
        if n_mfcc > n_mels:
            raise FeatureError(f"n_mfcc ({n_mfcc}) is above n_mels ({n_mels})")
        self._n_mfcc = n_mfcc
        with self.name_scope():
            self.mel = MelSpectrogram(
                audio_length, sr, n_fft, hop_length, power, n_mels, fmin, fmax, norm=mel_norm, **mel
            )
            self.decibels = PowerToDB()
            self.dct = DCT1D(dct_type, n_mels, norm)

    def hybrid_forward(self, F, x):
        return F.slice_axis(self.dct(self.decibels(self.mel(x))), axis=-1, begin=0, end=self._n_mfcc)
