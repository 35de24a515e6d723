"""Find clips that sound alike, by the model that resnet_v2_train.py trained."""

from cifar10_search_music import main

from mxnet_audio.library.resnet_v2 import ResNetV2AudioSearch

if __name__ == "__main__":
    main(ResNetV2AudioSearch)
