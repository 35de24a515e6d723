"""``mxnet-audio tag``: tag sound files with the classes of a pretrained encoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mxnet_audio.cli.cluster_options import (
    ClusterChoice,
    OverwriteParts,
    PartitionSize,
    PartsFolder,
    Places,
    Scheduler,
    Workers,
    check_parts_folder,
    model_of_job,
    run_on_cluster,
)
from mxnet_audio.cli.files import BulkJob, Sources
from mxnet_audio.cli.model import TAGGER, load_tagger
from mxnet_audio.cli.options import AsJson, Channel, Gpu, TopK
from mxnet_audio.cli.output import print_lines, print_message
from mxnet_audio.cli.vector_model import EncoderChoice, Revision, Source
from mxnet_audio.errors import AudioError

if TYPE_CHECKING:
    from mxnet_audio.inference import Prediction, TimedPrediction
    from mxnet_audio.library.tagger import AudioTagger

__all__ = ["tag"]


def tag(
    paths: Places,
    top_k: TopK = 5,
    timeline: Annotated[
        bool, typer.Option("--timeline", help="Tag each window of the length that the encoder takes, 1 to 30 s.")
    ] = False,
    encoder: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Pretrained encoder that has tags, such as yamnet or ast (any sound) or musicnn (music).",
        ),
    ] = TAGGER,
    source: Source = None,
    revision: Revision = None,
    channel: Channel = "mix",
    gpu: Gpu = None,
    scheduler: Scheduler = None,
    workers: Workers = None,
    output: PartsFolder = None,
    partition_size: PartitionSize = None,
    overwrite: OverwriteParts = False,
    as_json: AsJson = False,
) -> None:
    """Tag sound files by a pretrained encoder.

    Each tag has a score from 0 to 1 of its own: several can be high, or none. The scores of models of the Hugging Face
    hub that choose one of their classes add up to 1.

    \b
    Examples:
      mxnet-audio tag clip.wav -k 3
      mxnet-audio tag street.flac --timeline
      mxnet-audio tag songs/ --encoder musicnn --json > tags.json
      mxnet-audio tag songs/ --workers 4 --output tags/   # Parquet files, and a rerun continues
    """
    choice = EncoderChoice(encoder, source=source, revision=revision)
    choice.check_tags()
    cluster = ClusterChoice(scheduler, workers, partition_size, overwrite)
    if cluster.check(output=output):
        if timeline:
            reason = "not with --scheduler or --workers, see `mxnet-audio events`"
            raise typer.BadParameter(reason, param_hint="--timeline")
        folder = check_parts_folder(output)
        model = model_of_job(choice, None, None, gpu)
        from mxnet_audio.cluster import TagJob

        run_on_cluster(cluster, TagJob(**model, top_k=top_k, channel=channel), paths, folder, as_json)
        return
    job = BulkJob(as_json)
    sources = job.find_sources(paths, channel)
    tagger = load_tagger(encoder, gpu, source, revision)
    print_message(f"tags by the encoder {encoder}: {source or tagger.encoder.record.summary}")
    entries = []
    for entry, lines in (_timelines if timeline else _tags)(tagger, sources, job, top_k):
        job.done += 1
        if as_json:
            entries.append(entry)
        else:
            print_lines(*lines)
    job.finish({"encoder": encoder, "model_id": tagger.model_id, "files": entries})


def _tags(
    tagger: AudioTagger, sources: Sources, job: BulkJob, top_k: int
) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Yield the tags of each sound, for JSON and as lines."""
    for prediction, (path, _) in zip(tagger.predict_many([source for _, source in sources]), sources):
        if prediction.error is not None:
            job.skip(path, prediction.error)
            continue
        lines = [f"  {score:.3f}  {name}" for name, score in prediction.top(top_k)]
        yield {"path": path, "tags": _json_tags(prediction, top_k)}, [path, *lines]


def _timelines(
    tagger: AudioTagger, sources: Sources, job: BulkJob, top_k: int
) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Yield the tags of each sound's windows, for JSON and as lines."""
    for path, source in sources:
        segments, lines = [], []
        try:
            for part in tagger.iter_timeline(source):  # of hours of sound, the scores of all tags do not fit in memory
                segments.append({"start": part.start, "end": part.end, "tags": _json_tags(part, top_k)})
                lines.append(f"  {part.start:8.2f} to {part.end:8.2f} s  {_to_text(part, top_k)}")
        except AudioError as error:
            job.skip(path, error)
            continue
        yield {"path": path, "segments": segments}, [path, *lines]


def _to_text(part: TimedPrediction, top_k: int) -> str:
    return "; ".join(f"{score:.3f} {name}" for name, score in part.top(top_k)) or "(silent)"


def _json_tags(prediction: Prediction | TimedPrediction, top_k: int) -> list[dict[str, Any]]:
    return [{"tag": name, "score": score} for name, score in prediction.top(top_k)]
