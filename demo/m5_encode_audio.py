"""Turn clips into vectors with the model of m5_train.py."""

from music import encode

from mxnet_audio.library.m5 import M5AudioClassifier

encode(M5AudioClassifier, __doc__)
