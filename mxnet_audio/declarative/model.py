"""Models of whole runs: `AudioModel`, which a configuration describes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from mxnet_audio import model_store
from mxnet_audio.checks import path_argument
from mxnet_audio.declarative.batches import EncodedTable
from mxnet_audio.declarative.checkpoint import has_run, load_run, resume_run, run_identity, run_lock, save_run
from mxnet_audio.declarative.columns import Columns, complete_rows
from mxnet_audio.declarative.config import RunConfig
from mxnet_audio.declarative.fitted import FittedRun
from mxnet_audio.declarative.outputs import OutputPrediction, RowPrediction
from mxnet_audio.declarative.progress import Progress, Statistics, TrainingResults
from mxnet_audio.declarative.published import load_encoders
from mxnet_audio.declarative.results import write_results
from mxnet_audio.declarative.splits import Split, split_rows
from mxnet_audio.declarative.table import read_table
from mxnet_audio.declarative.trainer import RunTrainer
from mxnet_audio.engine import contexts, mx, nd
from mxnet_audio.errors import AudioError, DatasetError, ModelError
from mxnet_audio.library.trained_model import skipped_notes
from mxnet_audio.model_store import AUDIO_MODEL

__all__ = ["AudioModel"]


class AudioModel:
    """Model of a whole run: a network from sounds and other columns of a table to one or several outputs.

    It can be pickled and copied.

    Parameters
    ----------
    config : path, str, mapping or RunConfig
        Configuration in the names of Ludwig, see `RunConfig.read`.
    model_ctx, data_ctx : mxnet.Context, optional
        Device of the network, and device on which batches are put first; the CPU by default.

    Raises
    ------
    ParameterError
        If the configuration is wrong, or there is no such device.

    Attributes
    ----------
    config : RunConfig
    skipped : list of (str, AudioError)
        Rows of the last data set that could not be used: the name of the sound, and the reason.

    Examples
    --------
    >>> time, labels = np.arange(1600) / 8000, ["low", "high"] * 10
    >>> sounds = [np.sin(((1900 if label == "low" else 9400) + 9 * row) * time) for row, label in enumerate(labels)]
    >>> table = {"clip": [(samples, 8000) for samples in sounds], "label": labels}
    >>> model = AudioModel({
    ...     "input_features": [{"name": "clip", "type": "audio", "encoder": {"num_filters": 8}}],
    ...     "output_features": [{"name": "label", "type": "category"}],
    ...     "preprocessing": {"split": {"type": "stratify", "column": "label", "probabilities": [0.6, 0.2, 0.2]}},
    ...     "trainer": {"epochs": 3, "batch_size": 4},
    ... })
    >>> results = model.train(table, getfixture("tmp_path") / "results", cache=False, progress=False)
    >>> results.reports["label"].accuracy
    1.0
    >>> model = AudioModel.load(results.directory)
    >>> (prediction,) = model.predict({"clip": table["clip"][:1]}, cache=False)
    >>> prediction.outputs["label"].value
    'low'
    >>> model.evaluate(table, cache=False)["label"].accuracy, model.encode(table, cache=False)[0].shape
    (1.0, (256,))
    """

    def __init__(
        self,
        config: str | os.PathLike | Mapping[str, Any] | RunConfig,
        model_ctx: mx.Context | None = None,
        data_ctx: mx.Context | None = None,
    ):
        self._model_ctx, self._data_ctx = contexts(model_ctx, data_ctx)
        self.config = config if isinstance(config, RunConfig) else RunConfig.read(config)
        self.skipped: list[tuple[str, AudioError]] = []
        self._fitted: FittedRun | None = None
        self._notes: dict[str, Any] = {}
        self._statistics: Statistics = {}

    def __repr__(self) -> str:
        """Return one line with the names of the inputs and outputs."""
        inputs, outputs = self.config.input_features, self.config.output_features
        names = ", ".join(one.name for one in inputs), ", ".join(one.name for one in outputs)
        return f"AudioModel({names[0]} -> {names[1]}{'' if self._fitted else ', untrained'})"

    @property
    def _run(self) -> FittedRun:
        if self._fitted is None:
            raise ModelError("no model yet: call train or AudioModel.load first")
        return self._fitted

    @property
    def _devices(self) -> dict[str, mx.Context]:
        return {"model_ctx": self._model_ctx, "data_ctx": self._data_ctx}

    @property
    def columns(self) -> Columns:
        """Encodings of the columns, such as the labels of an output; ModelError if there is no model yet."""
        return self._run.columns

    @property
    def statistics(self) -> Statistics:
        """Measures of the training, see `TrainingResults`; empty if there was none."""
        return self._statistics

    def train(
        self,
        dataset: Any,
        output_directory: str | os.PathLike = "results",
        *,
        resume: bool = False,
        overwrite: bool = False,
        cache: bool | str | os.PathLike = True,
        progress: bool = True,
    ) -> TrainingResults:
        """Train on a data set, which is split as ``preprocessing.split`` says, and report on its test rows.

        The directory then holds the model, the complete configuration (``config.yaml``), the part of each row
        (``split.csv``), the measures after each round (``training_statistics.json``), and the reports on the test rows
        (``test_statistics.json``).

        The model has the parameters of the best round on the validation rows, by the validation metric; without
        validation rows, those of the last round. Thresholds of sets are chosen on the validation rows, too. The test
        rows choose nothing. Rows that cannot be used are left out, logged, and listed in `skipped`.

        Parameters
        ----------
        dataset : path, pandas.DataFrame, datasets.Dataset, mapping of columns, or list of mappings
            Table with the columns of all features, see `read_table`.
        output_directory : str or os.PathLike
            Directory of the model and its checkpoints; created if missing.
        resume : bool
            Resume from the last checkpoint in the directory, if there is one; the result is the same as without the
            interruption. ``epochs`` and ``early_stop`` may be others than before.
        overwrite : bool
            Replace a model that is in the directory. If False, it is an error, unless its training is resumed.
        cache : bool or str or os.PathLike
            Cache of the features on disk: in the user's cache directory (True), in another directory, or none (False).
        progress : bool
            Show a progress bar on standard error. If False, each round is logged (INFO).

        Returns
        -------
        TrainingResults

        Raises
        ------
        DatasetError
            If a column is missing or cannot be used, a part of the split would be empty, or no sound can be used.
        ModelError
            If the directory cannot be written to, or holds a model that is not to be replaced; if training cannot be
            resumed from the checkpoint, published weights cannot be loaded, or the loss becomes infinite or NaN.
        ParameterError
            If an argument or the data set is of the wrong type, or layers do not fit the sounds.
        """
        directory = path_argument("output_directory", output_directory)
        model_store.check_writable(directory)
        self.config.to_yaml()  # too long a one is an error now, not after the first round
        if keep := not (overwrite or resume):
            model_store.check_free(directory, AUDIO_MODEL)
        table, config = read_table(dataset), self.config
        split = split_rows(config, table, complete_rows(config, table))
        columns = Columns.fit(config, table, split.train)
        encoders = load_encoders(config, **self._devices)
        encoded = EncodedTable(config, columns, table, encoders=encoders, cache=cache)
        found = set(encoded.usable(sorted(row for rows in split for row in rows), show=progress))
        usable = Split(*([row for row in rows if row in found] for rows in split))
        self.skipped = [(name, error) for _, name, error in encoded.skipped]
        if not usable.train:
            raise DatasetError(f"no training row can be used, the first because {encoded.skipped[0][2]}", table.path)
        notes: dict[str, Any] = {
            "training": run_identity(config, table, usable),
            "skipped": skipped_notes(self.skipped),
        }
        with run_lock(directory):
            if keep:  # another process may have trained here meanwhile
                model_store.check_free(directory, AUDIO_MODEL)
            run, state = FittedRun(config, columns, encoders, **self._devices), Progress()
            if resume and has_run(directory):
                state = resume_run(run, directory, notes["training"])

            def save(reports: Mapping[str, Any]) -> None:
                # The model first: until it is replaced, the other files stay those of the model before.
                save_run(run, directory, notes, state)
                write_results(directory, config, len(table), usable, state.statistics, reports)

            RunTrainer(run, encoded, usable, state, partial(save, {})).train(progress)
            if usable.validation:
                for output, scores, targets in run.record(encoded, usable.validation).results():
                    output.choose_thresholds(scores, targets)
            skipped = [(name, error) for row, name, error in encoded.skipped if row in set(split.test)]
            reports = _reports(run, encoded, usable.test, skipped) if usable.test else {}
            notes["reports"] = {name: _without_paths(report.to_dict()) for name, report in reports.items()}
            save(notes["reports"])
        self._fitted, self._notes, self._statistics = run, notes, state.statistics
        best = state.best_round(config.trainer)
        return TrainingResults(state.statistics, best, reports, usable, self.skipped, directory)

    def predict(
        self, dataset: Any, *, cache: bool | str | os.PathLike = True, progress: bool = False
    ) -> list[RowPrediction]:
        """Predict the outputs of the rows of a data set.

        Parameters
        ----------
        dataset, cache
            As for `train`; the columns of the outputs are not needed.
        progress : bool
            Show a progress bar on standard error.

        Returns
        -------
        list of RowPrediction
            In the order of the rows. Rows that cannot be used have an error, and are listed in `skipped`.

        Raises
        ------
        DatasetError
            If a column is missing.
        ModelError
            If there is no model yet, or a batch does not fit in memory.
        ParameterError
            If the data set is of the wrong type.
        """
        run = self._run
        names = [output.name for output in run.outputs]

        def predicted(scores: list[nd.NDArray], _: nd.NDArray) -> list[dict[str, OutputPrediction]]:
            values = [output.predictions(array.asnumpy()) for output, array in zip(run.outputs, scores)]
            return [dict(zip(names, row)) for row in zip(*values)]

        found, errors = self._compute(predicted, dataset, cache, progress)
        return [RowPrediction(found.get(row, {}), errors.get(row)) for row in range(len(found) + len(errors))]

    def encode(
        self, dataset: Any, *, cache: bool | str | os.PathLike = True, progress: bool = False
    ) -> list[np.ndarray | None]:
        """Compute the output of the combiner, a vector [shape=(dim,)], of the rows of a data set.

        Parameters and errors as for `predict`. Rows that cannot be used are None, and are listed in `skipped`.
        """
        found, errors = self._compute(lambda _, vectors: vectors.asnumpy(), dataset, cache, progress)
        return [found.get(row) for row in range(len(found) + len(errors))]

    def _compute(
        self, result: Callable[[list[nd.NDArray], nd.NDArray], Iterable[Any]], dataset: Any, cache: Any, progress: bool
    ) -> tuple[dict[int, Any], dict[int, AudioError]]:
        """Compute something of each row from the scores and vectors of batches; return it, or an error, by row."""
        run, table = self._run, read_table(dataset)
        encoded = EncodedTable(run.config, run.columns, table, encoders=run.encoders, cache=cache, targets=False)
        found: dict[int, Any] = {}
        for batch, (*scores, vectors) in run.forward(encoded, range(len(table)), show=progress):
            found.update(zip(batch.rows.tolist(), result(scores, vectors)))
        self.skipped = [(name, error) for _, name, error in encoded.skipped]
        return found, {row: error for row, _, error in encoded.skipped}

    def evaluate(
        self, dataset: Any, *, cache: bool | str | os.PathLike = True, progress: bool = False
    ) -> dict[str, Any]:
        """Compare the predictions for a data set with its outputs.

        Parameters and errors as for `train`; by default, there is no progress bar. Rows that cannot be used, or whose
        value of an output is missing or unknown, are left out, and listed in the reports and in `skipped`.

        Returns
        -------
        dict of str to report
            By output: a `ClassificationReport` of categories, a `BinaryReport` of flags, a `MultiLabelReport` of sets
            and a `RegressionReport` of numbers.
        """
        run, table = self._run, read_table(dataset)
        encoded = EncodedTable(run.config, run.columns, table, encoders=run.encoders, cache=cache)
        usable = encoded.usable(range(len(table)), show=progress)
        self.skipped = [(name, error) for _, name, error in encoded.skipped]
        if not usable:
            raise DatasetError(f"no row can be evaluated, the first because {encoded.skipped[0][2]}", table.path)
        return _reports(run, encoded, usable, self.skipped, show=progress)

    def save(self, directory: str | os.PathLike) -> None:
        """Save the model in a directory, without what only resuming its training needs.

        Parameters
        ----------
        directory : str or os.PathLike
            Directory; created if missing. A model in it is replaced.

        Raises
        ------
        ModelError
            If there is no model yet, or the directory cannot be written to.
        ParameterError
            If `directory` is not a path.
        """
        path, run = path_argument("directory", directory), self._run
        with run_lock(path):
            save_run(run, path, {**self._notes, "statistics": self._statistics})

    @classmethod
    def load(
        cls,
        directory: str | os.PathLike,
        model_ctx: mx.Context | None = None,
        data_ctx: mx.Context | None = None,
        *,
        source: str | os.PathLike | Mapping[str, str | os.PathLike] | None = None,
    ) -> AudioModel:
        """Load the model of a directory that `train` or `save` wrote.

        Parameters
        ----------
        directory : str or os.PathLike
        source : str, os.PathLike or mapping of str to these, optional
            File, folder or name on the hub of the published weights, if they are not saved with the model and are no
            longer where they were in its training; of several encoders by the name of the input. `save` keeps it.
        model_ctx, data_ctx : mxnet.Context, optional
            As for `AudioModel`.

        Raises
        ------
        ModelError
            If there is no model, it is damaged, or the published weights that it needs cannot be loaded.
        ParameterError
            If an argument is of the wrong type, or there is no such device.
        """
        path = path_argument("directory", directory)
        devices = dict(zip(("model_ctx", "data_ctx"), contexts(model_ctx, data_ctx)))
        run, manifest = load_run(path, source, **devices)
        model = cls(run.config, **devices)
        model._fitted, model._statistics = run, manifest["statistics"]
        model._notes = {name: manifest[name] for name in ("training", "skipped", "reports") if name in manifest}
        return model


def _reports(
    run: FittedRun, table: EncodedTable, rows: list[int], skipped: list[tuple[str, AudioError]], *, show: bool = False
) -> dict[str, Any]:
    """Return the report of each output on rows."""
    results = run.record(table, rows, show=show).results()
    return {output.name: output.report(scores, targets, skipped) for output, scores, targets in results}


def _without_paths(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report without the paths of skipped sounds: models are passed on, and paths name folders and users."""
    return {name: value for name, value in report.items() if name != "skipped"}
