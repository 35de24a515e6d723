"""Checks of labelled clips (pairs of a sound and a label, or several), and labels as class indices."""

from __future__ import annotations

import logging
import numbers
import os
import re
import reprlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mxnet_audio.audio.source import resolve
from mxnet_audio.checks import whole_number
from mxnet_audio.datasets.missing import is_missing
from mxnet_audio.errors import AudioError, DatasetError, ParameterError

__all__ = [
    "JoinedLabels",
    "Label",
    "Pair",
    "Pairs",
    "as_label_sets",
    "check_separator",
    "checked_pairs",
    "class_order",
    "find_joined",
    "label_text",
    "split_labels",
    "to_targets",
]

logger = logging.getLogger(__name__)

Label = int | str
Pair = tuple[Any, Any]  # the label is an int or str, or a frozenset of them
Pairs = Iterable[Pair]

_SEVERAL = (set, frozenset, list, tuple, np.ndarray)
_SEPARATORS = ",;|"  # usual ones


class JoinedLabels(NamedTuple):
    """Text of several labels that are joined by a separator."""

    text: str
    labels: list[str]
    separator: str


def checked_pairs(
    pairs: Pairs, name: str = "pairs", *, label_separator: str | None = None, multi_label: bool | None = None
) -> list[Pair]:
    """Return the pairs as a checked list.

    Paths become strings and NumPy labels Python ones; other sounds are not changed. Several labels of a clip (a set,
    frozenset, list or tuple, which may be empty) become a frozenset; if one clip has such labels, the labels of all
    clips become frozensets.

    Parameters
    ----------
    pairs : iterable of (path, label)
        Labelled clips.
    name : str
        Name of the argument, for messages.
    label_separator : str, optional
        Text between the labels of a clip, such as ``"|"``: all labels become frozensets. By default, text is one label.
    multi_label : bool, optional
        True makes all labels frozensets; with False, several labels of a clip are an error. By default, the clips
        decide.

    Raises
    ------
    DatasetError
        If there are no pairs, an item is not a pair of a sound and a label, or labels are a row of 0 and 1 for all
        classes.
    ParameterError
        If `pairs` is not iterable, or a single path, or `label_separator` is not a text.

    Examples
    --------
    >>> [sorted(labels) for _, labels in checked_pairs([("a.wav", "dog|rain"), ("b.wav", "")], label_separator="|")]
    [['dog', 'rain'], []]
    """
    if label_separator is not None:
        split_labels("", label_separator)  # raises its error, even if no label is a text
    joined = []
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
        checked.append((sound, _checked_label(label, label_separator, row)))
        joined += [label] if isinstance(label, str) else []
    if not checked:
        raise DatasetError("there are no clips: expected pairs (path, label)")
    if label_separator is not None:
        check_separator(joined, label_separator, "label_separator")
    several = next((row for row, (_, label) in enumerate(checked) if isinstance(label, frozenset)), None)
    if multi_label is False and several is not None:
        mend = "" if label_separator is None else ": pass no label_separator (--label-separator)"
        reason = f"one label is expected for each clip, got {reprlib.repr(set(checked[several][1]))}{mend}"
        raise DatasetError(reason, f"row {several}")
    return as_label_sets(checked) if multi_label or several is not None else checked


def as_label_sets(pairs: Iterable[Pair]) -> list[Pair]:
    """Return checked pairs with the labels of each clip as a frozenset.

    Examples
    --------
    >>> as_label_sets([("a.wav", "dog"), ("b.wav", frozenset())])
    [('a.wav', frozenset({'dog'})), ('b.wav', frozenset())]
    """
    return [(sound, label if isinstance(label, frozenset) else frozenset([label])) for sound, label in pairs]


def _checked_label(label: Any, separator: str | None, row: int) -> Any:
    """Return a label as Python's int or str, or several as a frozenset; other types are left to `class_order`."""
    if separator is not None and isinstance(label, str):
        label = split_labels(label, separator)
    if isinstance(label, np.generic | np.ndarray):
        label = label.tolist()
    try:
        if not isinstance(label, _SEVERAL):
            hash(label)
            return label
        labels = frozenset(one.item() if isinstance(one, np.generic) else one for one in label)
    except TypeError:  # a mapping, or lists within the list
        raise DatasetError(f"labels must be int or str, got {reprlib.repr(label)}", f"row {row}") from None
    if len(labels) < len(label) and labels <= {0, 1}:  # a number occurs twice
        mend = f"pass the labels themselves, such as {set(np.flatnonzero([*label]).tolist())}"
        raise DatasetError(f"labels must not be a row of 0 and 1 for all classes: {mend}", f"row {row}")
    return labels


def split_labels(text: str, separator: str) -> frozenset[str]:
    """Return the labels in a text, without blanks around them; ParameterError if the separator is not a text.

    Examples
    --------
    >>> sorted(split_labels("rain | dog|", "|")), split_labels("", "|")
    (['dog', 'rain'], frozenset())
    """
    if not isinstance(separator, str) or not separator:
        raise ParameterError(f"label_separator must be a text such as '|', or None, got {separator!r}")
    return frozenset(part.strip() for part in text.split(separator)) - {""}


def find_joined(texts: Iterable[str], separators: str = _SEPARATORS) -> JoinedLabels | None:
    """Return the first of the labels that is several labels joined by one of the separators; None if there is none.

    Names may have commas. Labels are joined if all of them occur in other texts, too, and some of them alone or at
    another position: unlike in "Speech, male", "Speech, female", "Song, male", "Song, female".

    Examples
    --------
    >>> find_joined(["dog", "rain", "dog|rain"])
    JoinedLabels(text='dog|rain', labels=['dog', 'rain'], separator='|')
    >>> find_joined(["Speech, male", "Speech, female"])
    """
    pattern = re.compile(f"[{re.escape(separators)}]")
    parts_of = {text: [part.strip(" []'\"") for part in pattern.split(text)] for text in texts}
    count = Counter(part for parts in parts_of.values() for part in set(parts))
    positions: dict[str, set[tuple[int, int]]] = {}
    for parts in parts_of.values():
        for index, part in enumerate(parts):
            positions.setdefault(part, set()).add((index, len(parts)))
    for text, parts in parts_of.items():
        names = sorted(set(parts))
        elsewhere = any(len(positions[name]) > 1 for name in names)
        if len(names) > 1 and elsewhere and all(count[name] > 1 for name in names):
            return JoinedLabels(text, names, pattern.findall(text)[0])
    return None


def check_separator(texts: Iterable[str], separator: str, argument: str) -> None:
    """Check that texts of labels are joined by a separator, rather than by another usual one.

    Parameters
    ----------
    texts : iterable of str
    separator : str
        Separator that the labels were split by.
    argument : str
        Name of the argument, for messages. A separator that is in no text, although another one is, is logged.

    Raises
    ------
    DatasetError
        If labels are joined by another separator.
    """
    texts = list(dict.fromkeys(texts))
    labels = (
        texts if separator.isspace() else sorted({label for text in texts for label in split_labels(text, separator)})
    )
    others = "".join(other for other in _SEPARATORS if other not in separator)
    if joined := find_joined(labels, others):
        names = ", ".join(map(repr, joined.labels))
        raise DatasetError(
            f"{joined.text!r} is not split by {argument} {separator!r}, and {names} occur in other rows, too: the "
            f"separator seems to be {joined.separator!r}"
        )
    other = next((text for text in texts if re.search(f"[{re.escape(others)}]", text)), None)
    if other is not None and not any(separator in text for text in texts):
        logger.warning("%s %r is in no label, such as %r: each is one label", argument, separator, other)


def label_text(label: Label | Iterable[Label]) -> str:
    """Return a label as text; several (a set, frozenset, list or tuple) in order, or "(none)".

    Examples
    --------
    >>> label_text("dog"), label_text({"rain", "dog"}), label_text(())
    ('dog', 'dog|rain', '(none)')
    """
    if isinstance(label, _SEVERAL):
        return "|".join(map(str, sorted(label))) or "(none)"
    return str(label)


def class_order(labels: Sequence[Label | frozenset[Label]], nb_classes: int | None) -> list[Label]:
    """Return the classes in the order of a model's outputs.

    Parameters
    ----------
    labels : sequence of int or str, or of frozensets of them
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
        If there are no labels, they are of different or unsupported types, contradict `nb_classes`, or are all of one
        class.
    ParameterError
        If `nb_classes` is not a whole number above 0.

    Examples
    --------
    >>> class_order(['rock', 'jazz', 'rock'], 2)
    ['jazz', 'rock']
    >>> class_order([2, 0], 3)
    [0, 1, 2]
    >>> class_order([frozenset(['rain', 'dog']), frozenset(), frozenset(['dog'])], None)
    ['dog', 'rain']
    """
    every: list[Any] = [one for label in labels for one in (label if isinstance(label, frozenset) else (label,))]
    if not every:
        raise DatasetError("no clip has a label")
    nb_classes = None if nb_classes is None else whole_number("nb_classes", nb_classes)
    if all(isinstance(label, str) for label in every):
        order: list[Label] = sorted(set(every))
        if nb_classes is not None and len(order) != nb_classes:
            raise DatasetError(
                f"nb_classes is {nb_classes}, but there are {len(order)} labels: {_shorten(order)}; pass nb_classes="
                f"{len(order)}, or None to use the labels that occur"
            )
    elif all(isinstance(label, numbers.Integral) and not isinstance(label, (bool, np.bool_)) for label in every):
        found: list[Label] = sorted({int(label) for label in every})
        order = found if nb_classes is None else list(range(nb_classes))
        outside = sorted(set(found) - set(order))
        if outside:
            raise DatasetError(f"labels outside range({nb_classes}) (nb_classes={nb_classes}): {_shorten(outside)}")
    else:
        kinds = sorted({type(label).__name__ for label in every})
        raise DatasetError(f"labels must be all int or all str, got {', '.join(kinds)}")
    if len(set(every)) < 2:
        raise DatasetError(f"there is one class only ({every[0]!r}); at least two are needed")
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
