"""Samples become arrays, in NumPy: log-mel, its configuration, and the cache on disk."""

from mxnet_audio.features.cache import FeatureCache
from mxnet_audio.features.config import AudioFeatureConfig
from mxnet_audio.features.extract import extract, load_features
from mxnet_audio.features.spectral import log_mel, mel_filters, melspectrogram, power_to_db, stft

__all__ = [
    "AudioFeatureConfig",
    "FeatureCache",
    "extract",
    "load_features",
    "log_mel",
    "mel_filters",
    "melspectrogram",
    "power_to_db",
    "stft",
]
