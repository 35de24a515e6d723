"""``mxnet-audio run``: a whole run from one configuration in Ludwig's names, and predictions of its model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from mxnet_audio.cli.files import BulkJob
from mxnet_audio.cli.model import device
from mxnet_audio.cli.options import AsJson, Gpu, Overwrite, parse_path
from mxnet_audio.cli.output import print_message, show_progress
from mxnet_audio.errors import ModelError, ParameterError

if TYPE_CHECKING:
    from mxnet_audio.declarative import AudioModel, TrainingResults
    from mxnet_audio.declarative.table import Table

__all__ = ["run"]

RESULTS = Path("results")


class _TrainByDefault(TyperGroup):
    """Group whose command `train` is meant where there is none before the options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the command."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["train", *args]
        return super().parse_args(ctx, args)


run = typer.Typer(
    cls=_TrainByDefault,
    rich_markup_mode=None,
    subcommand_metavar="[train] --config FILE --dataset FILE | COMMAND [ARGS]...",
    help="""Train, test and use a model that one YAML file describes.

    The names in it are those of Ludwig. `train` can be left out.

    \b
    Examples:
      mxnet-audio run --config c.yaml --dataset clips.csv --output results/
      mxnet-audio run train --help                # the options of training
      mxnet-audio run predict --model results/ --dataset new.csv --output predictions.csv
      mxnet-audio run evaluate --model results/ --dataset held-out.csv
    """,
)

Dataset = Annotated[
    Path,
    typer.Option(
        "--dataset",
        parser=parse_path,
        metavar="FILE",
        help="Table with a column for each feature: CSV, TSV, JSON lines or Parquet. Relative paths of sounds start "
        "from its folder.",
    ),
]
Results = Annotated[
    Path,
    typer.Option(
        "--model", parser=parse_path, metavar="DIR", help="Folder that `mxnet-audio run` wrote its results to."
    ),
]
Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        parser=lambda value: str(parse_path(value)),
        metavar="NAME_OR_FOLDER",
        help="Weights of the encoder of a model that was saved without them: a folder, or a name on the Hugging Face "
        "hub. [default: as in its training]",
    ),
]


class Part(str, Enum):
    """Parts of the split of a training."""

    train = "train"
    validation = "validation"
    test = "test"


SplitPart = Annotated[
    Part | None,
    typer.Option("--split", help="Use only this part of the table that the model was trained on. [default: all rows]"),
]


@run.command()
def train(
    config: Annotated[
        Path,
        typer.Option("--config", "-c", parser=parse_path, metavar="FILE", help="Configuration of the run, in YAML."),
    ],
    dataset: Dataset,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            parser=parse_path,
            metavar="DIR",
            help="Folder of the results: the model, its configuration, the split, and the measures.",
        ),
    ] = RESULTS,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the last checkpoint.")] = False,
    overwrite: Overwrite = False,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Split a table, train on one part of it, and report on another.

    The configuration names the columns that the network takes and predicts. `mxnet-audio config check` prints it with
    all defaults. The model is that of the best round on the validation rows; the report is on the test rows.

    \b
    Examples:
      mxnet-audio run --config c.yaml --dataset clips.csv --output results/
      mxnet-audio run --config c.yaml --dataset clips.csv --output results/ --resume
    """
    if resume and overwrite:
        raise typer.BadParameter("give --resume or --overwrite, not both", param_hint="--overwrite")
    from mxnet_audio.declarative.config import RunConfig
    from mxnet_audio.declarative.table import read_table

    settings, table = RunConfig.read(config), read_table(dataset)
    for feature in (*settings.input_features, *settings.output_features):
        table.rows_of(feature.column)
    if not (resume or overwrite) and _holds_model(output):
        mends = "replace it with --overwrite, continue its training with --resume, or choose another --output"
        raise ModelError(f"holds a model: {mends}", output)
    if resume and not _holds_model(output):
        print_message(f"{output} holds no model to resume: starting from the beginning")
    from mxnet_audio.declarative import AudioModel

    model = AudioModel(settings, device(gpu))
    try:
        results = model.train(table, output, resume=resume, overwrite=overwrite, progress=show_progress())
    except KeyboardInterrupt:
        print_message(f"stopped; --resume continues from the last checkpoint in {output}, if there is one")
        raise typer.Exit(130) from None
    parts = {part: len(rows) for part, rows in results.split._asdict().items()}
    job = BulkJob(as_json)
    job.add_skipped(results.skipped)
    job.done = sum(parts.values())
    job.finish(
        {
            "model_dir": output,
            "rows": parts,
            "rounds": len(results.statistics["training"]["combined"]["loss"]),
            "best_round": results.best_round + 1,
            "statistics": results.statistics,
            "reports": _documents(results.reports),
        },
        [*_summary(model, results), *_texts(results.reports), f"saved the model in {output}"],
    )


run.command("experiment", hidden=True)(train)  # Ludwig's name


@run.command()
def predict(
    dataset: Dataset,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            parser=parse_path,
            metavar="FILE",
            help="Table to write: a name ending in .csv, .jsonl or .parquet (which needs pyarrow).",
        ),
    ],
    model: Results = RESULTS,
    split: SplitPart = None,
    source: Source = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Predict the outputs of the rows of a table.

    The columns of the table come first; then, for an output `label`, label_predictions, label_probabilities_<class> for
    each class, and label_probability, that of the predicted class. A row that cannot be used has the reason in the last
    column, error. The columns of the outputs are not needed.

    \b
    Examples:
      mxnet-audio run predict --model results/ --dataset new.csv --output predictions.csv
      mxnet-audio run predict --model results/ --dataset new.parquet --output predictions.parquet
    """
    from mxnet_audio.declarative.predictions import check_table_path, prediction_columns, set_separators, write_table
    from mxnet_audio.declarative.table import read_table

    try:
        check_table_path(output)
    except ParameterError as error:
        raise typer.BadParameter(error.reason, param_hint="--output") from None
    if output.exists() and dataset.exists() and output.samefile(dataset):
        raise typer.BadParameter(f"is the --dataset, which would be replaced: {output}", param_hint="--output")
    _check_model(model)
    table = read_table(dataset)
    if split is not None:
        table = _part(model, table, split)
    trained = _load(model, source, gpu)
    predictions = trained.predict(table, progress=show_progress())
    columns = prediction_columns(trained, table, predictions)
    write_table(columns, output, set_separators(trained))
    job = BulkJob(as_json)
    job.add_skipped(trained.skipped)
    job.done = len(table) - len(trained.skipped)
    job.finish(
        {"model_dir": model, "output": output, "rows": len(table), "columns": list(columns)},
        f"wrote {len(table)} rows to {output}",
    )


@run.command()
def evaluate(
    dataset: Dataset,
    model: Results = RESULTS,
    split: SplitPart = None,
    source: Source = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Compare the predictions for a table with its columns of the outputs.

    Without --split, all rows are evaluated, whatever part of the training they were in.

    \b
    Examples:
      mxnet-audio run evaluate --model results/ --dataset held-out.csv
      mxnet-audio run evaluate --model results/ --dataset held-out.csv --json
      mxnet-audio run evaluate --model results/ --dataset clips.csv --split validation
    """
    _check_model(model)
    from mxnet_audio.declarative.table import read_table

    table = read_table(dataset)
    if split is not None:
        table = _part(model, table, split)
    trained = _load(model, source, gpu)
    reports = trained.evaluate(table, progress=show_progress())
    job = BulkJob(as_json)
    job.add_skipped(trained.skipped)
    job.done = len(table) - len(trained.skipped)
    document = {"model_dir": model, "rows": job.done, "reports": _documents(reports)}
    job.finish(document, _texts(reports))


def _holds_model(folder: Path) -> bool:
    """Return whether a folder, which need not exist, holds the model of a run, finished or not."""
    from mxnet_audio.model_store import AUDIO_MODEL, stored_models  # imports NumPy, which help texts do not need

    return AUDIO_MODEL in stored_models(folder)


def _check_model(folder: Path) -> None:
    """Raise ModelError if a folder holds no model of a run, before MXNet is imported."""
    if _holds_model(folder):
        return
    if not folder.exists():
        raise ModelError("no such folder", folder)
    from mxnet_audio.model_store import stored_models

    other = "; a model of `mxnet-audio train` is used by `mxnet-audio predict --model-dir` and `mxnet-audio evaluate`"
    raise ModelError(f"holds no model of `mxnet-audio run`{other if stored_models(folder) else ''}", folder)


def _part(folder: Path, table: Table, part: Part) -> Table:
    """Return the rows of a part of the table that a model was trained on."""
    from mxnet_audio.declarative.checkpoint import part_of_table

    return part_of_table(folder, table, part.value)


def _load(folder: Path, source: str | None, gpu: int | None) -> AudioModel:
    from mxnet_audio.declarative import AudioModel

    return AudioModel.load(folder, device(gpu), source=source)


def _summary(model: AudioModel, results: TrainingResults) -> Iterator[str]:
    """Yield a line on the rows, and one on the measure that the training was validated by."""
    parts = (f"{len(rows)} {part}" for part, rows in results.split._asdict().items())
    rounds, best = len(results.statistics["training"]["combined"]["loss"]), results.best_round
    yield f"rows: {', '.join(parts)}"
    if not results.split.validation:
        yield f"the model is that of the last round ({rounds}): there are no validation rows"
        return
    field, metric = str(model.config.trainer.validation_field), str(model.config.trainer.validation_metric)
    values = results.statistics["validation"][field][metric]
    yield (
        f"validation {field} {metric}: {values[-1]:.3f} after the last round ({rounds}), "
        f"{values[best]:.3f} after the best ({best + 1})"
    )


def _documents(reports: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reports by output for JSON, without the rows that were left out: the document lists them once."""
    return {name: _without_skipped(report).to_dict() for name, report in reports.items()}


def _texts(reports: Mapping[str, Any]) -> Iterable[str]:
    """Yield the lines of the report of each output, below its name."""
    for name, report in reports.items():
        yield from (f"{name}:", *str(_without_skipped(report)).split("\n"))


def _without_skipped(report: Any) -> Any:
    return replace(report, skipped=()) if hasattr(report, "skipped") else report
