"""Label clips with the model of cifar10_train.py."""

from music import predict

from mxnet_audio.library.cifar10 import Cifar10AudioClassifier

predict(Cifar10AudioClassifier, __doc__)
