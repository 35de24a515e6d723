"""Find clips that sound alike, by the model that m5_train.py trained."""

from cifar10_search_music import main

from mxnet_audio.library.m5 import M5AudioSearch

if __name__ == "__main__":
    main(M5AudioSearch)
