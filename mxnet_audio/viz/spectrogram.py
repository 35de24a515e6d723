"""Pictures of features: spectrograms over time and frequency, or bare ones over frames and bins."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mxnet_audio.viz.figure import new_figure, saved

if TYPE_CHECKING:
    from mxnet_audio.features import AudioFeatureConfig

__all__ = ["plot_spectrogram", "view_spec"]


def plot_spectrogram(features: np.ndarray, config: AudioFeatureConfig, path: str | os.PathLike | None = None) -> Figure:
    """Draw features over seconds; mel bands in hertz, others by number.

    Parameters
    ----------
    features : np.ndarray [shape=config.shape]
        What :func:`mxnet_audio.features.extract` returns; a leading axis of one channel may stand before.
    config : AudioFeatureConfig
        The configuration that made them: it says what a band and a frame are.
    path : str or os.PathLike, optional
        PNG to write.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If ``features`` is not one array of as many bands as ``config`` makes.
    """
    features = np.asarray(features)
    if features.ndim == 3 and len(features) == 1:
        features = features[0]
    bands = -3 - config.time_axis  # the other axis
    if features.ndim != 2 or config.shape[bands] not in (features.shape[bands], None):
        wanted = ", ".join(str(size or "any") for size in config.shape)
        raise ValueError(f"expected features [{wanted}], not {features.shape}")
    # The first frame lies centred on the first sample, or on the middle of the first window.
    if config.time_axis == -1:
        frame, first = config.hop_length / config.sr, 0 if config.center else config.n_fft / 2 / config.sr
    else:
        features = features.T
        frame, first = config.window_shift_in_s, config.window_length_in_s / 2
    edges = first + frame * (np.arange(features.shape[1] + 1) - 0.5)
    figure = new_figure(10, 4)
    axes = figure.subplots()
    image = axes.imshow(
        features,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="magma",
        extent=(edges[0], edges[-1], -0.5, len(features) - 0.5),
    )
    if config.type in ("log_mel", "mel"):
        axes.set_yticks(*_hertz_ticks(config))
    ylabel = {"log_mel": "frequency (Hz, mel scale)", "mel": "frequency (Hz, mel scale)", "mfcc": "coefficient"}
    axes.set(xlabel="time (s)", ylabel=ylabel.get(config.type, "band"), xlim=(max(edges[0], 0), edges[-1]))
    figure.colorbar(image, ax=axes, label="level (dB)" if config.type == "log_mel" else config.type, pad=0.02)
    return saved(figure, path)


def view_spec(spec: np.ndarray, path: str | os.PathLike | None = None) -> Figure:
    """Draw a bare spectrogram, over its frames and bins, without a configuration that says what they are.

    Parameters
    ----------
    spec : np.ndarray [shape=(bins, frames)], dB
        The lowest bin first. Of powers, :func:`mxnet_audio.features.power_to_db` makes decibels.
    path : str or os.PathLike, optional
        PNG to write.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If ``spec`` is not one real array of bins and frames.

    See Also
    --------
    plot_spectrogram : in seconds and hertz.

    Examples
    --------
    >>> axes = view_spec(np.zeros((257, 100))).axes[0]
    >>> axes.get_xlabel(), axes.get_ylabel(), axes.images[0].get_array().shape
    ('frame', 'bin', (257, 100))
    """
    spec = np.asarray(spec)
    if spec.ndim != 2 or not spec.size or np.iscomplexobj(spec):
        raise ValueError(f"expected decibels [bins, frames], not {spec.dtype} of shape {spec.shape}")
    figure = new_figure(10, 4)
    axes = figure.subplots()
    image = axes.imshow(spec, origin="lower", aspect="auto", interpolation="nearest", cmap="magma")
    axes.set(xlabel="frame", ylabel="bin")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    figure.colorbar(image, ax=axes, label="level (dB)", pad=0.02)
    return saved(figure, path)


def _hertz_ticks(config: AudioFeatureConfig) -> tuple[np.ndarray, list[str]]:
    """Return the (fractional) bands at which round frequencies lie, and their names."""
    from librosa import mel_frequencies

    fmax = config.fmax or config.sr / 2
    # Without the two outer edges, these are the centres of the bands.
    centres = mel_frequencies(config.n_mels + 2, fmin=config.fmin, fmax=fmax, htk=config.htk)[1:-1]
    round_ones = np.array([63, 125, 250, 500, 1000, 2000, 4000, 8000, 16000])
    inside = round_ones[(round_ones >= centres[0]) & (round_ones <= centres[-1])]
    bands = np.interp(inside, centres, np.arange(config.n_mels))
    # The lowest lie so close together that their names would overlap: each keeps its distance from the next.
    clear = np.diff(bands, append=np.inf) > 0.045 * config.n_mels
    return bands[clear], [f"{hertz:,}" for hertz in inside[clear]]
