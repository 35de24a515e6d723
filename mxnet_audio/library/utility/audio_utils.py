"""Mel-spectrograms at the import path of the first mxnet-audio."""

from __future__ import annotations

import numpy as np

from mxnet_audio.features import AudioFeatureConfig, load_features
from mxnet_audio.inference.predictor import AudioSource

__all__ = ["compute_melgram"]

N_FRAMES = 1366  # 29.12 s at 12 kHz with a hop of 256


def compute_melgram(audio_path: AudioSource) -> np.ndarray:
    """Compute the log-mel spectrogram of 29.12 s of a file, the middle of a longer one.

    The shape is that of the first mxnet-audio, the scale is not. Values here are ``10 * log10(power)`` with a floor
    80 dB below the peak. There they were ``20 * log10(power ** 2)``, four times these, with a floor 80 dB below their
    peak, which is 20 dB on this scale and hid most of the spectrogram. No ``-mg.npy`` file is written beside the sound.

    Parameters
    ----------
    audio_path : str or os.PathLike or binary file or bytes or (np.ndarray, rate)
        Sound, as `mxnet_audio.audio.load` takes it.

    Returns
    -------
    np.ndarray [shape=(1, 96, 1366)], float32, dB

    Raises
    ------
    AudioError
        If the file cannot be used.

    Examples
    --------
    >>> compute_melgram((np.sin(np.arange(60000)), 12000)).shape
    (1, 96, 1366)
    """
    return load_features(audio_path, AudioFeatureConfig(n_frames=N_FRAMES))[np.newaxis]
