"""Labelled clips as they are given: pairs of a sound and a label, checked, and labels as class indices. No MXNet."""

from __future__ import annotations

import numbers
import os
import reprlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mxnet_audio.audio.source import resolve
from mxnet_audio.audio.speed import Played
from mxnet_audio.datasets.missing import is_missing
from mxnet_audio.errors import AudioError, DatasetError

__all__ = ["Label", "Pair", "Pairs", "checked_pairs", "class_order", "to_targets"]

Label = int | str
Pair = tuple[Any, Label]
Pairs = Iterable[Pair]


def checked_pairs(pairs: Pairs) -> list[Pair]:
    """Pairs as a list with paths as strings and labels as Python's own; other sounds stay as they are.

    Raises
    ------
    DatasetError
        If there are none, or something in them is not a pair of a sound and a label.
    """
    checked = []
    for row, pair in enumerate(pairs):
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
            raise DatasetError(f"each clip is a pair (path, label), not {reprlib.repr(pair)}")
        sound, label = pair
        if is_missing(sound):
            raise DatasetError("the sound is missing", f"row {row}")
        try:
            resolve(sound.source if isinstance(sound, Played) else sound)
        except AudioError as error:
            reason = f"each clip is a pair (path, label), not {reprlib.repr(pair)}: {error.reason}"
            raise DatasetError(reason, f"row {row}") from error
        sound = os.fspath(sound) if isinstance(sound, os.PathLike) else sound
        checked.append((sound, label.item() if isinstance(label, np.generic) else label))
    if not checked:
        raise DatasetError("no clips: give pairs of path and label")
    return checked


def class_order(labels: Sequence[Label], nb_classes: int | None) -> list[Label]:
    """The order in which scores stand for labels.

    Parameters
    ----------
    labels : sequence of int or str
        Labels of the clips, of one type.
    nb_classes : int or None
        Number of classes. Integer labels lie in ``range(nb_classes)``, not all of them need occur; strings are as
        many as `nb_classes`. None: the labels that occur are the classes.

    Returns
    -------
    list of int or str
        Ascending; strings in alphabetical order.

    Raises
    ------
    DatasetError
        If the labels are mixed, of another type, outside `nb_classes`, or of one class only.

    Examples
    --------
    >>> class_order(['rock', 'jazz', 'rock'], 2)
    ['jazz', 'rock']
    >>> class_order([2, 0], 3)
    [0, 1, 2]
    """
    if all(isinstance(label, str) for label in labels):
        order = sorted(set(labels))
        if nb_classes is not None and len(order) != nb_classes:
            raise DatasetError(
                f"nb_classes is {nb_classes}, but the labels are {len(order)}: {_some(order)}; pass nb_classes="
                f"{len(order)}, or None to take what the labels show"
            )
    elif all(isinstance(label, numbers.Integral) and not isinstance(label, (bool, np.bool_)) for label in labels):
        found = sorted({int(label) for label in labels})
        order = found if nb_classes is None else list(range(nb_classes))
        outside = sorted(set(found) - set(order))
        if outside:
            raise DatasetError(f"labels outside 0 to {nb_classes - 1} (nb_classes={nb_classes}): {_some(outside)}")
    else:
        kinds = sorted({type(label).__name__ for label in labels})
        raise DatasetError(f"labels are all int or all str, not {', '.join(kinds)}")
    if len(set(labels)) < 2:
        raise DatasetError(f"one class only ({labels[0]!r}): there is nothing to tell apart")
    return order


def to_targets(labels: Sequence[Label], order: Sequence[Label]) -> np.ndarray:
    """Class index of each label.

    Raises
    ------
    DatasetError
        If a label is not in `order`.

    Examples
    --------
    >>> to_targets(['rock', 'jazz'], ['jazz', 'rock'])
    array([1, 0])
    """
    index = {label: position for position, label in enumerate(order)}
    unknown = sorted({str(label) for label in labels if label not in index})
    if unknown:
        raise DatasetError(f"labels that the model does not know: {_some(unknown)}; it knows {_some(order)}")
    return np.array([index[label] for label in labels], dtype=np.int64)


def _some(labels: Sequence) -> str:
    shown = ", ".join(str(label) for label in labels[:10])
    return shown + (f" and {len(labels) - 10} more" if len(labels) > 10 else "")
