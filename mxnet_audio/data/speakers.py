"""Speakers as Gluon datasets: folders of their utterances, and pairs of utterances to compare."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mxnet_audio import audio
from mxnet_audio.audio.source import naming_errors
from mxnet_audio.checks import real_number, user_path_argument
from mxnet_audio.data.folders import ListingDataset
from mxnet_audio.data.steps import takes_source
from mxnet_audio.data.transforms import Load
from mxnet_audio.datasets.speakers import Utterance, speaker_folder
from mxnet_audio.datasets.trials import read_trials
from mxnet_audio.engine import gluon
from mxnet_audio.errors import AudioError, DatasetError, ParameterError
from mxnet_audio.parallel import map_ordered

__all__ = ["VoxAudioFolderDataset", "VoxAudioValFolderDataset"]

logger = logging.getLogger(__name__)


class VoxAudioFolderDataset(ListingDataset):
    """Utterances by speaker: ``speaker/session/utterance``, as in VoxCeleb, or ``speaker/utterance``.

    Names and defaults are those of GluonAR. Short clips are left out; GluonAR replaces them by random others. Items are
    NumPy arrays, as in `AudioDataset`.

    Parameters
    ----------
    root : str or os.PathLike
        Folder that holds a folder for each speaker, with files of `audio.AUDIO_SUFFIXES`.
    sr : int > 0 [Hz]
        Rate of the samples.
    min_length : float >= 0 [s]
        Duration below which clips are left out. Durations come from headers, all of which are read now, in threads; a
        file whose header has no duration is kept.
    transform : callable, optional
        Function ``transform(data, label)`` that makes the sample.
    transforms, synsets
        As for `AudioDataset`.

    Attributes
    ----------
    synsets : list of str
        Speakers, sorted, without those that have no clip.
    num_classes : int
        Number of speakers.
    items : list of (str, int)
        Path and label index of each clip.
    sessions : list of str
        Session of each clip, ``'speaker/session'``; its path if there is no session. The same as `groups`.
    skipped : list of (str, AudioError)
        Files that were left out because they are too short or unreadable, and why.

    Raises
    ------
    DatasetError
        If there is no such folder, or no clip in it is long enough.
    ParameterError
        If `min_length` is out of range.

    See Also
    --------
    VoxAudioValFolderDataset : pairs, for speaker verification

    References
    ----------
    ``gluonar.data`` of https://github.com/haoxintong/gluon-audio

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

    _load = Load(16000)

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
        real_number("min_length", min_length, minimum=0)
        self._load = Load(sr)
        clips, self.skipped = _select_long_enough(speaker_folder(root), min_length, user_path_argument("root", root))
        super().__init__(
            [clip.path for clip in clips], [clip.speaker for clip in clips], transforms=transforms, synsets=synsets
        )
        self.groups = [clip.session for clip in clips]
        self.pair_transform = transform

    @property
    def num_classes(self) -> int:
        """Number of speakers."""
        return len(self.synsets or ())

    @property
    def sessions(self) -> list[str] | None:
        """Session of each clip."""
        return self.groups

    def _from_source(self, steps: tuple[Callable, ...]) -> tuple[Callable, ...]:
        return steps if steps and takes_source(steps[0]) else (self._load, *steps)


class VoxAudioValFolderDataset(gluon.data.Dataset):
    """Pairs of utterances, labelled as of one speaker or of two.

    Parameters
    ----------
    pairs_file : str or os.PathLike
        List with lines ``label path path``, as VoxCeleb's ``veri_test.txt``, or ``path path label``; see `read_trials`.
    root : str or os.PathLike, optional
        Folder that relative paths start from; by default that of the list. (GluonAR's default is a folder in the user's
        home.)
    transform : callable, optional
        Function ``transform(samples)``, called for each sound.
    sr : int > 0 [Hz]
        Rate of the samples. GluonAR has `sr` before `transform`: pass both by name.
    lst_path : str or os.PathLike, optional
        GluonAR's name of `pairs_file`.

    Attributes
    ----------
    items : list of (str, str)
        Paths of each pair.
    labels : list of int
        1 for one speaker, 0 for two.

    Raises
    ------
    DatasetError
        If the list or a line of it is wrong, or files are missing.
    ParameterError
        If neither or both of `pairs_file` and `lst_path` are given.

    See Also
    --------
    mxnet_audio.datasets.speakers.read_trials : reads the list alone, without MXNet

    Examples
    --------
    >>> import soundfile
    >>> folder = getfixture('tmp_path')
    >>> for name, seconds in (("a.wav", 1), ("b.wav", 2)):
    ...     soundfile.write(folder / name, np.zeros(8000 * seconds), 8000)
    >>> _ = (folder / "pairs.txt").write_text("0 a.wav b.wav\\n")
    >>> dataset = VoxAudioValFolderDataset(folder / "pairs.txt")
    >>> dataset
    VoxAudioValFolderDataset(1 pairs, sr=16000)
    >>> (first, second), same = dataset[0]
    >>> first.shape, second.shape, same
    ((16000,), (32000,), 0)
    """

    def __init__(
        self,
        pairs_file: str | os.PathLike | None = None,
        root: str | os.PathLike | None = None,
        transform: Callable[[np.ndarray], Any] | None = None,
        sr: int = 16000,
        *,
        lst_path: str | os.PathLike | None = None,
    ):
        given = [path for path in (pairs_file, lst_path) if path is not None]
        if len(given) != 1:
            raise ParameterError("pairs_file (lst_path) must be given once: it is the list of pairs")
        trials = read_trials(given[0], root)
        self.items = [(first, second) for _, first, second in trials]
        self.labels = [label for label, _, _ in trials]
        self._load, self._transform = Load(sr), transform

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} pairs, sr={self._load.sr})"

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[tuple[Any, Any], int]:
        """Return ``((audio0, audio1), issame)``; an AudioError names the file."""
        first, second = self.items[index]
        return (self._read(first), self._read(second)), self.labels[index]

    def _read(self, path: str) -> Any:
        samples = self._load(path)
        if self._transform is None:
            return samples
        with naming_errors(path):
            return self._transform(samples)


def _select_long_enough(
    clips: list[Utterance], min_length: float, root: Path
) -> tuple[list[Utterance], list[tuple[str, AudioError]]]:
    """Return the clips that are readable and long enough, and the others with the reason."""
    selected, skipped, short = [], [], 0
    for clip, seconds, error in map_ordered(lambda clip: _duration(clip.path), clips):
        if error is None and seconds is not None and seconds < min_length:
            short += 1
            error = DatasetError(f"is too short: {seconds:.6g} s, less than {min_length:g} s", clip.path)
        if error is None:
            selected.append(clip)
        else:
            skipped.append((clip.path, error))
    if not selected:
        raise DatasetError(f"none of its {len(clips)} clips can be used, such as {skipped[0][1]}", root)
    if skipped:
        logger.warning(
            "%s: skipped %d of %d clips (%d shorter than %g s, %d unreadable), such as %s",
            *(root, len(skipped), len(clips), short, min_length, len(skipped) - short, skipped[0][1]),
        )
    if missing := sorted({clip.speaker for clip in clips} - {clip.speaker for clip in selected}):
        logger.warning("%s: skipped speakers without a clip: %s", root, ", ".join(missing))
    return selected, skipped


def _duration(path: str) -> float | None:
    """Return the duration of a file [s]; None if its header has none."""
    info = audio.info(path)
    if info.frames == 0:
        raise DatasetError("there are no samples", path)
    return info.duration
