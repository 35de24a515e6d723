"""``mxnet-audio speaker``: from voices to verified identities."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mxnet_audio.cli.export import FrontEnd, Output, write
from mxnet_audio.cli.options import AsJson, Gpu, Paths
from mxnet_audio.cli.shell import Bulk, CarefulGroup, device, emit, interactive, note
from mxnet_audio.cli.training_options import BatchSize, Epochs
from mxnet_audio.errors import DatasetError

if TYPE_CHECKING:
    from mxnet_audio.speakers.recognizer import SpeakerRecognizer

__all__ = ["speaker"]

VOICES = Path("voices")

speaker = typer.Typer(cls=CarefulGroup, no_args_is_help=True, help="Train on voices, enrol, verify and identify them.")

ModelDir = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the trained recogniser.")]
Recording = Annotated[Path, typer.Argument(metavar="FILE", help="A recording.")]


People = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="A folder of speakers (speaker/recording, or speaker/session/recording), or a CSV file of path,label.",
    ),
]


class VoiceNetwork(str, Enum):
    """Networks for voices."""

    ecapa_tdnn = "ecapa_tdnn"
    resnet18 = "resnet18"
    sincnet = "sincnet"


class Loss(str, Enum):
    """What ``mxnet_audio.nn.loss_names()`` gives; named here too, as asking there would import MXNet."""

    am_softmax = "am_softmax"
    arc = "arc"
    ge2e = "ge2e"
    norm_softmax = "norm_softmax"
    ring = "ring"
    softmax = "softmax"


@speaker.command()
def train(
    data: People,
    model_dir: ModelDir = VOICES,
    network: Annotated[VoiceNetwork, typer.Option(help="The network to train.")] = VoiceNetwork.ecapa_tdnn,
    loss: Annotated[Loss | None, typer.Option(help="What is made small. [default: arc]")] = None,
    epochs: Epochs = 20,
    batch_size: BatchSize = 32,
    learning_rate: Annotated[float, typer.Option(help="Step size of the optimiser.")] = 0.001,
    seconds: Annotated[
        float | None,
        typer.Option(help="Length of a window. [default: that of a typical recording, at most 2]"),
    ] = None,
    speed: Annotated[
        list[float] | None,
        typer.Option(help="Train on each speaker at this speed, too, as on another. May be repeated: 0.9 and 1.1."),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A YAML file that says how sound becomes features. [default: as the network wants it]",
        ),
    ] = None,
    test_size: Annotated[
        float, typer.Option(help="Share of each speaker's recordings that the threshold is set by.")
    ] = 0.2,
    normalize: Annotated[
        bool, typer.Option("--normalize", help="Compare scores with those against the voices trained on (S-norm).")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Fixes the split and the first weights.")] = 42,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Train on recordings of speakers.

    \b
    Examples:
      mxnet-audio speaker train people/                 # people/<speaker>/*.wav -> ./voices
      mxnet-audio speaker train people/ --network resnet18 --loss am_softmax --epochs 30
      mxnet-audio speaker train people/ --speed 0.9 --speed 1.1    # three speakers of each: better for strangers
    """
    if seconds is not None and features is not None:
        raise typer.BadParameter("give --seconds or --features, not both", param_hint="--seconds")
    from mxnet_audio.features import AudioFeatureConfig
    from mxnet_audio.speakers.recognizer import SpeakerRecognizer

    rows = _rows(data)
    recognizer = SpeakerRecognizer(network.value, normalize=normalize, model_ctx=device(gpu))
    history = recognizer.fit(
        [row[:2] for row in rows],
        model_dir,
        epochs=epochs,
        batch_size=batch_size,
        test_size=test_size,
        groups=[group for *_, group in rows],
        learning_rate=learning_rate,
        loss=loss and loss.value,
        seconds=seconds,
        speeds=speed or (),
        feature_config=None if features is None else AudioFeatureConfig.from_yaml(features),
        random_state=seed,
        resume=resume,
        progress=interactive(),
    )
    if skipped := _skipped(recognizer):  # each was named when it was met
        note(f"{len(skipped)} of {len(rows)} files were left out")
    named = {name for _, name, _ in rows}
    speakers = [label for label in recognizer.model.labels if label in named]  # and not those of other speeds
    emit(
        {
            "model_dir": model_dir,
            "network": network.value,
            "model_id": recognizer.model.id,
            "speakers": speakers,
            "threshold": recognizer.threshold,
            "history": history,
            "skipped": skipped,
        },
        f"trained {network.value} on {len(speakers)} speakers: of held-out recordings "
        f"{100 * history['acc_test'][-1]:.1f}% are told apart; threshold {recognizer.threshold:.3f}\n"
        f"the recogniser is in {model_dir}",
        as_json,
    )


@speaker.command()
def enroll(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who speaks.")],
    paths: Paths,
    model_dir: ModelDir = VOICES,
    replace: Annotated[
        bool, typer.Option("--replace", help="Forget what the speaker was known by, in place of adding to it.")
    ] = False,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Get to know a speaker. Vectors of the voice are kept, not the sound.

    \b
    Examples:
      mxnet-audio speaker enroll ann ann/*.wav
      mxnet-audio speaker enroll ann new.wav --replace
    """
    bulk = Bulk()
    files = bulk.find(paths)
    with _changed(model_dir, gpu) as recognizer:
        known = recognizer.enroll(name, files, replace=replace)
    bulk.skipped += _skipped(recognizer)
    bulk.done = len(files) - len(recognizer.skipped)
    document = {"model_dir": model_dir, "speaker": name, "utterances": known}
    bulk.finish(document if as_json else None, f"{name} is known by {known} recordings")


@speaker.command()
def verify(
    first: Recording,
    second: Annotated[Path | None, typer.Argument(metavar="FILE", help="Another, to compare with.")] = None,
    speaker: Annotated[str | None, typer.Option(metavar="NAME", help="Compare with this enrolled speaker.")] = None,
    model_dir: ModelDir = VOICES,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether two recordings are of one speaker, or one is of an enrolled speaker.

    \b
    Examples:
      mxnet-audio speaker verify a.wav b.wav
      mxnet-audio speaker verify a.wav --speaker ann
    """
    if (second is None) == (speaker is None):
        raise typer.BadParameter("give a second FILE or --speaker, one of them", param_hint="FILE")
    recognizer = _load(model_dir, gpu)
    found = recognizer.verify(first, second) if speaker is None else recognizer.verify_as(speaker, first)
    whose = "of one speaker" if speaker is None else f"{speaker}'s"
    text = f"{'' if found.same else 'not '}{whose}: score {found.score:.3f}, threshold {found.threshold:.3f}"
    emit({"first": first, "second": second, "speaker": speaker, **found._asdict()}, text, as_json)


@speaker.command()
def identify(
    paths: Paths,
    model_dir: ModelDir = VOICES,
    top_k: Annotated[int, typer.Option("-k", "--top-k", min=1, help="How many of the most alike to name.")] = 3,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Tell who of those enrolled speaks; "unknown" if nobody scores above the threshold.

    \b
    Examples:
      mxnet-audio speaker identify call.wav
      mxnet-audio speaker identify calls/ --json
    """
    recognizer = _load(model_dir, gpu)
    bulk = Bulk()
    rows = []
    for path, answer in zip(files := bulk.find(paths), recognizer.identify_many(files, top_k)):
        if answer.error is not None:
            bulk.skip(path, answer.error)
            continue
        bulk.done += 1
        rows.append({"path": path, "speaker": answer.speaker, "ranking": answer.ranking})
        if not as_json:
            ranking = ", ".join(f"{name} {score:.3f}" for name, score in answer.ranking)
            typer.echo(f"{path}\t{answer.speaker or 'unknown'}\t{ranking}")
    bulk.finish({"model_dir": model_dir, "threshold": recognizer.threshold, "results": rows} if as_json else None)


@speaker.command()
def calibrate(
    data: People,
    far: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Impostors that may be let in. [default: as many as speakers turned away]"),
    ] = None,
    model_dir: ModelDir = VOICES,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Set the threshold by recordings of people whom the network was not trained on, best from where it will be used.

    \b
    Examples:
      mxnet-audio speaker calibrate others/ --far 0.01
    """
    rows = _rows(data)
    with _changed(model_dir, gpu) as recognizer:
        before = recognizer.threshold
        report = recognizer.calibrate([row[:2] for row in rows], far, groups=[group for *_, group in rows])
    text = f"{report}\nthe threshold of {model_dir} is {recognizer.threshold:.3f} now, and was {before:.3f}"
    emit({"model_dir": model_dir, "threshold": recognizer.threshold, **report.to_dict()}, text, as_json)


@speaker.command("list")
def enrolled(model_dir: ModelDir = VOICES, as_json: AsJson = False) -> None:
    """List who is enrolled, and by how many recordings.

    \b
    Examples:
      mxnet-audio speaker list
    """
    recognizer = _load(model_dir, None)
    lines = [f"{name}\t{count}" for name, count in recognizer.speakers.items()]
    text = "\n".join(lines) or "nobody is enrolled"
    document = {"model_dir": model_dir, "threshold": recognizer.threshold, "speakers": recognizer.speakers}
    emit(document, text, as_json)


@speaker.command()
def forget(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who is to be forgotten.")],
    model_dir: ModelDir = VOICES,
    as_json: AsJson = False,
) -> None:
    """Forget an enrolled speaker: the vectors by which the voice was enrolled are deleted.

    \b
    Examples:
      mxnet-audio speaker forget ann
    """
    with _changed(model_dir) as recognizer:
        recognizer.forget(name)
        left = recognizer.speakers
    emit({"model_dir": model_dir, "speakers": left}, f"{name} is forgotten", as_json)


@speaker.command()
def evaluate(
    trials: Annotated[
        Path, typer.Argument(metavar="TRIALS", help="A list of trials, as VoxCeleb's: lines of label path path.")
    ],
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="What its paths start from. [default: the list's own folder]")
    ] = None,
    model_dir: ModelDir = VOICES,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> None:
    """Measure verification on a list of trials: equal error rate, minDCF, accepted at few false accepts.

    \b
    Examples:
      mxnet-audio speaker evaluate veri_test.txt --root vox1/wav
    """
    from mxnet_audio.datasets.speakers import read_trials

    listed = read_trials(trials, root)
    recognizer = _load(model_dir, gpu)
    report = recognizer.evaluate(listed)
    emit({"model_dir": model_dir, "threshold": recognizer.threshold, **report.to_dict()}, str(report), as_json)


@speaker.command()
def export(
    output: Output,
    model_dir: ModelDir = VOICES,
    front_end: FrontEnd = False,
    as_json: AsJson = False,
) -> None:
    """Write the network as one ONNX file, which makes a vector of one window without MXNet.

    \b
    Examples:
      mxnet-audio speaker export voices.onnx --front-end
    """
    write(_load(model_dir, None).model, output, front_end, as_json)


def _rows(data: Path) -> list[tuple[str, str, str]]:
    """Path, speaker and session of each recording of a folder or a table."""
    from mxnet_audio import datasets
    from mxnet_audio.datasets.speakers import speaker_folder

    if not data.exists():
        raise DatasetError("no such folder or CSV file", data)
    if data.is_dir():
        return [(clip.path, clip.speaker, clip.session) for clip in speaker_folder(data)]
    return [(clip.path, clip.label, clip.group) for clip in datasets.clips(data)]


@contextlib.contextmanager
def _changed(model_dir: Path, gpu: int | None = None) -> Iterator[SpeakerRecognizer]:
    """A recogniser that is saved at the end; commands that do so at the same time wait for one another."""
    from filelock import FileLock

    if not model_dir.is_dir():
        _load(model_dir, gpu)  # says what is wrong
    with FileLock(model_dir / ".speaker.lock"):
        recognizer = _load(model_dir, gpu)
        yield recognizer
        recognizer.save(model_dir)


def _load(model_dir: Path, gpu: int | None) -> SpeakerRecognizer:
    from mxnet_audio.speakers.recognizer import SpeakerRecognizer

    return SpeakerRecognizer.load(model_dir, model_ctx=device(gpu))


def _skipped(recognizer: SpeakerRecognizer) -> list[dict[str, str]]:
    """Files left out."""
    return [{"path": str(path), "reason": error.reason} for path, error in recognizer.skipped]
