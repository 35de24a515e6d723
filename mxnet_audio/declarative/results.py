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

__all__ = ["read_part", "without_nan", "write_results"]

CONFIG = "config.yaml"
SPLIT = "split.csv"
TRAINING_STATISTICS = "training_statistics.json"
TEST_STATISTICS = "test_statistics.json"


def write_results(
    directory: Path,
    config: RunConfig,
    n_rows: int,
    split: Split,
    statistics: Mapping[str, Any],
    reports: Mapping[str, Any],
) -> None:
    """Write the files beside the model; those of an earlier run are replaced. Hold the lock of the run meanwhile.

    Parameters
    ----------
    directory : pathlib.Path
        Directory that exists.
    config : RunConfig
        Complete configuration.
    n_rows : int
        Number of rows of the table.
    split : Split
        Rows that are used. The part of the others is an empty cell.
    statistics : mapping
        Measures after each round, JSON-serializable except for NaN, in place of which null is written.
    reports : mapping
        Reports on the test rows, JSON-serializable.

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
        write_json(directory / TRAINING_STATISTICS, without_nan(statistics))
        write_json(directory / TEST_STATISTICS, reports)
        for name in (CONFIG, SPLIT, TRAINING_STATISTICS, TEST_STATISTICS):
            for unfinished in directory.glob(f".{name}.*.tmp"):  # left behind by a killed run
                unfinished.unlink(missing_ok=True)
    except OSError as error:
        reason = f"results cannot be written ({error.strerror or error})"
        raise ModelError(reason, error.filename or directory) from error


def read_part(directory: Path, part: str) -> list[int]:
    """Return the rows of a part that ``split.csv`` lists; ModelError if it cannot be read or lists none."""
    path = directory / SPLIT
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [int(row["row"]) for row in csv.DictReader(file) if row["split"] == part]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise ModelError(f"cannot be read ({getattr(error, 'strerror', None) or error})", path) from error
    if not rows:
        raise ModelError(f"no row is in the {part} part", path)
    return rows


def without_nan(value: Any) -> Any:
    """Return a document of numbers with None in place of NaN, which JSON has not."""
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
