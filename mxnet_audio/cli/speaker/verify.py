"""``mxnet-audio speaker verify``: compare two recordings, or a recording with an enrolled speaker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.files import require_file
from mxnet_audio.cli.options import AsJson, Gpu, OneChannel, parse_path
from mxnet_audio.cli.output import print_result
from mxnet_audio.cli.speaker.model import find_state, load_recognizer, print_rates, rates_dict
from mxnet_audio.cli.speaker.options import VOICES, ModelDir, NewNetwork, Recording
from mxnet_audio.cli.vector_model import EncoderChoice, Revision, Source

__all__ = ["verify"]


def verify(
    first: Recording,
    second: Annotated[
        Path | None, typer.Argument(parser=parse_path, metavar="FILE", help="Recording to compare with.")
    ] = None,
    speaker: Annotated[str | None, typer.Option(metavar="NAME", help="Enrolled speaker to compare with.")] = None,
    channel: OneChannel = "mix",
    model_dir: ModelDir = VOICES,
    network: NewNetwork = None,
    source: Source = None,
    revision: Revision = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Verify that two recordings are of one speaker.

    In place of the second recording, an enrolled speaker can be given.

    \b
    Examples:
      mxnet-audio speaker verify a.wav b.wav
      mxnet-audio speaker verify a.wav --speaker ann
      mxnet-audio speaker verify call.wav --channel left --speaker ann
    """
    if (second is None) == (speaker is None):
        raise typer.BadParameter("give either a second FILE or --speaker", param_hint="FILE")
    encoder = EncoderChoice(network, source=source, revision=revision)
    state = find_state(model_dir, encoder)
    if speaker is not None:
        state.scorer.enrolled.centroid(speaker)  # raises ModelError if it is not enrolled, before MXNet is imported
    for path in (first, second):
        if path is not None:
            require_file(path)
    recognizer = load_recognizer(model_dir, gpu, encoder)
    if second is not None:
        result, subject = recognizer.verify(first, second, channel=channel), "the same speaker"
    else:
        result, subject = recognizer.verify_as(str(speaker), first, channel=channel), speaker
    text = f"{'' if result.same else 'not '}{subject}: score {result.score:.3f}, threshold {result.threshold:.3f}"
    document = {"first": first, "second": second, "speaker": speaker, "network": state.network, **result._asdict()}
    print_rates(state)
    print_result({**document, "rates": rates_dict(state.scorer)}, text, as_json)
