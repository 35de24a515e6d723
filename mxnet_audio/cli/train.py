"""``mxnet-audio train``: train a classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.clips import list_training_sets
from mxnet_audio.cli.files import BulkJob, with_channel
from mxnet_audio.cli.model import check_no_model
from mxnet_audio.cli.options import (
    MODELS,
    AsJson,
    Columns,
    Corpus,
    Data,
    Folds,
    Gpu,
    LabelSeparator,
    ModelDir,
    OneChannel,
    Overwrite,
    Separator,
    parse_path,
)
from mxnet_audio.cli.output import print_message, show_progress, thresholds_entry
from mxnet_audio.cli.training_options import (
    Accumulate,
    Adapter,
    BatchSize,
    Embedding,
    Encoder,
    EpochsOrDefault,
    FeatureFile,
    FeatureOptions,
    FineTune,
    Freeze,
    Head,
    InputShape,
    LearningRate,
    NetworkOptions,
    NewNetwork,
    RecipeName,
    RecipeOption,
    Seconds,
    SeveralWorkers,
    TrainingChoice,
    TrainingKvstore,
    TrainingScheduler,
    TrainingWorkers,
    WithoutWeights,
    fit_options,
)
from mxnet_audio.cli.vector_model import EncoderChoice, Revision, Source
from mxnet_audio.errors import ParameterError

__all__ = ["train"]


def train(
    data: Data,
    model_dir: ModelDir = MODELS,
    network: NewNetwork = None,
    encoder: Encoder = None,
    source: Source = None,
    revision: Revision = None,
    embedding: Embedding = None,
    head: Head = None,
    fine_tune: FineTune = False,
    freeze: Freeze = None,
    adapter: Adapter = None,
    without_weights: WithoutWeights = False,
    epochs: EpochsOrDefault = None,
    batch_size: BatchSize = 16,
    accumulate: Accumulate = 1,
    learning_rate: LearningRate = None,
    seconds: Seconds = None,
    input_shape: InputShape = None,
    features: FeatureFile = None,
    test_size: Annotated[
        float, typer.Option(help="Share of the clips in the validation set; 0 trains on all clips.")
    ] = 0.2,
    validation: Annotated[
        Path | None, typer.Option(parser=parse_path, metavar="DATA", help="Validation set, instead of a share of DATA.")
    ] = None,
    corpus: Corpus = None,
    folds: Folds = None,
    columns: Columns = None,
    separator: Separator = None,
    label_separator: LabelSeparator = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Seed of the split, the initial weights and the batches.")
    ] = 42,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the last checkpoint.")] = False,
    overwrite: Overwrite = False,
    early_stopping: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="EPOCHS", help="Stop when the validation loss has not improved for this many epochs."
        ),
    ] = None,
    recipe: RecipeOption = RecipeName.default,
    report: Annotated[
        Path | None,
        typer.Option(parser=parse_path, metavar="DIR", help="Write an HTML report on the validation set: report.html."),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(parser=parse_path, metavar="FILE.csv", help="Write loss and accuracy of each epoch to this file."),
    ] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="DIR",
            help="Also write loss and accuracy of each epoch as TensorBoard logs; needs tensorboardX.",
        ),
    ] = None,
    kvstore: TrainingKvstore = None,
    workers: TrainingWorkers = None,
    scheduler: TrainingScheduler = None,
    channel: OneChannel = "mix",
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Train a classifier on your own sounds.

    \b
    Examples:
      mxnet-audio train songs/ --encoder yamnet
      mxnet-audio train words/ --encoder wav2vec2 --source facebook/wav2vec2-base --embedding 6:mean
      mxnet-audio train words/ --encoder hubert --fine-tune --seconds 5
      mxnet-audio train songs/ --epochs 50
      mxnet-audio train list.csv --columns path=recording,label=species --separator ';'
      mxnet-audio train street.csv --encoder yamnet --label-separator '|'
      mxnet-audio train clips.csv --seconds 5 --network resnet_v2 --model-dir models/clips
      mxnet-audio train songs/ --epochs 50 --resume
      mxnet-audio train data/ESC-50 --corpus esc10 --folds 1,2,3,4 --seconds 5
      mxnet-audio train words/ --features fbank.yaml
      mxnet-audio train street/ --network m5 --seconds 4
      mxnet-audio train songs/ --kvstore dist_sync --workers 2
      mxnet-audio train songs/ --kvstore dist_sync --scheduler tcp://host:8786
    """
    if not 0 <= test_size < 1:
        raise ParameterError(f"test_size must be >= 0 and < 1, got {test_size}")
    if resume and overwrite:
        raise typer.BadParameter("give --resume or --overwrite, not both", param_hint="--overwrite")
    choice = EncoderChoice(encoder, embedding, source, revision)
    chosen = NetworkOptions(network, choice, TrainingChoice(head, fine_tune, freeze, adapter, without_weights))
    if kvstore is not None and not chosen.takes_steps:
        reason = "not for the last layer of an encoder alone, which takes seconds: give --fine-tune or --adapter, too"
        raise typer.BadParameter(reason, param_hint="--kvstore")
    several = SeveralWorkers(kvstore, workers, scheduler, gpu)
    feature_options = FeatureOptions(features, seconds, input_shape)
    chosen.check_features(feature_options)
    pairs, groups, validation_pairs = list_training_sets(
        data, validation, corpus, folds, columns, separator, label_separator
    )
    pairs = with_channel(pairs, channel)
    validation_pairs = validation_pairs and with_channel(validation_pairs, channel)
    if not (resume or overwrite):
        mends = "replace it with --overwrite, continue its training with --resume, or choose another --model-dir"
        check_no_model(model_dir, chosen.network, mends)
    if (kvstore is None or several.are_to_start) and (hint := chosen.hint()):
        print_message(hint)
    from mxnet_audio.model_store import stored_models

    # A worker that is started otherwise may have no model, which worker 0 has on another machine.
    is_only_here = scheduler is None and (kvstore is None or several.are_to_start)
    if resume and is_only_here and chosen.network not in stored_models(model_dir):
        print_message(f"{model_dir} holds no {chosen.network} model to resume: starting from the beginning")
    if several.are_to_start:
        raise typer.Exit(several.train())
    from mxnet_audio.training import CsvLog, TensorBoardLog, best_epoch

    logs = ((CsvLog, log), (TensorBoardLog, tensorboard))
    classifier = chosen.classifier(gpu)
    history = classifier.fit(
        pairs,
        model_dir,
        batch_size=batch_size,
        epochs=epochs or chosen.epochs,
        test_size=test_size,
        random_state=seed,
        checkpoint_interval=1,  # a killed run loses one epoch at most
        validation_pairs=validation_pairs,
        groups=groups if validation_pairs is None or classifier.has_inner_groups else None,
        resume=resume,
        overwrite=overwrite,
        early_stopping=early_stopping,
        feature_config=chosen.config(feature_options, classifier),
        progress=show_progress(),
        callbacks=[callback(path) for callback, path in logs if path is not None],
        report=report,
        kvstore=several.kvstore,
        **fit_options(learning_rate, recipe, classifier, accumulate),
    )
    if classifier.model_path is None:
        return  # another worker saved the model
    job = BulkJob(as_json)
    job.add_skipped(classifier.skipped)
    job.done = len(pairs) + len(validation_pairs or ()) - len(job.skipped)
    last, best = len(history["acc_train"]) - 1, best_epoch(history)
    measure = "accuracy" if classifier.thresholds is None else "mean average precision"
    summary = "all clips, no validation set"
    if history["acc_test"] and last == 0:
        summary = f"validation {measure} {100 * history['acc_test'][0]:.1f}%"
    elif history["acc_test"]:
        summary = (
            f"validation {measure} {100 * history['acc_test'][last]:.1f}% after the last epoch ({last + 1}), "
            f"{100 * history['acc_test'][best]:.1f}% after the best ({best + 1})"
        )
    lines = [f"trained {chosen.name} on {len(classifier.labels)} classes: {summary}"]
    lines += [f"wrote the report to {report / 'report.html'}"] if report is not None else []
    if others := sorted({*stored_models(model_dir)} - {classifier.network}):
        print_message(f"{model_dir} also holds {', '.join(others)}: choose one by --network")
    job.finish(
        {
            "model_dir": model_dir,
            "network": chosen.name,
            "model_id": classifier.model_id,
            "labels": classifier.labels,
            **thresholds_entry(classifier),
            "last": _epoch(history, last),
            "best": _epoch(history, best),
            "history": history,
        },
        [*lines, f"saved the model in {model_dir}"],
    )


def _epoch(history: dict[str, list[float]], epoch: int) -> dict[str, float]:
    """Return the measures of one epoch."""
    return {"epoch": epoch + 1, **{measure: values[epoch] for measure, values in history.items() if values}}
