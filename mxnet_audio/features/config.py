"""The typed, validated, JSON-able description of how sound becomes features."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from scipy.signal import get_window

from mxnet_audio.errors import FeatureError

__all__ = ["AudioFeatureConfig"]


class AudioFeatureConfig(BaseModel):
    """How sound becomes a log-mel spectrogram. Immutable; the names are librosa's.

    Parameters
    ----------
    type : 'log_mel'
        The kind of feature.
    sr : int > 0 [Hz]
        Rate that sound is brought to.
    n_fft : int > 0 [samples]
        Length of the Fourier transform.
    hop_length : int > 0 [samples]
        From frame to frame.
    win_length : int > 0 or None [samples]
        Length of the window, in the middle of ``n_fft``; None is ``n_fft``.
    window : str
        A window that `scipy.signal.get_window` knows by name alone.
    center : bool
        Frame ``t`` is centred at sample ``t * hop_length`` (zeros beyond the ends), else it starts there.
    n_mels : int > 0
        Number of mel bands.
    fmin, fmax : float [Hz]
        Range of the bands; ``fmax`` None is ``sr / 2``.
    htk : bool
        HTK's mel scale in place of Slaney's.
    norm : 'slaney' or None
        Bands of equal area, or of equal height.
    power : float > 0
        Exponent of the magnitudes: 2 is power, 1 is amplitude.
    amin, ref : float > 0
        Least value, and the value that is 0 dB.
    top_db : float > 0 or None [dB]
        Floor below the peak.
    n_frames : int > 0 or None
        Number of frames that every sound is fitted to; None leaves lengths alone.

    Raises
    ------
    FeatureError
        A value is out of range, of the wrong type or contradicts another, or a key is unknown; it is named.

    Examples
    --------
    >>> config = AudioFeatureConfig(n_frames=1366)
    >>> config.n_samples / config.sr
    29.12
    >>> AudioFeatureConfig.model_validate(config.model_dump(mode="json")) == config
    True
    >>> AudioFeatureConfig(fmax=8000)
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.FeatureError: feature configuration: fmax (8000 Hz) is above sr / 2 (6000 Hz)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    type: Literal["log_mel"] = "log_mel"
    sr: int = Field(12000, gt=0)
    n_fft: int = Field(512, ge=2)
    hop_length: int = Field(256, ge=1)
    win_length: int | None = Field(None, ge=1)
    window: str = "hann"
    center: bool = True
    n_mels: int = Field(96, ge=1)
    fmin: float = Field(0.0, ge=0)
    fmax: float | None = Field(None, gt=0)
    htk: bool = False
    norm: Literal["slaney"] | None = "slaney"
    power: float = Field(2.0, gt=0)
    amin: float = Field(1e-10, gt=0)
    ref: float = Field(1.0, gt=0)
    top_db: float | None = Field(80.0, gt=0)
    n_frames: int | None = Field(None, ge=1)

    @model_validator(mode="wrap")
    @classmethod
    def _one_error(cls, data: Any, handler: Any) -> Any:
        """Turn pydantic's error, a page long, into one of ours, a line long."""
        try:
            return handler(data)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {_plain(e)}" for e in error.errors())
            raise _error(wrong) from None

    @model_validator(mode="after")
    def _holds_together(self) -> AudioFeatureConfig:
        if self.win_length is not None and self.win_length > self.n_fft:
            raise _error(f"win_length ({self.win_length}) is above n_fft ({self.n_fft})")
        if self.fmax is not None and self.fmax > self.sr / 2:
            raise _error(f"fmax ({self.fmax:g} Hz) is above sr / 2 ({self.sr / 2:g} Hz)")
        top = self.sr / 2 if self.fmax is None else self.fmax
        if self.fmin >= top:
            raise _error(f"fmin ({self.fmin:g} Hz) is not below fmax ({top:g} Hz)")
        try:
            get_window(self.window, 4)
        except (ValueError, TypeError):
            reason = f"window: {self.window!r} is not one that SciPy knows by its name alone"
            raise _error(reason) from None
        return self

    @property
    def n_samples(self) -> int | None:
        """Samples at ``sr`` that give exactly ``n_frames`` frames; None when ``n_frames`` is."""
        if self.n_frames is None:
            return None
        beyond = 2 * (self.n_fft // 2) if self.center else 0  # the zeros at both ends
        least = self.n_fft - beyond + (self.n_frames - 1) * self.hop_length
        # One centred frame of an even n_fft would need no sample at all: give it those up to the second.
        return least if least > 0 else max(1, self.hop_length - 1)

    def frames_in(self, seconds: float) -> int:
        """Number of frames that fit in so much sound: an ``n_frames`` for clips of this length.

        Parameters
        ----------
        seconds : float > 0 [s]
            Length of the sound.

        Returns
        -------
        int

        Examples
        --------
        >>> AudioFeatureConfig().frames_in(29.12)
        1366
        """
        spare = round(seconds * self.sr) - (self.n_fft % 2 if self.center else self.n_fft)
        return 1 + max(0, spare) // self.hop_length

    def key(self) -> str:
        """SHA-256 of the configuration, the same in every process: part of the name of a cached feature.

        Returns
        -------
        str
            64 hexadecimal digits.
        """
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _plain(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key"
    return f"{error['msg']}, got {error['input']!r}"


def _error(reason: str) -> FeatureError:
    return FeatureError(f"feature configuration: {reason}")
