"""Turn clips into vectors with the model of cifar10_train.py."""

from music import encode

from mxnet_audio.library.cifar10 import Cifar10AudioClassifier

encode(Cifar10AudioClassifier, __doc__)
