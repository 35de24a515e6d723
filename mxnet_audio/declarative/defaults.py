"""Section ``defaults`` of a configuration, which is merged into the features of each type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import ValidationError, model_serializer

from mxnet_audio.declarative.column_preprocessing import (
    AudioPreprocessingSection,
    BinaryPreprocessing,
    CategoryPreprocessing,
    NumberPreprocessing,
)
from mxnet_audio.declarative.decoders import BinaryDecoder, CategoryDecoder, NumberDecoder, SetDecoder
from mxnet_audio.declarative.encoders import AudioEncoder
from mxnet_audio.declarative.features import CategoryEncoder, NumberEncoder
from mxnet_audio.declarative.losses import BinaryLoss, CategoryLoss, NumberLoss, SetLoss
from mxnet_audio.declarative.section import Refused, Section, Unsupported
from mxnet_audio.features.keys import TIME_MAJOR_TYPES

__all__ = ["Defaults", "with_defaults"]

_INPUT_PARTS, _OUTPUT_PARTS = ("preprocessing", "encoder"), ("decoder", "loss")


class _Given(Section):
    """Section whose keys are null unless they are given."""

    @model_serializer(mode="wrap")
    def _given(self, handler: Any) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}


class AudioDefaults(_Given):
    """Defaults of audio features."""

    preprocessing: AudioPreprocessingSection | None = None
    encoder: AudioEncoder | None = None


class NumberDefaults(_Given):
    """Defaults of number features."""

    preprocessing: NumberPreprocessing | None = None
    encoder: NumberEncoder | None = None
    decoder: NumberDecoder | None = None
    loss: NumberLoss | None = None


class CategoryDefaults(_Given):
    """Defaults of category features."""

    preprocessing: CategoryPreprocessing | None = None
    encoder: CategoryEncoder | None = None
    decoder: CategoryDecoder | None = None
    loss: CategoryLoss | None = None


class BinaryDefaults(_Given):
    """Defaults of binary features."""

    preprocessing: BinaryPreprocessing | None = None
    encoder: NumberEncoder | None = None
    decoder: BinaryDecoder | None = None
    loss: BinaryLoss | None = None


class SetDefaults(_Given):
    """Defaults of set features."""

    decoder: SetDecoder | None = None
    loss: SetLoss | None = None


_OTHER_TYPES = ("text", "image", "vector", "sequence", "bag", "date", "h3", "timeseries", "anomaly")


class Defaults(_Given):
    """Keys that all features of a type have, unless a feature has its own.

    Preprocessing and encoders are those of inputs, decoders and losses those of outputs.
    """

    UNSUPPORTED: ClassVar[Unsupported] = {
        name: Refused("there are no features of this type", (None, {})) for name in _OTHER_TYPES
    }
    audio: AudioDefaults | None = None
    number: NumberDefaults | None = None
    category: CategoryDefaults | None = None
    binary: BinaryDefaults | None = None
    set: SetDefaults | None = None


def with_defaults(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a configuration in which the features have the keys of ``defaults``, unless they have their own.

    Parameters
    ----------
    data : mapping
        Configuration as it is in the file, which may be wrong.

    Returns
    -------
    mapping

    Examples
    --------
    >>> audio = {"preprocessing": {"norm": "per_file"}}
    >>> with_defaults({"input_features": [{"name": "clip", "type": "audio"}], "defaults": {"audio": audio}})
    {'input_features': [{'name': 'clip', 'type': 'audio', 'preprocessing': {'norm': 'per_file'}}],
     'defaults': {'audio': {'preprocessing': {'norm': 'per_file'}}}}
    """
    try:
        defaults = Defaults.model_validate(data.get("defaults") or {})
    except ValidationError:  # reported by the section itself
        return data
    merged = dict(data)
    for section, parts in (("input_features", _INPUT_PARTS), ("output_features", _OUTPUT_PARTS)):
        features = data.get(section)
        if isinstance(features, list | tuple):
            merged[section] = [_merge_feature(feature, data, defaults, parts) for feature in features]
    return merged


def _merge_feature(feature: Any, data: Mapping[str, Any], defaults: Defaults, parts: tuple[str, ...]) -> Any:
    """Return a feature with the defaults of its type."""
    kind = feature.get("type") if isinstance(feature, Mapping) else None
    of_type = getattr(defaults, kind, None) if isinstance(kind, str) and kind in Defaults.model_fields else None
    if of_type is None:
        return feature
    merged = dict(feature)
    for part in parts:
        if (checked := getattr(of_type, part, None)) is not None:
            given = data["defaults"][kind][part]
            given = {"type": given} if isinstance(given, str) else dict(given)
            merged[part] = _merge(given, feature.get(part), getattr(checked, "type", None))
    return merged


def _merge(default: Mapping[str, Any], own: Any, kind: str | None) -> Any:
    """Return a section with the keys of a default of type `kind`, unless it is of a type with other keys."""
    if own is None:
        return default
    if isinstance(own, str):
        own = {"type": own}
    if not isinstance(own, Mapping):
        return own
    own_kind = own.get("type", kind)
    if own_kind != kind and not (isinstance(own_kind, str) and {own_kind, kind} <= TIME_MAJOR_TYPES):
        return own
    return {**default, **own}
