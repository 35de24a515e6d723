"""Train ResNetV2AudioClassifier to tell genres of music (GTZAN), or the classes of your own folder (--data DIR)."""

from music import train

from mxnet_audio.library.resnet_v2 import ResNetV2AudioClassifier

train(ResNetV2AudioClassifier, __doc__)
