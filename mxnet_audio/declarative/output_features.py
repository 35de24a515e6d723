"""Output features of a configuration: columns to predict, their decoders and losses."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, Field, model_validator

from mxnet_audio.declarative.column_preprocessing import (
    BinaryPreprocessing,
    CategoryPreprocessing,
    MissingValueStrategy,
    NumberPreprocessing,
)
from mxnet_audio.declarative.decoders import (
    BinaryDecoder,
    CategoryDecoder,
    Classifier,
    NumberDecoder,
    Regressor,
    SetDecoder,
)
from mxnet_audio.declarative.features import COMMON_KEYS, Feature
from mxnet_audio.declarative.losses import (
    BinaryLoss,
    BinaryWeightedCrossEntropy,
    CategoryLoss,
    MeanSquaredError,
    NumberLoss,
    SetLoss,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from mxnet_audio.declarative.section import (
    COMPUTED,
    NonNegative,
    PositiveCount,
    Refused,
    Section,
    Share,
    Text,
    TypeChoice,
    Unsupported,
    or_nothing,
    problem,
    refuse_values,
)

__all__ = [
    "OUTPUT_TYPES",
    "BinaryOutput",
    "CategoryOutput",
    "NumberOutput",
    "Output",
    "OutputFeature",
    "SetOutput",
]

_TEMPERATURE = "probabilities are not calibrated"
_FC_KEYS = ("output_size", "norm", "norm_params", "activation", "dropout", "use_bias")
# Keys that older versions of Ludwig have in an output feature itself.
_IN_DECODER = {"num_fc_layers": "num_fc_layers", "fc_layers": "fc_layers", **{key: f"fc_{key}" for key in _FC_KEYS}}


class Output(Feature):
    """Column to predict.

    Attributes
    ----------
    METRICS : tuple of str
        Metrics that can be the validation metric, the default one first.
    """

    UNSUPPORTED: ClassVar[Unsupported] = {
        **COMMON_KEYS,
        "dependencies": Refused("each output is computed from the combiner's output alone", ([], None)),
        "reduce_dependencies": Refused("there are no dependencies", ("sum", None)),
        "default_validation_metric": Refused("use trainer.validation_metric", (None,)),
        "input_size": COMPUTED,
        "num_classes": COMPUTED,
        **{old: Refused(f"give it as decoder.{new}") for old, new in _IN_DECODER.items()},
    }
    METRICS: ClassVar[tuple[str, ...]] = ()
    type: str
    reduce_input: Literal["sum", "mean", "avg", "max", "concat", "last"] = "sum"
    """Reduction over time of what the combiner gives, where an encoder keeps the sequence (reduce_output: null)."""


class CategoryOutput(Output):
    """Column of categories to predict."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        **Output.UNSUPPORTED,
        "default_validation_metric": Refused("use trainer.validation_metric", ("accuracy", None)),
        "calibration": Refused(_TEMPERATURE, (False, None)),
    }
    METRICS = ("accuracy", "accuracy_micro", "hits_at_k", "loss")

    class Preprocessing(CategoryPreprocessing):
        """Reading of a column of categories to predict."""

        missing_value_strategy: MissingValueStrategy = "drop_row"
        """Replacement of missing values."""

    type: Literal["category"] = "category"
    preprocessing: Annotated[Preprocessing, or_nothing] = Preprocessing()
    """Reading of the column."""
    decoder: CategoryDecoder = Classifier()
    """Layers from the combiner's output to the scores."""
    loss: CategoryLoss = SoftmaxCrossEntropy()
    """Loss."""
    top_k: PositiveCount = 3
    """Number of classes of hits_at_k."""


class BinaryOutput(Output):
    """Column of flags to predict."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        **Output.UNSUPPORTED,
        "default_validation_metric": Refused("use trainer.validation_metric", ("roc_auc", None)),
        "calibration": Refused(_TEMPERATURE, (False, None)),
    }
    METRICS = ("roc_auc", "accuracy", "precision", "recall", "specificity", "loss")

    class Preprocessing(BinaryPreprocessing):
        """Reading of a column of flags to predict."""

        missing_value_strategy: Literal[
            "fill_with_mode", "bfill", "ffill", "drop_row", "fill_with_false", "fill_with_true"
        ] = "drop_row"
        """Replacement of missing values."""

    type: Literal["binary"] = "binary"
    preprocessing: Annotated[Preprocessing, or_nothing] = Preprocessing()
    """Reading of the column."""
    decoder: BinaryDecoder = Regressor()
    """Layers from the combiner's output to the score."""
    loss: BinaryLoss = BinaryWeightedCrossEntropy()
    """Loss."""
    threshold: Share = 0.5
    """Probability from which on a row is predicted to be true."""


class NumberOutput(Output):
    """Column of numbers to predict."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        **Output.UNSUPPORTED,
        "default_validation_metric": Refused("use trainer.validation_metric", ("mean_squared_error", None)),
    }
    METRICS = ("mean_squared_error", "mean_absolute_error", "root_mean_squared_error", "r2", "loss")

    class Preprocessing(NumberPreprocessing):
        """Reading of a column of numbers to predict."""

        missing_value_strategy: MissingValueStrategy | Literal["fill_with_mean"] = "drop_row"
        """Replacement of missing values."""
        normalization: Literal["zscore", "minmax", "log1p", "iq"] | None = None
        """Scale of the numbers in the loss, learned from the training rows."""

    type: Literal["number"] = "number"
    preprocessing: Annotated[Preprocessing, or_nothing] = Preprocessing()
    """Reading of the column."""
    decoder: NumberDecoder = Regressor()
    """Layers from the combiner's output to the number."""
    loss: NumberLoss = MeanSquaredError()
    """Loss."""
    clip: tuple[NonNegative, NonNegative] | None = None
    """Limits of the predicted numbers."""

    @model_validator(mode="after")
    def _check_clip(self) -> NumberOutput:
        if self.clip is not None and self.clip[0] > self.clip[1]:
            raise problem("clip", f"the lower limit must not be above the upper one, got {list(self.clip)}")
        return self


_SEPARATORS = {" ": "use 'space'", ",": "use 'comma'", "_": "use 'underscore'", "|": "use 'pipe'"}


class SetOutput(Output):
    """Column of sets of classes to predict."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        **Output.UNSUPPORTED,
        "default_validation_metric": Refused("use trainer.validation_metric", ("jaccard", None)),
    }
    METRICS = ("jaccard", "mean_average_precision", "f1_micro", "f1_macro", "loss")

    class Preprocessing(Section):
        """Reading of a column of sets to predict."""

        UNSUPPORTED: ClassVar[Unsupported] = {"computed_fill_value": COMPUTED}
        tokenizer: Annotated[Literal["space", "comma", "underscore", "json", "pipe"], refuse_values(_SEPARATORS)] = (
            "space"
        )
        """Separator of the classes in a text (pipe, ``|``, is not Ludwig's); lists and sets need none."""
        missing_value_strategy: MissingValueStrategy = "drop_row"
        """Replacement of missing values."""
        fill_value: Text = "<UNK>"
        """Constant of fill_with_const."""
        lowercase: bool = False
        """True makes no difference between upper and lower case."""
        most_common: PositiveCount | None = 10000
        """Number of classes, the most frequent ones; others are left out."""

    type: Literal["set"] = "set"
    preprocessing: Annotated[Preprocessing, or_nothing] = Preprocessing()
    """Reading of the column."""
    decoder: SetDecoder = Classifier()
    """Layers from the combiner's output to the scores."""
    loss: SetLoss = SigmoidCrossEntropy()
    """Loss."""
    threshold: Share | None = None
    """Probability from which on a class is in the set; by default, each class has that of its highest F1 on the
    validation rows (in Ludwig 0.5)."""


OUTPUT_TYPES: dict[str, type[BaseModel]] = {
    "category": CategoryOutput,
    "binary": BinaryOutput,
    "number": NumberOutput,
    "set": SetOutput,
}
_OTHER_TYPES = ("text", "image", "vector", "sequence", "timeseries", "anomaly", "category_distribution", "bag", "audio")
OutputFeature: TypeAlias = Annotated[
    CategoryOutput | BinaryOutput | NumberOutput | SetOutput,
    Field(discriminator="type"),
    TypeChoice(None, tuple(OUTPUT_TYPES), dict.fromkeys(_OTHER_TYPES, "outputs are category, binary, number and set")),
]
