"""Which keys of a feature configuration mean something to which type."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from mxnet_audio.errors import FeatureError

__all__ = ["LOADING", "LUDWIG", "OF_TYPE", "TIME_MAJOR", "block_of", "for_its_type", "unknown"]

# Those of loading go with any type, and never change the features.
LOADING = {"in_memory", "mode", "prefetch_size", "lazy_cache_dir", "missing_value_strategy", "fill_value"}

_STFT = {"type", "sr", "n_fft", "hop_length", "win_length", "window", "center", "n_frames"}
_MEL = _STFT | {"n_mels", "fmin", "fmax", "htk", "norm", "power"}
_LOG_MEL = _MEL | {"amin", "ref", "top_db"}
_RAW = {"type", "sr", "norm", "audio_file_length_limit_in_s", "padding_value", "crop"}
_HTK = _RAW | {"window_length_in_s", "window_shift_in_s", "window_type", "num_fft_points"}
LUDWIG = _HTK | {"num_filter_bands"}
OF_TYPE = {
    "log_mel": _LOG_MEL,
    "mel": _MEL,
    "mfcc": _LOG_MEL | {"n_mfcc", "dct_type", "dct_norm", "lifter", "deltas", "delta_width"},
    "chroma": _STFT | {"n_chroma", "tuning"},
    "raw": _RAW,
    "stft": _HTK,
    "stft_phase": _HTK,
    "fbank": LUDWIG,
    "group_delay": _HTK,
}
TIME_MAJOR = {"raw", "stft", "stft_phase", "fbank", "group_delay"}
_KNOWN = LOADING.union(*OF_TYPE.values())


def block_of(data: Mapping[str, Any]) -> tuple[Any, bool]:
    """Find the keys in what was read.

    Parameters
    ----------
    data : mapping
        The keys; or a Ludwig feature, which has them under ``preprocessing``; or a whole Ludwig configuration.

    Returns
    -------
    data : mapping
    ludwig : bool
        Whether it is Ludwig's.

    Raises
    ------
    FeatureError
        A whole configuration has none or several audio features.

    Examples
    --------
    >>> block_of({"input_features": [{"name": "a", "type": "audio", "preprocessing": {"type": "raw"}}]})
    ({'type': 'raw'}, True)
    """
    if isinstance(features := data.get("input_features"), list):
        audio = [feature for feature in features if isinstance(feature, Mapping) and feature.get("type") == "audio"]
        if len(audio) != 1:
            raise FeatureError(f"{len(audio)} audio features: give the preprocessing block of the one that is meant")
        data = {"preprocessing": None, **audio[0]}
    return (data["preprocessing"] or {}, True) if "preprocessing" in data else (data, False)


def unknown(key: str) -> str:
    """Say that there is no such key, and which one may have been meant."""
    close = get_close_matches(key, _KNOWN, n=1)
    return f"unknown key, did you mean {close[0]}?" if close else "unknown key"


def for_its_type(data: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """Name the type of a configuration, and give it the defaults of its family.

    Parameters
    ----------
    data : dict
        Keys and values.

    Returns
    -------
    data : dict
        With ``type``, and for Ludwig's types with ``sr`` and ``norm``.
    unused : set of str
        Its keys that only others of Ludwig's types use.

    Raises
    ------
    FeatureError
        A key is the other family's, or means nothing to this type; it is named.

    Examples
    --------
    >>> for_its_type({"window_type": "hann"})[0]["type"]
    'fbank'
    >>> for_its_type({"type": "fbank", "n_mels": 40})
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.FeatureError: n_mels: not for type 'fbank'
    """
    data = {key: value for key, value in data.items() if key != "computed_fill_value"}  # Ludwig's note to itself
    if "type" not in data:
        ludwig = data.get("norm") == "per_file" or (LUDWIG - {"type", "sr", "norm"}) & set(data)
        data = {"type": "fbank" if ludwig else "log_mel", **data}
    kind = data["type"]
    if not (isinstance(kind, str) and kind in OF_TYPE):
        return data, set()  # validation says so
    family = OF_TYPE[kind]
    if kind in TIME_MAJOR:
        data, family = {"sr": None, "norm": None, **data}, LUDWIG
    if foreign := [key for key in data if key in _KNOWN - LOADING - family]:
        raise FeatureError(f"{', '.join(foreign)}: not for type {kind!r}")
    return data, (family - OF_TYPE[kind]) & set(data)
