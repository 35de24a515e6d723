"""Label clips with the model that resnet_v2_train.py trained."""

from cifar10_predict import main

from mxnet_audio.library.resnet_v2 import ResNetV2AudioClassifier

if __name__ == "__main__":
    main(ResNetV2AudioClassifier)
