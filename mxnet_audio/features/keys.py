"""Keys of a feature configuration, and the types that use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mxnet_audio.checks import nearest
from mxnet_audio.errors import FeatureError

__all__ = [
    "FIXED_VALUES",
    "HUB_TYPES",
    "KEYS_OF_TYPE",
    "LOADING_KEYS",
    "LUDWIG_KEYS",
    "TIME_MAJOR_TYPES",
    "add_defaults",
    "explain_unknown",
]

# Keys about loading go with any type and never change the features.
LOADING_KEYS = {"in_memory", "mode", "prefetch_size", "lazy_cache_dir", "missing_value_strategy", "fill_value"}

_STFT = {"type", "sr", "n_fft", "hop_length", "win_length", "window", "center", "n_frames"}
_MEL = _STFT | {"n_mels", "fmin", "fmax", "htk", "norm", "power"}
_LOG_MEL = _MEL | {"amin", "ref", "top_db"}
_RAW = {"type", "sr", "norm", "audio_file_length_limit_in_s", "padding_value", "crop"}
_HTK = _RAW | {"window_length_in_s", "window_shift_in_s", "window_type", "num_fft_points"}
LUDWIG_KEYS = _HTK | {"num_filter_bands"}
# Inputs of pretrained encoders: their weights suit these values only.
_MEL_16_KHZ = {"sr": 16000, "n_fft": 512, "window": "hann"}
_YAMNET = {"hop_length": 160, "win_length": 400, "center": False, "power": 1.0}
_YAMNET_BANDS = {"n_mels": 64, "fmin": 125.0, "fmax": 7500.0, "htk": True, "norm": None}
_MUSICNN = {"hop_length": 256, "win_length": None, "center": True, "power": 2.0}
_MUSICNN_BANDS = {"n_mels": 96, "fmin": 0.0, "fmax": None, "htk": False, "norm": "slaney"}
_HTK_BANDS = {"fmax": None, "htk": True, "norm": None, "power": 2.0}
_SLANEY_BANDS = {"htk": False, "norm": "slaney", "power": 2.0}
_FRAMES_400 = {"sr": 16000, "n_fft": 400, "hop_length": 160, "win_length": None, "center": True}
_FRAMES_1024 = {"sr": 32000, "n_fft": 1024, "hop_length": 320, "win_length": None, "center": True}
FIXED_VALUES: dict[str, dict[str, Any]] = {
    "yamnet": {**_MEL_16_KHZ, **_YAMNET, **_YAMNET_BANDS},
    "musicnn": {**_MEL_16_KHZ, **_MUSICNN, **_MUSICNN_BANDS},
    "whisper": {**_FRAMES_400, "window": "hann", "fmin": 0.0, "fmax": None, **_SLANEY_BANDS},
    "ast": {**_MEL_16_KHZ, "hop_length": 160, "win_length": 400, "center": False, "fmin": 20.0, **_HTK_BANDS},
    "panns": {**_FRAMES_1024, "window": "hann", "n_mels": 64, "fmin": 50.0, "fmax": 14000.0, **_SLANEY_BANDS},
    "speechbrain": {**_FRAMES_400, "window": "hamming", "n_mels": 80, "fmin": 0.0, **_HTK_BANDS},
}
TIME_MAJOR_TYPES = {"raw", "stft", "stft_phase", "fbank", "group_delay"}
# Values that differ from those of other types, and can be set.
_DEFAULTS: dict[str, dict[str, Any]] = {
    **{kind: {"sr": None, "norm": None} for kind in TIME_MAJOR_TYPES},
    "whisper": {"n_mels": 80, "n_frames": 3000},
    "ast": {"n_mels": 128, "n_frames": 1024},
}
HUB_TYPES = {"whisper", "ast", "panns", "speechbrain"}  # like their published extractors, they keep a sound's start
KEYS_OF_TYPE = {
    **{kind: {"type", "n_frames"} for kind in FIXED_VALUES},
    "whisper": {"type", "n_frames", "n_mels"},
    "ast": {"type", "n_frames", "n_mels", "mean", "std"},
    "log_mel": _LOG_MEL,
    "mel": _MEL,
    "mfcc": _LOG_MEL | {"n_mfcc", "dct_type", "dct_norm", "lifter", "deltas", "delta_width"},
    "chroma": _STFT | {"n_chroma", "tuning"},
    "raw": _RAW,
    "stft": _HTK,
    "stft_phase": _HTK,
    "fbank": LUDWIG_KEYS,
    "group_delay": _HTK,
}
_ALL_KEYS = LOADING_KEYS.union(*KEYS_OF_TYPE.values())


def explain_unknown(key: str) -> str:
    """Return the message for an unknown key, with the closest known one."""
    return f"unknown key{nearest(key, sorted(_ALL_KEYS))}"


def add_defaults(values: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """Add the type of a configuration, and the defaults of its family, where they are missing.

    Parameters
    ----------
    values : mapping
        Keys and values.

    Returns
    -------
    values : dict
        With ``type``, for Ludwig's types with ``sr`` and ``norm``, and for pretrained encoders with the fixed values.
    unused : set of str
        Keys that only other types of Ludwig's family use.

    Raises
    ------
    FeatureError
        A key belongs to the other family, or has no meaning for this type; it is named.

    Examples
    --------
    >>> add_defaults({"window_type": "hann"})[0]["type"]
    'fbank'
    >>> add_defaults({"type": "fbank", "n_mels": 40})
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.FeatureError: n_mels: not for type 'fbank'
    """
    values = {key: value for key, value in values.items() if key != "computed_fill_value"}  # internal to Ludwig
    if "type" not in values:
        ludwig = values.get("norm") == "per_file" or (LUDWIG_KEYS - {"type", "sr", "norm"}) & set(values)
        values = {"type": "fbank" if ludwig else "log_mel", **values}
    kind = values["type"]
    if not (isinstance(kind, str) and kind in KEYS_OF_TYPE):
        return values, set()  # refused later, by the validation of each value
    family = KEYS_OF_TYPE[kind]
    values = {**_DEFAULTS.get(kind, {}), **values}
    if kind in TIME_MAJOR_TYPES:
        family = LUDWIG_KEYS
    if foreign := [key for key in values if key in _ALL_KEYS - LOADING_KEYS - family]:
        free = ", ".join(sorted(family - {"type"}))
        remark = f", which fixes all keys but {free}" if kind in FIXED_VALUES else ""
        raise FeatureError(f"{', '.join(foreign)}: not for type {kind!r}{remark}")
    values.update(FIXED_VALUES.get(kind, {}))
    return values, (family - KEYS_OF_TYPE[kind]) & set(values)
