"""State and results of the training of a declarative run, and decisions that depend on its measures alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mxnet_audio.declarative.splits import Split
from mxnet_audio.declarative.training_section import Trainer
from mxnet_audio.errors import AudioError
from mxnet_audio.training.state import Tensors

__all__ = ["Progress", "Statistics", "TrainingResults", "plateau_reductions"]

Statistics = dict[str, dict[str, dict[str, list[float]]]]
MINIMIZED = ("loss", "mean_absolute_error", "mean_squared_error", "root_mean_squared_error")


@dataclass
class Progress:
    """State of a training: all that is needed to resume it, apart from the network's parameters.

    Attributes
    ----------
    steps : list of int
        Number of completed steps after each round.
    statistics : dict of str to dict of str to dict of str to list of float
        Measures by split, output and name: a value for each round.
    best : dict of str to np.ndarray
        Parameters after the best round.
    optimizer : dict of str to np.ndarray
        State of the optimizer.
    """

    steps: list[int] = field(default_factory=list)
    statistics: Statistics = field(default_factory=dict)
    best: Tensors = field(default_factory=dict)
    optimizer: Tensors = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Number of completed steps."""
        return self.steps[-1] if self.steps else 0

    def validated(self, settings: Trainer) -> list[float]:
        """Return the measure to validate by, one a round; empty without validation rows."""
        outputs = self.statistics.get("validation", {})
        return outputs.get(str(settings.validation_field), {}).get(str(settings.validation_metric), [])

    def best_round(self, settings: Trainer) -> int:
        """Return the best round, from 0; of equal ones, that with the lowest loss, then the first.

        Without validation rows, it is the last one.
        """
        if not (values := self.validated(settings)):
            return len(self.steps) - 1
        losses = np.array(self.statistics["validation"][str(settings.validation_field)]["loss"])
        signed = np.array(values) * (1 if settings.validation_metric in MINIMIZED else -1)
        return int(np.lexsort((losses, signed))[0])

    def add(self, step: int, measures: dict[str, dict[str, dict[str, float]]]) -> None:
        """Add the measures of a round by split, output and name."""
        self.steps.append(step)
        for split, outputs in measures.items():
            for output, values in outputs.items():
                for name, value in values.items():
                    series = self.statistics.setdefault(split, {}).setdefault(output, {})
                    series.setdefault(name, []).append(value)


@dataclass(frozen=True)
class TrainingResults:
    """Results of a training.

    Attributes
    ----------
    statistics : dict of str to dict of str to dict of str to list of float
        Measures after each round, by default an epoch: ``statistics["validation"]["label"]["accuracy"]``. Splits are
        training, validation and test; the output ``combined`` has the sum of all losses.
    best_round : int
        Round, from 0, whose parameters the model has.
    reports : dict of str to report
        Report on the test rows by output; empty without test rows.
    split : Split
        Numbers of the rows that were used, of each part.
    skipped : list of (str, AudioError)
        Rows that could not be used: the name of the sound, and the reason.
    directory : pathlib.Path
        Directory of the model.

    Examples
    --------
    >>> losses = {"validation": {"label": {"loss": [0.7, 0.2, 0.3]}}}
    >>> results = TrainingResults(losses, 1, {}, Split([0, 1], [2], []), [], Path("results"))
    >>> results.statistics["validation"]["label"]["loss"][results.best_round]
    0.2
    """

    statistics: Statistics
    best_round: int
    reports: dict[str, Any]
    split: Split = field(repr=False)
    skipped: list[tuple[str, AudioError]] = field(repr=False)
    directory: Path


def plateau_reductions(values: Sequence[float], metric: str, patience: int, most: int) -> int:
    """Return how often a measure has not improved for `patience` rounds, up to a number of times.

    Examples
    --------
    >>> plateau_reductions([2.0, 1.0, 1.5, 1.5, 1.5, 1.5], "loss", patience=2, most=5)
    2
    """
    count, best, waited = 0, -math.inf, 0
    for value in values:
        signed = -value if metric in MINIMIZED else value
        best, waited = (signed, 0) if signed > best else (best, waited + 1)
        if waited >= max(1, patience) and count < most:
            count, waited = count + 1, 0
    return count
