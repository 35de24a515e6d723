"""The typed, validated, JSON-able description of how sound becomes features."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_serializer, model_validator
from scipy.signal import get_window

from mxnet_audio.errors import FeatureError
from mxnet_audio.features.cepstral import check_delta
from mxnet_audio.features.htk import WINDOWS, frame_count, lengths
from mxnet_audio.features.keys import LOADING, LUDWIG, OF_TYPE, TIME_MAJOR, block_of, for_its_type, unknown
from mxnet_audio.features.spectral import LEAST_AMIN, check_bands, check_decibels

__all__ = ["AudioFeatureConfig"]

_SPARE = 0.5  # seconds that a resampler looks ahead, and more
_LONGEST = 1e9  # seconds: numbers of samples stay integers


class AudioFeatureConfig(BaseModel):
    """How sound becomes features. Immutable; the names are librosa's, or for Ludwig's features Ludwig's.

    There are two families. Types ``log_mel``, ``mel``, ``mfcc`` and ``chroma`` are librosa's: bands x frames, of
    ``n_frames`` frames from the middle of the sound, or of all. Types ``raw``, ``stft``, ``stft_phase``, ``fbank`` and
    ``group_delay`` are Ludwig's: frames x bands, cut or padded to a length limit. A key that is unknown, or of the
    other family, is refused; one of Ludwig's that only others of its types use may stand there and is forgotten.

    Parameters
    ----------
    type : str
        The kind of feature. Default: ``fbank`` if one of Ludwig's own keys is given, else ``log_mel``.
    sr : int > 0 or None [Hz]
        Rate that sound is brought to. Default: 12000; for Ludwig's types None, which is the file's own.
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
    norm : 'slaney', 'per_file' or None
        Mel bands of equal area ('slaney', the default), or of equal height (None). Ludwig's types as they are
        (None, the default), or with each column brought to mean 0 and deviation 1 over the whole file.
    power : float > 0
        Exponent of the magnitudes: 2 is power, 1 is amplitude.
    amin, ref : float >= 1.18e-38, float > 0 or 'max'
        Least value, and the value that is 0 dB; 'max' is the sound's own peak, so that its loudness does not count.
    top_db : float > 0 or None [dB]
        Floor below the peak.
    n_frames : int > 0 or None
        Number of frames that every sound is fitted to; None leaves lengths alone.
    n_mfcc, dct_type, dct_norm, lifter, deltas, delta_width
        As for `features.mfcc`.
    n_chroma, tuning
        As for `features.chroma`.
    audio_file_length_limit_in_s : float > 0 [s]
        Length that Ludwig's types are cut or padded to.
    window_length_in_s, window_shift_in_s, window_type, num_fft_points
        As for `features.htk.stft_magnitude`.
    num_filter_bands : int > 0
        Number of bands of ``fbank``.
    padding_value : float
        What Ludwig's types are padded with, at the end.
    crop : 'start' or 'middle'
        The part of a longer sound that Ludwig's types keep: its start, as Ludwig does, or its middle, as librosa's.
    mode : 'eager', 'lazy' or 'lazy_cached'
        When a loader makes features, and where it keeps them: see `mxnet_audio.data.AudioLoader`.
    in_memory : bool
        Ludwig's older name for that; it must not contradict `mode`, which decides.
    prefetch_size : int > 0 or None
        Batches that a loader makes ahead; None leaves it to the loader.
    lazy_cache_dir : str or None
        Folder of ``lazy_cached``; None is the user's cache.
    missing_value_strategy : 'fill_with_const', 'fill_with_mode', 'bfill', 'ffill' or 'drop_row'
        What stands in for a missing sound or label.
    fill_value : number, str or None
        The constant of ``fill_with_const``.

    Raises
    ------
    FeatureError
        A value is out of range, of the wrong type or contradicts another, or a key is unknown or of the other
        family; it is named.

    See Also
    --------
    from_yaml : a configuration from a file, or from a Ludwig user's ``preprocessing`` block.

    Examples
    --------
    >>> config = AudioFeatureConfig(n_frames=1366)
    >>> config.n_samples / config.sr
    29.12
    >>> AudioFeatureConfig.model_validate(config.model_dump(mode="json")) == config
    True
    >>> AudioFeatureConfig(window_type="hann", sr=16000).shape  # frames, bands of fbank
    (374, 80)
    >>> AudioFeatureConfig(fmax=8000)
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.FeatureError: feature configuration: fmax (8000 Hz) is above sr / 2 (6000 Hz)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    type: Literal["log_mel", "mel", "mfcc", "chroma", "raw", "stft", "stft_phase", "fbank", "group_delay"] = "log_mel"
    sr: int | None = Field(12000, gt=0)
    n_fft: int = Field(512, ge=2)
    hop_length: int = Field(256, ge=1)
    win_length: int | None = Field(None, ge=1)
    window: str = "hann"
    center: bool = True
    n_mels: int = Field(96, ge=1)
    fmin: float = Field(0.0, ge=0)
    fmax: float | None = Field(None, gt=0)
    htk: bool = False
    norm: Literal["slaney", "per_file"] | None = "slaney"
    power: float = Field(2.0, gt=0)
    amin: float = Field(1e-10, ge=LEAST_AMIN)
    ref: float | Literal["max"] = 1.0
    top_db: float | None = Field(80.0, gt=0)
    n_frames: int | None = Field(None, ge=1)
    n_mfcc: int = Field(20, ge=1)
    dct_type: Literal[1, 2, 3, 4] = 2
    dct_norm: Literal["ortho"] | None = "ortho"
    lifter: float = Field(0.0, ge=0)
    deltas: int = Field(0, ge=0)
    delta_width: int = Field(9, ge=3)
    n_chroma: int = Field(12, ge=1)
    tuning: float | None = None
    audio_file_length_limit_in_s: float = Field(7.5, gt=0, le=_LONGEST)
    window_length_in_s: float = Field(0.04, gt=0, le=_LONGEST)
    window_shift_in_s: float = Field(0.02, gt=0, le=_LONGEST)
    window_type: Literal[WINDOWS] = "hamming"
    num_fft_points: int | None = Field(None, ge=1)
    num_filter_bands: int = Field(80, ge=1)
    padding_value: float = 0.0
    crop: Literal["start", "middle"] = "start"
    in_memory: bool = True
    mode: Literal["eager", "lazy", "lazy_cached"] = "lazy"
    prefetch_size: int | None = Field(None, ge=1)
    lazy_cache_dir: str | None = None
    missing_value_strategy: Literal["fill_with_const", "fill_with_mode", "bfill", "ffill", "drop_row"] = "bfill"
    fill_value: int | float | str | None = None

    @model_validator(mode="after")  # before the one below, which so has its errors too
    def _holds_together(self) -> AudioFeatureConfig:
        if self.mode == "eager" and not self.in_memory:
            raise FeatureError("in_memory: false contradicts mode: eager, which keeps features in memory")
        norms = ("per_file" if self.time_axis == -2 else "slaney", None)
        if self.norm not in norms:
            raise FeatureError(f"norm: for type {self.type!r} it is {norms[0]!r} or None, got {self.norm!r}")
        if self.time_axis == -1:
            self._check_bands()
        elif self.sr is not None:
            self.limit(self.sr)
        return self

    def _check_bands(self) -> None:
        if self.sr is None:
            raise FeatureError(f"sr: type {self.type!r} needs a rate, got None")
        if self.win_length is not None and self.win_length > self.n_fft:
            raise FeatureError(f"win_length ({self.win_length}) is above n_fft ({self.n_fft})")
        check_bands(self.sr, self.fmin, self.fmax)
        check_decibels(self.ref, self.amin, self.top_db)
        try:
            get_window(self.window, 4)
        except (ValueError, TypeError):
            raise FeatureError(f"window: {self.window!r} is not one that SciPy knows by its name alone") from None
        if self.type == "mfcc":
            if self.n_mfcc > self.n_mels:
                raise FeatureError(f"n_mfcc ({self.n_mfcc}) is above n_mels ({self.n_mels})")
            if self.deltas:
                check_delta(self.delta_width, self.deltas, self.n_frames)

    @model_validator(mode="wrap")
    @classmethod
    def _one_error(cls, data: Any, handler: Any) -> Any:
        """Give the type its defaults; turn pydantic's error, a page long, into one of ours, a line long."""
        unused: set[str] = set()
        try:
            if isinstance(data, Mapping):
                data, unused = for_its_type(dict(data))
            config = handler(data)
            # What only others of Ludwig's types use was checked with the rest; now it goes.
            return handler({key: data[key] for key in data if key not in unused}) if unused else config
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {_plain(e)}" for e in error.errors())
        except FeatureError as error:
            wrong = error.reason
        raise FeatureError(f"feature configuration: {wrong}")

    @model_serializer(mode="wrap")
    def _what_counts(self, handler: Any) -> dict[str, Any]:
        kept = OF_TYPE[self.type] | (LOADING & self.model_fields_set)
        if self.crop == "start":  # goes without saying: models and caches from before there was a choice lack it
            kept = kept - {"crop"}
        return {key: value for key, value in handler(self).items() if key in kept}

    @classmethod
    def from_yaml(cls, source: str | os.PathLike | Mapping[str, Any]) -> AudioFeatureConfig:
        """Read a configuration from YAML.

        Parameters
        ----------
        source : str, os.PathLike or mapping
            A file, YAML text, or what was read from it: a mapping of keys, one that holds such a mapping under
            ``preprocessing``, as Ludwig's features do, or a Ludwig configuration with one audio feature. Ludwig's is
            ``fbank`` by default, unless it has keys of the other family. A line that names a file, or has no key,
            is a path.

        Returns
        -------
        AudioFeatureConfig

        Raises
        ------
        FeatureError
            The file cannot be read, is not YAML or no mapping, or the configuration is wrong.

        Examples
        --------
        >>> AudioFeatureConfig.from_yaml("preprocessing: {window_length_in_s: 0.025, norm: per_file}").type
        'fbank'
        """
        line = isinstance(source, str) and "\n" not in source
        path = source if isinstance(source, os.PathLike) or (line and os.path.isfile(source)) else None  # noqa: PTH113 - of text longer than a name Path's raises
        try:
            data = yaml.safe_load(source) if isinstance(source, str) and path is None else source
            if line and isinstance(data, str):  # text without a single key: a path
                path = source
            if path is not None:
                data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise FeatureError(f"cannot be read: {getattr(error, 'strerror', None) or error}", path) from None
        except yaml.YAMLError as error:
            raise FeatureError(f"not YAML: {' '.join(str(error).split())}", path) from None
        try:
            data, ludwig = block_of(data) if isinstance(data, Mapping) else (data, False)
            if not isinstance(data, Mapping):
                kind = "nothing" if data is None else type(data).__name__
                raise FeatureError(f"expected a mapping of keys to values, got {kind}")
            if ludwig and set(data) <= LUDWIG | LOADING:
                data = {"type": "fbank", **data}
            return cls.model_validate(dict(data))
        except FeatureError as error:
            raise FeatureError(error.reason, path) from None

    @property
    def time_axis(self) -> int:
        """Axis of the features that is time: -1, or -2 for Ludwig's types."""
        return -2 if self.type in TIME_MAJOR else -1

    @property
    def shape(self) -> tuple[int | None, int | None]:
        """Shape of the features of one sound; None where it is not the same for all."""
        if self.time_axis == -1:
            rows = {"mfcc": self.n_mfcc * (1 + self.deltas), "chroma": self.n_chroma}.get(self.type, self.n_mels)
            return rows, self.n_frames
        n_fft = self.num_fft_points
        if self.sr is not None:
            n_fft = lengths(self.sr, self.window_length_in_s, self.window_shift_in_s, n_fft)[2]
        bins = None if n_fft is None else n_fft // 2 + 1
        both = None if bins is None else 2 * bins
        columns = {"raw": 1, "fbank": self.num_filter_bands, "stft_phase": both}.get(self.type, bins)
        return None if self.sr is None else self.limit(self.sr)[0], columns

    @property
    def n_samples(self) -> int | None:
        """Samples at ``sr`` that give exactly ``n_frames`` frames, or the length limit; None when there is none."""
        if self.time_axis == -2:
            return None if self.sr is None else int(self.audio_file_length_limit_in_s * self.sr)
        if self.n_frames is None:
            return None
        beyond = 2 * (self.n_fft // 2) if self.center else 0  # the zeros at both ends
        least = self.n_fft - beyond + (self.n_frames - 1) * self.hop_length
        # One centred frame of an even n_fft would need no sample at all: give it those up to the second.
        return least if least > 0 else max(1, self.hop_length - 1)

    @property
    def reach(self) -> float | None:
        """Seconds of a sound, from its start, that its features depend on; None: all of it."""
        if self.time_axis == -1 or self.norm == "per_file" or self.crop == "middle":
            return None
        return self.audio_file_length_limit_in_s + self.window_length_in_s + self.window_shift_in_s + _SPARE

    def limit(self, sr: float) -> tuple[int, int]:
        """Length limit of Ludwig's types at a rate.

        Parameters
        ----------
        sr : number > 0 [Hz]
            Sampling rate.

        Returns
        -------
        rows : int
            What the features are cut or padded to.
        samples : int
            Samples that so many rows are made of; the last frame may reach beyond the limit.

        Raises
        ------
        FeatureError
            A length is less than a sample at this rate.

        Examples
        --------
        >>> AudioFeatureConfig(type="fbank").limit(16000)
        (374, 120000)
        """
        n = int(self.audio_file_length_limit_in_s * sr)
        if n < 1:
            limit = f"audio_file_length_limit_in_s ({self.audio_file_length_limit_in_s:g} s)"
            raise FeatureError(f"{limit} is less than one sample at {sr:g} Hz")
        return self._rows(n, sr)

    def _rows(self, n: int, sr: float) -> tuple[int, int]:
        """Rows of so many samples, and the samples that they are made of."""
        if self.type == "raw":
            return n, n
        window, shift, _ = lengths(sr, self.window_length_in_s, self.window_shift_in_s, self.num_fft_points)
        rows = frame_count(n, window, shift)
        return rows, (rows - 1) * shift + window

    def frames_in(self, seconds: float) -> int:
        """Number of frames that fit in so much sound: an ``n_frames`` for clips of this length.

        Parameters
        ----------
        seconds : float > 0 [s]
            Length of the sound.

        Returns
        -------
        int

        Raises
        ------
        FeatureError
            The rate is each file's own.

        Examples
        --------
        >>> AudioFeatureConfig().frames_in(29.12)
        1366
        """
        if self.time_axis == -2:
            if self.sr is None:
                raise FeatureError("sr: None is each file's own rate; frames are counted at a fixed one only")
            return self._rows(int(seconds * self.sr), self.sr)[0]
        spare = round(seconds * self.sr) - (self.n_fft % 2 if self.center else self.n_fft)
        return 1 + max(0, spare) // self.hop_length

    def identity(self) -> dict[str, Any]:
        """What determines the features, ready for JSON: the type and its keys, nothing of loading.

        Returns
        -------
        dict

        Examples
        --------
        >>> AudioFeatureConfig(type="raw", mode="eager").identity()
        {'type': 'raw', 'sr': None, 'norm': None, 'audio_file_length_limit_in_s': 7.5, 'padding_value': 0.0}
        """
        return self.model_dump(mode="json", exclude=LOADING)

    def key(self) -> str:
        """SHA-256 of `identity`, the same in every process: part of the name of a cached feature.

        Returns
        -------
        str
            64 hexadecimal digits.
        """
        text = json.dumps(self.identity(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _plain(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return unknown(str(error["loc"][0]))
    return f"{error['msg']}, got {error['input']!r}"
