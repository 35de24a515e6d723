"""Sections of a configuration about the whole run: combiner, split of the rows, and the machine."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from mxnet_audio.checks import shown
from mxnet_audio.declarative.layers import FcKeys, FcLayers, LayerLists
from mxnet_audio.declarative.section import (
    Dropped,
    Layers,
    PositiveCount,
    Refused,
    Section,
    Share,
    TypeChoice,
    Unsupported,
    problem,
)

__all__ = ["Backend", "ConcatCombiner", "FixedSplit", "GroupsSplit", "Preprocessing", "RandomSplit", "StratifySplit"]

ColumnName: TypeAlias = Annotated[str, Field(min_length=1)]


class ConcatCombiner(LayerLists, FcKeys):
    """Vectors of all input features one after the other, and fully connected layers on them."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        "batch_ensemble": Refused("train several models", (False,)),
        "num_ensemble_members": Dropped("there is no batch_ensemble"),
    }
    type: Literal["concat"] = "concat"
    num_fc_layers: Layers = 0
    """Number of fully connected layers."""
    fc_layers: FcLayers = None
    """Fully connected layers one by one, in place of their number."""
    flatten_inputs: bool = False
    """True makes one vector of the sequence that an encoder keeps (reduce_output: null)."""
    residual: bool = False
    """True adds its input to the output of each layer; all layers must have the same size."""

    @model_validator(mode="after")
    def _check_residual(self) -> ConcatCombiner:
        if self.residual and len({layer.value("output_size", self.output_size) for layer in self.fc_layers or ()}) > 1:
            raise problem("residual", "true needs fully connected layers of one output_size")
        return self


_OTHER_COMBINERS = (
    "sequence",
    "sequence_concat",
    "comparator",
    "cross_attention",
    "ft_transformer",
    "gated_fusion",
    "hypernetwork",
    "perceiver",
    "project_aggregate",
    "tabnet",
    "tabpfn_v2",
    "tabtransformer",
    "transformer",
)
Combiner: TypeAlias = Annotated[
    ConcatCombiner, TypeChoice("concat", ("concat",), dict.fromkeys(_OTHER_COMBINERS, "use 'concat'"))
]


def _check_shares(value: Any) -> Any:
    """Refuse numbers that are not three shares, with one message for all of them."""
    if not isinstance(value, list | tuple) or any(isinstance(x, bool) or not isinstance(x, int | float) for x in value):
        return value
    are_shares = len(value) == 3 and all(0 <= share <= 1 for share in value)
    if not (are_shares and math.isclose(sum(value), 1, abs_tol=1e-6) and value[0]):
        reason = "must be the shares of the training, validation and test rows: three numbers that sum to 1, the first"
        hint = f"{reason} above 0, such as [0.8, 0.2, 0], got {shown(value)}"
        raise PydanticCustomError("refused", "{reason}", {"reason": hint})
    return value


class _Shares(Section):
    """Keys of the splits at random."""

    probabilities: Annotated[tuple[Share, Share, Share], BeforeValidator(_check_shares)] = (0.7, 0.1, 0.2)
    """Shares of the training, validation and test rows."""


class RandomSplit(_Shares):
    """Rows at random."""

    type: Literal["random"] = "random"


class StratifySplit(_Shares):
    """Rows at random, with the same shares of each value of a column."""

    type: Literal["stratify"] = "stratify"
    column: ColumnName
    """Column whose values have the same shares."""


class GroupsSplit(_Shares):
    """Groups of rows at random, such as the clips of a recording or speaker (not Ludwig's)."""

    type: Literal["groups"] = "groups"
    column: ColumnName
    """Column of the groups; all rows of a group are on one side."""


class FixedSplit(Section):
    """Rows as a column says: 0, 1 and 2, or train, validation and test."""

    type: Literal["fixed"] = "fixed"
    column: ColumnName = "split"
    """Column of the sides."""
    groups: ColumnName | None = None
    """Column of groups, such as recordings or speakers, that must not be on two sides (not Ludwig's)."""


Split: TypeAlias = Annotated[
    RandomSplit | StratifySplit | GroupsSplit | FixedSplit,
    Field(discriminator="type"),
    TypeChoice(
        "random",
        ("random", "stratify", "groups", "fixed"),
        {"datetime": "use 'fixed' with a column of sides", "hash": "use 'groups'"},
    ),
]


class Preprocessing(Section):
    """Split of the rows of a table."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        "sample_ratio": Refused("give a table of the rows to use", (1,)),
        "sample_size": Refused("give a table of the rows to use", (None,)),
        "oversample_minority": Refused("use loss.class_weights", (None,)),
        "undersample_majority": Refused("use loss.class_weights", (None,)),
        "global_max_sequence_length": Refused("use audio_file_length_limit_in_s", (None,)),
        "force_split": Refused("use split.type: random, which reads no column"),
        "split_probabilities": Refused("give it as split.probabilities"),
        "stratify": Refused("use split.type: stratify, with its column"),
        **{
            name: Refused(f"give it as defaults.{name}.preprocessing")
            for name in ("audio", "number", "category", "binary", "set")
        },
    }
    split: Split = RandomSplit()
    """Training, validation and test rows."""


class Backend(Section):
    """Machine that the run is on."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        "cache_dir": Refused("features are cached in the folder of mxnet-audio cache info", (None,)),
        "cache_format": Refused("the cache has one format", (None,)),
        "cache_credentials": Refused("the cache is a local folder", (None,)),
        "credentials": Refused("sounds are local files", (None,)),
        "processor": Refused("use threads", (None, {})),
        "trainer": Refused("training has one process", (None, {})),
        "loader": Refused("use threads", (None, {})),
        "data_format": Refused("tables need no engine", (None,)),
        "preprocessor_kwargs": Refused("use threads", (None, {})),
        "processors": Refused("use threads"),
    }
    type: Literal["local"] = "local"
    threads: PositiveCount | None = None
    """Threads that read sounds ahead; by default as many as there are processors (not Ludwig's)."""


BackendSection: TypeAlias = Annotated[
    Backend,
    TypeChoice(
        "local", ("local",), dict.fromkeys(("ray", "dask", "horovod", "deepspeed"), "a run is on one machine, 'local'")
    ),
]
