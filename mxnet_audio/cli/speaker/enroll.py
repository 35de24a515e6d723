"""``mxnet-audio speaker enroll``: enroll a speaker."""

from __future__ import annotations

from typing import Annotated

import typer

from mxnet_audio.cli.files import BulkJob
from mxnet_audio.cli.options import AsJson, Channel, Gpu, Paths
from mxnet_audio.cli.speaker.model import find_state, updated_recognizer
from mxnet_audio.cli.speaker.options import VOICES, ModelDir, Name, NewNetwork
from mxnet_audio.cli.vector_model import EncoderChoice, Revision, Source

__all__ = ["enroll"]


def enroll(
    name: Name,
    paths: Paths,
    model_dir: ModelDir = VOICES,
    network: NewNetwork = None,
    source: Source = None,
    revision: Revision = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the speaker's earlier recordings instead of adding to them.")
    ] = False,
    channel: Channel = "mix",
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Enroll a speaker. Only embeddings are stored, not audio.

    No training is needed: in a new folder, a pretrained encoder is used.

    \b
    Examples:
      mxnet-audio speaker enroll ann ann/*.wav
      mxnet-audio speaker enroll ann new.wav --replace
      mxnet-audio speaker enroll ann calls/ --channel left     # ann's side of calls in stereo
    """
    encoder = EncoderChoice(network, source=source, revision=revision)
    find_state(model_dir, encoder)
    job = BulkJob(as_json)
    sources = job.find_sources(paths, channel)
    with updated_recognizer(model_dir, gpu, encoder) as recognizer:
        count = recognizer.enroll(name, [source for _, source in sources], replace=replace)
    job.add_skipped(recognizer.skipped)
    job.done = len(sources) - len(recognizer.skipped)
    job.finish(
        {"model_dir": model_dir, "speaker": name, "utterances": count}, f"{name} is enrolled with {count} recordings"
    )
