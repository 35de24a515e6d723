"""Transforms of sounds and spectrograms, composable as those of ``gluon.data.vision``."""

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
from mxnet_audio.data.transforms.convert import (
    MEL,
    MFCC,
    Features,
    FromSamples,
    Load,
    MelSpectrogram,
    MuLawDecoding,
    MuLawEncoding,
    PadTrim,
    Resample,
    Scale,
    Stereo2Mono,
    ToImage,
)

__all__ = [
    "MEL",
    "MFCC",
    "AddNoise",
    "Compose",
    "Features",
    "FrequencyMasking",
    "FromSamples",
    "Gain",
    "Load",
    "MelSpectrogram",
    "MuLawDecoding",
    "MuLawEncoding",
    "PadTrim",
    "RandomCrop",
    "RandomTransform",
    "Resample",
    "Scale",
    "SpeedPerturbation",
    "Stereo2Mono",
    "TimeMasking",
    "TimeShift",
    "ToImage",
    "Transform",
]
