"""Transforms to features: from a source, or from samples that other transforms changed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import numpy as np

from mxnet_audio import features
from mxnet_audio.data.transforms.base import Transform
from mxnet_audio.data.transforms.inputs import as_samples
from mxnet_audio.errors import InvalidAudioError, ParameterError
from mxnet_audio.features import AudioFeatureConfig

__all__ = ["MEL", "MFCC", "ExtractFeatures", "Features", "MelSpectrogram", "ToImage"]

_PROPOSED_NAMES = {"sampling_rate": "sr", "num_fft": "n_fft", "num_mels": "n_mels", "num_mfcc": "n_mfcc"}


class Features(Transform):
    """Load sound from any source as features, as classifiers do: `features.load_features`.

    Parameters
    ----------
    config : AudioFeatureConfig

    Raises
    ------
    ParameterError
        If `config` is not an `AudioFeatureConfig`.

    Examples
    --------
    >>> Features(AudioFeatureConfig(n_frames=47))((np.ones(44100), 44100)).shape
    (96, 47)
    """

    takes_source = True

    def __init__(self, config: AudioFeatureConfig):
        if not isinstance(config, AudioFeatureConfig):
            raise ParameterError(f"config must be an AudioFeatureConfig, got {type(config).__name__}")
        super().__init__(config=config)

    def __repr__(self) -> str:
        return _short_repr(self, self.config)

    @property
    def key(self) -> str | None:
        """Key of the configuration."""
        return None if super().key is None else self.config.key()

    def apply(self, x: Any) -> np.ndarray:
        """Decode and transform a source [shape=(n_mels, frames) for mel types]; AudioError if that fails."""
        return features.load_features(x, self.config)


class ExtractFeatures(Transform):
    """Compute features of samples: `features.extract`, for samples that other transforms changed.

    Parameters
    ----------
    config : AudioFeatureConfig
        Configuration; the samples must be at its rate ``sr``.

    Raises
    ------
    ParameterError
        If `config` is not an `AudioFeatureConfig`.

    Examples
    --------
    >>> ExtractFeatures(AudioFeatureConfig(n_frames=47))(np.ones(12000)).shape
    (96, 47)
    """

    def __init__(self, config: AudioFeatureConfig):
        super().__init__(config=Features(config).config)

    def __repr__(self) -> str:
        return _short_repr(self, self.config)

    @property
    def key(self) -> str | None:
        """Former name of the class, which keeps existing caches valid, and key of the configuration."""
        return None if super().key is None else f"FromSamples({self.config.key()})"

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Transform samples [shape=(..., n)] to features [shape=(...) + config.shape]."""
        return features.extract(as_samples(x), self.config.sr, self.config)


class MelSpectrogram(Transform):
    """Mel spectrogram of samples, with librosa's names and defaults: `features.melspectrogram`.

    `MEL` is another name of it, from MXNet's urban sounds example; the names of that example (``sampling_rate``,
    ``num_fft``, ``num_mels``) are accepted, too.

    Parameters
    ----------
    sr : int > 0 [Hz]
        Rate of the samples.
    n_fft, hop_length : int > 0 [samples]
        Length of the Fourier transform, and distance between frames.
    n_mels : int > 0
        Number of bands. librosa's default is 128, that of MXNet's example was 20.
    prefix, params : optional
        As for `gluon.Block`.
    **others
        Other fields of `features.AudioFeatureConfig` for type ``'mel'``.

    Raises
    ------
    FeatureError
        If a value is out of range or a name unknown; the message names it.

    Examples
    --------
    >>> MEL(sr=16000, n_fft=1600, hop_length=800, n_mels=64)(np.ones(16000)).shape
    (64, 21)
    """

    _type: Literal["mel", "mfcc"] = "mel"

    def __init__(
        self,
        sr: int = 22050,
        n_fft: int = 2048,
        hop_length: int = 512,
        n_mels: int = 128,
        *,
        prefix: str | None = None,
        params: Any = None,
        **others: Any,
    ):
        fields: dict[str, Any] = {"sr": sr, "n_fft": n_fft, "hop_length": hop_length, "n_mels": n_mels}
        fields |= {_PROPOSED_NAMES.get(name, name): value for name, value in others.items()}
        super().__init__(prefix=prefix, params=params, config=AudioFeatureConfig(type=self._type, **fields))

    def __repr__(self) -> str:
        return _short_repr(self, self.config, hidden={"type"})

    @property
    def key(self) -> str | None:
        """Class, and key of the configuration."""
        return None if super().key is None else f"{type(self).__name__}({self.config.key()})"

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Transform samples [shape=(..., n)] to [shape=(..., bands, frames)], float32."""
        return features.extract(as_samples(x), self.config.sr, self.config)


class MFCC(MelSpectrogram):
    """Mel-frequency cepstral coefficients of samples, with librosa's names and defaults: `features.mfcc`.

    The result has all frames; MXNet's urban sounds example took their mean. Its names ``sampling_rate`` and
    ``num_mfcc`` are accepted, too.

    Parameters
    ----------
    sr, n_fft, hop_length, n_mels, prefix, params
        As for `MelSpectrogram`.
    **others
        Other fields of `features.AudioFeatureConfig` for type ``'mfcc'``: ``n_mfcc``, ``deltas``, …

    Raises
    ------
    FeatureError
        If a value is out of range or a name unknown; the message names it.

    Examples
    --------
    >>> MFCC(22050, n_mfcc=13)(np.ones(22050)).shape
    (13, 44)
    """

    _type = "mfcc"


MEL = MelSpectrogram


class ToImage(Transform):
    """Give features the layout of an image with one channel: (1, bands, frames).

    Parameters
    ----------
    time_axis : {-1, -2}
        Axis of the features that is time: `AudioFeatureConfig.time_axis`.

    Raises
    ------
    ParameterError
        If `time_axis` is another axis.

    Examples
    --------
    >>> ToImage()(np.ones((96, 47))).shape, ToImage(time_axis=-2)(np.ones((374, 80))).shape
    ((1, 96, 47), (1, 80, 374))
    """

    def __init__(self, time_axis: int = -1):
        if time_axis not in (-1, -2):
            raise ParameterError(f"time_axis must be -1 or -2, got {time_axis!r}")
        super().__init__(time_axis=time_axis)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Add the channel: features [shape=(..., bands, frames)] to [shape=(..., 1, bands, frames)]."""
        x = np.asarray(x)
        if x.ndim < 2:
            raise InvalidAudioError(f"expected features (..., bands, frames), got shape {x.shape}")
        return features.as_image(x, self.time_axis)


def _short_repr(step: Transform, config: AudioFeatureConfig, hidden: Collection[str] = ()) -> str:
    """Name the fields of a configuration that differ from its defaults."""
    fields = config.model_dump(exclude_defaults=True, exclude=set(hidden))
    return f"{type(step).__name__}({', '.join(f'{name}={value!r}' for name, value in fields.items())})"
