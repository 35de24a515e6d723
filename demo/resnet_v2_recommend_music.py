"""Recommend clips with the model of resnet_v2_train.py."""

from music import recommend

from mxnet_audio.library.resnet_v2 import ResNetV2AudioRecommender

recommend(ResNetV2AudioRecommender, __doc__)
