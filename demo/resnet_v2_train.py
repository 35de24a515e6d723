"""Train ResNetV2AudioClassifier; what cifar10_train.py does, with the other network."""

from cifar10_train import main

from mxnet_audio.library.resnet_v2 import ResNetV2AudioClassifier

if __name__ == "__main__":
    main(ResNetV2AudioClassifier)
