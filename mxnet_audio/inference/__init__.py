"""Predictors and their results; exported ONNX models and the classifier that runs them. Nothing here needs MXNet."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "onnx_classifier": ["OnnxAudioClassifier"],
        "predictor": ["Predictor"],
        "results": ["Encoding", "Identification", "Prediction", "TimedPrediction", "Verification"],
    },
)
