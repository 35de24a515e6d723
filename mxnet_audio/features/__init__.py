"""Features of samples, in NumPy: librosa's, Ludwig's and pretrained encoders', their configuration, a cache on disk."""

from mxnet_audio.features import htk
from mxnet_audio.features.cache import FeatureCache
from mxnet_audio.features.cepstral import delta, mfcc
from mxnet_audio.features.chroma import chroma
from mxnet_audio.features.config import AudioFeatureConfig
from mxnet_audio.features.extract import as_image, extract, load_features
from mxnet_audio.features.hub_fbanks import ast_fbank, speechbrain_fbank
from mxnet_audio.features.hub_mels import panns_mel, whisper_mel
from mxnet_audio.features.mel import mel_filters
from mxnet_audio.features.pretrained import musicnn_mel, yamnet_mel
from mxnet_audio.features.spectral import log_mel, melspectrogram, power_to_db, stft
from mxnet_audio.features.stream import frame_blocks, patches

__all__ = [
    "AudioFeatureConfig",
    "FeatureCache",
    "as_image",
    "ast_fbank",
    "chroma",
    "delta",
    "extract",
    "frame_blocks",
    "htk",
    "load_features",
    "log_mel",
    "mel_filters",
    "melspectrogram",
    "mfcc",
    "musicnn_mel",
    "panns_mel",
    "patches",
    "power_to_db",
    "speechbrain_fbank",
    "stft",
    "whisper_mel",
    "yamnet_mel",
]
