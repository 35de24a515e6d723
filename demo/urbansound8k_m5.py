"""Train M5AudioClassifier, which hears the waveform, on nine of UrbanSound8K's folds and test it on the tenth."""

from urbansound8k_train import main

from mxnet_audio.library.m5 import M5AudioClassifier

if __name__ == "__main__":
    main(M5AudioClassifier, epochs=60)
