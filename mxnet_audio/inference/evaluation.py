"""Comparison of predictions with the labels of the same files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mxnet_audio.audio.source import source_name
from mxnet_audio.errors import DatasetError
from mxnet_audio.inference.missing_packages import naming_missing_packages
from mxnet_audio.inference.results import Prediction

if TYPE_CHECKING:
    from mxnet_audio.datasets.labels import Pair, Pairs
    from mxnet_audio.metrics import ClassificationReport

__all__ = ["compare_predictions", "labelled_pairs"]


def labelled_pairs(pairs: Pairs, labels: list[int | str]) -> list[Pair]:
    """Return checked (path, label) pairs, whose labels are among the classes of a model.

    Raises
    ------
    DatasetError
        If there are no pairs, something in them is not a pair, or a label is unknown.
    """
    from mxnet_audio.datasets.labels import checked_pairs, to_targets  # not needed for predictions

    pairs = checked_pairs(pairs, "audio_path_label_pairs")
    to_targets([label for _, label in pairs], labels)
    return pairs


@naming_missing_packages()
def compare_predictions(
    pairs: list[Pair], predictions: Iterable[Prediction], labels: list[int | str]
) -> ClassificationReport:
    """Compare predictions with the labels of the same files.

    Parameters
    ----------
    pairs : list of (path, label)
        Labelled files.
    predictions : iterable of Prediction
        Predictions for these files, in the same order.
    labels : list of int or str
        Classes of the model.

    Raises
    ------
    DatasetError
        If none of the files could be used.
    """
    from mxnet_audio.metrics import classification_report  # scikit-learn, which predictions do not need

    true, predicted, skipped = [], [], []
    for row, (prediction, (sound, label)) in enumerate(zip(predictions, pairs)):
        if prediction.error is None:
            true.append(label)
            predicted.append(prediction.label)
        else:
            skipped.append((source_name(sound) or f"item {row}", prediction.error))
    if not true:
        raise DatasetError(f"none of the {len(pairs)} files can be used; the first: {skipped[0][1]}")
    return classification_report(true, predicted, labels, skipped)
