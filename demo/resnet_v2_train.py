"""Train ResNetV2AudioClassifier on the genres of music of GTZAN, or on your own class folders (--data DIR)."""

from music import train

from mxnet_audio.library.resnet_v2 import ResNetV2AudioClassifier

train(ResNetV2AudioClassifier, __doc__)
