"""The one fit loop, honest splits, and the history that both keep."""

from mxnet_audio.training.history import best_epoch, new_history
from mxnet_audio.training.loop import Progress, initialize, run_epochs
from mxnet_audio.training.prepare import Pairs, Prepared, checked_pairs, keeping, prepare, usual_config
from mxnet_audio.training.recipe import Recipe
from mxnet_audio.training.split import class_order, split, to_targets
from mxnet_audio.training.state import get_parameters, set_parameters

__all__ = [
    "Pairs",
    "Prepared",
    "Progress",
    "Recipe",
    "best_epoch",
    "checked_pairs",
    "class_order",
    "get_parameters",
    "initialize",
    "keeping",
    "new_history",
    "prepare",
    "run_epochs",
    "set_parameters",
    "split",
    "to_targets",
    "usual_config",
]
