"""Discrete cosine transform, and mel-frequency cepstral coefficients (MFCC) computed with it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import scipy.fft

from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import FeatureError
from mxnet_audio.features.checks import check_minimum
from mxnet_audio.nn.level import PowerToDB
from mxnet_audio.nn.spectral import GLUONAR_STFT, FrontEnd, Layout, MelSpectrogram

__all__ = ["DCT1D", "MFCC"]


class DCT1D(gluon.nn.HybridBlock):
    """Discrete cosine transform of the last axis.

    Parameters
    ----------
    mode : 1, 2, 3 or 4
        Type of the transform. GluonAR has type 2 only.
    N : int > 0
        Length of the last axis.
    norm : 'ortho' or None
        'ortho' for an orthonormal transform; for type 1, too, as in SciPy since 1.2.

    Inputs
    ------
    x : NDArray or Symbol [shape=(..., N)], float32

    Outputs
    -------
    NDArray or Symbol [shape=(..., N)], float32

    Raises
    ------
    FeatureError
        If ``N`` is missing or too small, or if ``mode`` or ``norm`` is not one of those listed.

    See Also
    --------
    scipy.fft.dct : the definition.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> block = DCT1D(N=4, norm='ortho')
    >>> block.initialize()
    >>> block(nd.ones((1, 4))).asnumpy().round(3).clip(0)
    array([[2., 0., 0., 0.]], dtype=float32)
    """

    def __init__(
        self,
        mode: Literal[1, 2, 3, 4] = 2,
        N: int | None = None,
        norm: Literal["ortho"] | None = None,
        prefix: str | None = None,
        params=None,
    ):
        super().__init__(prefix=prefix, params=params)
        if mode not in (1, 2, 3, 4):
            raise FeatureError(f"mode, the type of the DCT, must be 1, 2, 3 or 4, got {mode!r}")
        if norm not in ("ortho", None):
            raise FeatureError(f"norm must be 'ortho' or None, got {norm!r}")
        if N is None:
            raise FeatureError("N, the length of the transform, is missing")
        check_minimum(2 if mode == 1 else 1, N=N)
        self._length = N
        with self.name_scope():
            matrix = scipy.fft.dct(np.eye(N), type=mode, norm=norm, axis=0)
            self.matrix = self.params.get_constant("matrix", nd.array(matrix, dtype="float32"))

    def hybrid_forward(self, F, x, matrix):
        return F.FullyConnected(x, matrix, num_hidden=self._length, no_bias=True, flatten=False)


class MFCC(FrontEnd):
    """Mel-frequency cepstral coefficients: the first coefficients of the DCT of a mel spectrogram in decibels.

    Parameters
    ----------
    audio_length, sr, n_fft, hop_length, power, n_mels, fmin, fmax
        As for `MelSpectrogram`.
    n_mfcc : int > 0
        Number of coefficients.
    dct_type : 1, 2, 3, 4 or None
        Type of the DCT; None is 2.
    norm : 'ortho' or None
        'ortho' for an orthonormal DCT.
    mel_norm : 'slaney', 1 or None
        Norm of the mel bands, as for `MelSpectrogram`.
    layout : 'gluonar' or None
        'gluonar' for the transform of ``STFTBlock(layout='gluonar')`` and coefficients before frames in the output.
    **mel
        Further arguments of `MelSpectrogram`: ``htk, win_length, window, center, pad_mode, drop_last_bin``.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, audio_length)], float32
        Samples.

    Outputs
    -------
    NDArray or Symbol [shape=(batch, 1, frames, n_mfcc)], float32
        With ``layout='gluonar'`` the shape is (batch, 1, n_mfcc, frames).

    Raises
    ------
    FeatureError
        As for `MelSpectrogram` and `DCT1D`; also if ``n_mfcc`` is above ``n_mels``.

    See Also
    --------
    librosa.feature.mfcc : the definition, for one sound.

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
        dct_type: Literal[1, 2, 3, 4] | None = 2,
        norm: Literal["ortho"] | None = "ortho",
        n_fft: int = 2048,
        hop_length: int | None = 512,
        power: float = 2.0,
        n_mels: int = 128,
        fmin: float = 0.0,
        fmax: float | None = None,
        *,
        mel_norm: Literal["slaney", 1] | None = "slaney",
        layout: Layout = None,
        prefix: str | None = None,
        params=None,
        **mel: Any,
    ):
        super().__init__(audio_length, layout, prefix, params)
        check_minimum(1, n_mfcc=n_mfcc)
        if n_mfcc > n_mels:
            raise FeatureError(f"n_mfcc must be <= n_mels ({n_mels}), got {n_mfcc}")
        self._n_mfcc = n_mfcc
        if self._gluonar:
            mel = GLUONAR_STFT | mel
        with self.name_scope():
            self.mel = MelSpectrogram(
                audio_length, sr, n_fft, hop_length, power, n_mels, fmin, fmax, norm=mel_norm, **mel
            )
            self.decibels = PowerToDB()
            self.dct = DCT1D(2 if dct_type is None else dct_type, n_mels, norm)

    def hybrid_forward(self, F, x):
        mfcc = F.slice_axis(self.dct(self.decibels(self.mel(x))), axis=-1, begin=0, end=self._n_mfcc)
        return F.transpose(mfcc, axes=(0, 1, 3, 2)) if self._gluonar else mfcc
