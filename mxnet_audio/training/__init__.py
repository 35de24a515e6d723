"""Training: recipes, schedules and callbacks, preparation of clips, the loop, splits, folds and the history."""

from mxnet_audio.datasets.labels import Pairs, checked_pairs, class_order, to_targets
from mxnet_audio.training.average import refresh_norms
from mxnet_audio.training.batches import check_batch
from mxnet_audio.training.callbacks import Callback, CsvLog, EarlyStopping, TensorBoardLog, checked_callbacks
from mxnet_audio.training.distributed import ALONE, Workers, check_kvstore, join
from mxnet_audio.training.feature_config import cache_options, complete_config
from mxnet_audio.training.history import best_epoch, new_history
from mxnet_audio.training.layers import frozen_names
from mxnet_audio.training.loop import Progress, initialize, run_epochs, set_shapes
from mxnet_audio.training.open_input import OpenInput
from mxnet_audio.training.prepare import Prepared, Skipped, prepare, usable_samples
from mxnet_audio.training.recipe import RECIPES, Recipe, get_recipe
from mxnet_audio.training.schedule import Constant, Cosine, Schedule, Step
from mxnet_audio.training.settings import Settings
from mxnet_audio.training.split import split
from mxnet_audio.training.state import check_shapes, get_parameters, set_parameters, versions

__all__ = [
    "ALONE",
    "RECIPES",
    "Callback",
    "Constant",
    "Cosine",
    "CsvLog",
    "EarlyStopping",
    "OpenInput",
    "Pairs",
    "Prepared",
    "Progress",
    "Recipe",
    "Schedule",
    "Settings",
    "Skipped",
    "Step",
    "TensorBoardLog",
    "Workers",
    "best_epoch",
    "cache_options",
    "check_batch",
    "check_kvstore",
    "check_shapes",
    "checked_callbacks",
    "checked_pairs",
    "class_order",
    "complete_config",
    "frozen_names",
    "get_parameters",
    "get_recipe",
    "initialize",
    "join",
    "new_history",
    "prepare",
    "refresh_norms",
    "run_epochs",
    "set_parameters",
    "set_shapes",
    "split",
    "to_targets",
    "usable_samples",
    "versions",
]
