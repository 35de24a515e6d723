from .config import RunConfig as RunConfig
from .model import AudioModel as AudioModel
from .model import RowPrediction as RowPrediction
from .model import TrainingResults as TrainingResults
from .outputs import OutputPrediction as OutputPrediction
