"""Preprocessing of columns in a configuration: sounds, numbers, categories and flags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, GetJsonSchemaHandler, model_serializer
from pydantic_core import CoreSchema

from mxnet_audio.declarative.section import (
    COMPUTED,
    Dropped,
    PositiveCount,
    Refused,
    Section,
    Text,
    Unsupported,
    key_text,
    or_nothing,
)
from mxnet_audio.errors import FeatureError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.features.keys import KEYS_OF_TYPE, LOADING_KEYS, LUDWIG_KEYS

__all__ = [
    "AudioPreprocessing",
    "AudioPreprocessingSection",
    "BinaryPreprocessing",
    "CategoryPreprocessing",
    "MissingValueStrategy",
    "NumberPreprocessing",
]


_HUGE = 1 << 53  # larger whole numbers are no exact floats


class AudioPreprocessing(AudioFeatureConfig):
    """Features of sounds, how they are read, and what replaces missing ones; ``fbank`` by default, as in Ludwig."""

    def __init__(self, /, **values: Any) -> None:
        if "audio_feature" in values:
            raise FeatureError("audio_feature: its keys are keys of preprocessing itself, move them up")
        if huge := [key for key, value in values.items() if isinstance(value, int) and abs(value) >= _HUGE]:
            raise FeatureError(f"{huge[0]}: must be less than {_HUGE}")
        if values.keys() <= LUDWIG_KEYS | LOADING_KEYS | {"computed_fill_value"}:
            values = {"type": "fbank", **values}
        super().__init__(**values)

    @model_serializer(mode="wrap")
    def _used_keys(self, handler: Any) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if key in KEYS_OF_TYPE[self.type] | LOADING_KEYS}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the JSON schema with the defaults of ``fbank``."""
        document = handler(schema)
        properties = handler.resolve_ref_schema(document)["properties"]
        for key, value in cls().model_dump(mode="json").items():
            properties[key]["default"] = value
        properties["computed_fill_value"] = {"description": "Not supported: Ludwig computes it."}
        return document

    @property
    def features(self) -> AudioFeatureConfig:
        """Configuration of the features alone."""
        return AudioFeatureConfig(**self.identity())


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, Mapping):  # AudioFeatureConfig takes them as keywords
        return {key_text(key): item for key, item in value.items()}
    return value


AudioPreprocessingSection: TypeAlias = Annotated[AudioPreprocessing, BeforeValidator(_with_text_keys), or_nothing]

MissingValueStrategy: TypeAlias = Literal["fill_with_const", "fill_with_mode", "bfill", "ffill", "drop_row"]


class CategoryPreprocessing(Section):
    """Reading of a column of categories."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        "computed_fill_value": COMPUTED,
        "cache_encoder_embeddings": Refused("vectors of categories are trained", (False,)),
    }
    missing_value_strategy: MissingValueStrategy = "fill_with_const"
    """Replacement of missing values."""
    fill_value: Text = "<UNK>"
    """Constant of fill_with_const."""
    lowercase: bool = False
    """True makes no difference between upper and lower case."""
    most_common: PositiveCount | None = 10000
    """Number of categories, the most frequent ones; others are unknown."""


class NumberPreprocessing(Section):
    """Reading of a column of numbers."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        "computed_fill_value": COMPUTED,
        "outlier_strategy": Refused("replace outliers in the table", (None,)),
        "outlier_threshold": Dropped("there is no outlier_strategy"),
        "computed_outlier_fill_value": COMPUTED,
    }
    missing_value_strategy: MissingValueStrategy | Literal["fill_with_mean"] = "fill_with_const"
    """Replacement of missing values."""
    fill_value: float = 0.0
    """Constant of fill_with_const."""
    normalization: Literal["zscore", "minmax", "log1p", "iq"] | None = "zscore"
    """Scale of the numbers, learned from the training rows."""


class BinaryPreprocessing(Section):
    """Reading of a column of flags."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        "computed_fill_value": COMPUTED,
        "fill_value": Refused("use missing_value_strategy", (None,)),
    }
    missing_value_strategy: Literal[
        "fill_with_mode", "bfill", "ffill", "drop_row", "fill_with_false", "fill_with_true"
    ] = "fill_with_false"
    """Replacement of missing values."""
    fallback_true_label: Text | None = None
    """Value that is true, in a column of other values than true and false, yes and no, 1 and 0."""
