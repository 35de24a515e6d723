"""Find similar clips with the model of m5_train.py."""

from music import search

from mxnet_audio.library.m5 import M5AudioSearch

search(M5AudioSearch, __doc__)
