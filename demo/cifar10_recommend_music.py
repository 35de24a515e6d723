"""Recommend clips with the model of cifar10_train.py."""

from music import recommend

from mxnet_audio.library.cifar10 import Cifar10AudioRecommender

recommend(Cifar10AudioRecommender, __doc__)
