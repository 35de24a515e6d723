"""Filter banks of AST (Kaldi's, by torchaudio's definition) and of SpeechBrain's ECAPA-TDNN, at 16 kHz.

The constants are in `keys.FIXED_VALUES`, since the feature configuration reads them, too.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.fft
import scipy.sparse

from mxnet_audio.errors import FeatureError
from mxnet_audio.features.checks import check_fixed_rate, check_minimum, check_real, check_samples
from mxnet_audio.features.keys import FIXED_VALUES
from mxnet_audio.features.mel import triangles
from mxnet_audio.features.spectral import cut_frames, power_to_db, squares
from mxnet_audio.features.windows import get_window, window_weights

__all__ = ["AST_MEAN", "AST_STD", "MAX_MEAN", "MIN_STD", "ast_fbank", "speechbrain_fbank"]

AST_MEAN, AST_STD = -4.2677393, 4.5689974  # of AudioSet, on which AST was trained
MAX_MEAN, MIN_STD = 1e6, 1e-6  # with these limits no feature becomes infinite
_PREEMPHASIS = np.float32(0.97)
_FLOOR = np.finfo(np.float32).eps
_BLOCK = 256  # frames


def ast_fbank(
    y: np.ndarray,
    sr: float = 16000,
    mean: float = AST_MEAN,
    std: float = AST_STD,
    *,
    n_mels: int = 128,
    max_length: int | None = 1024,
) -> np.ndarray:
    """Compute the filter bank that the Audio Spectrogram Transformer takes, equal to transformers' within 1e-4.

    Each frame of 400 samples, 160 apart, loses its mean, is pre-emphasized (0.97) and weighted with a symmetric Hann
    window. Bands on HTK's mel scale from 20 to 8000 Hz sum the power of a transform of 512 points. The features are the
    natural logarithms, padded with zeros or cut at the end, less `mean` and divided by twice `std`.

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)], float
        Samples in [-1, 1], at least 400.
    sr : 16000 [Hz]
        Sampling rate.
    mean, std : float
        Mean and standard deviation of logarithms in the training set. Default: AudioSet's. With 0 and 0.5 the
        logarithms remain.
    n_mels : int > 0
        Number of bands.
    max_length : int > 0 or None
        Number of frames that shorter sound is padded to, and longer cut to; None keeps all.

    Returns
    -------
    np.ndarray [shape=(..., n_mels, max_length)], float32
        Without `max_length`, ``1 + (n - 400) // 160`` frames.

    Raises
    ------
    FeatureError
        There are fewer than 400 samples, the rate is not 16000 Hz, or another argument is out of range.

    See Also
    --------
    transformers.ASTFeatureExtractor, torchaudio.compliance.kaldi.fbank : the definitions that this follows.

    References
    ----------
    Y. Gong, Y.-A. Chung and J. Glass, AST: Audio Spectrogram Transformer, Interspeech 2021.

    Examples
    --------
    >>> ast_fbank(np.ones(16000, np.float32)).shape
    (128, 1024)
    """
    fixed = FIXED_VALUES["ast"]
    check_fixed_rate("ast", sr, fixed["sr"])
    check_real("mean", mean, -MAX_MEAN, MAX_MEAN)
    check_real("std", std, MIN_STD)
    check_minimum(1, n_mels=n_mels)
    window, hop = fixed["win_length"], fixed["hop_length"]
    y = check_samples(y)
    if y.shape[-1] < window:
        raise FeatureError(f"{y.shape[-1]} samples are too few: ast features need at least {window}")
    if max_length is not None:
        check_minimum(1, max_length=max_length)
        y = y[..., : window + (max_length - 1) * hop]
    frames, shape = cut_frames(y, window, hop, center=False)
    count = frames.shape[1]
    weights, filters = get_window("hann", window, periodic=False).astype(np.float32), _ast_filters(n_mels)
    out = np.zeros((len(frames), n_mels, count if max_length is None else max_length), dtype=np.float32)
    for item, rows in enumerate(frames):
        for start in range(0, count, _BLOCK):
            x = rows[start : start + _BLOCK]
            x = x - x.mean(axis=1, keepdims=True)
            x[:, 1:] -= _PREEMPHASIS * x[:, :-1]  # the first sample has a weight of 0
            spectrum = scipy.fft.rfft(x * weights, fixed["n_fft"], workers=1)
            bands = filters @ (np.square(spectrum.real) + np.square(spectrum.imag)).T
            out[item, :, start : start + len(x)] = np.log(np.maximum(bands, _FLOOR))
    out -= np.float32(mean)
    out /= np.float32(2 * std)
    return out.reshape(*shape, *out.shape[1:])


def speechbrain_fbank(y: np.ndarray, sr: float = 16000) -> np.ndarray:
    """Compute the filter bank that SpeechBrain's ECAPA-TDNN takes, in decibels without their mean over time.

    Power in 80 bands from 0 to 8000 Hz, of frames of 400 samples, 160 apart and centered, weighted with a periodic
    Hamming window, becomes decibels above 80 dB below the sound's peak. It equals SpeechBrain's within 1e-4 dB for
    noise, and 1e-3 dB in the quiet bands beside a pure tone, where both have rounding errors of float32.

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)], float
        Samples in [-1, 1].
    sr : 16000 [Hz]
        Sampling rate.

    Returns
    -------
    np.ndarray [shape=(..., 80, 1 + n // 160)], float32 [dB]
        The mean of each band over the frames is 0.

    Raises
    ------
    FeatureError
        There are no samples, or the rate is not 16000 Hz.

    See Also
    --------
    speechbrain.lobes.features.Fbank, speechbrain.processing.features.InputNormalization : the definitions.

    References
    ----------
    M. Ravanelli et al., SpeechBrain: a general-purpose speech toolkit, 2021, https://arxiv.org/abs/2106.04624

    Examples
    --------
    >>> speechbrain_fbank(np.ones(16000, np.float32)).shape
    (80, 101)
    """
    fixed = FIXED_VALUES["speechbrain"]
    check_fixed_rate("speechbrain", sr, fixed["sr"])
    frames, shape = cut_frames(y, fixed["n_fft"], fixed["hop_length"], center=True)
    filters = _speechbrain_filters()
    power = np.empty((len(frames), filters.shape[0], frames.shape[1]), dtype=np.float32)
    for item, span, parts in squares(frames, window_weights(fixed["window"], None, fixed["n_fft"])):
        power[item, :, span] = filters @ (parts[:, ::2] + parts[:, 1::2])
    db = power_to_db(power)
    db -= db.mean(axis=-1, keepdims=True)
    return db.reshape(*shape, *db.shape[1:])


@lru_cache(maxsize=8)
def _ast_filters(n_mels: int) -> scipy.sparse.csr_matrix:
    """Return triangles on the mel scale [shape=(n_mels, 257)]."""
    fixed = FIXED_VALUES["ast"]
    hertz = np.fft.rfftfreq(fixed["n_fft"], 1 / fixed["sr"])
    low, high, *points = np.log1p(np.array([fixed["fmin"], fixed["sr"] / 2, *hertz]) / 700)  # mel / 1127
    return scipy.sparse.csr_matrix(triangles(np.linspace(low, high, n_mels + 2), np.array(points)))


@lru_cache(maxsize=1)
def _speechbrain_filters() -> scipy.sparse.csr_matrix:
    """Return symmetric triangles in hertz [shape=(80, 201)]; both sides are as wide as the left one of librosa's.

    SpeechBrain computes in float32, whose rounding errors are in the bands that its networks were trained on.
    """
    fixed = FIXED_VALUES["speechbrain"]
    step = 2595 * np.log10(1 + fixed["sr"] / 2 / 700) / (fixed["n_mels"] + 1)
    mel = np.float32(step) * np.arange(fixed["n_mels"] + 2, dtype=np.float32)
    hertz = np.float32(700) * (np.float32(10) ** (mel / np.float32(2595)) - np.float32(1))
    points = np.linspace(0, fixed["sr"] / 2, fixed["n_fft"] // 2 + 1, dtype=np.float32)
    slopes = (points - hertz[1:-1, np.newaxis]) / np.diff(hertz)[:-1, np.newaxis]
    return scipy.sparse.csr_matrix(np.maximum(0, np.minimum(slopes + 1, 1 - slopes)))
