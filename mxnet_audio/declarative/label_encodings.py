"""Encodings of columns of labels: one of several classes, one of two values, or any number of labels."""

from __future__ import annotations

import contextlib
import reprlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import Field

from mxnet_audio.atomic import parse_json
from mxnet_audio.datasets.labels import split_labels
from mxnet_audio.datasets.missing import is_missing
from mxnet_audio.declarative.encodings import ColumnEncoding
from mxnet_audio.errors import DatasetError

__all__ = ["SEPARATORS", "UNKNOWN", "BinaryEncoding", "CategoryEncoding", "SetEncoding"]

UNKNOWN = "<UNK>"  # Ludwig's name
_TRUE, _FALSE = ("true", "yes", "1", "t", "y", "on"), ("false", "no", "0", "f", "n", "off")
#: Text between the labels of a set, by the name of the tokenizer.
SEPARATORS = {"space": " ", "comma": ",", "underscore": "_", "pipe": "|"}
_SHOWN = 5


class _LabelEncoding(ColumnEncoding):
    """Base of the encodings by the number of a label."""

    labels: list[int | str]
    lowercase: bool = False

    @property
    def width(self) -> int:
        """Number of labels."""
        return len(self.labels)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {str(label): number for number, label in enumerate(self.labels)}


class CategoryEncoding(_LabelEncoding):
    """Encoding of classes: their numbers, in the order of `labels`.

    Values are compared as text, so that 1 equals "1", with `lowercase` without a difference between upper and lower
    case. The labels are sorted, except for `UNKNOWN`, which is the first of an input, and stands for all values that
    were not in the training rows.

    Examples
    --------
    >>> encoding = CategoryEncoding.fit(["dog", "cat", "dog"])
    >>> encoding.labels, encoding.encode("dog"), encoding.decode(np.array([0]))
    (['cat', 'dog'], 1.0, ['cat'])
    """

    type: Literal["category"] = "category"

    @classmethod
    def fit(
        cls,
        values: Iterable[Any],
        *,
        has_unknown: bool = False,
        most_common: int | None = None,
        lowercase: bool = False,
    ) -> CategoryEncoding:
        """Learn the labels; at most so many of the most frequent ones of an input."""
        labels = _most_common((_label(value, lowercase) for value in values), most_common)
        if has_unknown:
            labels = [UNKNOWN, *(label for label in labels if label not in (UNKNOWN, UNKNOWN.lower()))]
        return cls(labels=labels, lowercase=lowercase)

    @property
    def has_unknown(self) -> bool:
        """Return whether there is a class for all other values."""
        return self.labels[:1] == [UNKNOWN]

    def has(self, value: Any) -> bool:
        """Return whether a value is one of the classes."""
        return str(_label(value, self.lowercase)) in self._numbers

    def encode(self, value: Any) -> float:
        """Return the number of the class."""
        number = self._numbers.get(str(_label(value, self.lowercase)), 0 if self.has_unknown else None)
        if number is None:
            raise ValueError(f"{reprlib.repr(value)} is not one of the classes {_listed(self.labels)}")
        return float(number)

    def decode(self, array: np.ndarray) -> list[int | str]:
        """Return the labels of class numbers."""
        return [self.labels[int(number)] for number in array]


class BinaryEncoding(ColumnEncoding):
    """Encoding of two values: 0 for the first of `labels`, 1 for the second.

    True, yes, 1, t, y and on, in upper or lower case, stand for each other, and so do their opposites. Of two other
    values, the first in order is 0.

    Examples
    --------
    >>> encoding = BinaryEncoding.fit(["yes", "no", "yes"])
    >>> encoding.labels, encoding.encode(True), BinaryEncoding.fit(["speech", "music"]).labels
    (['no', 'yes'], 1.0, ['music', 'speech'])
    """

    type: Literal["binary"] = "binary"
    labels: list[bool | int | str] = Field(min_length=2, max_length=2)

    @classmethod
    def fit(cls, values: Iterable[Any], true_label: str | None = None) -> BinaryEncoding:
        """Learn the two values; DatasetError if there are more.

        Of values that are not true and false, or the like, `true_label` is 1.
        """
        counts = Counter(_scalar(value) for value in values)
        found = list(counts)
        flags = [_flag(value) for value in found]
        if None not in flags:
            labels: list[Any] = [False, True]
            for flag in (False, True):
                named = [value for value, _ in counts.most_common() if _flag(value) == flag]
                labels[flag] = named[0] if named else labels[flag]
            return cls(labels=labels)
        texts = {str(value): value for value in found}
        if len(texts) > 2:
            raise DatasetError(f"there are {len(texts)} values, {_listed(found)}, and a binary column has two")
        if true_label is not None and str(true_label) not in texts:
            raise DatasetError(f"no training row has {true_label!r}, but {_listed(found)}")
        ordered = sorted(texts, key=lambda text: (text == str(true_label), text))
        labels = [texts[text] for text in ordered]
        other = "false" if true_label is not None or len(labels) != 1 else UNKNOWN
        return cls(labels=labels if len(labels) == 2 else [other, *labels])

    @property
    def chosen_by_order(self) -> bool:
        """Return whether only the order of the values tells which is true: they are not true and false or alike."""
        return UNKNOWN not in self.labels and [_flag(label) for label in self.labels] != [False, True]

    def encode(self, value: Any) -> float:
        """Return 0.0 or 1.0."""
        value = _scalar(value)
        for number, label in enumerate(self.labels):
            if str(value) == str(label):
                return float(number)
        flag = _flag(value)
        if flag is None or [_flag(label) for label in self.labels] != [False, True]:
            raise ValueError(f"{reprlib.repr(value)} is neither {self.labels[0]!r} nor {self.labels[1]!r}")
        return float(flag)

    def decode(self, array: np.ndarray) -> list[bool | int | str]:
        """Return the values of 0 and 1."""
        return [self.labels[int(number)] for number in array]


class SetEncoding(_LabelEncoding):
    """Encoding of several labels: a vector with 1 for each label that applies.

    A value is a list, a set or an array of labels, or a text with labels that the tokenizer separates. Labels that were
    not in the training rows are left out.

    Examples
    --------
    >>> encoding = SetEncoding.fit(["dog|rain", ["cat"], ""], "pipe")
    >>> encoding.labels, encoding.encode("rain | cat"), encoding.decode(np.array([[1, 1, 0]]))
    (['cat', 'dog', 'rain'], array([1., 0., 1.], dtype=float32), [['cat', 'dog']])
    """

    type: Literal["set"] = "set"
    tokenizer: Literal["space", "comma", "underscore", "pipe", "json"] = "space"

    @classmethod
    def fit(
        cls,
        values: Iterable[Any],
        tokenizer: Literal["space", "comma", "underscore", "pipe", "json"] = "space",
        *,
        most_common: int | None = None,
        lowercase: bool = False,
    ) -> SetEncoding:
        """Learn the labels, at most so many of the most frequent ones."""
        empty = cls(labels=[], tokenizer=tokenizer, lowercase=lowercase)
        found: list[int | str] = []
        for value in values:
            with contextlib.suppress(ValueError):
                found += _in_order(empty.members(value))  # the order of a set differs from process to process
        return empty.model_copy(update={"labels": _most_common(found, most_common)})

    @property
    def separator(self) -> str | None:
        """Text that joins labels in the form that the tokenizer reads; None if a label contains it, or for JSON."""
        separator = SEPARATORS.get(self.tokenizer)
        is_inside = separator is not None and any(separator in str(label) for label in self.labels)
        return None if is_inside else separator

    def members(self, value: Any) -> set[int | str]:
        """Return the labels in a value; ValueError with the reason if that fails."""
        if isinstance(value, str) and self.tokenizer == "json":
            try:
                value = parse_json(value)
            except ValueError as error:
                raise ValueError(f"{reprlib.repr(value)} is not JSON: {error}") from None
        elif isinstance(value, str):
            value = split_labels(value, SEPARATORS[self.tokenizer])
        value = value.ravel().tolist() if isinstance(value, np.ndarray) else value
        several = value if isinstance(value, list | tuple | set | frozenset) else [value]
        return {_label(item, self.lowercase) for item in several if not is_missing(item)}

    def encode(self, value: Any) -> np.ndarray:
        """Return a vector of 0 and 1 [shape=(width,)]."""
        vector = np.zeros(self.width, np.float32)
        for label in self.members(value):
            if str(label) in self._numbers:
                vector[self._numbers[str(label)]] = 1
        return vector

    def decode(self, array: np.ndarray) -> list[list[int | str]]:
        """Return the labels of vectors of 0 and 1 [shape=(n, width)]."""
        return [[self.labels[index] for index in np.flatnonzero(row)] for row in np.asarray(array)]


def _scalar(value: Any) -> Any:
    """Return a Python value: a whole number as int, also from a column of floats that has missing values."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, bool | int | str) else str(value)


def _label(value: Any, lowercase: bool = False) -> int | str:
    value = _scalar(value)
    text = str(value).lower() if lowercase else str(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else text


def _most_common(labels: Iterable[int | str], most_common: int | None) -> list[int | str]:
    """Return the distinct labels in order, at most so many of the most frequent ones; 1 and "1" are equal."""
    label_of: dict[str, int | str] = {}
    counts = Counter(str(label_of.setdefault(str(label), label)) for label in labels)
    return _in_order(label_of[text] for text, _ in counts.most_common(most_common))


def _in_order(labels: Iterable[int | str]) -> list[int | str]:
    return sorted(labels, key=lambda label: (isinstance(label, str), label))


def _flag(value: Any) -> bool | None:
    text = str(value).strip().lower()
    return True if text in _TRUE else False if text in _FALSE else None


def _listed(values: Sequence[Any]) -> str:
    shown = ", ".join(map(reprlib.repr, values[:_SHOWN]))
    return f"{shown} and {len(values) - _SHOWN} more" if len(values) > _SHOWN else shown
