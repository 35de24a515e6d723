"""``mxnet-audio speaker train``: train a speaker recognizer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mxnet_audio.cli.files import BulkJob
from mxnet_audio.cli.model import check_no_model, device
from mxnet_audio.cli.options import AsJson, Gpu, Overwrite, parse_path
from mxnet_audio.cli.output import show_progress
from mxnet_audio.cli.speaker.model import list_recordings, rates_dict
from mxnet_audio.cli.speaker.options import VOICES, LossName, ModelDir, SpeakerData, SpeakerNetwork
from mxnet_audio.cli.training_options import BatchSize, Epochs

__all__ = ["train"]


def train(
    data: SpeakerData,
    model_dir: ModelDir = VOICES,
    network: Annotated[SpeakerNetwork, typer.Option(help="Network to train.")] = SpeakerNetwork.ecapa_tdnn,
    loss: Annotated[LossName | None, typer.Option(help="Training loss. [default: arc]")] = None,
    epochs: Epochs = 20,
    batch_size: BatchSize = 32,
    learning_rate: Annotated[float, typer.Option(help="Learning rate of the optimizer.")] = 0.001,
    seconds: Annotated[
        float | None,
        typer.Option(help="Length of a window. [default: length of a typical recording, at most 2]"),
    ] = None,
    speed: Annotated[
        list[float] | None,
        typer.Option(
            help="Also train on each speaker at this speed, as an additional speaker. May be repeated: 0.9 and 1.1."
        ),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="FILE",
            help="YAML file of the feature configuration. [default: the features of the network]",
        ),
    ] = None,
    test_size: Annotated[
        float, typer.Option(help="Share of each speaker's recordings in the validation set, which sets the threshold.")
    ] = 0.2,
    held_out_speakers: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Number of speakers not to train on: they set the threshold, and show how well others are recognized. "
            "[default: a fifth, at most 40, of 10 or more with two recordings, else 0]",
        ),
    ] = None,
    normalize: Annotated[
        bool, typer.Option("--normalize", help="Normalize scores by the training speakers (adaptive S-norm).")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the split and the initial weights.")] = 42,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the last checkpoint.")] = False,
    overwrite: Overwrite = False,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Train a recognizer on recordings of speakers.

    It is for hundreds of speakers; with fewer, the pretrained encoder of `enroll` recognizes others better.

    \b
    Examples:
      mxnet-audio speaker train people/                 # people/<speaker>/*.wav -> ./voices
      mxnet-audio speaker train people/ --network resnet18 --loss am_softmax --epochs 30
      mxnet-audio speaker train people/ --speed 0.9 --speed 1.1    # three times as many speakers
    """
    if seconds is not None and features is not None:
        raise typer.BadParameter("give --seconds or --features, not both", param_hint="--seconds")
    if resume and overwrite:
        raise typer.BadParameter("give --resume or --overwrite, not both", param_hint="--overwrite")
    recordings = list_recordings(data, "train")
    if not (resume or overwrite):
        mends = "replace it with --overwrite, continue its training with --resume, or choose another --model-dir"
        check_no_model(model_dir, network.value, mends)
    from mxnet_audio.features import AudioFeatureConfig

    config = None if features is None else AudioFeatureConfig.from_yaml(features)
    from mxnet_audio.speakers.recognizer import SpeakerRecognizer

    recognizer = SpeakerRecognizer(network.value, normalize=normalize, model_ctx=device(gpu))
    history = recognizer.fit(
        [(path, name) for path, name, _ in recordings],
        model_dir,
        epochs=epochs,
        batch_size=batch_size,
        test_size=test_size,
        held_out_speakers=held_out_speakers,
        groups=[session for *_, session in recordings],
        learning_rate=learning_rate,
        loss=loss and loss.value,
        seconds=seconds,
        speeds=speed or (),
        feature_config=config,
        random_state=seed,
        resume=resume,
        progress=show_progress(),
    )
    job = BulkJob(as_json)
    job.add_skipped(recognizer.skipped)
    unusable = {entry["path"] for entry in job.skipped}
    job.done = len(recordings) - len(unusable)
    names = {name for path, name, _ in recordings if path not in unusable}
    speakers = [label for label in recognizer.model.labels if label in names]  # without those at other speeds
    held_out = sorted(names.difference(speakers))
    rates = recognizer.scorer.rates
    lines = [f"trained {network.value} on {len(speakers)} speakers", f"threshold {recognizer.threshold:.3f}"]
    if rates is not None:
        lines[1] += f": {rates}; equal error rate {rates.eer:.1%}"
    lines.append(f"saved the recognizer in {model_dir}")
    if not held_out:
        lines.append("people who were not trained on are harder to recognize: --held-out-speakers measures it")
    job.finish(
        {
            "model_dir": model_dir,
            "network": network.value,
            "model_id": recognizer.model.id,
            "speakers": speakers,
            "held_out_speakers": held_out,
            "threshold": recognizer.threshold,
            "rates": rates_dict(recognizer.scorer),
            "history": history,
        },
        lines,
    )
