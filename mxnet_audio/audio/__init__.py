"""Sound as float32 samples: decode files, downmix, resample, fit to a length, cut into windows.

The decoders and the resampler are imported on first use: samples at the right rate need NumPy alone.
"""

import lazy_loader

from mxnet_audio.audio.find import AUDIO_SUFFIXES, find_audio
from mxnet_audio.audio.load import load, valid_audio
from mxnet_audio.audio.shape import Windows, fit_length, repeat_to, resample, views, windows
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
    "repeat_to",
    "resample",
    "typical_length",
    "valid_audio",
    "views",
    "windows",
]


def __dir__() -> list[str]:
    return __all__
