"""Checks of labelled clips (pairs of a sound and a label), and labels as class indices."""

from __future__ import annotations

import numbers
import os
import reprlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mxnet_audio.audio.source import resolve
from mxnet_audio.checks import whole_number
from mxnet_audio.datasets.missing import is_missing
from mxnet_audio.errors import AudioError, DatasetError, ParameterError

__all__ = ["Label", "Pair", "Pairs", "checked_pairs", "class_order", "to_targets"]

Label = int | str
Pair = tuple[Any, Label]
Pairs = Iterable[Pair]


def checked_pairs(pairs: Pairs, name: str = "pairs") -> list[Pair]:
    """Return the pairs as a checked list.

    Paths become strings and NumPy labels Python ones; other sounds are not changed. `name` is the name of the argument,
    for messages.

    Raises
    ------
    DatasetError
        If there are no pairs, or an item is not a pair of a sound and a label.
    ParameterError
        If `pairs` is not iterable, or a single path.
    """
    if isinstance(pairs, str | os.PathLike):
        remedy = f"for a folder with a subfolder for each class, pass datasets.folder({os.fsdecode(pairs)!r})"
        raise ParameterError(f"{name} must be pairs (path, label), got one path: {remedy}")
    if not isinstance(pairs, Iterable):
        raise ParameterError(f"{name} must be pairs (path, label), got {reprlib.repr(pairs)}")
    checked = []
    for row, pair in enumerate(pairs):
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
            raise DatasetError(f"each clip must be a pair (path, label), got {reprlib.repr(pair)}")
        sound, label = pair
        if is_missing(sound):
            raise DatasetError("the sound is missing", f"row {row}")
        try:
            resolve(sound)
        except AudioError as error:
            reason = f"each clip must be a pair (path, label), got {reprlib.repr(pair)}: {error.reason}"
            raise DatasetError(reason, f"row {row}") from error
        sound = os.fspath(sound) if isinstance(sound, os.PathLike) else sound
        checked.append((sound, label.item() if isinstance(label, np.generic) else label))
    if not checked:
        raise DatasetError("there are no clips: expected pairs (path, label)")
    return checked


def class_order(labels: Sequence[Label], nb_classes: int | None) -> list[Label]:
    """Return the classes in the order of a model's outputs.

    Parameters
    ----------
    labels : sequence of int or str
        Labels of the clips, all of one type.
    nb_classes : int or None
        Number of classes. Integer labels must be in ``range(nb_classes)``, but not all need to occur; the number of
        distinct strings must be `nb_classes`. If None, the labels that occur are the classes.

    Returns
    -------
    list of int or str
        Ascending; strings in alphabetical order.

    Raises
    ------
    DatasetError
        If the labels are of different or unsupported types, contradict `nb_classes`, or are all of one class.
    ParameterError
        If `nb_classes` is not a whole number above 0.

    Examples
    --------
    >>> class_order(['rock', 'jazz', 'rock'], 2)
    ['jazz', 'rock']
    >>> class_order([2, 0], 3)
    [0, 1, 2]
    """
    nb_classes = None if nb_classes is None else whole_number("nb_classes", nb_classes)
    if all(isinstance(label, str) for label in labels):
        order: list[Label] = sorted(set(labels))
        if nb_classes is not None and len(order) != nb_classes:
            raise DatasetError(
                f"nb_classes is {nb_classes}, but there are {len(order)} labels: {_shorten(order)}; pass nb_classes="
                f"{len(order)}, or None to use the labels that occur"
            )
    elif all(isinstance(label, numbers.Integral) and not isinstance(label, (bool, np.bool_)) for label in labels):
        found: list[Label] = sorted({int(label) for label in labels})
        order = found if nb_classes is None else list(range(nb_classes))
        outside = sorted(set(found) - set(order))
        if outside:
            raise DatasetError(f"labels outside range({nb_classes}) (nb_classes={nb_classes}): {_shorten(outside)}")
    else:
        kinds = sorted({type(label).__name__ for label in labels})
        raise DatasetError(f"labels must be all int or all str, got {', '.join(kinds)}")
    if len(set(labels)) < 2:
        raise DatasetError(f"there is one class only ({labels[0]!r}); at least two are needed")
    return order


def to_targets(labels: Sequence[Label], order: Sequence[Label]) -> np.ndarray:
    """Return the class index of each label.

    Raises
    ------
    DatasetError
        If a label is not in `order`.

    Examples
    --------
    >>> to_targets(['rock', 'jazz'], ['jazz', 'rock'])
    array([1, 0])
    """
    index = {label: i for i, label in enumerate(order)}
    unknown = sorted({str(label) for label in labels if label not in index})
    if unknown:
        raise DatasetError(f"labels unknown to the model: {_shorten(unknown)}; its classes are {_shorten(order)}")
    return np.array([index[label] for label in labels], dtype=np.int64)


def _shorten(labels: Sequence[Label]) -> str:
    """Return the first ten labels as text, with the number of the others."""
    shown = ", ".join(str(label) for label in labels[:10])
    return shown + (f" and {len(labels) - 10} more" if len(labels) > 10 else "")
