"""Files of a results folder, with Ludwig's names: what a run was made from, and what it measured."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mxnet_audio.atomic import replacing, write_json
from mxnet_audio.declarative.config import RunConfig
from mxnet_audio.declarative.splits import Split
from mxnet_audio.errors import ModelError

__all__ = ["without_nan", "write_setup", "write_statistics"]

CONFIG = "config.yaml"
SPLIT = "split.csv"
TRAINING_STATISTICS = "training_statistics.json"
TEST_STATISTICS = "test_statistics.json"


def write_setup(directory: Path, config: RunConfig, n_rows: int, split: Split) -> None:
    """Write the complete configuration, and the part of each row; those of an earlier run are replaced.

    Parameters
    ----------
    directory : pathlib.Path
        Directory that exists.
    config : RunConfig
    n_rows : int
        Number of rows of the table.
    split : Split
        Rows that are used. The part of the others is an empty cell.

    Raises
    ------
    ModelError
        If a file cannot be written.
    """
    part_of = {row: part for part, rows in split._asdict().items() for row in rows}
    try:
        with replacing(directory / CONFIG) as temporary:
            temporary.write_text(config.to_yaml(), encoding="utf-8")
        with replacing(directory / SPLIT) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["row", "split"])
            rows.writerows([row, part_of.get(row, "")] for row in range(n_rows))
    except OSError as error:
        raise ModelError(f"results cannot be written ({error.strerror or error})", directory) from error


def write_statistics(directory: Path, statistics: Mapping[str, Any], reports: Mapping[str, Any]) -> None:
    """Write the measures after each round, and the reports on the test rows, as JSON.

    Parameters
    ----------
    directory : pathlib.Path
        Directory that exists.
    statistics, reports : mapping
        JSON-serializable, except for NaN in the statistics, in place of which null is written.

    Raises
    ------
    ModelError
        If a file cannot be written.
    """
    try:
        write_json(directory / TRAINING_STATISTICS, without_nan(statistics))
        write_json(directory / TEST_STATISTICS, reports)
    except OSError as error:
        raise ModelError(f"results cannot be written ({error.strerror or error})", directory) from error


def without_nan(value: Any) -> Any:
    """Return a document of numbers with None in place of NaN, which JSON has not."""
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
