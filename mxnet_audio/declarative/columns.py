"""Columns of a run: what the training rows teach about each of them."""

from __future__ import annotations

import logging
import reprlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mxnet_audio import training
from mxnet_audio.audio.headers import SAMPLE_SIZE
from mxnet_audio.datasets.labels import check_separator, find_joined
from mxnet_audio.datasets.missing import fill_missing
from mxnet_audio.declarative.encoders import PretrainedEncoder
from mxnet_audio.declarative.encodings import AudioEncoding, ColumnEncoding, NumberEncoding
from mxnet_audio.declarative.label_encodings import SEPARATORS, BinaryEncoding, CategoryEncoding, SetEncoding
from mxnet_audio.declarative.sounds import FilledSounds
from mxnet_audio.declarative.table import Table
from mxnet_audio.errors import DatasetError, ModelError

if TYPE_CHECKING:
    from mxnet_audio.declarative.config import RunConfig

__all__ = ["Columns", "complete_rows", "filled_values"]

log = logging.getLogger(__name__)

Encoding: TypeAlias = Annotated[
    AudioEncoding | NumberEncoding | CategoryEncoding | BinaryEncoding | SetEncoding, Field(discriminator="type")
]


class Columns(BaseModel):
    """Encodings of the columns by the name of the feature, learned from training rows; JSON-serializable.

    Attributes
    ----------
    encodings : dict of str to AudioEncoding or ColumnEncoding
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encodings: dict[str, Encoding]

    def __getitem__(self, name: str) -> Any:
        """Return the encoding of a feature."""
        return self.encodings[name]

    @classmethod
    def fit(cls, config: RunConfig, table: Table, rows: Sequence[int]) -> Columns:
        """Learn vocabularies, means and deviations, and the rate of the sounds.

        Parameters
        ----------
        config : RunConfig
        table : Table
        rows : sequence of int
            Training rows.

        Returns
        -------
        Columns

        Raises
        ------
        DatasetError
            If a column is missing, an output has the same value in all rows, or no values, a binary column has more
            than two, or no header of a sound can be read.
        """
        encodings: dict[str, Any] = {}
        for feature in config.input_features:
            is_audio = feature.type == "audio"
            encodings[feature.name] = (
                _audio_encoding(feature, table, rows) if is_audio else _encoding(feature, table, rows, is_output=False)
            )
        for feature in config.output_features:
            encoding = encodings[feature.name] = _encoding(feature, table, rows, is_output=True)
            _check_varies(feature, encoding, table, rows)
        return cls(encodings=encodings)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Columns:
        """Make them from the result of `to_json`; ModelError if it is something else."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise ModelError(f"damaged: the description of the columns is wrong: {error.errors()[0]['msg']}") from error

    def to_json(self) -> dict[str, Any]:
        """Return them as lists, numbers and texts."""
        return self.model_dump(mode="json")


def complete_rows(config: RunConfig, table: Table) -> list[int]:
    """Return the rows that have all values whose ``missing_value_strategy`` is ``drop_row``, such as outputs.

    Raises
    ------
    DatasetError
        If a column is missing, or no row is complete.
    """
    complete = np.ones(len(table), bool)
    for feature in (*config.input_features, *config.output_features):
        if feature.type == "audio":
            has_value = FilledSounds(feature, table).present
        else:
            fills = feature.preprocessing.missing_value_strategy != "drop_row"
            has_value = np.array([fills or value is not None for value in table.column(feature.column)])
        if missing := int(np.count_nonzero(~has_value & complete)):
            log.warning("left out %d rows without a value in column %r", missing, feature.column)
        complete &= has_value
    if not complete.any():
        raise DatasetError("no row has values in all columns", table.path)
    return np.flatnonzero(complete).tolist()


def filled_values(feature: Any, encoding: ColumnEncoding, table: Table) -> list:
    """Return the values of a column, in which missing ones are replaced; None if they cannot be.

    Raises
    ------
    DatasetError
        If the table has no such column.
    """
    values, strategy = table.column(feature.column), feature.preprocessing.missing_value_strategy
    if strategy in ("bfill", "ffill"):
        return fill_missing(values, strategy) if any(value is not None for value in values) else values
    constants = {
        "fill_with_const": getattr(feature.preprocessing, "fill_value", None),
        "fill_with_false": False,
        "fill_with_true": True,
    }
    fill = constants.get(strategy, encoding.fill)
    if isinstance(encoding, BinaryEncoding) and isinstance(fill, bool):
        fill = encoding.labels[fill]
    return [fill if value is None else value for value in values]


def _audio_encoding(feature: Any, table: Table, rows: Sequence[int]) -> AudioEncoding:
    """Complete the configuration of the features by the headers of some sounds."""
    sounds = FilledSounds(feature, table)
    if isinstance(feature.encoder, PretrainedEncoder):
        return AudioEncoding()
    config = feature.preprocessing.features
    present = sounds.present
    some: list[Any] = []
    if config.sr is None:
        given = [row for row in rows if present[row]]
        some = [sounds[row] for row in given[:: max(1, len(given) // SAMPLE_SIZE)]]  # sounds may be large
    config = training.complete_config(some, config)
    if config.sr is None:
        first = f", such as {some[0]}" if some and isinstance(some[0], str) else ""
        raise DatasetError(f"none of the sounds in column {feature.column!r} can be read{first}", table.path)
    return AudioEncoding(config=config.identity())


def _encoding(feature: Any, table: Table, rows: Sequence[int], *, is_output: bool) -> Any:
    """Learn the encoding of a column other than sounds."""
    column, options = table.column(feature.column), feature.preprocessing
    values = [column[row] for row in rows if column[row] is not None]
    if not values:
        raise DatasetError(f"column {feature.column!r} has no values in the training rows", table.path)
    strategy = options.missing_value_strategy
    fitted = [*values, options.fill_value] if strategy == "fill_with_const" and len(values) < len(rows) else values
    encoding: ColumnEncoding
    try:
        if feature.type == "number":
            _check_numbers(values)
            encoding = NumberEncoding.fit(values, options.normalization)
        elif feature.type == "category":
            if is_output and (joined := find_joined(value for value in values if isinstance(value, str))):
                raise DatasetError(
                    f"{joined.text!r} seems to be several labels, since {', '.join(map(repr, joined.labels))} occur in "
                    f"other rows, too: take type: set, with a tokenizer for {joined.separator!r}"
                )
            encoding = CategoryEncoding.fit(
                fitted, has_unknown=not is_output, most_common=options.most_common, lowercase=options.lowercase
            )
        elif feature.type == "binary":
            encoding = BinaryEncoding.fit(values, options.fallback_true_label)
            if encoding.chosen_by_order and options.fallback_true_label is None:
                no, yes = encoding.labels
                log.warning(
                    "column %r: %r counts as true, and %r as false; fallback_true_label: %s changes it",
                    feature.column,
                    yes,
                    no,
                    no,
                )
        else:
            if (separator := SEPARATORS.get(options.tokenizer)) is not None:
                texts = (value for value in values if isinstance(value, str))
                check_separator(texts, separator, f"tokenizer {options.tokenizer}")
            encoding = SetEncoding.fit(
                fitted, options.tokenizer, most_common=options.most_common, lowercase=options.lowercase
            )
    except DatasetError as error:
        raise DatasetError(f"column {feature.column!r}: {error.reason}", table.path) from None
    return encoding.model_copy(update={"fill": _learned_fill(strategy, encoding, values)})


def _check_numbers(values: list) -> None:
    """Raise DatasetError if less than half of the values are numbers, as with decimal commas."""
    reasons = []
    for value in values:
        try:
            NumberEncoding(scale=1.0).encode(value)
        except ValueError as error:
            reasons.append(error)
    if 2 * len(reasons) > len(values):
        raise DatasetError(f"{len(reasons)} of {len(values)} values are no numbers, the first because {reasons[0]}")


def _learned_fill(strategy: str, encoding: ColumnEncoding, values: list) -> Any:
    """Return the mean or the most frequent of the usable values; None for other strategies, or without such values."""
    usable = [value for value in values if _code(encoding, value) is not None]
    if strategy == "fill_with_mean" and usable:
        return float(np.mean([float(value) for value in usable]))
    if strategy == "fill_with_mode" and usable:
        keys = list(map(repr, usable))  # sets and lists are no keys
        mode = usable[keys.index(Counter(keys).most_common(1)[0][0])]
        return encoding.decode(np.array([encoding.encode(mode)]))[0]
    return None


def _code(encoding: ColumnEncoding, value: Any) -> float | np.ndarray | None:
    """Encode a value; None if that fails."""
    try:
        return encoding.encode(value)
    except ValueError:
        return None


def _check_varies(feature: Any, encoding: ColumnEncoding, table: Table, rows: Sequence[int]) -> None:
    """Raise DatasetError if an output has one value only."""
    filled = filled_values(feature, encoding, table)
    different: dict[bytes, Any] = {}  # values by their code
    for value in (filled[row] for row in rows):
        if value is not None and (code := _code(encoding, value)) is not None:
            different.setdefault(np.asarray(code).tobytes(), value)
    if len(different) < 2:
        constant = reprlib.repr(next(iter(different.values()), None))
        shown = f"has the value {constant} in all training rows" if different else "has no usable value"
        raise DatasetError(f"the output column {feature.column!r} {shown}: there is nothing to learn", table.path)
