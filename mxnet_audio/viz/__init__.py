"""Figures: training curves, confusion matrix, folds, spectrogram, map of embeddings, ROC and DET curves.

Each function returns a new :class:`matplotlib.figure.Figure`, and saves it as PNG if a path is given; `save` writes
other formats, and file objects.
``pyplot`` and its global state are not used, so that the functions work without a display and in threads.
"""

from mxnet_audio.viz.embedding import plot_embedding
from mxnet_audio.viz.figure import printable, save
from mxnet_audio.viz.spectrogram import plot_spectrogram, view_spec
from mxnet_audio.viz.training import plot_confusion, plot_folds, plot_history
from mxnet_audio.viz.verification import plot_accuracy, plot_det, plot_roc

__all__ = [
    "plot_accuracy",
    "plot_confusion",
    "plot_det",
    "plot_embedding",
    "plot_folds",
    "plot_history",
    "plot_roc",
    "plot_spectrogram",
    "printable",
    "save",
    "view_spec",
]
