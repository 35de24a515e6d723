"""A file or an array becomes float32 samples: decode, downmix, resample, fit to a length, cut.

The decoders and the resampler are imported when they are needed: samples at the right rate need NumPy alone.
"""

import lazy_loader

from mxnet_audio.audio.find import AUDIO_SUFFIXES, find_audio
from mxnet_audio.audio.load import load, valid_audio
from mxnet_audio.audio.shape import Windows, fit_length, repeat_to, resample, views, windows
from mxnet_audio.audio.source import naming_errors, resolve, source_identity, source_name
from mxnet_audio.audio.speed import Played

__getattr__, *_ = lazy_loader.attach(
    __name__, submod_attrs={"decode": ["info"], "headers": ["typical_length"], "stream": ["AudioInfo"]}
)

__all__ = [
    "AUDIO_SUFFIXES",
    "AudioInfo",
    "Played",
    "Windows",
    "find_audio",
    "fit_length",
    "info",
    "load",
    "naming_errors",
    "repeat_to",
    "resample",
    "resolve",
    "source_identity",
    "source_name",
    "typical_length",
    "valid_audio",
    "views",
    "windows",
]


def __dir__() -> list[str]:
    return __all__
