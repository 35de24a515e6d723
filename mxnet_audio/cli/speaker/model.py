"""Loading, changing and data of a speaker recognizer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mxnet_audio.cli.model import device
from mxnet_audio.errors import DatasetError

if TYPE_CHECKING:
    from mxnet_audio.speakers.recognizer import SpeakerRecognizer
    from mxnet_audio.speakers.state import SpeakerState

__all__ = ["list_recordings", "load_recognizer", "load_state", "lock", "updated_recognizer"]


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
    """Load enrolled speakers and threshold, without the network and without MXNet.

    Commands that need the network, too, call this first: a missing or damaged recognizer is reported at once.
    """
    from mxnet_audio.speakers.state import SpeakerState

    return SpeakerState.load(model_dir)


def load_recognizer(model_dir: Path, gpu: int | None) -> SpeakerRecognizer:
    """Load a recognizer with its network."""
    from mxnet_audio.speakers.recognizer import SpeakerRecognizer

    return SpeakerRecognizer.load(model_dir, model_ctx=device(gpu))


@contextlib.contextmanager
def lock(model_dir: Path) -> Iterator[None]:
    """Wait for other commands that change the recognizer of a folder, and make others wait."""
    from filelock import FileLock

    load_state(model_dir)  # raises ModelError if there is no recognizer, before a lock file is written
    with FileLock(model_dir / ".speaker.lock"):
        yield


@contextlib.contextmanager
def updated_recognizer(model_dir: Path, gpu: int | None = None) -> Iterator[SpeakerRecognizer]:
    """Load a recognizer that is saved at the end, under the folder's `lock`."""
    with lock(model_dir):
        recognizer = load_recognizer(model_dir, gpu)
        yield recognizer
        recognizer.save(model_dir)
