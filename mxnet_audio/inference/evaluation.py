"""Comparison of predictions with the labels of the same files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from mxnet_audio.audio.source import source_name
from mxnet_audio.errors import DatasetError
from mxnet_audio.inference.missing_packages import naming_missing_packages
from mxnet_audio.inference.results import Prediction

if TYPE_CHECKING:
    from mxnet_audio.datasets.labels import Pair, Pairs
    from mxnet_audio.metrics import ClassificationReport
    from mxnet_audio.metrics.multilabel import MultiLabelReport

__all__ = ["compare_predictions", "labelled_pairs"]


def labelled_pairs(
    pairs: Pairs, labels: list[int | str], *, multi_label: bool = False, label_separator: str | None = None
) -> list[Pair]:
    """Return checked (path, label) pairs, whose labels are among the classes of a model.

    For a model of several labels a clip (`multi_label`), all labels are frozensets, and `label_separator` is the text
    between the labels of a clip; see `datasets.labels.checked_pairs`.

    Raises
    ------
    DatasetError
        If there are no pairs, something in them is not a pair, a label is unknown, or a clip has several labels and
        the model one.
    ParameterError
        If `pairs` is not iterable, or `label_separator` is not a text.
    """
    from mxnet_audio.datasets.labels import checked_pairs, to_targets  # not needed for predictions

    pairs = checked_pairs(pairs, "audio_path_label_pairs", label_separator=label_separator, multi_label=multi_label)
    try:
        to_targets([one for _, label in pairs for one in (label if multi_label else (label,))], labels)
    except DatasetError as error:
        if not multi_label or label_separator is not None:
            raise
        mend = "for texts of several labels, such as 'dog|rain', pass label_separator='|' (--label-separator '|')"
        raise DatasetError(f"{error.reason}; {mend}") from None
    return pairs


@naming_missing_packages()
def compare_predictions(
    pairs: list[Pair],
    predictions: Iterable[Prediction],
    labels: list[int | str],
    thresholds: np.ndarray | None = None,
) -> ClassificationReport | MultiLabelReport:
    """Compare predictions with the labels of the same files.

    Parameters
    ----------
    pairs : list of (path, label)
        Labelled files, as `labelled_pairs` returns them.
    predictions : iterable of Prediction
        Predictions for these files, in the same order.
    labels : list of int or str
        Classes of the model.
    thresholds : np.ndarray [shape=(classes,)], optional
        Thresholds of a model of several labels a clip.

    Returns
    -------
    ClassificationReport or MultiLabelReport
        The latter if there are thresholds.

    Raises
    ------
    DatasetError
        If none of the files could be used.
    """
    # scikit-learn, which predictions do not need
    from mxnet_audio.metrics import classification_report
    from mxnet_audio.metrics.multilabel import label_matrix, multilabel_report

    true: list[Any] = []
    predicted: list[Any] = []
    skipped = []
    for row, (prediction, (sound, label)) in enumerate(zip(predictions, pairs)):
        if prediction.error is None:
            true.append(label)
            predicted.append(prediction.label if thresholds is None else prediction.probabilities)
        else:
            skipped.append((source_name(sound) or f"item {row}", prediction.error))
    if not true:
        raise DatasetError(f"none of the {len(pairs)} files can be used; the first: {skipped[0][1]}")
    if thresholds is not None:
        return multilabel_report(label_matrix(true, labels), np.stack(predicted), labels, thresholds, skipped)
    return classification_report(true, predicted, labels, skipped)
