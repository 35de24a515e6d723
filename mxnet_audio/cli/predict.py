"""``mxnet-audio predict``: label sound files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mxnet_audio.cli.files import BulkJob, Sources
from mxnet_audio.cli.model import find_labeller
from mxnet_audio.cli.options import AnyModelOrTagger, AsJson, Channel, Gpu, Paths, StoredNetwork
from mxnet_audio.cli.output import print_lines, thresholds_entry
from mxnet_audio.cli.vector_model import ModelSource
from mxnet_audio.errors import AudioError

if TYPE_CHECKING:
    from mxnet_audio.cli.model import Labeller
    from mxnet_audio.inference import Prediction, TimedPrediction

__all__ = ["predict"]

SILENT = "(silent)"  # in place of the label of digital silence
MAX_LABEL_WIDTH = 32  # of the column of labels; longer ones, as some tags are, move the next column


def predict(
    paths: Paths,
    model_dir: AnyModelOrTagger = None,
    network: StoredNetwork = None,
    source: ModelSource = None,
    timeline: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Label each window of this length, for long files."),
    ] = None,
    hop: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Time from the start of one window to the start of the next. [default: half a window]",
        ),
    ] = None,
    unknown: Annotated[
        bool,
        typer.Option(
            "--unknown",
            help="Also tell sounds unlike those of all classes; for models on a pretrained encoder (train --encoder).",
        ),
    ] = False,
    channel: Channel = "mix",
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Label sound files, or each window of long ones.

    Without a trained model, the label is the best tag of the pretrained encoder yamnet; see `mxnet-audio tag`. A model
    of several labels a clip gives all that reach their thresholds, such as dog|rain, and the highest probability.

    \b
    Examples:
      mxnet-audio predict clip.wav
      mxnet-audio predict recordings/ --json > labels.json
      mxnet-audio predict night.flac --timeline 5 --hop 2.5
      mxnet-audio predict clip.wav --model-dir models --unknown
    """
    if hop is not None and timeline is None:
        raise typer.BadParameter("needs --timeline", param_hint="--hop")
    for name, value in (("--timeline", timeline), ("--hop", hop)):
        if value is not None and not 0 < value < math.inf:
            raise typer.BadParameter(f"must be above 0, got {value:g}", param_hint=name)
    if hop is not None and timeline is not None and hop > timeline:
        reason = f"must be <= the window of {timeline:g} s, or sound would be left out, got {hop:g}"
        raise typer.BadParameter(reason, param_hint="--hop")
    load = find_labeller(model_dir, network, gpu, source)
    job = BulkJob(as_json)
    sources = job.find_sources(paths, channel)
    classifier = load()
    options = _unknown_option(classifier) if unknown else {}
    if timeline is None:
        key, results = "predictions", _predictions(classifier, sources, job, options)
    else:
        key, results = "timelines", _timelines(classifier, sources, job, timeline, hop, options)
    entries = []
    for entry, lines in results:
        job.done += 1
        if as_json:
            entries.append(entry)
        else:
            print_lines(*lines)
    encoder = getattr(classifier, "encoder", None)  # of a tagger, or the name of a classifier's
    document = {
        "model_id": classifier.model_id,
        "encoder": encoder if encoder is None or isinstance(encoder, str) else encoder.record.name,
        "labels": classifier.labels,
        **thresholds_entry(classifier),
        key: entries,
    }
    job.finish(document)


def _unknown_option(classifier: Labeller) -> dict[str, bool]:
    """Return the argument that asks for unknown sounds; BadParameter if no model was trained."""
    from mxnet_audio.library.tagger import AudioTagger

    if isinstance(classifier, AudioTagger):
        raise typer.BadParameter("needs a model that was trained with --encoder", param_hint="--unknown")
    return {"unknown": True}


def _predictions(
    classifier: Labeller, sources: Sources, job: BulkJob, options: dict[str, bool]
) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Yield the result of each sound, for JSON and as lines."""
    width = _label_width(classifier)
    for prediction, (path, _) in zip(classifier.predict_many([source for _, source in sources], **options), sources):
        if prediction.error is not None:
            job.skip(path, prediction.error)
            continue
        fields, text = _json_fields(prediction), f"{_to_text(prediction, width)}  {path}"
        if prediction.seconds is not None:  # a part was not used
            fields |= {"seconds": prediction.seconds, "seconds_used": prediction.seconds_used}
            text += f"  ({prediction.seconds_used:.0f} of {prediction.seconds:.0f} s used; --timeline uses all)"
        yield {"path": path, **fields}, [text]


def _timelines(
    classifier: Labeller,
    sources: Sources,
    job: BulkJob,
    window: float,
    hop: float | None,
    options: dict[str, bool],
) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Yield the result of each sound's windows, for JSON and as lines."""
    width = _label_width(classifier)
    for path, source in sources:
        try:
            parts = classifier.predict_timeline(source, window, hop, **options)
        except AudioError as error:
            job.skip(path, error)
            continue
        segments = [{"start": part.start, "end": part.end, **_json_fields(part)} for part in parts]
        lines = [f"  {part.start:8.2f} to {part.end:8.2f} s  {_to_text(part, width)}" for part in parts]
        yield {"path": path, "segments": segments}, [path, *lines]


def _label_width(classifier: Labeller) -> int:
    longest = sorted(len(str(label)) for label in classifier.labels)
    several = getattr(classifier, "thresholds", None) is not None
    return min(MAX_LABEL_WIDTH, sum(longest[-2:]) + 1 if several else longest[-1])  # two labels, with "|"


def _to_text(prediction: Prediction | TimedPrediction, width: int) -> str:
    if prediction.label is None:
        return f"{SILENT:<{width}}"
    from mxnet_audio.datasets.labels import label_text  # imports NumPy, which help texts do not need

    remark = "  unknown" if prediction.known is False else ""
    return f"{label_text(prediction.label):<{width}}  {100 * (prediction.probability or 0):5.1f}%{remark}"


def _json_fields(prediction: Prediction | TimedPrediction) -> dict[str, Any]:
    fields = {
        "label": prediction.label,
        "probability": prediction.probability,
        "probabilities": prediction.probabilities,
    }
    return fields if prediction.known is None else {**fields, "known": prediction.known}
