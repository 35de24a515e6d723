"""Recommend clips, by the model that resnet_v2_train.py trained."""

from cifar10_recommend_music import main

from mxnet_audio.library.resnet_v2 import ResNetV2AudioRecommender

if __name__ == "__main__":
    main(ResNetV2AudioRecommender)
