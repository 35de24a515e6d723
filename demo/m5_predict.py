"""Label clips with the model that m5_train.py trained."""

from cifar10_predict import main

from mxnet_audio.library.m5 import M5AudioClassifier

if __name__ == "__main__":
    main(M5AudioClassifier)
