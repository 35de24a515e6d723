"""Random transforms for training: crops, shifts, speed, gain, noise and masks."""

from __future__ import annotations

import numpy as np

from mxnet_audio import audio
from mxnet_audio.checks import real_number, whole_number
from mxnet_audio.data.transforms.base import RandomTransform, Seed
from mxnet_audio.data.transforms.inputs import as_samples, as_spectrogram
from mxnet_audio.errors import ParameterError

__all__ = ["AddNoise", "FrequencyMasking", "Gain", "RandomCrop", "SpeedPerturbation", "TimeMasking", "TimeShift"]


class RandomCrop(RandomTransform):
    """Cut a piece out of a longer sound, from a random position; pad a shorter one with zeros on both sides.

    Parameters
    ----------
    size : int > 0 [samples]
        Length of the piece.
    seed : int >= 0, np.random.Generator or None
        As for `RandomTransform`.
    pad : bool
        False leaves shorter sounds as they are.

    Examples
    --------
    >>> RandomCrop(3, seed=0)(np.arange(10.0)), RandomCrop(3, seed=0)(np.ones(2))
    (array([6., 7., 8.], dtype=float32), array([0., 1., 1.], dtype=float32))
    """

    def __init__(self, size: int, seed: Seed = None, *, pad: bool = True):
        super().__init__(seed, size=whole_number("size", size), pad=bool(pad))

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Crop [shape=(..., n)] to (..., size)."""
        x = as_samples(x)
        excess = x.shape[-1] - self.size
        start = int(rng.integers(abs(excess) + 1))
        if excess < 0:
            if not self.pad:
                return x
            return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(start, -excess - start)])
        return x[..., start : start + self.size].copy()  # a view would keep the rest in memory


class TimeShift(RandomTransform):
    """Shift sound in time, in either direction.

    Parameters
    ----------
    max_shift : float, 0 to 1
        Largest shift, as a share of the length (as in audiomentations).
    rollover : bool
        True moves what leaves at one end to the other end; False fills with zeros.
    seed : int >= 0, np.random.Generator or None
        As for `RandomTransform`.

    Examples
    --------
    >>> x = np.arange(1.0, 7.0)
    >>> TimeShift(0.5, seed=0)(x), TimeShift(0.5, rollover=False, seed=0)(x)
    (array([5., 6., 1., 2., 3., 4.], dtype=float32), array([0., 0., 1., 2., 3., 4.], dtype=float32))
    """

    def __init__(self, max_shift: float = 0.1, rollover: bool = True, seed: Seed = None):
        super().__init__(seed, max_shift=real_number("max_shift", max_shift, 0, 1), rollover=bool(rollover))

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Shift [shape=(..., n)] along the last axis."""
        x = as_samples(x)
        limit = int(self.max_shift * x.shape[-1])
        shift = int(rng.integers(-limit, limit + 1))
        y = np.roll(x, shift, axis=-1)
        if not self.rollover:
            y[..., slice(0, shift) if shift >= 0 else slice(shift, None)] = 0
        return y


class SpeedPerturbation(RandomTransform):
    """Play sound faster and higher, or slower and lower, like a tape (Ko et al., Interspeech 2015).

    Parameters
    ----------
    min_speed, max_speed : float, 0.1 to 10
        Limits of the speed, which is drawn uniformly in octaves.
    seed : int >= 0, np.random.Generator or None
        As for `RandomTransform`.
    keep_length : bool
        True keeps the length: a piece from a random position of slower sound, zeros after faster sound. False keeps
        all of it, so that no word is cut.

    Examples
    --------
    >>> x = np.sin(2 * np.pi * 100 * np.arange(8000) / 8000)  # 100 periods
    >>> spectrum = np.abs(np.fft.rfft(SpeedPerturbation(0.8, 0.8)(x)))
    >>> int(spectrum.argmax())
    80
    """

    def __init__(self, min_speed: float = 0.8, max_speed: float = 1.25, seed: Seed = None, *, keep_length: bool = True):
        limits = {
            "min_speed": real_number("min_speed", min_speed, 0.1, 10),
            "max_speed": real_number("max_speed", max_speed, 0.1, 10),
        }
        super().__init__(seed, **limits, keep_length=bool(keep_length))
        _check_order(**limits)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Play [shape=(..., n)] at another speed, the same for all channels."""
        x = as_samples(x)
        speed = np.exp(rng.uniform(np.log(self.min_speed), np.log(self.max_speed)))
        y, n = audio.resample(x, speed, 1), x.shape[-1]
        if not self.keep_length:
            return y
        return RandomCrop(n).apply(y, rng) if y.shape[-1] > n else audio.fit_length(y, n)


class Gain(RandomTransform):
    """Make sound louder or softer, uniformly in decibels. Samples are not clipped.

    Parameters
    ----------
    min_db, max_db : float [dB]
        Limits of the gain.
    seed : int >= 0, np.random.Generator or None
        As for `RandomTransform`.

    Examples
    --------
    >>> Gain(20, 20)(np.array([0.5, -0.25]))
    array([ 5. , -2.5], dtype=float32)
    """

    def __init__(self, min_db: float = -12.0, max_db: float = 12.0, seed: Seed = None):
        super().__init__(seed, min_db=real_number("min_db", min_db), max_db=real_number("max_db", max_db))
        _check_order(min_db=self.min_db, max_db=self.max_db)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Amplify [shape=(..., n)], all channels equally."""
        return as_samples(x) * np.float32(10 ** (rng.uniform(self.min_db, self.max_db) / 20))


class AddNoise(RandomTransform):
    """Add white Gaussian noise, with a signal-to-noise ratio drawn uniformly in decibels. Silence stays silent.

    Parameters
    ----------
    min_snr, max_snr : float [dB]
        Limits of the ratio of the sound's mean power to that of the noise.
    seed : int >= 0, np.random.Generator or None
        As for `RandomTransform`.

    Examples
    --------
    >>> x = np.sin(np.arange(22050))
    >>> noise = AddNoise(20, 20, seed=0)(x) - x
    >>> (10 * np.log10(np.mean(x**2) / np.mean(noise**2))).round()
    20.0
    """

    def __init__(self, min_snr: float = 5.0, max_snr: float = 40.0, seed: Seed = None):
        super().__init__(seed, min_snr=real_number("min_snr", min_snr), max_snr=real_number("max_snr", max_snr))
        _check_order(min_snr=self.min_snr, max_snr=self.max_snr)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add noise to [shape=(..., n)]: different in each channel, at the same level in all."""
        x = as_samples(x)
        level = np.sqrt(np.mean(np.square(x, dtype=np.float64))) * 10 ** (-rng.uniform(self.min_snr, self.max_snr) / 20)
        noise = rng.standard_normal(x.shape, dtype=np.float32)
        noise *= np.float32(level)
        noise += x
        return noise


class _Masking(RandomTransform):
    """Mask stripes of a spectrogram. Widths are uniform from 0 to `max_width`, as in the paper, so 0 occurs."""

    _axis: int

    def __init__(self, max_width: int | float, masks: int = 1, value: float | None = None, seed: Seed = None):
        value = None if value is None else real_number("value", value)
        share = isinstance(max_width, float) and 0 < max_width <= 1
        max_width = max_width if share else whole_number("max_width", max_width)
        super().__init__(seed, max_width=max_width, masks=whole_number("masks", masks), value=value)

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Mask [shape=(..., bands, frames)], the same stripes in all leading axes."""
        x = as_spectrogram(x)
        value = x.mean(axis=(-2, -1), keepdims=True) if self.value is None else self.value
        out = x.copy()
        stripes = out.swapaxes(self._axis, -1)
        size = stripes.shape[-1]
        limit = int(self.max_width * size) if isinstance(self.max_width, float) else min(self.max_width, size)
        for _ in range(self.masks):
            width = int(rng.integers(limit + 1))
            start = int(rng.integers(size - width + 1))
            stripes[..., start : start + width] = value
        return out


class TimeMasking(_Masking):
    """Mask frames of a spectrogram: SpecAugment (arXiv 1904.08779).

    Parameters
    ----------
    max_width : int > 0 [frames], or float up to 1
        Largest width of a mask; widths are uniform from 0 to this, and at most all frames. A float is a share of the
        frames.
    masks : int > 0
        Number of masks; they may overlap.
    value : float or None
        Value of masked cells. None is the mean of the spectrogram, which is the paper's zero for spectrograms with
        mean 0.
    seed : int >= 0, np.random.Generator or None
        As for `RandomTransform`.

    See Also
    --------
    FrequencyMasking : masks the other axis; for Ludwig's time-major features, it masks time.

    Examples
    --------
    >>> TimeMasking(3, value=0, seed=4)(np.ones((2, 6)))
    array([[1., 1., 1., 1., 0., 0.],
           [1., 1., 1., 1., 0., 0.]], dtype=float32)
    """

    _axis = -1


class FrequencyMasking(_Masking):
    """Mask bands of a spectrogram: SpecAugment (arXiv 1904.08779).

    Parameters
    ----------
    max_width : int > 0 [bands], or float up to 1
        Largest width of a mask; widths are uniform from 0 to this, and at most all bands. A float is a share of the
        bands.
    masks, value, seed
        As for `TimeMasking`.

    Examples
    --------
    >>> FrequencyMasking(2, value=0, seed=4)(np.ones((4, 2)))
    array([[1., 1.],
           [1., 1.],
           [0., 0.],
           [0., 0.]], dtype=float32)
    """

    _axis = -2


def _check_order(**limits: float) -> None:
    (lower, minimum), (upper, maximum) = limits.items()
    if minimum > maximum:
        raise ParameterError(f"{lower} must be <= {upper} ({maximum:g}), got {minimum:g}")
