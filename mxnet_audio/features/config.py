"""The typed, validated description of how sound becomes features; it converts to JSON and back."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_serializer

from mxnet_audio.atomic import parse_json
from mxnet_audio.errors import FeatureError
from mxnet_audio.features.cepstral import check_delta
from mxnet_audio.features.checks import MIN_AMIN, check_bands, check_decibels
from mxnet_audio.features.documents import preprocessing_block, read_yaml
from mxnet_audio.features.htk import frame_count, lengths
from mxnet_audio.features.hub_fbanks import AST_MEAN, AST_STD, MAX_MEAN, MIN_STD
from mxnet_audio.features.keys import (
    HUB_TYPES,
    KEYS_OF_TYPE,
    LOADING_KEYS,
    TIME_MAJOR_TYPES,
    add_defaults,
    explain_unknown,
)
from mxnet_audio.features.messages import wrong_value
from mxnet_audio.features.windows import get_window

__all__ = ["AudioFeatureConfig"]

_RESAMPLER_MARGIN = 0.5  # seconds, more than a resampler looks ahead
_MAX_SECONDS = 1e9  # up to here, numbers of samples are exact integers


class AudioFeatureConfig(BaseModel):
    """Configuration of features. Immutable; the names are librosa's, or for Ludwig's features Ludwig's.

    There are two families. Types ``log_mel``, ``mel``, ``mfcc`` and ``chroma`` are librosa's: bands x frames, with
    ``n_frames`` frames from the middle of the sound, or all frames. Types ``raw``, ``stft``, ``stft_phase``, ``fbank``
    and ``group_delay`` are Ludwig's: frames x bands, cut or padded to a length limit. A key that is unknown or belongs
    to the other family is refused; a key that only other types of Ludwig's family use is checked and dropped.

    Types ``yamnet`` and ``musicnn`` are the inputs of these pretrained encoders (`features.yamnet_mel` and
    `features.musicnn_mel`): bands x frames, as for librosa's types. Of their keys only ``n_frames`` can be set; the
    others, such as ``sr`` and ``hop_length``, have fixed values.

    Types ``whisper``, ``ast``, ``panns`` and ``speechbrain`` are the inputs of published encoders, too
    (`features.whisper_mel`, `features.ast_fbank`, `features.panns_mel`, `features.speechbrain_fbank`). With
    ``n_frames``, they keep the start of a longer sound, as the published feature extractors do. ``n_mels`` of the first
    two can be set, and ``mean`` and ``std`` of ``ast``.

    Parameters
    ----------
    type : str
        Kind of feature. Default: ``fbank`` if one of Ludwig's own keys is given, else ``log_mel``.
    sr : int > 0 or None [Hz]
        Rate that sound is resampled to. Default: 12000; for Ludwig's types None, which keeps the file's own.
    n_fft : int > 0 [samples]
        Length of the Fourier transform.
    hop_length : int > 0 [samples]
        Distance from frame to frame.
    win_length : int > 0 or None [samples]
        Length of the window, in the middle of ``n_fft``; None is ``n_fft``.
    window : str
        Name of a window of `scipy.signal.get_window` that needs no parameters.
    center : bool
        True centers frame ``t`` at sample ``t * hop_length``, with zeros beyond both ends; False starts it there.
    n_mels : int > 0
        Number of mel bands. Default: 96; 80 for ``whisper``, 128 for ``ast``.
    fmin, fmax : float [Hz]
        Range of the bands; ``fmax`` None is ``sr / 2``.
    htk : bool
        HTK's mel scale in place of Slaney's.
    norm : 'slaney', 'per_file', 'unit_variance' or None
        For librosa's types, mel bands of equal area ('slaney', the default) or of equal height (None). For Ludwig's,
        features as computed (None, the default), or each column brought to mean 0 and deviation 1 over the whole file
        ('per_file'). For ``raw`` also 'unit_variance': ``(y - mean) / sqrt(variance + 1e-7)`` of the samples within the
        length limit, as wav2vec 2.0 and its relatives are trained (``do_normalize`` of Wav2Vec2FeatureExtractor).
    power : float > 0
        Exponent of the magnitudes: 2 is power, 1 is amplitude.
    amin, ref : float >= 1.18e-38, float > 0 or 'max'
        Smallest value, and the value that is 0 dB; 'max' is the sound's own peak, so that its loudness does not count.
    top_db : float > 0 or None [dB]
        Distance of the floor below the peak.
    n_frames : int > 0 or None
        Number of frames that every sound is fitted to; None keeps lengths. Default: None; 3000 (30 s) for ``whisper``,
        1024 for ``ast``, which is padded with frames of zeros, and not with samples.
    mean, std : float, float > 0
        Mean and standard deviation of the training set, which ``ast`` is normalized with; with 0 and 0.5 it is not.
        Default: AudioSet's.
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
        Value that Ludwig's types are padded with, at the end.
    crop : 'start' or 'middle'
        Part of a longer sound that Ludwig's types keep: the start, like Ludwig, or the middle, like librosa's types.
    mode : 'eager', 'lazy' or 'lazy_cached'
        When a loader computes features, and where it keeps them: see `mxnet_audio.data.AudioLoader`.
    in_memory : bool
        Ludwig's older name for this choice; it must not contradict `mode`, which decides.
    prefetch_size : int >= 0 or None
        Batches that a loader computes ahead; 0 reads nothing ahead, None leaves it to the loader.
    lazy_cache_dir : str or None
        Folder of ``lazy_cached``; None is the user's cache.
    missing_value_strategy : 'fill_with_const', 'fill_with_mode', 'bfill', 'ffill' or 'drop_row'
        Replacement of a missing sound or label.
    fill_value : number, str or None
        Constant of ``fill_with_const``.

    Raises
    ------
    FeatureError
        A value is out of range, of the wrong type or contradicts another, or a key is unknown or belongs to the other
        family; it is named.

    See Also
    --------
    from_yaml : a configuration from a file, or from the ``preprocessing`` block of a Ludwig document.

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

    type: Literal[
        "log_mel",
        "mel",
        "mfcc",
        "chroma",
        "raw",
        "stft",
        "stft_phase",
        "fbank",
        "group_delay",
        "yamnet",
        "musicnn",
        "whisper",
        "ast",
        "panns",
        "speechbrain",
    ] = "log_mel"
    sr: int | None = Field(default=12000, gt=0)
    n_fft: int = Field(default=512, ge=2)
    hop_length: int = Field(default=256, ge=1)
    win_length: int | None = Field(default=None, ge=1)
    window: str = "hann"
    center: bool = True
    n_mels: int = Field(default=96, ge=1)
    fmin: float = Field(default=0.0, ge=0)
    fmax: float | None = Field(default=None, gt=0)
    htk: bool = False
    norm: Literal["slaney", "per_file", "unit_variance"] | None = "slaney"
    power: float = Field(default=2.0, gt=0)
    amin: float = Field(default=1e-10, ge=MIN_AMIN)
    ref: float | Literal["max"] = 1.0
    top_db: float | None = Field(default=80.0, gt=0)
    n_frames: int | None = Field(default=None, ge=1)
    mean: float = Field(default=AST_MEAN, ge=-MAX_MEAN, le=MAX_MEAN)
    std: float = Field(default=AST_STD, ge=MIN_STD)
    n_mfcc: int = Field(default=20, ge=1)
    dct_type: Literal[1, 2, 3, 4] = 2
    dct_norm: Literal["ortho"] | None = "ortho"
    lifter: float = Field(default=0.0, ge=0)
    deltas: int = Field(default=0, ge=0)
    delta_width: int = Field(default=9, ge=3)
    n_chroma: int = Field(default=12, ge=1)
    tuning: float | None = None
    audio_file_length_limit_in_s: float = Field(default=7.5, gt=0, le=_MAX_SECONDS)
    window_length_in_s: float = Field(default=0.04, gt=0, le=_MAX_SECONDS)
    window_shift_in_s: float = Field(default=0.02, gt=0, le=_MAX_SECONDS)
    window_type: Literal["bartlett", "blackman", "hamming", "hann"] = "hamming"
    num_fft_points: int | None = Field(default=None, ge=1)
    num_filter_bands: int = Field(default=80, ge=1)
    padding_value: float = 0.0
    crop: Literal["start", "middle"] = "start"
    in_memory: bool = True
    mode: Literal["eager", "lazy", "lazy_cached"] = "lazy"
    prefetch_size: int | None = Field(default=None, ge=0)
    lazy_cache_dir: str | None = None
    missing_value_strategy: Literal["fill_with_const", "fill_with_mode", "bfill", "ffill", "drop_row"] = "bfill"
    fill_value: int | float | str | None = None

    if not TYPE_CHECKING:  # type checkers see the constructor that pydantic derives from the fields

        def __init__(self, /, **values: Any) -> None:
            # Not as pydantic's validators: it would turn a FeatureError, which is a ValueError, into its own error.
            try:
                values, unused = add_defaults(values)
                super().__init__(**values)
                if unused:  # checked with the others, and now dropped
                    super().__init__(**{key: values[key] for key in values if key not in unused})
                self._check_consistency()
            except ValidationError as error:
                reason = "; ".join(f"{e['loc'][0]}: {_message(e)}" for e in error.errors())
            except FeatureError as error:
                reason = error.reason
            else:
                return
            raise FeatureError(f"feature configuration: {reason}")

    def _check_consistency(self) -> None:
        if self.mode == "eager" and not self.in_memory:
            raise FeatureError("in_memory: false contradicts mode: eager, which keeps features in memory")
        norms = ["slaney"] if self.time_axis == -1 else ["per_file", "unit_variance"][: 1 + (self.type == "raw")]
        if self.norm is not None and self.norm not in norms:
            choice = ", ".join(map(repr, norms))
            raise FeatureError(f"norm: for type {self.type!r} it must be {choice} or None, got {self.norm!r}")
        if self.time_axis == -1:
            self._check_bands()
        elif self.sr is not None:
            self.limit(self.sr)

    def _check_bands(self) -> None:
        if self.sr is None:
            raise FeatureError(f"sr: type {self.type!r} needs a rate, got None")
        if self.win_length is not None and self.win_length > self.n_fft:
            raise FeatureError(f"win_length ({self.win_length}) is above n_fft ({self.n_fft})")
        check_bands(self.sr, self.fmin, self.fmax)
        check_decibels(self.ref, self.amin, self.top_db)
        get_window(self.window, 4)
        if self.type == "mfcc":
            if self.n_mfcc > self.n_mels:
                raise FeatureError(f"n_mfcc ({self.n_mfcc}) is above n_mels ({self.n_mels})")
            if self.deltas:
                check_delta(self.delta_width, self.deltas, self.n_frames)

    @model_serializer(mode="wrap")
    def _used_keys(self, handler: Any) -> dict[str, Any]:
        used = KEYS_OF_TYPE[self.type] | (LOADING_KEYS & self.model_fields_set)
        if self.crop == "start":  # models and caches from before this key existed lack it
            used = used - {"crop"}
        return {key: value for key, value in handler(self).items() if key in used}

    def __repr_args__(self) -> Any:
        return self.model_dump().items()

    @classmethod
    def model_validate(cls, obj: Any, **_: Any) -> AudioFeatureConfig:
        """Validate a mapping of keys to values, and raise FeatureError if it is wrong."""
        if isinstance(obj, cls):
            return obj
        if not isinstance(obj, Mapping):
            kind = "nothing" if obj is None else type(obj).__name__
            raise FeatureError(f"expected a mapping of keys to values, got {kind}")
        return cls(**{str(key): value for key, value in obj.items()})

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **_: Any) -> AudioFeatureConfig:
        """Validate a JSON object, and raise FeatureError (or for text that is not JSON ValueError) if it is wrong."""
        return cls.model_validate(parse_json(json_data))

    @classmethod
    def from_yaml(cls, source: str | os.PathLike | Mapping[str, Any]) -> AudioFeatureConfig:
        """Read a configuration from YAML.

        Parameters
        ----------
        source : str, os.PathLike or mapping
            A file, YAML text, or a mapping read from it. The mapping holds the keys; or, like an input feature of
            Ludwig, it holds them under ``preprocessing``, beside ``name`` and ``type: audio``; or it is a Ludwig
            document with ``input_features``, one of them audio, and ``output_features``. Other parts of a Ludwig
            document, such as ``encoder`` and ``trainer``, are refused, since nothing here reads them. A block under
            ``preprocessing`` is ``fbank`` by default, unless it has keys of the other family. One line of text that
            names a file, or has no key, is a path.

        Returns
        -------
        AudioFeatureConfig

        Raises
        ------
        FeatureError
            The file cannot be read or is not YAML, it holds no mapping or other parts than features, or the
            configuration is wrong.

        Examples
        --------
        >>> AudioFeatureConfig.from_yaml("preprocessing: {window_length_in_s: 0.025, norm: per_file}").type
        'fbank'
        """
        data, path = read_yaml(source)
        try:
            return cls.model_validate(preprocessing_block(data))
        except FeatureError as error:
            raise FeatureError(error.reason, path) from None

    @property
    def time_axis(self) -> int:
        """Axis of the features that is time: -1, or -2 for Ludwig's types."""
        return -2 if self.type in TIME_MAJOR_TYPES else -1

    @property
    def shape(self) -> tuple[int | None, int | None]:
        """Shape of the features of one sound; None where it depends on the sound."""
        if self.time_axis == -1:
            rows = {"mfcc": self.n_mfcc * (1 + self.deltas), "chroma": self.n_chroma}.get(self.type, self.n_mels)
            return rows, self.n_frames
        n_fft = self.num_fft_points
        if self.sr is not None:
            n_fft = lengths(self.sr, self.window_length_in_s, self.window_shift_in_s, n_fft)[2]
        bins = None if n_fft is None else n_fft // 2 + 1
        columns = {"raw": 1, "fbank": self.num_filter_bands, "stft_phase": bins and 2 * bins}.get(self.type, bins)
        return None if self.sr is None else self.limit(self.sr)[0], columns

    @property
    def frame_length(self) -> int:
        """Samples that a frame depends on: ``n_fft``, or 400, the window, for ``yamnet`` and ``ast``."""
        return self.win_length if self.type in ("yamnet", "ast") and self.win_length is not None else self.n_fft

    @property
    def kept_part(self) -> str:
        """Part of a longer sound that features of one length are computed from: 'start' or 'middle'."""
        if self.time_axis == -2:
            return self.crop
        return "start" if self.type in HUB_TYPES else "middle"

    @property
    def n_samples(self) -> int | None:
        """Samples at ``sr`` that give exactly ``n_frames`` frames, or the length limit; None if there is neither."""
        if self.time_axis == -2:
            return None if self.sr is None else int(self.audio_file_length_limit_in_s * self.sr)
        if self.n_frames is None:
            return None
        padding = 2 * (self.n_fft // 2) if self.center else 0
        computed = self.n_frames + self._dropped_frames
        needed = self.frame_length - padding + (computed - 1) * self.hop_length
        if self.type in ("whisper", "panns"):  # half a frame is reflected at the first and the last sample
            return max(needed, self.n_fft // 2 + 1)
        # One centered frame of an even n_fft would need no sample at all: give it those up to the second frame.
        return needed if needed > 0 else max(1, self.hop_length - 1)

    @property
    def _dropped_frames(self) -> int:
        return 1 if self.type == "whisper" else 0

    @property
    def reach(self) -> float | None:
        """Seconds of a sound, from its start, that its features depend on; None is the whole sound."""
        if self.norm == "per_file" or self.kept_part == "middle":
            return None
        if self.time_axis == -1:
            return None if self.n_samples is None or self.sr is None else self.n_samples / self.sr + _RESAMPLER_MARGIN
        return self.audio_file_length_limit_in_s + self.window_length_in_s + self.window_shift_in_s + _RESAMPLER_MARGIN

    def limit(self, sr: float) -> tuple[int, int]:
        """Return the length limit of Ludwig's types at a rate.

        Parameters
        ----------
        sr : number > 0 [Hz]
            Sampling rate.

        Returns
        -------
        rows : int
            Rows that the features are cut or padded to.
        samples : int
            Samples that these rows are computed from; the last frame may reach beyond the limit.

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
        """Return the rows that n samples give, and the samples that these rows are computed from."""
        if self.type == "raw":
            return n, n
        window, shift, _ = lengths(sr, self.window_length_in_s, self.window_shift_in_s, self.num_fft_points)
        rows = frame_count(n, window, shift)
        return rows, (rows - 1) * shift + window

    def frames_in(self, seconds: float) -> int:
        """Count the frames that fit in a sound: an ``n_frames`` for clips of this length.

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
            ``sr`` is None.

        Examples
        --------
        >>> AudioFeatureConfig().frames_in(29.12)
        1366
        """
        if self.sr is None:
            raise FeatureError("sr: None keeps each file's own rate; frames can be counted at a fixed rate only")
        if self.time_axis == -2:
            return self._rows(int(seconds * self.sr), self.sr)[0]
        spare = round(seconds * self.sr) - (self.n_fft % 2 if self.center else self.frame_length)
        return max(1, 1 + spare // self.hop_length - self._dropped_frames)

    def identity(self) -> dict[str, Any]:
        """Return all that determines the features, ready for JSON: the type and its keys, nothing about loading.

        Returns
        -------
        dict

        Examples
        --------
        >>> AudioFeatureConfig(type="raw", mode="eager").identity()
        {'type': 'raw', 'sr': None, 'norm': None, 'audio_file_length_limit_in_s': 7.5, 'padding_value': 0.0}
        """
        return self.model_dump(mode="json", exclude=LOADING_KEYS)

    def key(self) -> str:
        """Return the SHA-256 of `identity` in hexadecimal, the same in every process: part of a cache's folder name."""
        text = json.dumps(self.identity(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _message(error: Any) -> str:
    """Return one of pydantic's errors in one line."""
    if error["type"] == "extra_forbidden":
        return explain_unknown(str(error["loc"][0]))
    return wrong_value(error)
