"""Features of samples, in NumPy: librosa's and Ludwig's, their configuration, and a cache on disk."""

from mxnet_audio.features import htk
from mxnet_audio.features.cache import FeatureCache
from mxnet_audio.features.cepstral import delta, mfcc
from mxnet_audio.features.chroma import chroma
from mxnet_audio.features.config import AudioFeatureConfig
from mxnet_audio.features.extract import as_image, extract, load_features
from mxnet_audio.features.mel import mel_filters
from mxnet_audio.features.spectral import log_mel, melspectrogram, power_to_db, stft

__all__ = [
    "AudioFeatureConfig",
    "FeatureCache",
    "as_image",
    "chroma",
    "delta",
    "extract",
    "htk",
    "load_features",
    "log_mel",
    "mel_filters",
    "melspectrogram",
    "mfcc",
    "power_to_db",
    "stft",
]
