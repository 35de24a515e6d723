"""Train M5AudioClassifier on nine of UrbanSound8K's official folds and test it on the tenth."""

from urbansound8k_train import main

from mxnet_audio.library.m5 import M5AudioClassifier

main(M5AudioClassifier, __doc__, epochs=60)
