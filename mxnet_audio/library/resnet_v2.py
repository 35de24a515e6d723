"""Classify, search and recommend sound with the pre-activation residual network."""

from mxnet_audio.library.classifier import AudioClassifier
from mxnet_audio.library.recommender import AudioRecommender
from mxnet_audio.library.search import AudioSearch

__all__ = ["ResNetV2AudioClassifier", "ResNetV2AudioRecommender", "ResNetV2AudioSearch"]


class ResNetV2AudioClassifier(AudioClassifier):
    """Three residual stages, embedding of 128; see `AudioClassifier` and `models.ResNetV2Net`."""

    network = "resnet_v2"


class ResNetV2AudioSearch(AudioSearch):
    """Search for similar sound by the embeddings of `ResNetV2AudioClassifier`."""

    classifier_class = ResNetV2AudioClassifier


class ResNetV2AudioRecommender(AudioRecommender):
    """Recommend songs by listening history and the embeddings of `ResNetV2AudioClassifier`."""

    classifier_class = ResNetV2AudioClassifier
