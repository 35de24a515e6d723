from .onnx_classifier import OnnxAudioClassifier as OnnxAudioClassifier
from .predictor import Predictor as Predictor
from .results import Encoding as Encoding
from .results import Identification as Identification
from .results import Output as Output
from .results import Prediction as Prediction
from .results import TimedPrediction as TimedPrediction
from .results import Verification as Verification
