"""Train Cifar10AudioClassifier to tell genres of music (GTZAN), or the classes of your own folder (--data DIR)."""

from music import train

from mxnet_audio.library.cifar10 import Cifar10AudioClassifier

train(Cifar10AudioClassifier, __doc__)
