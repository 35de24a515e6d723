"""Energy by pitch class, equal to librosa's."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mxnet_audio.errors import FeatureError
from mxnet_audio.features.spectral import energies, framed, window_weights

__all__ = ["chroma"]


def chroma(
    y: np.ndarray,
    sr: float,
    *,
    n_fft: int = 2048,
    hop_length: int = 512,
    win_length: int | None = None,
    window: str = "hann",
    center: bool = True,
    n_chroma: int = 12,
    tuning: float | None = None,
) -> np.ndarray:
    """Chromagram: energy by pitch class, each frame's largest being 1.

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)], float
        Samples.
    sr : number > 0 [Hz]
        Sampling rate.
    n_fft, hop_length, win_length, window, center
        As for `stft`.
    n_chroma : int > 0
        Pitch classes to an octave.
    tuning : float or None [pitch classes]
        Deviation from A = 440 Hz; None estimates it, for each item of a batch on its own.

    Returns
    -------
    np.ndarray [shape=(..., n_chroma, frames)], float32
        In [0, 1]; frames of digital silence are 0.

    Raises
    ------
    FeatureError
        As `stft`, or ``n_chroma`` is below 1.

    See Also
    --------
    librosa.feature.chroma_stft : the definition that this follows, with its filters and its estimate.

    Examples
    --------
    >>> a = np.sin(2 * np.pi * 440 / 22050 * np.arange(22050))
    >>> chroma(a, 22050, tuning=0.0).mean(axis=1).argmax()  # C is 0
    9
    """
    if n_chroma < 1:
        raise FeatureError(f"n_chroma must be 1 or more, got {n_chroma}")
    frames, shape = framed(y, n_fft, hop_length, center)
    power = energies(frames, window_weights(window, win_length or n_fft, n_fft))
    out = np.stack([_chroma_filters(sr, n_fft, n_chroma, _tuning(e, sr, n_chroma, tuning)) @ e for e in power])
    peak = out.max(axis=-2, keepdims=True)
    out /= np.where(peak < np.finfo(np.float32).tiny, np.float32(1), peak)
    return out.reshape(*shape, *out.shape[1:])


def _tuning(energy: np.ndarray, sr: float, n_chroma: int, tuning: float | None) -> float:
    if tuning is not None:
        return float(tuning)
    if not energy.any():  # librosa would warn that silence has no pitch
        return 0.0
    from librosa import estimate_tuning

    return float(estimate_tuning(S=energy, sr=sr, bins_per_octave=n_chroma))


@lru_cache(maxsize=128)  # estimates come in hundredths
def _chroma_filters(sr: float, n_fft: int, n_chroma: int, tuning: float) -> np.ndarray:
    from librosa import filters

    return filters.chroma(sr=sr, n_fft=n_fft, n_chroma=n_chroma, tuning=tuning)
