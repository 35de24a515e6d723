"""Loading, changing and data of a speaker recognizer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mxnet_audio.cli.model import device
from mxnet_audio.cli.output import print_message
from mxnet_audio.cli.speaker.options import EncoderName
from mxnet_audio.errors import DatasetError, ModelError

if TYPE_CHECKING:
    from mxnet_audio.speakers.recognizer import SpeakerRecognizer
    from mxnet_audio.speakers.scoring import SpeakerScorer
    from mxnet_audio.speakers.state import SpeakerState

__all__ = [
    "find_state",
    "list_recordings",
    "load_recognizer",
    "load_state",
    "lock",
    "print_rates",
    "rates_dict",
    "updated_recognizer",
]

NEW_ENCODER = EncoderName.resemblyzer  # of a folder that holds no recognizer


def list_recordings(data: Path) -> list[tuple[str, str, str]]:
    """List path, speaker and session of the recordings in a folder or a CSV file."""
    from mxnet_audio import datasets
    from mxnet_audio.datasets.speakers import speaker_folder

    if not data.exists():
        raise DatasetError("no such folder or CSV file", data)
    if data.is_dir():
        return [(clip.path, clip.speaker, clip.session) for clip in speaker_folder(data)]
    return [(clip.path, clip.label, clip.group) for clip in datasets.clips(data)]


def load_state(model_dir: Path) -> SpeakerState:
    """Load enrolled speakers and threshold, without the network and without MXNet."""
    from mxnet_audio.speakers.state import SpeakerState

    return SpeakerState.load(model_dir)


def find_state(model_dir: Path, encoder: EncoderName | None) -> SpeakerState:
    """Load enrolled speakers and threshold; those of a new folder are nobody and the default, and a message says so.

    Commands that need the network, too, call this first: a damaged recognizer, or one with another encoder than
    `encoder`, is reported at once, by a ModelError.
    """
    if not _is_new(model_dir):
        state = load_state(model_dir)
        if encoder is not None and encoder.value != state.network:
            raise ModelError(f"a recognizer with {state.network}, not {encoder.value}", model_dir)
        return state
    from mxnet_audio.speakers.default_thresholds import default_scorer
    from mxnet_audio.speakers.state import SpeakerState

    name = (encoder or NEW_ENCODER).value
    print_message(f"no recognizer in {model_dir} yet: using the pretrained encoder {name}")
    return SpeakerState(name, "", default_scorer(name))


def print_rates(state: SpeakerState) -> None:
    """Print the threshold and its error rates, if they are known, on stderr."""
    if state.scorer.rates is not None:
        print_message(f"threshold {state.scorer.threshold:.3f}: {state.scorer.rates}")


def rates_dict(scorer: SpeakerScorer) -> dict[str, Any] | None:
    """Return the error rates of the threshold for JSON; None if they are not known."""
    return None if scorer.rates is None else asdict(scorer.rates)


def load_recognizer(model_dir: Path, gpu: int | None) -> SpeakerRecognizer:
    """Load a recognizer with its network; that of a new folder is pretrained."""
    from mxnet_audio.speakers.recognizer import SpeakerRecognizer

    if _is_new(model_dir):
        return SpeakerRecognizer(NEW_ENCODER.value, model_ctx=device(gpu))
    return SpeakerRecognizer.load(model_dir, model_ctx=device(gpu))


@contextlib.contextmanager
def lock(model_dir: Path) -> Iterator[None]:
    """Wait for other commands that change the recognizer of a folder, and make others wait."""
    from filelock import FileLock

    from mxnet_audio.model_store import check_writable

    check_writable(model_dir)
    model_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(model_dir / ".speaker.lock"):
        yield


@contextlib.contextmanager
def updated_recognizer(model_dir: Path, gpu: int | None = None) -> Iterator[SpeakerRecognizer]:
    """Load a recognizer that is saved at the end, under the folder's `lock`; call `find_state` first."""
    with lock(model_dir):
        recognizer = load_recognizer(model_dir, gpu)
        yield recognizer
        recognizer.save(model_dir)


def _is_new(model_dir: Path) -> bool:
    """Return True if a folder does not exist, or holds no model."""
    from mxnet_audio.model_store import stored_models

    return not model_dir.exists() or (model_dir.is_dir() and not stored_models(model_dir))
