"""Import path of `OnnxAudioClassifier` in version 0.1; see `mxnet_audio.inference`."""

from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier as OnnxAudioClassifier
