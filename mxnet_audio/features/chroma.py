"""Chromagrams: energy by pitch class, equal to librosa's."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mxnet_audio.features.checks import check_minimum, check_rate, check_real
from mxnet_audio.features.spectral import cut_frames, power_spectrum
from mxnet_audio.features.windows import window_weights

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
    """Compute a chromagram: energy by pitch class, scaled so that the largest in each frame is 1.

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)], float
        Samples.
    sr : number > 0 [Hz]
        Sampling rate.
    n_fft, hop_length, win_length, window, center
        As for `stft`.
    n_chroma : int > 0
        Pitch classes in an octave.
    tuning : float or None [pitch classes]
        Deviation from A = 440 Hz; None estimates it for each item of a batch.

    Returns
    -------
    np.ndarray [shape=(..., n_chroma, frames)], float32
        In [0, 1]; frames of digital silence are 0.

    Raises
    ------
    FeatureError
        As `stft`, or ``n_chroma`` or ``sr`` is out of range.

    See Also
    --------
    librosa.feature.chroma_stft : the definition that this follows; its filters and its estimate of the tuning are used.

    Examples
    --------
    >>> a = np.sin(2 * np.pi * 440 / 22050 * np.arange(22050))
    >>> chroma(a, 22050, tuning=0.0).mean(axis=1).argmax()  # C is 0
    9
    """
    check_minimum(1, n_chroma=n_chroma)
    check_rate(sr)
    if tuning is not None:
        check_real("tuning", tuning, -100, 100)
    frames, shape = cut_frames(y, n_fft, hop_length, center)
    power = power_spectrum(frames, window_weights(window, win_length, n_fft))
    out = np.empty((len(power), n_chroma, power.shape[-1]), dtype=np.float32)
    for item, energy in zip(out, power):
        item_tuning = _estimate_tuning(energy, sr, n_chroma) if tuning is None else float(tuning)
        item[...] = _chroma_filters(sr, n_fft, n_chroma, item_tuning) @ energy
    peak = out.max(axis=-2, keepdims=True)
    out /= np.where(peak < np.finfo(np.float32).tiny, np.float32(1), peak)
    return out.reshape(*shape, *out.shape[1:])


def _estimate_tuning(energy: np.ndarray, sr: float, n_chroma: int) -> float:
    from librosa import piptrack, pitch_tuning  # slow to import

    # librosa.estimate_tuning without its warning about sound without pitch.
    pitch, magnitude = piptrack(S=energy, sr=sr)
    pitched = pitch > 0
    if not pitched.any():
        return 0.0
    strong = pitched & (magnitude >= np.median(magnitude[pitched]))
    return float(pitch_tuning(pitch[strong], bins_per_octave=n_chroma))


@lru_cache(maxsize=128)  # estimates are multiples of 0.01
def _chroma_filters(sr: float, n_fft: int, n_chroma: int, tuning: float) -> np.ndarray:
    from librosa import filters

    return filters.chroma(sr=sr, n_fft=n_fft, n_chroma=n_chroma, tuning=tuning)
