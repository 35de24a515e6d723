"""Feature configurations in documents: YAML files, and the input features of Ludwig."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from typing import Any

import yaml

from mxnet_audio.atomic import contents
from mxnet_audio.errors import FeatureError
from mxnet_audio.features.keys import LOADING_KEYS, LUDWIG_KEYS

__all__ = ["preprocessing_block", "read_yaml"]

# Keys of Ludwig that may stand beside the preprocessing block, since they only name things.
_DOCUMENT_KEYS = {"input_features", "output_features"}
_FEATURE_KEYS = {"name", "type", "column", "proc_column", "preprocessing"}
_LARGEST = 128 << 10  # [bytes], of a document; PyYAML reads about 100 kB a second
_DEEPEST = 32  # lists and mappings within each other
_LONGEST_NUMBER = 100  # [characters]; Python refuses to print integers of several thousand digits


class _Loader(yaml.SafeLoader):
    """Loader without aliases, a few of which can stand for billions of values, deep nesting and keys given twice."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose the next node."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"the alias *{event.anchor} is not read: write out its value")
        self._depth += 1
        if self._depth > _DEEPEST:
            raise yaml.YAMLError("nested too deeply")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """Return a mapping, each key of which is given once; YAML's own would keep the last value."""
        mapping: dict = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.YAMLError("a list or mapping is not read as a key")
            if key in mapping:
                raise yaml.YAMLError(f"the key {key!r} is given twice, again in line {key_node.start_mark.line + 1}")
            mapping[key] = self.construct_object(value_node, deep=deep)
        return mapping

    def construct_whole_number(self, node: yaml.ScalarNode) -> int:
        """Return an integer of bounded size."""
        if len(node.value) > _LONGEST_NUMBER:
            raise yaml.YAMLError(f"a number of more than {_LONGEST_NUMBER} characters")
        return self.construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_whole_number)


def read_yaml(source: Any, largest: int = _LARGEST) -> tuple[Any, str | os.PathLike | None]:
    """Read a YAML file or YAML text.

    Parameters
    ----------
    source : str, os.PathLike or other object
        Text or a path: one line of text that names a file, or has no key, is a path. Other objects are returned as they
        are, such as a mapping that was read before.
    largest : int > 0 [bytes]
        Length of the longest document that is read; by default 128 KiB.

    Returns
    -------
    data : object
        The content.
    path : str, os.PathLike or None
        The file; None for text and other objects.

    Raises
    ------
    FeatureError
        The file cannot be read, is longer than `largest`, or is not YAML, or has aliases, deep nesting or a key twice.

    Examples
    --------
    >>> read_yaml("n_mels: 40")
    ({'n_mels': 40}, None)
    """
    if not isinstance(source, str | os.PathLike):
        return source, None
    line = isinstance(source, str) and "\n" not in source
    path = source if not isinstance(source, str) or (line and os.path.isfile(source)) else None  # noqa: PTH113 - Path's raises for text longer than a name
    try:
        data = _parse(source, largest) if isinstance(source, str) and path is None else None
        if line and isinstance(data, str):  # text without a key
            path = source
        if path is not None:
            data = _parse(contents(path, largest).decode("utf-8"), largest)
    except FeatureError as error:
        raise FeatureError(error.reason, path) from None
    except (OSError, ValueError) as error:  # not UTF-8, or a null character in the name
        raise FeatureError(f"cannot be read: {getattr(error, 'strerror', None) or error}", path) from None
    return data, path


def _parse(text: str, largest: int) -> Any:
    """Parse YAML of bounded size."""
    if len(text) > largest:
        raise FeatureError(f"longer than the {largest >> 10} KiB of YAML that are read")
    try:
        return yaml.load(text, _Loader)
    except Exception as error:  # numbers, dates and tags with impossible values raise errors of many types
        cause, place = str(error) or type(error).__name__, ""
        if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
            cause, place = error.problem or cause, f"line {error.problem_mark.line + 1}: "
        raise FeatureError(f"not YAML: {place}{' '.join(cause.split())}") from None


def preprocessing_block(data: Any) -> Any:
    """Return the keys of the features in a document.

    Parameters
    ----------
    data : object
        A mapping of the keys themselves; an input feature of Ludwig, which holds them under ``preprocessing``; or a
        Ludwig document with ``input_features`` and ``output_features``. Anything else is returned as it is.

    Returns
    -------
    object
        The keys; if they are an input feature's and none belongs to the other family, with a ``type``: ``fbank``.

    Raises
    ------
    FeatureError
        The document has no audio feature or several, or it has a part that is not about features, such as ``encoder``
        or ``trainer``; it is named.

    Examples
    --------
    >>> preprocessing_block({"input_features": [{"name": "clip", "type": "audio", "preprocessing": {"norm": None}}]})
    {'type': 'fbank', 'norm': None}
    >>> preprocessing_block({"preprocessing": {"type": "raw"}, "trainer": {"epochs": 5}})
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.FeatureError: trainer: not part of a feature configuration, which is the preprocessing block
    alone; remove it
    """
    if not isinstance(data, Mapping):
        return data
    feature: Mapping[str, Any] = data
    if isinstance(inputs := data.get("input_features"), list):
        _refuse(set(data) - _DOCUMENT_KEYS)
        audio = [feature for feature in inputs if isinstance(feature, Mapping) and feature.get("type") == "audio"]
        if len(audio) != 1:
            raise FeatureError(f"{len(audio)} audio features: give the preprocessing block of the one to use")
        feature = {"preprocessing": None, **audio[0]}
    if "preprocessing" not in feature:
        return feature
    _refuse({key for key in feature if key not in _FEATURE_KEYS and not (key == "tied" and feature[key] is None)})
    if (kind := feature.get("type", "audio")) != "audio":
        raise FeatureError(f"type: an input feature with preprocessing must be of type 'audio', got {kind!r}")
    block = feature["preprocessing"] or {}
    if isinstance(block, Mapping) and set(block) <= LUDWIG_KEYS | LOADING_KEYS:
        return {"type": "fbank", **block}
    return block


def _refuse(keys: set[Any]) -> None:
    if keys:
        names, them = ", ".join(sorted(map(str, keys))), "it" if len(keys) == 1 else "them"
        raise FeatureError(
            f"{names}: not part of a feature configuration, which is the preprocessing block alone; remove {them}"
        )
