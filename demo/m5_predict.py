"""Label clips with the model of m5_train.py."""

from music import predict

from mxnet_audio.library.m5 import M5AudioClassifier

predict(M5AudioClassifier, __doc__)
