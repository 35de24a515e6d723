"""Transforms without chance: from a file to samples, other rates, lengths, ranges, features."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxnet_audio import audio, features
from mxnet_audio.data.transforms.base import Transform, real, samples, whole
from mxnet_audio.errors import FeatureError, InvalidAudioError
from mxnet_audio.features import AudioFeatureConfig

__all__ = [
    "MEL",
    "MFCC",
    "ExtractFeatures",
    "Features",
    "Load",
    "MelSpectrogram",
    "MuLawDecoding",
    "MuLawEncoding",
    "PadTrim",
    "Repeat",
    "Resample",
    "Scale",
    "Stereo2Mono",
    "ToImage",
]


class Load(Transform):
    """Sound from wherever it is, as samples: `audio.load`.

    Parameters
    ----------
    sr : int > 0 or None [Hz]
        Rate wanted; None keeps each sound's own.
    mono : bool
        Average the channels.

    Examples
    --------
    >>> Load(sr=8000)((np.zeros(44100), 44100)).shape
    (8000,)
    """

    takes_source = True

    def __init__(self, sr: int | None = 22050, mono: bool = True):
        super().__init__(sr=None if sr is None else whole("sr", sr), mono=bool(mono))

    def apply(self, x: Any) -> np.ndarray:
        """Decode [shape=(n,), or (channels, n) without `mono`]; AudioError if that fails."""
        return audio.load(x, self.sr, self.mono)[0]


class Features(Transform):
    """Sound from wherever it is, as features: `features.load_features`, what classifiers are fed with.

    Parameters
    ----------
    config : AudioFeatureConfig
        What to make.

    Examples
    --------
    >>> Features(AudioFeatureConfig(n_frames=47))((np.ones(44100), 44100)).shape
    (96, 47)
    """

    takes_source = True

    def __init__(self, config: AudioFeatureConfig):
        if not isinstance(config, AudioFeatureConfig):
            raise FeatureError(f"config must be an AudioFeatureConfig, got {type(config).__name__}")
        super().__init__(config=config)

    @property
    def key(self) -> str | None:
        """The configuration's."""
        return None if super().key is None else self.config.key()

    def apply(self, x: Any) -> np.ndarray:
        """Decode and transform [shape=(n_mels, frames) for mel types]; AudioError if that fails."""
        return features.load_features(x, self.config)


class ExtractFeatures(Transform):
    """Features of samples: `features.extract`, for samples that were changed on the way.

    Parameters
    ----------
    config : AudioFeatureConfig
        What to make, of samples at its own rate.

    Examples
    --------
    >>> ExtractFeatures(AudioFeatureConfig(n_frames=47))(np.ones(12000)).shape
    (96, 47)
    """

    def __init__(self, config: AudioFeatureConfig):
        super().__init__(config=Features(config).config)

    @property
    def key(self) -> str | None:
        """The configuration's."""
        return None if super().key is None else f"ExtractFeatures({self.config.key()})"

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Transform [shape=(..., n)] to (..., *config.shape)."""
        return features.extract(samples(x), self.config.sr, self.config)


class Resample(Transform):
    """Samples at another rate: `audio.resample`.

    Parameters
    ----------
    orig_sr, target_sr : int > 0 [Hz]
        Rate of the input and of the output.

    Examples
    --------
    >>> Resample(44100, 12000)(np.zeros((2, 44100))).shape
    (2, 12000)
    """

    def __init__(self, orig_sr: int, target_sr: int):
        super().__init__(orig_sr=whole("orig_sr", orig_sr), target_sr=whole("target_sr", target_sr))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Resample [shape=(..., n)]; InvalidAudioError if nothing is left of so short a sound."""
        y = audio.resample(samples(x), self.orig_sr, self.target_sr)
        if y.shape[-1] == 0:
            raise InvalidAudioError(f"too short to be resampled to {self.target_sr} Hz")
        return y


class Stereo2Mono(Transform):
    """The mean of the channels.

    Examples
    --------
    >>> Stereo2Mono()(np.array([[0.0, 1.0], [1.0, 1.0]]))
    array([0.5, 1. ], dtype=float32)
    """

    def __init__(self):
        super().__init__()

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Average [shape=(..., channels, n)] to (..., n); (n,) passes as it is."""
        x = samples(x)
        return x if x.ndim == 1 else x.mean(axis=-2)


class Scale(Transform):
    """Divide by a number, as MXNet's urban sounds example does with 32-bit samples.

    Parameters
    ----------
    scale_factor : float, not 0
        The divisor: 2**15 makes floats from -1 to 1 of 16-bit samples.

    Examples
    --------
    >>> Scale(2**15)(np.array([0, 16384], dtype=np.int16))
    array([0. , 0.5], dtype=float32)
    """

    def __init__(self, scale_factor: float = 2**31):
        super().__init__(scale_factor=real("scale_factor", scale_factor))
        if self.scale_factor == 0:
            raise FeatureError("scale_factor must not be 0")

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Scale [shape=(..., n)], integers or floats, to float32."""
        x = _numbers(x)
        # Wide integers lose bits in float32 either way; dividing first would take float64 and twice the time.
        return x.astype(np.float32) / np.float32(self.scale_factor)


class PadTrim(Transform):
    """One length for all: the end is cut off, or filled up.

    Parameters
    ----------
    max_len : int > 0 [samples]
        Length wanted.
    fill_value : float
        What to fill up with.

    See Also
    --------
    mxnet_audio.audio.fit_length : takes the middle of longer sounds.
    Repeat : fills up with the sound itself.

    Examples
    --------
    >>> PadTrim(4)(np.array([1, 2, 3])), PadTrim(2)(np.array([1, 2, 3]))
    (array([1, 2, 3, 0]), array([1, 2]))
    """

    def __init__(self, max_len: int, fill_value: float = 0):
        super().__init__(max_len=whole("max_len", max_len), fill_value=real("fill_value", fill_value))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Fit [shape=(..., n)] to (..., max_len), of the same type where that holds integers."""
        x = _numbers(x)
        have = x.shape[-1]
        if have >= self.max_len:
            return x[..., : self.max_len].copy()  # a view would keep the rest in memory
        out = np.full((*x.shape[:-1], self.max_len), self.fill_value, dtype=x.dtype)
        out[..., :have] = x
        return out


class Repeat(Transform):
    """A shorter sound again and again, until it fills a window: `audio.repeat_to`, as VoxCeleb's trainers pad.

    Parameters
    ----------
    n : int > 0 [samples]
        Least length wanted. Longer sounds stay as they are: `RandomCrop` or `PadTrim` after it cuts them.

    Examples
    --------
    >>> Repeat(5)(np.array([1, 2])), Repeat(2)(np.array([1, 2, 3]))
    (array([1, 2, 1, 2, 1]), array([1, 2, 3]))
    """

    def __init__(self, n: int):
        super().__init__(n=whole("n", n))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Repeat [shape=(..., samples)] to (..., max(n, samples)), of the same type where that holds integers."""
        return audio.repeat_to(_numbers(x), self.n)


class MelSpectrogram(Transform):
    """Mel spectrogram of samples, with librosa's names and defaults: `features.melspectrogram`.

    `MEL` is the same, under the name of MXNet's urban sounds example.

    Parameters
    ----------
    sr : int > 0 [Hz]
        Rate of the samples.
    n_fft, hop_length : int > 0 [samples]
        Length of the Fourier transform, and from frame to frame.
    n_mels : int > 0
        Number of bands.
    **others
        The others of `features.AudioFeatureConfig` for type ``'mel'``.

    Raises
    ------
    FeatureError
        A value is out of range, or a name unknown; it is named.

    Examples
    --------
    >>> MEL(sr=16000, n_fft=1600, hop_length=800, n_mels=64)(np.ones(16000)).shape
    (64, 21)
    """

    _type = "mel"

    def __init__(self, sr: int = 22050, n_fft: int = 2048, hop_length: int = 512, n_mels: int = 128, **others: Any):
        config = AudioFeatureConfig(type=self._type, sr=sr, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels, **others)
        super().__init__(config=config)

    @property
    def key(self) -> str | None:
        """Class and configuration."""
        return None if super().key is None else f"{type(self).__name__}({self.config.key()})"

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Transform [shape=(..., n)] to (..., bands, frames), float32."""
        return features.extract(samples(x), self.config.sr, self.config)


class MFCC(MelSpectrogram):
    """Mel-frequency cepstral coefficients of samples, with librosa's names and defaults: `features.mfcc`.

    Of all frames; MXNet's urban sounds example then takes the mean over them.

    Parameters
    ----------
    sr, n_fft, hop_length, n_mels
        As for `MelSpectrogram`.
    **others
        The others of `features.AudioFeatureConfig` for type ``'mfcc'``: ``n_mfcc``, ``deltas``, …

    Raises
    ------
    FeatureError
        A value is out of range, or a name unknown; it is named.

    Examples
    --------
    >>> MFCC(22050, n_mfcc=13)(np.ones(22050)).shape
    (13, 44)
    """

    _type = "mfcc"


MEL = MelSpectrogram


class ToImage(Transform):
    """Features as networks take them: a channel of bands x frames.

    Parameters
    ----------
    time_axis : {-1, -2}
        Axis of the features that is time: `AudioFeatureConfig.time_axis`.

    Examples
    --------
    >>> ToImage()(np.ones((96, 47))).shape, ToImage(time_axis=-2)(np.ones((374, 80))).shape
    ((1, 96, 47), (1, 80, 374))
    """

    def __init__(self, time_axis: int = -1):
        if time_axis not in (-1, -2):
            raise FeatureError(f"time_axis is -1 or -2, not {time_axis!r}")
        super().__init__(time_axis=time_axis)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Add the channel: features [shape=(..., bands, frames)] to (..., 1, bands, frames)."""
        x = np.asarray(x)
        if x.ndim < 2:
            raise InvalidAudioError(f"expected features (..., bands, frames), got shape {x.shape}")
        return features.as_image(x, self.time_axis)


class MuLawEncoding(Transform):
    """Samples as one of few numbers by the mu-law, fine near zero: torchaudio's definition.

    ``floor((y + 1) / 2 * mu + 0.5)`` with ``y = sign(x) log(1 + mu |x|) / log(1 + mu)`` and ``mu = n_quantize - 1``.

    Parameters
    ----------
    n_quantize : int > 1
        How many.

    Examples
    --------
    >>> MuLawEncoding()(np.array([-1.0, 0.0, 0.01, 1.0]))
    array([  0, 128, 157, 255], dtype=int32)
    """

    def __init__(self, n_quantize: int = 256):
        super().__init__(n_quantize=whole("n_quantize", n_quantize, 2))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Encode [shape=(..., n)], clipped to [-1, 1], as int32 from 0 to ``n_quantize - 1``."""
        x, mu = np.clip(samples(x), -1, 1), self.n_quantize - 1
        y = np.copysign(np.log1p(mu * np.abs(x)) / np.log1p(mu), x)
        return np.floor((y + 1) / 2 * mu + 0.5).astype(np.int32)


class MuLawDecoding(Transform):
    """The inverse of `MuLawEncoding`, as far as the quantisation allows.

    Parameters
    ----------
    n_quantize : int > 1
        As it was encoded with.

    Examples
    --------
    >>> MuLawDecoding()(np.array([0, 157, 255])).round(3)
    array([-1.  ,  0.01,  1.  ], dtype=float32)
    """

    def __init__(self, n_quantize: int = 256):
        super().__init__(n_quantize=whole("n_quantize", n_quantize, 2))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Decode [shape=(..., n)] to float32 in [-1, 1]; InvalidAudioError for others than 0 to ``n_quantize - 1``."""
        x, mu = _numbers(x), self.n_quantize - 1
        if x.min() < 0 or x.max() > mu:
            raise InvalidAudioError(f"expected numbers from 0 to {mu}, got {x.min()} to {x.max()}")
        y = x.astype(np.float32) * np.float32(2 / mu) - 1
        size = np.expm1(np.abs(y) * np.log1p(mu)) / mu
        return np.copysign(np.minimum(size, 1), y).astype(np.float32, copy=False)  # rounding would lead beyond 1


def _numbers(x: Any) -> np.ndarray:
    """As `samples`, and integers too."""
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.integer):
        return samples(x)
    if x.size == 0 or x.ndim == 0:
        raise InvalidAudioError(f"there are no samples, only an array of shape {x.shape}")
    return x
