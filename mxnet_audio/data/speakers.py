"""Speakers as Gluon datasets: folders of their utterances, and pairs of utterances to compare."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mxnet_audio import audio
from mxnet_audio.data.datasets import AudioDataset
from mxnet_audio.data.steps import takes_source
from mxnet_audio.data.transforms import Load
from mxnet_audio.datasets.speakers import Utterance, read_trials, speaker_folder
from mxnet_audio.engine import gluon
from mxnet_audio.errors import AudioError, DatasetError
from mxnet_audio.parallel import map_ordered

__all__ = ["VoxAudioFolderDataset", "VoxAudioValFolderDataset"]

logger = logging.getLogger(__name__)


class VoxAudioFolderDataset(AudioDataset):
    """Utterances by speaker: ``speaker/session/utterance``, as VoxCeleb's folders, or ``speaker/utterance``.

    Parameters
    ----------
    root : str or os.PathLike
        Holds a folder for each speaker, with files of `audio.AUDIO_SUFFIXES`.
    sr : int > 0 [Hz]
        Rate at which samples are given.
    min_length : float >= 0 [s]
        Shorter clips are left out. Lengths come from headers, all of which are read now, in threads; a file whose
        header does not say its length stays.
    transform : callable, optional
        ``transform(data, label)`` makes the sample of both.
    transforms, synsets
        As for `AudioDataset`.

    Attributes
    ----------
    synsets : list of str
        The speakers, sorted; those without a clip are left out.
    num_classes : int
        Number of speakers.
    items : list of (str, int)
        Path and label of each clip.
    sessions : list of str
        Session of each clip, ``'speaker/session'``; the path, where there is none. The same as `groups`.
    skipped : list of (str, AudioError)
        Files that were left out, too short or not readable, and why.

    Raises
    ------
    DatasetError
        There is no such folder, or no clip that is long enough in it.

    See Also
    --------
    VoxAudioValFolderDataset : pairs, to verify speakers

    References
    ----------
    ``gluonar.data`` of https://github.com/haoxintong/gluon-audio, whose names these are.

    Examples
    --------
    >>> import soundfile
    >>> folder = getfixture('tmp_path')
    >>> for name, seconds in (("bo/talk/1.wav", 3), ("anna/talk/1.wav", 4), ("anna/walk/1.wav", 1)):
    ...     (folder / name).parent.mkdir(parents=True)
    ...     soundfile.write(folder / name, np.zeros(8000 * seconds), 8000)
    >>> dataset = VoxAudioFolderDataset(folder)
    >>> dataset.synsets, dataset.sessions, dataset[0][0].shape
    (['anna', 'bo'], ['anna/talk', 'bo/talk'], (64000,))
    """

    def __init__(
        self,
        root: str | os.PathLike,
        sr: int = 16000,
        min_length: float = 3,
        transform: Callable[[Any, int], Any] | None = None,
        *,
        transforms: Callable | Iterable[Callable] = (),
        synsets: Sequence[str] | None = None,
    ):
        if not min_length >= 0:
            raise DatasetError(f"min_length is 0 s or more, not {min_length!r}")
        self._load = Load(sr)
        clips, self.skipped = _long_enough(speaker_folder(root), min_length, Path(root).expanduser())
        super().__init__(
            [clip.path for clip in clips], [clip.speaker for clip in clips], transforms=transforms, synsets=synsets
        )
        self.groups = [clip.session for clip in clips]
        self.pair_transform = transform

    @property
    def num_classes(self) -> int:
        """Number of speakers."""
        return len(self.synsets)

    @property
    def sessions(self) -> list[str]:
        """Session of each clip."""
        return self.groups

    def _from_source(self, steps: tuple[Callable, ...]) -> tuple[Callable, ...]:
        return steps if steps and takes_source(steps[0]) else (self._load, *steps)


class VoxAudioValFolderDataset(gluon.data.Dataset):
    """Pairs of utterances, and whether one speaker speaks in both.

    Parameters
    ----------
    pairs_file : str or os.PathLike
        Lines ``label path path``, as VoxCeleb's ``veri_test.txt``, or ``path path label``; see `read_trials`.
    root : str or os.PathLike
        What the paths start from.
    transform : callable, optional
        ``transform(samples)``, of each sound.
    sr : int > 0 [Hz]
        Rate at which samples are given.

    Attributes
    ----------
    items : list of (str, str)
        The paths of each pair.
    labels : list of int
        1 for the same speaker, 0 for two.

    Raises
    ------
    DatasetError
        The list or a line of it is wrong, or files are not there.

    See Also
    --------
    mxnet_audio.datasets.speakers.read_trials : the list alone, without MXNet

    Examples
    --------
    >>> import soundfile
    >>> folder = getfixture('tmp_path')
    >>> for name, seconds in (("a.wav", 1), ("b.wav", 2)):
    ...     soundfile.write(folder / name, np.zeros(8000 * seconds), 8000)
    >>> _ = (folder / "pairs.txt").write_text("0 a.wav b.wav\\n")
    >>> (first, second), same = VoxAudioValFolderDataset(folder / "pairs.txt", folder)[0]
    >>> first.shape, second.shape, same
    ((16000,), (32000,), 0)
    """

    def __init__(
        self,
        pairs_file: str | os.PathLike,
        root: str | os.PathLike,
        transform: Callable[[np.ndarray], Any] | None = None,
        sr: int = 16000,
    ):
        trials = read_trials(pairs_file, root)
        self.items = [(first, second) for _, first, second in trials]
        self.labels = [label for label, _, _ in trials]
        self._load, self._transform = Load(sr), transform

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[tuple[Any, Any], int]:
        """``((audio0, audio1), issame)``; an AudioError names the file."""
        first, second = self.items[index]
        return (self._sound(first), self._sound(second)), self.labels[index]

    def _sound(self, path: str) -> Any:
        samples = self._load(path)
        if self._transform is None:
            return samples
        with audio.naming_errors(path):
            return self._transform(samples)


def _long_enough(
    clips: list[Utterance], min_length: float, root: Path
) -> tuple[list[Utterance], list[tuple[str, AudioError]]]:
    """Those that can be read and are long enough, and the others."""
    kept, skipped, short = [], [], 0
    for clip, seconds, error in map_ordered(lambda clip: _seconds(clip.path), clips):
        if error is None and seconds is not None and seconds < min_length:
            short += 1
            error = DatasetError(f"is {seconds:.6g} s long, less than {min_length:g} s", clip.path)
        if error is None:
            kept.append(clip)
        else:
            skipped.append((clip.path, error))
    if not kept:
        raise DatasetError(f"none of its {len(clips)} clips can be used, such as {skipped[0][1]}", root)
    if skipped:
        logger.warning(
            "%s: %d of %d clips are left out (%d shorter than %g s, %d not readable), such as %s",
            *(root, len(skipped), len(clips), short, min_length, len(skipped) - short, skipped[0][1]),
        )
    if silent := sorted({clip.speaker for clip in clips} - {clip.speaker for clip in kept}):
        logger.warning("%s: speakers without a clip are left out: %s", root, ", ".join(silent))
    return kept, skipped


def _seconds(path: str) -> float | None:
    """Length of a file; None where its header does not say."""
    info = audio.info(path)
    if info.frames == 0:
        raise DatasetError("there are no samples", path)
    return info.duration
