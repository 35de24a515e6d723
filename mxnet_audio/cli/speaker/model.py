"""Loading, changing and data of a speaker recognizer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mxnet_audio.cli.clips import of_split
from mxnet_audio.cli.model import device
from mxnet_audio.cli.output import print_message
from mxnet_audio.errors import DatasetError

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


def find_state(model_dir: Path) -> SpeakerState:
    """Load enrolled speakers and threshold; those of a new folder are nobody and the default, and a message says so.

    Commands that need the network, too, call this first, so that a damaged recognizer is reported at once.
    """
    if not _is_new(model_dir):
        return load_state(model_dir)
    from mxnet_audio.speakers.default_thresholds import default_scorer
    from mxnet_audio.speakers.state import SpeakerState

    print_message(f"no recognizer in {model_dir} yet: using the pretrained encoder {NEW_ENCODER}")
    return SpeakerState(NEW_ENCODER, "", default_scorer(NEW_ENCODER))


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
        return SpeakerRecognizer(NEW_ENCODER, model_ctx=device(gpu))
    return SpeakerRecognizer.load(model_dir, model_ctx=device(gpu))


@contextlib.contextmanager
def updated_recognizer(model_dir: Path, gpu: int | None = None) -> Iterator[SpeakerRecognizer]:
    """Load a recognizer that is saved at the end, with what others have saved meanwhile; call `find_state` first."""
    recognizer = load_recognizer(model_dir, gpu)
    yield recognizer
    recognizer.save(model_dir)


def _is_new(model_dir: Path) -> bool:
    """Return True if a folder does not exist, or holds no model; OSError if it must not be read."""
    if not model_dir.is_dir():
        return not model_dir.exists()
    return not any(path.suffix == ".json" for path in model_dir.iterdir())
