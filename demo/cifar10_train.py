"""Train Cifar10AudioClassifier on the genres of music of GTZAN, or on your own class folders (--data DIR)."""

from music import train

from mxnet_audio.library.cifar10 import Cifar10AudioClassifier

train(Cifar10AudioClassifier, __doc__)
