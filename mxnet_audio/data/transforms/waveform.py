"""Transforms of samples without random draws: load, rate, channels, range, length, mu-law."""

from __future__ import annotations

from typing import Any

import numpy as np

from mxnet_audio import audio
from mxnet_audio.audio.channel import check_channel
from mxnet_audio.checks import real_number, whole_number
from mxnet_audio.data.transforms.base import Transform
from mxnet_audio.data.transforms.inputs import as_numbers, as_samples
from mxnet_audio.errors import InvalidAudioError, ParameterError

__all__ = [
    "DownmixMono",
    "Load",
    "Loader",
    "MuLawDecoding",
    "MuLawEncoding",
    "PadOrTrim",
    "PadTrim",
    "Repeat",
    "Resample",
    "Scale",
    "Stereo2Mono",
]


class Load(Transform):
    """Load sound from any source as samples: `audio.load`. `Loader` is another name of it.

    Parameters
    ----------
    sr : int > 0 or None [Hz]
        Rate of the samples; None keeps each sound's own.
    mono : bool
        True averages the channels, or uses one where they cancel each other.
    channel : {'mix', 'left', 'right'} or int >= 0
        Channel to load, as for `audio.load`.

    Examples
    --------
    >>> Load(sr=8000)((np.zeros(44100), 44100)).shape
    (8000,)
    """

    takes_source = True

    def __init__(self, sr: int | None = 22050, mono: bool = True, channel: str | int = "mix"):
        sr = None if sr is None else whole_number("sr", sr)
        self.channel = check_channel(channel)
        shown: dict[str, Any] = {} if channel == "mix" else {"channel": self.channel}
        # The default is not shown, so that its key, under which features are cached, stays the same.
        super().__init__(sr=sr, mono=bool(mono), **shown)

    def apply(self, x: Any) -> np.ndarray:
        """Decode [shape=(n,), or (channels, n) without `mono`]; AudioError if that fails."""
        return audio.load(x, self.sr, self.mono, channel=self.channel)[0]


class Resample(Transform):
    """Change the sampling rate: `audio.resample`.

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
        super().__init__(orig_sr=whole_number("orig_sr", orig_sr), target_sr=whole_number("target_sr", target_sr))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Resample [shape=(..., n)]; InvalidAudioError if the sound is too short to leave a sample."""
        y = audio.resample(as_samples(x), self.orig_sr, self.target_sr)
        if y.shape[-1] == 0:
            raise InvalidAudioError(f"too short to be resampled to {self.target_sr} Hz")
        return y


class Stereo2Mono(Transform):
    """Average the channels. `DownmixMono` is another name of it, torchaudio's.

    Unlike `Load`, it also averages channels that cancel each other, as if one were inverted.

    Examples
    --------
    >>> Stereo2Mono()(np.array([[0.0, 1.0], [1.0, 1.0]]))
    array([0.5, 1. ], dtype=float32)
    """

    def __init__(self):
        super().__init__()

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Average [shape=(..., channels, n)] to (..., n); (n,) is returned as it is."""
        x = as_samples(x)
        return x if x.ndim == 1 else x.mean(axis=-2)


class Scale(Transform):
    """Divide samples by a number, as in MXNet's urban sounds example.

    Parameters
    ----------
    scale_factor : float, not 0
        Divisor: 2**15 brings 16-bit samples, 2**31 brings 32-bit samples into [-1, 1].

    Examples
    --------
    >>> Scale(2**15)(np.array([0, 16384], dtype=np.int16))
    array([0. , 0.5], dtype=float32)
    """

    def __init__(self, scale_factor: float = 2**31):
        super().__init__(scale_factor=real_number("scale_factor", scale_factor))
        if self.scale_factor == 0:
            raise ParameterError("scale_factor must not be 0")

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Scale [shape=(..., n)], integers or floats, to float32."""
        x = as_numbers(x)
        # float32 does not hold all wide integers in either order; dividing first takes float64 and twice the time.
        return x.astype(np.float32) / np.float32(self.scale_factor)


class PadTrim(Transform):
    """Bring all sounds to one length: cut the end off, or pad it. `PadOrTrim` is another name of it.

    Parameters
    ----------
    max_len : int > 0 [samples]
        Length of the result.
    fill_value : float
        Value of the padding.

    See Also
    --------
    mxnet_audio.audio.fit_length : keeps the middle of longer sounds.
    Repeat : pads with the sound itself.

    Examples
    --------
    >>> PadTrim(4)(np.array([1, 2, 3])), PadTrim(2)(np.array([1, 2, 3]))
    (array([1, 2, 3, 0]), array([1, 2]))
    """

    def __init__(self, max_len: int, fill_value: float = 0):
        super().__init__(max_len=whole_number("max_len", max_len), fill_value=real_number("fill_value", fill_value))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Fit [shape=(..., n)] to (..., max_len); integers keep their type."""
        x = as_numbers(x)
        length = x.shape[-1]
        if length >= self.max_len:
            return x[..., : self.max_len].copy()  # a view would keep the rest in memory
        out = np.full((*x.shape[:-1], self.max_len), self.fill_value, dtype=x.dtype)
        out[..., :length] = x
        return out


class Repeat(Transform):
    """Repeat a shorter sound until it fills a window: `audio.repeat_to`. VoxCeleb's trainers pad in this way.

    Parameters
    ----------
    n : int > 0 [samples]
        Smallest length of the result. Longer sounds stay as they are; `RandomCrop` or `PadTrim` can cut them.

    Examples
    --------
    >>> Repeat(5)(np.array([1, 2])), Repeat(2)(np.array([1, 2, 3]))
    (array([1, 2, 1, 2, 1]), array([1, 2, 3]))
    """

    def __init__(self, n: int):
        super().__init__(n=whole_number("n", n))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Repeat [shape=(..., samples)] to (..., max(n, samples)); integers keep their type."""
        return audio.repeat_to(as_numbers(x), self.n)


class MuLawEncoding(Transform):
    """Encode samples by the mu-law, which resolves small values more finely: torchaudio's definition.

    ``floor((y + 1) / 2 * mu + 0.5)`` with ``y = sign(x) log(1 + mu |x|) / log(1 + mu)`` and ``mu = n_quantize - 1``.

    Parameters
    ----------
    n_quantize : int > 1
        Number of levels.

    Examples
    --------
    >>> MuLawEncoding()(np.array([-1.0, 0.0, 0.01, 1.0]))
    array([  0, 128, 157, 255], dtype=int32)
    """

    def __init__(self, n_quantize: int = 256):
        super().__init__(n_quantize=whole_number("n_quantize", n_quantize, 2))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Encode [shape=(..., n)], clipped to [-1, 1], as int32 from 0 to ``n_quantize - 1``."""
        x, mu = np.clip(as_samples(x), -1, 1), self.n_quantize - 1
        y = np.copysign(np.log1p(mu * np.abs(x)) / np.log1p(mu), x)
        return np.floor((y + 1) / 2 * mu + 0.5).astype(np.int32)


class MuLawDecoding(Transform):
    """Invert `MuLawEncoding`, up to its quantization.

    Parameters
    ----------
    n_quantize : int > 1
        Number of levels of the encoding.

    Examples
    --------
    >>> MuLawDecoding()(np.array([0, 157, 255])).round(3)
    array([-1.  ,  0.01,  1.  ], dtype=float32)
    """

    def __init__(self, n_quantize: int = 256):
        super().__init__(n_quantize=whole_number("n_quantize", n_quantize, 2))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Decode [shape=(..., n)] to float32 in [-1, 1]; InvalidAudioError outside 0 to ``n_quantize - 1``."""
        x, mu = as_numbers(x), self.n_quantize - 1
        if x.min() < 0 or x.max() > mu:
            raise InvalidAudioError(f"expected numbers from 0 to {mu}, got {x.min()} to {x.max()}")
        y = x.astype(np.float32) * np.float32(2 / mu) - 1
        size = np.expm1(np.abs(y) * np.log1p(mu)) / mu
        return np.copysign(np.minimum(size, 1), y).astype(np.float32, copy=False)  # rounding can exceed 1


Loader = Load
PadOrTrim = PadTrim
DownmixMono = Stereo2Mono
