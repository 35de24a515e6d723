"""Loading, changing and data of a speaker recognizer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mxnet_audio.checks import one_of
from mxnet_audio.cli.clips import of_split
from mxnet_audio.cli.model import device
from mxnet_audio.cli.output import print_message
from mxnet_audio.cli.vector_model import EncoderChoice
from mxnet_audio.errors import DatasetError, ModelError, ParameterError

if TYPE_CHECKING:
    from mxnet_audio.speakers.recognizer import SpeakerRecognizer
    from mxnet_audio.speakers.scoring import SpeakerScorer
    from mxnet_audio.speakers.state import SpeakerState

__all__ = [
    "find_state",
    "list_recordings",
    "load_recognizer",
    "load_state",
    "print_rates",
    "rates_dict",
    "updated_recognizer",
]

NEW_ENCODER = "resemblyzer"  # of a folder that holds no recognizer
ANY = EncoderChoice()  # nothing is chosen


def list_recordings(data: Path, *preferred: str) -> list[tuple[str, str, str]]:
    """List path, speaker and session of recordings in a folder or a table: of splits, the first preferred one."""
    from mxnet_audio import datasets
    from mxnet_audio.datasets.speakers import speaker_folder
    from mxnet_audio.speakers.enrollment import canonical_name

    if not data.exists():
        raise DatasetError("no such folder or CSV file", data)
    if data.is_dir():
        recordings = of_split(speaker_folder(data), preferred, data)
        return [(recording.path, canonical_name(recording.speaker), recording.session) for recording in recordings]
    clips = of_split(datasets.clips(data), preferred, data)
    return [(clip.path, canonical_name(str(clip.label)), clip.group) for clip in clips]


def load_state(model_dir: Path) -> SpeakerState:
    """Load enrolled speakers and threshold, without the network and without MXNet."""
    from mxnet_audio.speakers.state import SpeakerState

    return SpeakerState.load(model_dir)


def find_state(model_dir: Path, encoder: EncoderChoice = ANY, *, calibrated: bool = True) -> SpeakerState:
    """Load enrolled speakers and threshold; those of a new folder are nobody and the default, and a message says so.

    Commands that need the network, too, call this first, so that a damaged recognizer is reported at once.

    Parameters
    ----------
    model_dir : Path
        Folder of the recognizer.
    encoder : EncoderChoice
        Pretrained encoder of a new folder, and place of its weights.
    calibrated : bool
        Whether a threshold is needed.

    Raises
    ------
    ModelError
        If the recognizer is damaged, of another network, or has no threshold.
    ParameterError
        If there is no such pretrained encoder.
    """
    from mxnet_audio.speakers.state import PUBLISHED_ENCODERS, SpeakerState

    if encoder.name is not None:
        one_of("--network", encoder.name, PUBLISHED_ENCODERS)
    if not _is_new(model_dir):
        state = load_state(model_dir)
        if encoder.name not in (None, state.network):
            reason = f"a recognizer with {state.network} is here, not with {encoder.name}: choose another folder"
            raise ModelError(reason, model_dir)
        if state.network in PUBLISHED_ENCODERS:
            encoder._replace(name=state.network).check()
        elif encoder.source is not None or encoder.revision is not None:
            raise ParameterError(f"--source and --revision must be left out: {model_dir} holds a trained network")
        return state
    from mxnet_audio.speakers.default_thresholds import default_scorer

    name = encoder.name or NEW_ENCODER
    encoder._replace(name=name).check()
    scorer = default_scorer(name)
    if calibrated and not scorer.has_threshold:
        mend = f"start with `mxnet-audio speaker calibrate DATA --network {name}`"
        raise ModelError(f"no recognizer is here yet, and {name} has no threshold of its own: {mend}", model_dir)
    print_message(f"no recognizer in {model_dir} yet: using the pretrained encoder {name}")
    return SpeakerState(name, "", scorer)


def print_rates(state: SpeakerState) -> None:
    """Print the threshold and its error rates, if they are known, on stderr."""
    if state.scorer.rates is not None:
        print_message(f"threshold {state.scorer.threshold:.3f}: {state.scorer.rates}")


def rates_dict(scorer: SpeakerScorer) -> dict[str, Any] | None:
    """Return the error rates of the threshold for JSON; None if they are not known."""
    return None if scorer.rates is None else asdict(scorer.rates)


def load_recognizer(model_dir: Path, gpu: int | None, encoder: EncoderChoice = ANY) -> SpeakerRecognizer:
    """Load a recognizer with its network; that of a new folder is pretrained."""
    from mxnet_audio.speakers.recognizer import SpeakerRecognizer

    options: dict[str, Any] = {"source": encoder.source, "revision": encoder.revision, "model_ctx": device(gpu)}
    if _is_new(model_dir):
        return SpeakerRecognizer(encoder.name or NEW_ENCODER, **options)
    return SpeakerRecognizer.load(model_dir, **options)


@contextlib.contextmanager
def updated_recognizer(
    model_dir: Path, gpu: int | None = None, encoder: EncoderChoice = ANY
) -> Iterator[SpeakerRecognizer]:
    """Load a recognizer that is saved at the end, with what others have saved meanwhile; call `find_state` first."""
    recognizer = load_recognizer(model_dir, gpu, encoder)
    yield recognizer
    recognizer.save(model_dir)


def _is_new(model_dir: Path) -> bool:
    """Return True if a folder does not exist, or holds no model; OSError if it must not be read."""
    if not model_dir.is_dir():
        return not model_dir.exists()
    return not any(path.suffix == ".json" for path in model_dir.iterdir())
