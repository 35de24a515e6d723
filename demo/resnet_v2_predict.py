"""Label clips with the model of resnet_v2_train.py."""

from music import predict

from mxnet_audio.library.resnet_v2 import ResNetV2AudioClassifier

predict(ResNetV2AudioClassifier, __doc__)
