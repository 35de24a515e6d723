"""Train M5AudioClassifier on the genres of music of GTZAN, or on your own class folders (--data DIR)."""

from music import train

from mxnet_audio.library.m5 import M5AudioClassifier

train(M5AudioClassifier, __doc__, seconds=4.0)
