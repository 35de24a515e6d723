"""Mel spectrograms that pretrained encoders take: YAMNet's and musicnn's, at 16 kHz and with fixed constants.

The constants are in `keys.FIXED_VALUES`, since the feature configuration reads them, too.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.sparse

from mxnet_audio.errors import FeatureError
from mxnet_audio.features.checks import check_fixed_rate, check_samples
from mxnet_audio.features.keys import FIXED_VALUES
from mxnet_audio.features.mel import triangles
from mxnet_audio.features.spectral import cut_frames, melspectrogram, squares
from mxnet_audio.features.windows import window_weights

__all__ = ["MUSICNN_SCALE", "YAMNET_OFFSET", "musicnn_mel", "yamnet_filters", "yamnet_mel"]

YAMNET_OFFSET = 0.001
MUSICNN_SCALE = 10000.0


def yamnet_mel(y: np.ndarray, sr: float = 16000) -> np.ndarray:
    """Compute the log-mel spectrogram that YAMNet takes: ``ln(mel + 0.001)`` of magnitudes in 64 bands.

    Frame ``t`` is the transform of 512 points of samples ``160 t`` to ``160 t + 400``, weighted with a periodic Hann
    window. The bands lie between 125 and 7500 Hz.

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)], float
        Samples in [-1, 1], at least 400.
    sr : 16000 [Hz]
        Sampling rate.

    Returns
    -------
    np.ndarray [shape=(..., 64, 1 + (n - 400) // 160)], float32
        A patch of YAMNet has 96 frames, which are 15,600 samples.

    Raises
    ------
    FeatureError
        There are fewer than 400 samples, or the rate is not 16000 Hz.

    See Also
    --------
    mxnet_audio.nn.YamnetMel : the same as a Gluon block.

    References
    ----------
    M. Plakal and D. Ellis, YAMNet: https://github.com/tensorflow/models/tree/master/research/audioset/yamnet

    Examples
    --------
    >>> yamnet_mel(np.ones(15600, np.float32)).shape
    (64, 96)
    """
    fixed = FIXED_VALUES["yamnet"]
    check_fixed_rate("YAMNet", sr, fixed["sr"])
    y = check_samples(y)
    if y.shape[-1] < fixed["win_length"]:
        raise FeatureError(f"{y.shape[-1]} samples are fewer than a window ({fixed['win_length']})")
    # The window is in the middle of the transform. Zeros before and after the sound let it begin at the first sample.
    beside = (fixed["n_fft"] - fixed["win_length"]) // 2
    y = np.pad(y, [(0, 0)] * (y.ndim - 1) + [(beside, beside)])
    frames, shape = cut_frames(y, fixed["n_fft"], fixed["hop_length"], center=False)
    weights = window_weights(fixed["window"], fixed["win_length"], fixed["n_fft"])
    filters = _sparse_yamnet_filters()
    out = np.empty((len(frames), fixed["n_mels"], frames.shape[1]), dtype=np.float32)
    for item, span, parts in squares(frames, weights):
        power = parts[:, ::2] + parts[:, 1::2]
        out[item, :, span] = filters @ np.sqrt(power, out=power)
    out += np.float32(YAMNET_OFFSET)
    return np.log(out, out=out).reshape(*shape, *out.shape[1:])


def musicnn_mel(y: np.ndarray, sr: float = 16000, *, center: bool = True) -> np.ndarray:
    """Compute the log-mel spectrogram that musicnn takes: ``log10(1 + 10000 mel)`` of power in 96 bands.

    The mel spectrogram is librosa's with frames of 512 samples, 256 apart, and bands from 0 to 8000 Hz.

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)], float
        Samples in [-1, 1].
    sr : 16000 [Hz]
        Sampling rate.
    center : bool
        True centers frame ``t`` at sample ``256 t``, with zeros beyond both ends, as musicnn does; False starts it
        there.

    Returns
    -------
    np.ndarray [shape=(..., 96, 1 + n // 256)], float32
        A patch of musicnn has 187 frames. With ``center=False`` there are ``1 + (n - 512) // 256`` frames.

    Raises
    ------
    FeatureError
        There are no samples, or fewer than 512 without `center`; or the rate is not 16000 Hz.

    See Also
    --------
    mxnet_audio.nn.MusicnnMel : the same as a Gluon block.

    References
    ----------
    J. Pons and X. Serra, musicnn: pre-trained convolutional neural networks for music audio tagging, ISMIR 2019:
    https://github.com/jordipons/musicnn

    Examples
    --------
    >>> musicnn_mel(np.ones(48000, np.float32)).shape
    (96, 188)
    """
    check_fixed_rate("musicnn", sr, FIXED_VALUES["musicnn"]["sr"])
    mel = melspectrogram(y, **{**FIXED_VALUES["musicnn"], "center": center})
    mel *= np.float32(MUSICNN_SCALE)
    mel += 1
    np.log(mel, out=mel)  # several times faster than log10
    mel *= np.float32(1 / np.log(10))
    return mel


@lru_cache(maxsize=1)
def yamnet_filters() -> np.ndarray:
    """Return YAMNet's filters: triangles of height 1 on the mel scale, not in hertz as librosa's.

    Returns
    -------
    np.ndarray [shape=(64, 257)], float32
        Read-only, since it is shared.

    Examples
    --------
    >>> yamnet_filters().shape
    (64, 257)
    """
    fixed = FIXED_VALUES["yamnet"]
    hertz = np.fft.rfftfreq(fixed["n_fft"], 1 / fixed["sr"])
    low, high, *points = np.log1p(np.array([fixed["fmin"], fixed["fmax"], *hertz]) / 700)  # mel / 1127
    filters = triangles(np.linspace(low, high, fixed["n_mels"] + 2), np.array(points))
    filters.setflags(write=False)
    return filters


@lru_cache(maxsize=1)
def _sparse_yamnet_filters() -> scipy.sparse.csr_matrix:
    return scipy.sparse.csr_matrix(yamnet_filters())
