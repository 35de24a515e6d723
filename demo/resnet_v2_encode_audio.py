"""Turn clips into vectors with the model of resnet_v2_train.py."""

from music import encode

from mxnet_audio.library.resnet_v2 import ResNetV2AudioClassifier

encode(ResNetV2AudioClassifier, __doc__)
