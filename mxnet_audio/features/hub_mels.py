"""Log-mel spectrograms of Whisper and PANNs: librosa's bands of power, with the sound reflected at both ends.

The constants are in `keys.FIXED_VALUES`, since the feature configuration reads them, too.
"""

from __future__ import annotations

import numpy as np

from mxnet_audio.errors import FeatureError
from mxnet_audio.features.checks import check_fixed_rate, check_samples
from mxnet_audio.features.keys import FIXED_VALUES
from mxnet_audio.features.spectral import melspectrogram, power_to_db

__all__ = ["panns_mel", "whisper_mel"]


def whisper_mel(y: np.ndarray, sr: float = 16000, *, n_mels: int = 80) -> np.ndarray:
    """Compute the log-mel spectrogram that Whisper takes, equal to transformers' within 1e-4.

    Power in Slaney's bands from 0 to 8000 Hz, of frames of 400 samples, 160 apart and centered, becomes decibels above
    80 dB below the sound's peak; these are divided by 40, and 1 is added. The last frame is left out.

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)], float
        Samples in [-1, 1], at least 201. Whisper takes windows of 30 s: a shorter sound has to be padded with zeros at
        its end, as `extract` does.
    sr : 16000 [Hz]
        Sampling rate.
    n_mels : int > 0
        Number of bands: 128 for Whisper large-v3 and those made of it, 80 for the others.

    Returns
    -------
    np.ndarray [shape=(..., n_mels, n // 160)], float32

    Raises
    ------
    FeatureError
        There are fewer than 201 samples, the rate is not 16000 Hz, or ``n_mels`` is no number of bands.

    See Also
    --------
    transformers.WhisperFeatureExtractor : the definition that this follows.

    References
    ----------
    A. Radford et al., Robust speech recognition via large-scale weak supervision, ICML 2023.

    Examples
    --------
    >>> whisper_mel(np.ones(480000, np.float32)).shape
    (80, 3000)
    """
    mel = melspectrogram(_reflected(y, sr, "whisper"), n_mels=n_mels, **{**FIXED_VALUES["whisper"], "center": False})
    db = power_to_db(mel[..., :-1])
    db /= 40
    db += 1
    return db


def panns_mel(y: np.ndarray, sr: float = 32000) -> np.ndarray:
    """Compute the log-mel spectrogram that PANNs take, in decibels.

    Power in 64 of Slaney's bands from 50 to 14,000 Hz, of frames of 1024 samples, 320 apart and centered. It equals
    torchlibrosa's within 1e-4 dB for noise. Beside a pure tone, more than 90 dB below it, both have rounding errors of
    float32, and differ by up to 0.1 dB.

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)], float
        Samples in [-1, 1], at least 513.
    sr : 32000 [Hz]
        Sampling rate.

    Returns
    -------
    np.ndarray [shape=(..., 64, 1 + n // 320)], float32 [dB]

    Raises
    ------
    FeatureError
        There are fewer than 513 samples, or the rate is not 32000 Hz.

    See Also
    --------
    torchlibrosa.stft.LogmelFilterBank : the definition that this follows.

    References
    ----------
    Q. Kong et al., PANNs: large-scale pretrained audio neural networks for audio pattern recognition, IEEE/ACM TASLP
    28, 2020.

    Examples
    --------
    >>> panns_mel(np.ones(320000, np.float32)).shape
    (64, 1001)
    """
    mel = melspectrogram(_reflected(y, sr, "panns"), **{**FIXED_VALUES["panns"], "center": False})
    return power_to_db(mel, top_db=None)


def _reflected(y: np.ndarray, sr: float, kind: str) -> np.ndarray:
    """Check samples and rate, and extend the samples by half a frame at both ends, reflected at the outer samples."""
    check_fixed_rate(kind, sr, FIXED_VALUES[kind]["sr"])
    y = check_samples(y)
    half = FIXED_VALUES[kind]["n_fft"] // 2
    if y.shape[-1] <= half:
        raise FeatureError(f"{y.shape[-1]} samples are too few: {kind} features need at least {half + 1}")
    return np.pad(y, [(0, 0)] * (y.ndim - 1) + [(half, half)], mode="reflect")
