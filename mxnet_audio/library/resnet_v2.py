"""Classify, search and recommend sound with the pre-activation residual network."""

from mxnet_audio.library.classifier import AudioClassifier
from mxnet_audio.library.recommender import AudioRecommender
from mxnet_audio.library.search import AudioSearch

__all__ = ["ResNetV2AudioClassifier", "ResNetV2AudioRecommender", "ResNetV2AudioSearch"]


class ResNetV2AudioClassifier(AudioClassifier):
    """Three residual stages and a vector of 128; see `AudioClassifier` and `models.ResNetV2Net`."""

    network = "resnet_v2"


class ResNetV2AudioSearch(AudioSearch):
    """Find sound that is like a sound, by the vectors of `ResNetV2AudioClassifier`."""

    classifier_class = ResNetV2AudioClassifier


class ResNetV2AudioRecommender(AudioRecommender):
    """Recommend sound by what was heard, by the vectors of `ResNetV2AudioClassifier`."""

    classifier_class = ResNetV2AudioClassifier
