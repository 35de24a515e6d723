"""``mxnet-audio events``: find the events in long recordings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mxnet_audio.cli.cluster_options import (
    ClusterChoice,
    OverwriteParts,
    PartitionSize,
    Places,
    Scheduler,
    Workers,
    check_parts_folder,
    model_of_job,
    parse_place,
    run_on_cluster,
)
from mxnet_audio.cli.files import BulkJob, Sources
from mxnet_audio.cli.model import find_labeller, load_tagger
from mxnet_audio.cli.options import AnyModelOrTagger, AsJson, Gpu, OneChannel, StoredModel, StoredNetwork
from mxnet_audio.cli.output import print_lines
from mxnet_audio.cli.vector_model import EncoderChoice, Revision, Source
from mxnet_audio.cluster.urls import is_url
from mxnet_audio.errors import AudioError, ParameterError

if TYPE_CHECKING:
    from mxnet_audio.cli.model import Labeller
    from mxnet_audio.events import Event

__all__ = ["events"]


def events(
    paths: Places,
    encoder: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Pretrained encoder that has tags, such as yamnet or ast (any sound) or musicnn (music).",
        ),
    ] = None,
    source: Source = None,
    revision: Revision = None,
    model_dir: AnyModelOrTagger = None,
    network: StoredNetwork = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="SCORE",
            help="Lowest score of an event, above 0 and at most 1. [default: those of a model of several labels a "
            "clip, else 0.5]",
        ),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Look for this label only; may be given several times.")
    ] = None,
    window: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Length of a window. [default: the length that the model takes]"),
    ] = None,
    hop: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Time from the start of a window to that of the next. [default: half a window]"
        ),
    ] = None,
    min_duration: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Leave shorter events out.")] = 0.0,
    max_gap: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Merge events of a label that are not further apart.")
    ] = 0.0,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            parser=parse_place,
            metavar="FILE",
            help="events.csv or events.json; of one recording also labels.txt (Audacity) or table.selections.txt "
            "(Raven); with --scheduler or --workers, a folder or URL of Parquet files. [default: printed]",
        ),
    ] = None,
    channel: OneChannel = "mix",
    gpu: Gpu = None,
    scheduler: Scheduler = None,
    workers: Workers = None,
    partition_size: PartitionSize = None,
    overwrite: OverwriteParts = False,
    as_json: AsJson = False,
) -> None:
    """Find the events in long recordings.

    Recordings are labelled window by window. Consecutive windows in which the score of a label reaches the threshold
    are one event of it; its score is the highest among them.

    \b
    Examples:
      mxnet-audio events night.flac --encoder yamnet --threshold 0.3
      mxnet-audio events night.flac --label Dog --label Owl --max-gap 2 --output night.txt
      mxnet-audio events recordings/ --model-dir models --output events.csv
      mxnet-audio events s3://bucket/2026/ --encoder yamnet --scheduler tcp://host:8786 -o s3://bucket/events
    """
    if threshold is not None and not 0 < threshold <= 1:
        raise typer.BadParameter(f"must be above 0 and at most 1, got {threshold:g}", param_hint="--threshold")
    for name, value in (("--window", window), ("--hop", hop)):
        if value is not None and not 0 < value < math.inf:
            raise typer.BadParameter(f"must be above 0, got {value:g}", param_hint=name)
    if hop is not None and window is not None and hop > window:
        reason = f"must be <= the window of {window:g} s, or sound would be left out, got {hop:g}"
        raise typer.BadParameter(reason, param_hint="--hop")
    choice = EncoderChoice(encoder, source=source, revision=revision)
    if encoder is not None:
        if model_dir is not None or network is not None:
            raise typer.BadParameter("not with --model-dir or --network", param_hint="--encoder")
        choice.check_tags()
    cluster = ClusterChoice(scheduler, workers, partition_size, overwrite)
    merging: dict[str, Any] = {"min_duration": min_duration, "max_gap": max_gap}
    if cluster.check(output=output if output is not None and is_url(output) else None):
        folder = check_parts_folder(output)
        model = model_of_job(choice, model_dir, network, gpu)
        from mxnet_audio.cluster import EventsJob

        model |= {"window": window, "hop": hop, "threshold": threshold, "labels": tuple(label) if label else None}
        run_on_cluster(cluster, EventsJob(**model, **merging, channel=channel), paths, folder, as_json)
        return
    path = None if output is None else _label_file(Path(output))
    load = _find_model(choice, model_dir, network, gpu)
    job = BulkJob(as_json)
    sources = job.find_sources(paths, channel)
    if path is not None and len(sources) > 1 and path.suffix.lower() == ".txt":
        reason = f"a .txt file holds the events of one recording, got {len(sources)}: use .csv or .json"
        raise typer.BadParameter(reason, param_hint="--output")
    from mxnet_audio.events import label_thresholds, write_events
    from mxnet_audio.library.tagger import AudioTagger

    labeller = load()
    chosen = label_thresholds(labeller.labels, threshold, label, getattr(labeller, "thresholds", None))
    found = _find_events(labeller, sources, (window, hop), {"threshold": chosen, **merging}, job)
    document: dict[str, Any] = {"model_id": labeller.model_id, "labels": list(chosen)}
    if path is None:
        entries = []
        for name, of_file in found:
            entries.append({"path": name, "events": [event._asdict() for event in of_file]})
            if not as_json:
                print_lines(name, *map(_to_text, of_file))
        job.finish({**document, "files": entries})
    else:
        config = (labeller.encoder if isinstance(labeller, AudioTagger) else labeller).feature_config
        top = {} if config.sr is None else {"max_frequency": config.sr / 2}
        count = write_events(path, _rows(found, job, {**document, "output": None, "events": 0}), **top)
        job.finish({**document, "output": path, "events": count}, f"wrote {count} events to {path}")


def _label_file(path: Path) -> Path:
    """Return the path of a label file; raise an error if it is not one that can be written."""
    from mxnet_audio.events import label_file_format

    try:
        label_file_format(path)
    except ParameterError as error:
        raise typer.BadParameter(error.reason, param_hint="--output") from None
    if path.is_dir():
        raise typer.BadParameter(f"expected a file, got the folder {path}", param_hint="--output")
    if not path.parent.is_dir():
        raise AudioError("no such folder", path.parent)
    return path


def _find_model(
    choice: EncoderChoice, model_dir: Path | None, network: StoredModel | None, gpu: int | None
) -> Callable[[], Labeller]:
    """Find the chosen tagger, or the trained model, and return the function that loads it."""
    encoder = choice.name
    if encoder is not None:
        return lambda: load_tagger(encoder, gpu, choice.source, choice.revision)
    if choice.revision is not None:
        raise typer.BadParameter("needs --encoder", param_hint="--revision")
    return find_labeller(model_dir, network, gpu, choice.source)


def _find_events(
    model: Labeller, sources: Sources, windows: tuple[float | None, float | None], options: dict[str, Any], job: BulkJob
) -> Iterator[tuple[str, list[Event]]]:
    """Yield each recording with its events in order; those that cannot be used are skipped."""
    from mxnet_audio.events import find_events

    for path, source in sources:
        try:
            found = sorted(find_events(model.iter_timeline(source, *windows), **options))
        except AudioError as error:
            job.skip(path, error)
            continue
        job.done += 1
        yield path, found


def _rows(
    found: Iterator[tuple[str, list[Event]]], job: BulkJob, document: dict[str, Any]
) -> Iterator[tuple[str, Event]]:
    """Yield recordings and events one by one; if no recording can be used, exit before anything is written."""
    for path, of_file in found:
        for event in of_file:
            yield path, event
    if not job.done:
        job.finish(document)


def _to_text(event: Event) -> str:
    return f"  {event.start:8.2f} to {event.end:8.2f} s  {event.score:.3f}  {event.label}"
