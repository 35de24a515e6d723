"""Classify, embed and search sound with MXNet Gluon."""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["audio", "data", "datasets", "features", "metrics", "nn", "search", "training", "viz"],
    submod_attrs={
        "errors": [
            "AudioDecodeError",
            "AudioError",
            "DatasetError",
            "EngineError",
            "FeatureError",
            "InvalidAudioError",
            "ModelError",
            "SearchError",
            "TruncatedAudioError",
        ],
        "features.config": ["AudioFeatureConfig"],
        "library": ["load_classifier"],
        "library.cifar10": ["Cifar10AudioClassifier", "Cifar10AudioRecommender", "Cifar10AudioSearch"],
        "cross_validation": ["cross_validate"],
        "library.m5": ["M5AudioClassifier", "M5AudioRecommender", "M5AudioSearch"],
        "library.resnet_v2": ["ResNetV2AudioClassifier", "ResNetV2AudioRecommender", "ResNetV2AudioSearch"],
        "speakers": ["SpeakerRecognizer"],
        "inference": ["OnnxAudioClassifier"],
    },
)
