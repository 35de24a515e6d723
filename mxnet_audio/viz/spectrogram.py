"""Figures of spectrograms and other features, over time and frequency, or over frames and bins."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mxnet_audio.checks import real_number
from mxnet_audio.errors import ParameterError
from mxnet_audio.viz.figure import new_figure, saved, split_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

    from mxnet_audio.features import AudioFeatureConfig

__all__ = ["plot_spectrogram", "view_spec"]


def plot_spectrogram(features: np.ndarray, config: AudioFeatureConfig, path: str | os.PathLike | None = None) -> Figure:
    """Draw features over seconds; mel bands in hertz, others by number.

    Parameters
    ----------
    features : np.ndarray [shape=config.shape]
        Result of :func:`mxnet_audio.features.extract`; also with a leading axis of one channel.
    config : AudioFeatureConfig
        Configuration of the features.
    path : str or os.PathLike, optional
        Image file to write, in the format of its suffix; without a suffix, PNG.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        If ``features`` is not one array with the bands of ``config``.
    """
    features = np.asarray(features)
    if features.ndim == 3 and len(features) == 1:
        features = features[0]
    band_axis = -3 - config.time_axis
    if features.ndim != 2 or config.shape[band_axis] not in (features.shape[band_axis], None):
        expected = ", ".join(str(size or "any") for size in config.shape)
        raise ParameterError(f"features must have the shape [{expected}], got {features.shape}")
    # The first frame is centered on the first sample, or on the middle of the first window.
    if config.time_axis == -1:
        if config.sr is None:
            raise ParameterError("config must have a sampling rate, got sr=None")
        frame, first = config.hop_length / config.sr, 0 if config.center else config.frame_length / 2 / config.sr
    else:
        features = features.T
        frame, first = config.window_shift_in_s, config.window_length_in_s / 2
    edges = first + frame * (np.arange(features.shape[1] + 1) - 0.5)
    figure = new_figure(10, 4)
    axes = figure.subplots()
    image = _draw_image(axes, features, (edges[0], edges[-1], -0.5, len(features) - 0.5))
    ylabel = "coefficient" if config.type == "mfcc" else "band"
    if config.time_axis == -1 and config.type not in ("mfcc", "chroma"):
        axes.set_yticks(*_hertz_ticks(config))
        ylabel = "frequency (Hz, mel scale)"
    axes.set(xlabel="time (s)", ylabel=ylabel, xlim=(max(edges[0], 0), edges[-1]))
    figure.colorbar(image, ax=axes, label="level (dB)" if config.type == "log_mel" else config.type, pad=0.02)
    return saved(figure, path)


def view_spec(
    spec: np.ndarray,
    sample_rate: float | str | os.PathLike | None = None,
    path: str | os.PathLike | None = None,
    *,
    hop_length: int | None = None,
    power: bool | None = None,
) -> Figure:
    """Draw a spectrogram without its configuration, in decibels.

    Parameters
    ----------
    spec : np.ndarray [shape=(bins, frames)]
        Power or decibels; the lowest bin first.
    sample_rate : float > 0 [Hz], optional
        Sampling rate of the sound. If given, the bins are drawn in hertz, equally spaced from 0 to half the rate, as
        in a short-time Fourier transform. A path may be given in its place: ``view_spec(spec, 'spec.png')``.
    path : str or os.PathLike, optional
        Image file to write, in the format of its suffix; without a suffix, PNG.
    hop_length : int > 0 [samples], optional
        Hop between frames. With `sample_rate`, the frames are drawn in seconds.
    power : bool, optional
        True if `spec` is power, and is converted by :func:`mxnet_audio.features.power_to_db`; False if it is drawn as
        it is. By default, `spec` is power if it has no negative value, except if it is all zero.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        If ``spec`` is not one real array of bins and frames, or another argument is out of range.

    See Also
    --------
    plot_spectrogram : the features of a configuration, over seconds and hertz.

    Examples
    --------
    >>> axes = view_spec(np.full((257, 100), -80.0)).axes[0]
    >>> axes.get_xlabel(), axes.get_ylabel(), axes.images[0].get_array().shape
    ('frame', 'bin', (257, 100))
    >>> axes = view_spec(np.ones((257, 100)), 16000, hop_length=160).axes[0]
    >>> axes.get_xlabel(), axes.get_ylabel(), [float(edge) for edge in axes.get_ylim()]
    ('time (s)', 'frequency (Hz)', [-15.625, 8015.625])
    """
    sample_rate, path = split_path(sample_rate, path)
    spec = np.asarray(spec)
    if spec.ndim != 2 or not spec.size or np.iscomplexobj(spec):
        raise ParameterError(f"spec must be real, [bins, frames], got {spec.dtype} of shape {spec.shape}")
    for name, value in (("sample_rate", sample_rate), ("hop_length", hop_length)):
        if value is not None:
            real_number(name, value, above=0)
    if hop_length is not None and sample_rate is None:
        raise ParameterError(f"hop_length needs sample_rate, got hop_length={hop_length} alone")
    if power is None:
        power = bool(spec.min() >= 0 and spec.max() > 0)
    if power:
        from mxnet_audio.features import power_to_db

        spec = power_to_db(spec)
    bins, frames = spec.shape
    hertz = 1 if sample_rate is None else sample_rate / 2 / max(bins - 1, 1)
    seconds = 1 if hop_length is None else hop_length / sample_rate
    figure = new_figure(10, 4)
    axes = figure.subplots()
    extent = (-0.5 * seconds, (frames - 0.5) * seconds, -0.5 * hertz, (bins - 0.5) * hertz)
    image = _draw_image(axes, spec, extent)
    axes.set(
        xlabel="frame" if hop_length is None else "time (s)", ylabel="bin" if sample_rate is None else "frequency (Hz)"
    )
    for axis, unit in ((axes.xaxis, hop_length), (axes.yaxis, sample_rate)):
        if unit is None:
            axis.set_major_locator(MaxNLocator(integer=True))
    figure.colorbar(image, ax=axes, label="level (dB)", pad=0.02)
    return saved(figure, path)


def _draw_image(axes: Axes, values: np.ndarray, extent: tuple[float, float, float, float]) -> AxesImage:
    return axes.imshow(values, origin="lower", aspect="auto", interpolation="nearest", cmap="magma", extent=extent)


def _hertz_ticks(config: AudioFeatureConfig) -> tuple[np.ndarray, list[str]]:
    """Return the (fractional) bands of round frequencies, and their names."""
    from librosa import mel_frequencies

    assert config.sr is not None  # checked by the caller
    fmax = config.fmax or config.sr / 2
    # The centers of the bands: without the two outer edges.
    centers = mel_frequencies(config.n_mels + 2, fmin=config.fmin, fmax=fmax, htk=config.htk)[1:-1]
    frequencies = np.array([63, 125, 250, 500, 1000, 2000, 4000, 8000, 16000])
    inside = frequencies[(frequencies >= centers[0]) & (frequencies <= centers[-1])]
    bands = np.interp(inside, centers, np.arange(config.n_mels))
    # Names must not overlap: each keeps a distance from the next, as the lowest bands are close together.
    apart = np.diff(bands, append=np.inf) > 0.045 * config.n_mels
    return bands[apart], [f"{hertz:,}" for hertz in inside[apart]]
