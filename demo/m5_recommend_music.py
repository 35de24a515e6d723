"""Recommend clips, by the model that m5_train.py trained."""

from cifar10_recommend_music import main

from mxnet_audio.library.m5 import M5AudioRecommender

if __name__ == "__main__":
    main(M5AudioRecommender)
