"""The configuration of a whole run, in the names of Ludwig: inputs, network, outputs, training and data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import yaml
from pydantic import Field, model_validator

from mxnet_audio.checks import nearest, shown
from mxnet_audio.declarative.defaults import Defaults, with_defaults
from mxnet_audio.declarative.encoders import PretrainedEncoder
from mxnet_audio.declarative.features import AudioInput, Feature, InputFeature
from mxnet_audio.declarative.layers import has_batch_norm
from mxnet_audio.declarative.output_features import OutputFeature
from mxnet_audio.declarative.run_sections import Backend, BackendSection, Combiner, ConcatCombiner, Preprocessing
from mxnet_audio.declarative.section import (
    Count,
    Dropped,
    Refused,
    Section,
    Unsupported,
    key_text,
    or_nothing,
    problem,
    validated,
)
from mxnet_audio.declarative.training_section import Trainer
from mxnet_audio.errors import ParameterError
from mxnet_audio.features.documents import read_yaml

__all__ = ["COMBINED", "RunConfig"]

MOST_FEATURES = 1000
_LARGEST = 1 << 20  # [bytes], of a file; about that of 1000 audio features with all keys
COMBINED = "combined"  # validation field: the sum of the losses of all outputs


class RunConfig(Section):
    """Configuration of a whole run. Immutable; the names and defaults are Ludwig's.

    The sections are documented key by key in the guide "Keys of a configuration". What ``defaults`` has for a type of
    feature is merged into the features, so that they are complete, and the validation field and metric are filled in.

    Parameters
    ----------
    input_features : list of mapping
        Columns that the network takes, at least one of them of type ``audio``.
    output_features : list of mapping
        Columns that it predicts.
    combiner, trainer, preprocessing, defaults, backend : mapping, optional
        Other sections.
    random_seed : int >= 0
        Seed of the split, of the weights at first, and of the order of the rows.

    Raises
    ------
    ParameterError
        If a key is unknown, not supported or missing, a value is wrong, or keys contradict each other. It names the
        path of each key, and the nearest one that exists.

    See Also
    --------
    read : a configuration from a file.

    Examples
    --------
    >>> config = RunConfig(input_features=[{"name": "clip", "type": "audio"}],
    ...                    output_features=[{"name": "label", "type": "category"}])
    >>> config.input_features[0].encoder.num_filters, config.trainer.validation_metric
    (256, 'accuracy')
    >>> RunConfig.read("input_features: [{name: clip, type: audio, encoder: {num_filtres: 64}}]")
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: input_features[0].encoder.num_filtres: unknown key, did you mean num_filters?
    output_features: missing
    """

    UNSUPPORTED: ClassVar[Unsupported] = {
        "model_type": Refused("networks are of type ecd", ("ecd",)),
        "preset": Refused("give the encoder", (None,)),
        "hyperopt": Refused("run once for each choice of parameters", (None,)),
        "ludwig_version": Dropped("it is the version that wrote the file"),
    }
    HINTS: ClassVar[Mapping[str, str]] = {"seed": "did you mean random_seed?"}
    input_features: Annotated[tuple[InputFeature, ...], Field(max_length=MOST_FEATURES)]
    """Columns that the network takes."""
    output_features: Annotated[tuple[OutputFeature, ...], Field(max_length=MOST_FEATURES)]
    """Columns that it predicts."""
    combiner: Combiner = ConcatCombiner()
    """Layers from the vectors of all inputs to one vector."""
    trainer: Annotated[Trainer, or_nothing] = Trainer()
    """Training."""
    preprocessing: Annotated[Preprocessing, or_nothing] = Preprocessing()
    """Split of the rows."""
    defaults: Annotated[Defaults, or_nothing] = Defaults()
    """Keys of all features of a type."""
    backend: BackendSection = Backend()
    """Machine."""
    random_seed: Count = 42
    """Seed of the split, of the weights at first, and of the order of the rows."""

    if not TYPE_CHECKING:  # type checkers see the constructor that pydantic derives from the fields

        def __init__(self, /, **values: Any) -> None:
            validated(lambda: super(RunConfig, self).__init__(**values), values)

    @classmethod
    def model_validate(cls, obj: Any, **_: Any) -> RunConfig:
        """Return the configuration of a mapping, as `read` does."""
        return obj if isinstance(obj, cls) else cls.read(obj)

    @classmethod
    def read(cls, config: str | os.PathLike | Mapping[str, Any]) -> RunConfig:
        """Read a configuration.

        Parameters
        ----------
        config : str, os.PathLike or mapping
            YAML file, YAML text, or a mapping read from it. One line of text that names a file, or has no key, is a
            path. A file has at most 1 MiB, and no aliases (``*name``).

        Returns
        -------
        RunConfig

        Raises
        ------
        ParameterError
            If the file cannot be read or is not YAML, or the configuration is wrong.

        Examples
        --------
        >>> text = '''
        ... input_features:
        ...   - {name: clip, type: audio, preprocessing: {type: fbank}, encoder: {type: cnnrnn}}
        ... output_features:
        ...   - {name: label, type: category}
        ... trainer: {epochs: 20}
        ... '''
        >>> RunConfig.read(text).trainer.epochs
        20
        """
        data, path = read_yaml(config, _LARGEST)
        if not isinstance(data, Mapping):
            kind = "nothing" if data is None else type(data).__name__
            raise ParameterError(f"expected a mapping of keys to values, got {kind}", path)
        try:
            return cls(**{key_text(key): value for key, value in data.items()})
        except ParameterError as error:
            raise ParameterError(error.reason, path) from None

    def to_dict(self) -> dict[str, Any]:
        """Return all keys and values, JSON-serializable; `read` makes the same configuration of it."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """Return the YAML text of `to_dict`, or raise ParameterError if it is longer than `read` takes."""
        text = yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)
        if len(text.encode()) > _LARGEST:
            limit = f"the {_LARGEST >> 20} MiB of YAML that are read"
            raise ParameterError(f"the configuration is longer than {limit}: use fewer features or layers")
        return text

    @classmethod
    def schema(cls) -> dict[str, Any]:  # type: ignore[override]  # pydantic's is deprecated
        """Return the JSON schema of a configuration, for editors; it has the keys that are refused, with the reasons.

        Examples
        --------
        >>> RunConfig.schema()["required"]
        ['input_features', 'output_features']
        """
        document = cls.model_json_schema()
        for section in (document, *document["$defs"].values()):
            if "description" in section:
                section["description"] = section["description"].partition("\n\n")[0]
        return document

    @property
    def shared_encoders(self) -> dict[str, str]:
        """Name of each audio feature, and of the feature whose encoder it uses: its own, or the one it is tied to."""
        tied = {feature.name: feature.tied for feature in self.input_features if isinstance(feature, AudioInput)}
        return {name: _chain(name, tied)[-1] for name in tied}

    @model_validator(mode="before")
    @classmethod
    def _merge(cls, data: Any) -> Any:
        return with_defaults(_with_tied(data)) if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _check(self) -> RunConfig:
        self._check_names()
        self._check_tied()
        self._check_sequences()
        self._check_norms()
        self._fill_validation()
        return self

    def _check_names(self) -> None:
        places: list[tuple[str, Feature]]
        places = [(f"input_features[{i}]", feature) for i, feature in enumerate(self.input_features)]
        places += [(f"output_features[{i}]", feature) for i, feature in enumerate(self.output_features)]
        names: dict[str, str] = {}
        inputs = {feature.column for feature in self.input_features}
        for place, feature in places:
            if feature.name in names:
                raise problem(f"{place}.name", f"{feature.name!r} is the name of {names[feature.name]}, too")
            names[feature.name] = place
            if place.startswith("output") and feature.column in inputs:
                raise problem(f"{place}.column", f"{feature.column!r} is the column of an input, too")
        if not any(isinstance(feature, AudioInput) for feature in self.input_features):
            raise problem("input_features", "none is of type 'audio'")
        if not self.output_features:
            raise problem("output_features", "there must be at least one")

    def _check_tied(self) -> None:
        features = {feature.name: feature for feature in self.input_features}
        tied = {name: getattr(feature, "tied", None) for name, feature in features.items()}
        for number, feature in enumerate(self.input_features):
            if not isinstance(feature, AudioInput) or feature.tied is None:
                continue
            key, other = f"input_features[{number}].tied", features.get(feature.tied)
            chain = _chain(feature.name, tied)
            if other is None:
                others = [name for name in features if name != feature.name]
                raise problem(key, f"no input feature {shown(feature.tied)}{nearest(feature.tied, others)}")
            if tied.get(chain[-1]) in chain:
                raise problem(key, f"features tied in a circle: {' -> '.join([*chain, str(tied[chain[-1]])])}")
            if not isinstance(other, AudioInput):
                raise problem(key, f"{other.name!r} is of type {other.type!r}, not 'audio'")
            if other.encoder != feature.encoder:
                raise problem(key, f"{other.name!r} has another encoder: give both the same, or this one none")
            if other.preprocessing.identity() != feature.preprocessing.identity():
                raise problem(key, f"{other.name!r} has other features: give both the same preprocessing")

    def _check_sequences(self) -> None:
        for number, feature in enumerate(self.input_features):
            encoder: Any = feature.encoder
            keeps = isinstance(feature, AudioInput) and getattr(encoder, "reduce_output", "none") is None
            if keeps and len(self.input_features) > 1 and not self.combiner.flatten_inputs:
                raise problem(
                    f"input_features[{number}].encoder.reduce_output",
                    "null keeps a sequence, which is not joined with other inputs: use 'mean', 'max' or another, or "
                    "flatten_inputs of the combiner",
                )
            if keeps and isinstance(encoder, PretrainedEncoder) and not encoder.trainable:
                raise problem(
                    f"input_features[{number}].encoder.reduce_output",
                    "null keeps a sequence, but trainable: false computes one vector of a sound: use 'mean'",
                )

    def _check_norms(self) -> None:
        """Refuse batch norms of single vectors, which are zeros whatever the vector."""
        sections: dict[str, Any]
        sections = {f"input_features[{i}].encoder": feature.encoder for i, feature in enumerate(self.input_features)}
        has_sequence = any(getattr(encoder, "reduce_output", "") is None for encoder in sections.values())
        if self.combiner.flatten_inputs or not has_sequence:  # else its layers have a vector of each step
            sections["combiner"] = self.combiner
        sections |= {f"output_features[{i}].decoder": feature.decoder for i, feature in enumerate(self.output_features)}
        for place, section in sections.items():
            if self.trainer.batch_size == 1 and has_batch_norm(section):
                reason = f"1 leaves nothing to learn with the batch norm of fully connected layers in {place}"
                raise problem("trainer.batch_size", f"{reason}: use 2 or more, or norm 'layer'")

    def _fill_validation(self) -> None:
        """Fill in the validation field and metric, by Ludwig's rules for those that are not given."""
        field, metric = self.trainer.validation_field, self.trainer.validation_metric
        metrics = {feature.name: feature.METRICS for feature in self.output_features} | {COMBINED: ("loss",)}
        if field is None:
            outputs = [feature.name for feature in self.output_features]
            having = [name for name in outputs if metric in (None, "loss", *metrics[name])]
            if len(having) > 1 and metric not in (None, "loss"):
                raise problem("trainer.validation_field", f"needed, since several outputs have {metric!r}")
            field = (having or outputs)[0]
        elif field not in metrics:
            reason = nearest(field, [*metrics]) or f", must be one of {', '.join(map(repr, metrics))}"
            raise problem("trainer.validation_field", f"no output {shown(field)}{reason}")
        plateau = self.trainer.learning_rate_scheduler.reduce_eval_metric
        for key, given in (("validation_metric", metric), ("learning_rate_scheduler.reduce_eval_metric", plateau)):
            if given is not None and given not in metrics[field]:
                reason = nearest(given, metrics[field]) or f", it has {', '.join(map(repr, metrics[field]))}"
                raise problem(f"trainer.{key}", f"{field!r} has no metric {shown(given)}{reason}")
        update = {"validation_field": field, "validation_metric": metric or metrics[field][0]}
        object.__setattr__(self, "trainer", self.trainer.model_copy(update=update))


def _chain(name: str, tied: Mapping[str, Any]) -> list[str]:
    """Return the name of a feature, and of those that it is tied to, one through the other, each of them once."""
    chain = {name: None}
    while (name := tied.get(name, "")) in tied and name not in chain:
        chain[name] = None
    return list(chain)


def _with_tied(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a configuration in which tied features without an encoder or preprocessing have those of the other."""
    features = data.get("input_features")
    if not isinstance(features, list | tuple) or len(features) > MOST_FEATURES:
        return data
    named = {
        feature["name"]: feature
        for feature in features
        if isinstance(feature, Mapping) and isinstance(feature.get("name"), str)
    }
    tied = {name: other if isinstance(other := feature.get("tied"), str) else None for name, feature in named.items()}

    def inherit(feature: Any) -> Any:
        if not (isinstance(feature, Mapping) and isinstance(feature.get("name"), str)):
            return feature
        other = named[_chain(feature["name"], tied)[-1]]
        parts = {part: other[part] for part in ("encoder", "preprocessing") if part in other}
        return parts | {key: value for key, value in feature.items() if value is not None} if parts else feature

    return {**data, "input_features": [inherit(feature) for feature in features]}
