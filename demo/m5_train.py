"""Train M5AudioClassifier; what cifar10_train.py does, on the samples of the middle 4 s."""

from cifar10_train import main

from mxnet_audio.library.m5 import M5AudioClassifier

if __name__ == "__main__":
    main(M5AudioClassifier, seconds=4.0)
