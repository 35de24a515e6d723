"""Description that an exported .onnx file carries. Needs neither MXNet nor onnx."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mxnet_audio.atomic import parse_json
from mxnet_audio.audio.source import is_rate
from mxnet_audio.errors import ModelError

__all__ = [
    "FORMAT",
    "Description",
    "Windows",
    "are_labels",
    "are_thresholds",
    "are_views",
]

# Of files whose network takes inputs of one length, of those with `Windows`, and of those with thresholds.
FORMAT, WINDOWS_FORMAT, THRESHOLDS_FORMAT = 1, 2, 3
_MOST_VIEWS = 1000  # all views of a sound are in memory
_LONGEST_WINDOW = 3600  # [s]
_POOLS = ("mean", "sum", "max", "last")


@dataclass(frozen=True)
class Windows:
    """Part of a `Description`, of networks that take sound of any length, up to a window, in one pass.

    Attributes
    ----------
    seconds : float [s]
        Length of a window: longer sound is cut.
    min_input, max_input : int
        Smallest and largest number of frames, or samples, of an input.
    pads : bool
        Whether inputs of different lengths can be padded to one batch.
    pool : {'mean', 'sum', 'max', 'last'}
        Pool of the embeddings of the windows of a sound.
    silence : int or None
        Number of the class for silence, if silent windows are to count less.
    multi_label : bool
        Whether several classes can apply to one sound: then their scores do not add up to 1.
    head : list of list of str
        Names of weight and bias of the dense layers, with a rectifier between two, that compute the scores from the
        pooled embedding. Without any, scores of the graph are averaged over the windows.
    """

    seconds: float
    min_input: int
    max_input: int
    pads: bool
    pool: str
    silence: int | None
    multi_label: bool
    head: list[list[str]]


@dataclass(frozen=True)
class Description:
    """Description of an exported model: the metadata of its file, each attribute under its name, as JSON.

    Attributes
    ----------
    network : str
        Name of the network.
    labels : list of int or str
        Classes, in the order of the probabilities; none if the file computes embeddings only.
    features : dict
        Arguments of `AudioFeatureConfig`.
    model_id : str
        Identity of the embeddings.
    sr : int [Hz]
        Sampling rate of the input.
    n_samples : int
        Number of samples of one input, or of the longest one.
    front_end : bool
        True if the graph takes samples, False if it takes features.
    crop : {'start', 'middle'}
        Part of a longer sound that is used.
    reach : float or None [s]
        Length that must be read for that; None: the whole sound.
    views : int or None
        Number of parts, or shifts, of a sound that outputs are averaged over; None for as many as cover it.
    mxnet_audio : str
        Version that wrote the file.
    known : str or None
        Sounds that the model knows, as `known_sounds.to_text` writes them; None if it cannot tell unknown ones.
    windows : Windows or None
        None if all inputs have the same length.
    thresholds : list of float or None
        Lowest probability at which each class applies, if clips can have several labels; else None.

    Examples
    --------
    >>> description = Description('m5', [7, 9], {}, 'a1', 8000, 32000, True, 'middle', None, 1, '0.1.0')
    >>> description.metadata()['labels']
    '[7, 9]'
    >>> Description.of(description.metadata()) == description
    True
    """

    network: str
    labels: list[int | str]
    features: dict[str, Any]
    model_id: str
    sr: int
    n_samples: int
    front_end: bool
    crop: str
    reach: float | None
    views: int | None
    mxnet_audio: str
    known: str | None = None
    windows: Windows | None = None
    thresholds: list[float] | None = None

    @property
    def multi_label(self) -> bool:
        """True if several classes can apply to one sound: then their probabilities do not add up to 1."""
        return self.thresholds is not None or (self.windows is not None and self.windows.multi_label)

    def metadata(self) -> dict[str, str]:
        """Return the format and all attributes as text; thresholds only if there are some."""
        version = FORMAT if self.windows is None else WINDOWS_FORMAT
        values = {"format": version, **asdict(self)}
        if self.thresholds is None:
            del values["thresholds"]
        else:
            values["format"] = THRESHOLDS_FORMAT
        return {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}

    @classmethod
    def of(cls, metadata: Mapping[str, str]) -> Description:
        """Read the result of `metadata`.

        Raises
        ------
        ModelError
            If it is of another format, or damaged.
        """
        try:
            version = parse_json(metadata["format"])
            if type(version) is not int or version not in range(FORMAT, THRESHOLDS_FORMAT + 1):
                readable = f"formats {FORMAT} to {THRESHOLDS_FORMAT}"
                raise ModelError(f"written in format {version}; this version of mxnet-audio reads {readable}")
            # Files of earlier versions lack them.
            metadata = {"known": "null", "windows": "null", "thresholds": "null", **metadata}
            values = {name: parse_json(metadata[name]) for name in cls.__dataclass_fields__}
        except (KeyError, ValueError) as error:
            raise ModelError(f"damaged: missing or invalid in its description: {error}") from error
        for name, value in values.items():
            if not _RULES[name](value):
                raise ModelError(f"damaged: invalid in its description: {name!r} is {reprlib.repr(value)}")
        labels, windows, thresholds = values["labels"], values["windows"], values["thresholds"]
        if thresholds is not None and not are_thresholds(thresholds, len(labels)):
            raise ModelError(f"damaged: invalid in its description: 'thresholds' is {reprlib.repr(thresholds)}")
        if windows is None:
            if not labels:
                raise ModelError("damaged: it has no classes")
            return cls(**values)
        if values["front_end"] or (windows["silence"] or 0) >= max(1, len(labels)) or (windows["head"] and not labels):
            raise ModelError(f"damaged: invalid in its description: 'windows' is {reprlib.repr(windows)}")
        return cls(**values | {"windows": Windows(**windows)})


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def are_labels(value: Any) -> bool:
    """Return whether a value of a model's description is a list of different classes, all integers or all strings."""
    types = {type(label) for label in value} if isinstance(value, list) else set()
    return types in ({int}, {str}) and len(set(value)) == len(value)


def are_views(value: Any) -> bool:
    """Return whether a value of a model's description is a number of views, or None."""
    return value is None or (_is_count(value) and value <= _MOST_VIEWS)


def are_thresholds(value: Any, classes: int) -> bool:
    """Return whether a value of a model's description is a list of probabilities, one for each class."""
    return (
        isinstance(value, list)
        and len(value) == classes
        and all(type(one) in (int, float) and 0 <= one <= 1 for one in value)
    )


def _are_windows(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict)
        and value.keys() == _WINDOWS_RULES.keys()
        and all(rule(value[name]) for name, rule in _WINDOWS_RULES.items())
        and value["min_input"] <= value["max_input"]
    )


def _is_layer(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_text, value))


_WINDOWS_RULES: dict[str, Callable[[Any], bool]] = {
    "seconds": lambda value: type(value) in (int, float) and 0 < value <= _LONGEST_WINDOW,
    "min_input": _is_count,
    "max_input": _is_count,
    "pads": lambda value: isinstance(value, bool),
    "pool": lambda value: value in _POOLS,
    "silence": lambda value: value is None or (type(value) is int and value >= 0),
    "multi_label": lambda value: isinstance(value, bool),
    "head": lambda value: isinstance(value, list) and all(map(_is_layer, value)),
}

_RULES: dict[str, Callable[[Any], bool]] = {
    "network": _is_text,
    "labels": lambda value: value == [] or are_labels(value),
    "features": lambda value: isinstance(value, dict),
    "model_id": _is_text,
    "sr": lambda value: _is_count(value) and is_rate(value),
    "n_samples": _is_count,
    "front_end": lambda value: isinstance(value, bool),
    "crop": lambda value: value in ("start", "middle"),
    "reach": lambda value: value is None or (type(value) in (int, float) and 0 < value < math.inf),
    "views": are_views,
    "mxnet_audio": _is_text,
    "known": lambda value: value is None or _is_text(value),
    "windows": _are_windows,
    "thresholds": lambda value: value is None or isinstance(value, list),
}
