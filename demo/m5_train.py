"""Train M5AudioClassifier to tell genres of music (GTZAN), or the classes of your own folder (--data DIR)."""

from music import train

from mxnet_audio.library.m5 import M5AudioClassifier

train(M5AudioClassifier, __doc__, seconds=4.0)
