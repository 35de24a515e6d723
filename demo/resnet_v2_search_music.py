"""Find similar clips with the model of resnet_v2_train.py."""

from music import search

from mxnet_audio.library.resnet_v2 import ResNetV2AudioSearch

search(ResNetV2AudioSearch, __doc__)
