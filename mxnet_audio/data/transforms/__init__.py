"""Transforms of sounds and spectrograms, used like those of ``gluon.data.vision``."""

from mxnet_audio.data.transforms.augment import (
    AddNoise,
    FrequencyMasking,
    Gain,
    RandomCrop,
    SpeedPerturbation,
    TimeMasking,
    TimeShift,
)
from mxnet_audio.data.transforms.base import Compose, RandomTransform, Transform
from mxnet_audio.data.transforms.features import MEL, MFCC, ExtractFeatures, Features, MelSpectrogram, ToImage
from mxnet_audio.data.transforms.functional import center_crop, norm_audio, random_crop
from mxnet_audio.data.transforms.waveform import (
    DownmixMono,
    Load,
    Loader,
    MuLawDecoding,
    MuLawEncoding,
    PadOrTrim,
    PadTrim,
    Repeat,
    Resample,
    Scale,
    Stereo2Mono,
)

__all__ = [
    "MEL",
    "MFCC",
    "AddNoise",
    "Compose",
    "DownmixMono",
    "ExtractFeatures",
    "Features",
    "FrequencyMasking",
    "Gain",
    "Load",
    "Loader",
    "MelSpectrogram",
    "MuLawDecoding",
    "MuLawEncoding",
    "PadOrTrim",
    "PadTrim",
    "RandomCrop",
    "RandomTransform",
    "Repeat",
    "Resample",
    "Scale",
    "SpeedPerturbation",
    "Stereo2Mono",
    "TimeMasking",
    "TimeShift",
    "ToImage",
    "Transform",
    "center_crop",
    "norm_audio",
    "random_crop",
]
