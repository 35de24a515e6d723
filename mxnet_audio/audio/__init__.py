"""A file or an array becomes float32 samples: decode, downmix, resample, fit to a length, cut."""

from mxnet_audio.audio.decode import AudioInfo, info
from mxnet_audio.audio.find import AUDIO_SUFFIXES, find_audio
from mxnet_audio.audio.load import load, valid_audio
from mxnet_audio.audio.shape import Windows, fit_length, resample, windows
from mxnet_audio.audio.source import naming, resolve, source_identity, source_name
from mxnet_audio.audio.survey import typical_length

__all__ = [
    "AUDIO_SUFFIXES",
    "AudioInfo",
    "Windows",
    "find_audio",
    "fit_length",
    "info",
    "load",
    "naming",
    "resample",
    "resolve",
    "source_identity",
    "source_name",
    "typical_length",
    "valid_audio",
    "windows",
]
