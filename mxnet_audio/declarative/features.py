"""Input features of a configuration: sound, and columns of numbers, categories and flags beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    BaseModel,
    Field,
    model_serializer,
    model_validator,
)

from mxnet_audio.checks import shown
from mxnet_audio.declarative.column_preprocessing import (
    AudioPreprocessing,
    AudioPreprocessingSection,
    BinaryPreprocessing,
    CategoryPreprocessing,
    NumberPreprocessing,
)
from mxnet_audio.declarative.encoders import ENCODERS, PRETRAINED_TYPES, AudioEncoder, ParallelCnn, PretrainedEncoder
from mxnet_audio.declarative.layers import FcKeys, FcLayers
from mxnet_audio.declarative.section import (
    COMPUTED,
    Dropout,
    Dropped,
    Layers,
    Refused,
    Section,
    Size,
    TypeChoice,
    Unsupported,
    key_text,
    or_nothing,
    problem,
)
from mxnet_audio.features.keys import LOADING_KEYS, LUDWIG_KEYS, TIME_MAJOR_TYPES

__all__ = [
    "COMMON_KEYS",
    "INPUT_TYPES",
    "AudioInput",
    "BinaryInput",
    "CategoryInput",
    "Feature",
    "InputFeature",
    "NumberInput",
]

COMMON_KEYS = {
    "proc_column": COMPUTED,
    "active": Refused("leave the feature out", (True,)),
}


_LIMIT = "audio_file_length_limit_in_s"
_SAMPLE_KEYS = LOADING_KEYS | {_LIMIT}  # the keys that matter to a pretrained encoder
_FEATURES = AudioPreprocessing().model_dump()  # the values with which the others do nothing


class Feature(Section):
    """Feature of a row of the table."""

    name: Annotated[str, Field(min_length=1)]
    """Name of the feature; no two features have the same."""
    column: Annotated[str, Field(min_length=1)] = ""
    """Column of the table; by default the name."""

    @model_validator(mode="before")
    @classmethod
    def _add_column(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("column") is None:
            name = data.get("name")  # a wrong one is reported once
            return {**data, "column": name if isinstance(name, str) and name else "?"}
        return data


def _of_encoder(*encoders: type[BaseModel]) -> dict[str, str]:
    """Return hints for the keys of encoders, which older versions of Ludwig have in the feature itself."""
    return {key: f"give it as encoder.{key}" for encoder in encoders for key in encoder.model_fields if key != "type"}


class AudioInput(Feature):
    """Column of sounds: paths, or whatever else `mxnet_audio.audio.load` takes."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        **COMMON_KEYS,
        "augmentation": Refused("Ludwig has none for sounds", (False, None)),
    }
    HINTS: ClassVar[Mapping[str, str]] = _of_encoder(*ENCODERS)
    type: Literal["audio"] = "audio"
    preprocessing: AudioPreprocessingSection = AudioPreprocessing()
    """Features of the sounds."""
    encoder: AudioEncoder = ParallelCnn()
    """Network from features to a vector."""
    tied: str | None = None
    """Another audio feature, whose encoder this one shares."""

    @model_validator(mode="before")
    @classmethod
    def _check_preprocessing(cls, data: Any) -> Any:
        """Refuse features that the encoder does not take; they are known only before the defaults are filled in."""
        if not isinstance(data, Mapping):
            return data
        encoder, given = data.get("encoder"), data.get("preprocessing")
        name = encoder.get("type") if isinstance(encoder, Mapping) else encoder
        if not (isinstance(name, str) and name in PRETRAINED_TYPES):
            return data
        if given is not None and not isinstance(given, Mapping):
            return data
        given = given or {}
        if (kind := given.get("type", "raw")) != "raw":
            reason = f"{shown(kind)} contradicts encoder {name!r}, which computes its own features from samples"
            raise problem("preprocessing.type", f"{reason}: use 'raw'")
        of_samples = _SAMPLE_KEYS | {"type", "computed_fill_value"}
        for key, value in given.items():
            if key not in of_samples and not (key in LUDWIG_KEYS and value == _FEATURES[key]):
                reason = f"not for encoder {name!r}, which computes its own features from samples: remove it"
                raise problem(f"preprocessing.{key_text(key)}", reason)
        return {**data, "preprocessing": {**given, "type": "raw"}}

    @model_validator(mode="after")
    def _check_spectrum(self) -> AudioInput:
        features, encoder = self.preprocessing, self.encoder
        if isinstance(encoder, PretrainedEncoder):
            return self
        if features.type == "raw":
            raise problem(
                "preprocessing.type",
                f"'raw' are samples, but encoder {encoder.type!r} needs a spectrum: use 'fbank', 'stft', "
                "'stft_phase' or 'group_delay', or an encoder of samples, such as 'wav2vec2'",
            )
        if features.type not in TIME_MAJOR_TYPES and features.n_frames is None:
            raise problem("preprocessing.n_frames", f"needed for type {features.type!r}, since sounds get one length")
        return self

    @model_serializer(mode="wrap")
    def _used_preprocessing(self, handler: Any) -> dict[str, Any]:
        values = handler(self)
        if isinstance(self.encoder, PretrainedEncoder):
            used = LOADING_KEYS | {"type"} | ({_LIMIT} if self.length_limit is not None else set())
            values["preprocessing"] = {key: value for key, value in values["preprocessing"].items() if key in used}
        return values

    @property
    def length_limit(self) -> float | None:
        """Seconds of each sound that a pretrained encoder takes, from its start; None for the whole sound."""
        features = self.preprocessing
        return features.audio_file_length_limit_in_s if _LIMIT in features.model_fields_set else None


class DenseEncoder(FcKeys):
    """Fully connected layers on a number."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        "skip": Refused("use type: passthrough", (False,)),
        "adapter": Refused("only pretrained encoders have adapters", (None,)),
        "input_size": COMPUTED,
    }
    type: Literal["dense"] = "dense"
    num_layers: Annotated[Layers, Field(ge=1)] = 1
    fc_layers: FcLayers = None


class PassthroughEncoder(Section):
    """The number itself."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        "skip": Refused("it has no effect here", (False,)),
        "adapter": DenseEncoder.UNSUPPORTED["adapter"],
    }
    type: Literal["passthrough"] = "passthrough"


NumberEncoder: TypeAlias = Annotated[
    PassthroughEncoder | DenseEncoder,
    Field(discriminator="type"),
    TypeChoice(
        "passthrough",
        ("passthrough", "dense"),
        dict.fromkeys(("ple", "periodic", "bins"), "use 'passthrough' or 'dense'"),
    ),
]


class CategoryEmbedding(Section):
    """Vector of each category, which is trained."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        "skip": Refused("use type: onehot", (False,)),
        "adapter": DenseEncoder.UNSUPPORTED["adapter"],
        "vocab": COMPUTED,
        "embedding_initializer": Refused("vectors are random at first", (None,)),
        "embeddings_on_cpu": Dropped("vectors are on the device of the network"),
        "embeddings_trainable": Refused("use type: onehot", (True,)),
        "pretrained_embeddings": Refused("vectors of categories are trained", (None,)),
    }
    type: Literal["dense"] = "dense"
    embedding_size: Size = 50
    dropout: Dropout = 0.0


class OneHotEncoder(Section):
    """Vector with 1 for the category and 0 for the others."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        "skip": Refused("it has no effect here", (False,)),
        "adapter": DenseEncoder.UNSUPPORTED["adapter"],
        "vocab": COMPUTED,
    }
    type: Literal["onehot"] = "onehot"


CategoryEncoder: TypeAlias = Annotated[
    CategoryEmbedding | OneHotEncoder,
    Field(discriminator="type"),
    TypeChoice(
        "dense",
        ("dense", "onehot"),
        dict.fromkeys(("sparse", "passthrough", "target", "hash"), "use 'dense' or 'onehot'"),
    ),
]

_NOT_TIED = {**COMMON_KEYS, "tied": Refused("only audio features share an encoder", (None,))}


class NumberInput(Feature):
    """Column of numbers."""

    UNSUPPORTED: ClassVar[Unsupported] = _NOT_TIED
    HINTS: ClassVar[Mapping[str, str]] = _of_encoder(DenseEncoder)
    type: Literal["number"] = "number"
    preprocessing: Annotated[NumberPreprocessing, or_nothing] = NumberPreprocessing()
    """Reading of the column."""
    encoder: NumberEncoder = PassthroughEncoder()
    """Network from the number to a vector."""


class CategoryInput(Feature):
    """Column of categories."""

    UNSUPPORTED: ClassVar[Unsupported] = _NOT_TIED
    HINTS: ClassVar[Mapping[str, str]] = _of_encoder(CategoryEmbedding)
    type: Literal["category"] = "category"
    preprocessing: Annotated[CategoryPreprocessing, or_nothing] = CategoryPreprocessing()
    """Reading of the column."""
    encoder: CategoryEncoder = CategoryEmbedding()
    """Network from the category to a vector."""


class BinaryInput(Feature):
    """Column of flags."""

    UNSUPPORTED: ClassVar[Unsupported] = _NOT_TIED
    HINTS: ClassVar[Mapping[str, str]] = _of_encoder(DenseEncoder)
    type: Literal["binary"] = "binary"
    preprocessing: Annotated[BinaryPreprocessing, or_nothing] = BinaryPreprocessing()
    """Reading of the column."""
    encoder: NumberEncoder = PassthroughEncoder()
    """Network from the flag to a vector."""


INPUT_TYPES: dict[str, type[BaseModel]] = {
    "audio": AudioInput,
    "number": NumberInput,
    "category": CategoryInput,
    "binary": BinaryInput,
}
_OTHER_TYPES = ("text", "image", "vector", "sequence", "set", "bag", "date", "h3", "timeseries", "anomaly")
InputFeature: TypeAlias = Annotated[
    AudioInput | NumberInput | CategoryInput | BinaryInput,
    Field(discriminator="type"),
    TypeChoice(None, tuple(INPUT_TYPES), dict.fromkeys(_OTHER_TYPES, "inputs are audio, number, category and binary")),
]
