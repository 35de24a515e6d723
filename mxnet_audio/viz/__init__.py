"""Pictures: training curves, confusion matrix, folds, spectrogram, map of the embeddings, ROC and DET.

Each function returns a :class:`matplotlib.figure.Figure` of its own, and saves it as PNG when given a path; `save`
writes it in other formats, and to file objects.
No ``pyplot`` and no global state: it draws on a server without a screen, and in threads.
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
