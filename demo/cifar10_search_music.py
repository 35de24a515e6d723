"""Find similar clips with the model of cifar10_train.py."""

from music import search

from mxnet_audio.library.cifar10 import Cifar10AudioSearch

search(Cifar10AudioSearch, __doc__)
