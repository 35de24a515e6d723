"""Recommend clips with the model of m5_train.py."""

from music import recommend

from mxnet_audio.library.m5 import M5AudioRecommender

recommend(M5AudioRecommender, __doc__)
