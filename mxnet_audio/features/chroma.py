"""Energy by pitch class, equal to librosa's."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mxnet_audio.features.spectral import check_least, check_rate, energies, framed, window_weights

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
        As `stft`, ``n_chroma`` is below 1, or ``sr`` not above 0.

    See Also
    --------
    librosa.feature.chroma_stft : the definition that this follows, with its filters and its estimate.

    Examples
    --------
    >>> a = np.sin(2 * np.pi * 440 / 22050 * np.arange(22050))
    >>> chroma(a, 22050, tuning=0.0).mean(axis=1).argmax()  # C is 0
    9
    """
    check_least(1, n_chroma=n_chroma)
    check_rate(sr)
    frames, shape = framed(y, n_fft, hop_length, center)
    power = energies(frames, window_weights(window, win_length, n_fft))
    out = np.empty((len(power), n_chroma, power.shape[-1]), dtype=np.float32)
    for item, energy in zip(out, power):
        item[...] = _chroma_filters(sr, n_fft, n_chroma, _tuning(energy, sr, n_chroma, tuning)) @ energy
    peak = out.max(axis=-2, keepdims=True)
    out /= np.where(peak < np.finfo(np.float32).tiny, np.float32(1), peak)
    return out.reshape(*shape, *out.shape[1:])


def _tuning(energy: np.ndarray, sr: float, n_chroma: int, tuning: float | None) -> float:
    if tuning is not None:
        return float(tuning)
    from librosa import piptrack, pitch_tuning

    # librosa.estimate_tuning, without its warning where nothing has a pitch.
    pitch, magnitude = piptrack(S=energy, sr=sr)
    pitched = pitch > 0
    if not pitched.any():
        return 0.0
    strong = pitched & (magnitude >= np.median(magnitude[pitched]))
    return float(pitch_tuning(pitch[strong], bins_per_octave=n_chroma))


@lru_cache(maxsize=128)  # estimates come in hundredths
def _chroma_filters(sr: float, n_fft: int, n_chroma: int, tuning: float) -> np.ndarray:
    from librosa import filters

    return filters.chroma(sr=sr, n_fft=n_fft, n_chroma=n_chroma, tuning=tuning)
