"""Classifiers' results, and exported ONNX models with the classifier that runs them. Nothing here needs MXNet."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "onnx_classifier": ["OnnxAudioClassifier"],
        "predictor": ["Predictor"],
        "results": ["Encoding", "Identification", "Output", "Prediction", "TimedPrediction", "Verification"],
    },
)
