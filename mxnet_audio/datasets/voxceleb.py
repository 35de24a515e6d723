"""VoxCeleb1, of the user's own copy: 153,516 utterances of 1,251 speakers, and its official lists.

It is none of the corpora of `datasets.get`: there is no public archive to download and to verify. Its authors send the
sound to whoever asks them for it; only the lists are for all. Nothing here fetches either.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from mxnet_audio.audio import find_audio
from mxnet_audio.datasets.speakers import Trial, Utterance, located, parse_trials, read_lines
from mxnet_audio.errors import DatasetError

__all__ = ["FOLDS", "TRIALS", "identification", "verification", "voxceleb1"]

_WHERE = "see https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox1.html"

#: The first field of ``iden_split.txt``.
FOLDS = {"1": "train", "2": "validation", "3": "test"}
#: Official lists of trials: VoxCeleb1's, of all speakers (E), and hard ones (H); the second of each is cleaned.
TRIALS = (
    "veri_test.txt",
    "veri_test2.txt",
    "list_test_all.txt",
    "list_test_all2.txt",
    "list_test_hard.txt",
    "list_test_hard2.txt",
)

# Where copies keep the speakers' folders: both archives unpacked to one folder, or to one for each.
_PARTS = ("", "dev", "test", "vox1_dev_wav", "vox1_test_wav")
_KINDS = ("", "wav", "m4a")
_SPEAKER = re.compile(r"id\d{5}")


def voxceleb1(root: str | os.PathLike) -> list[Utterance]:
    """List the utterances that are there.

    Parameters
    ----------
    root : str or os.PathLike
        Holds ``wav/id10001/<video>/00001.wav``; or ``dev/wav`` and ``test/wav``; or m4a in place of wav.

    Returns
    -------
    list of Utterance
        Sorted by speaker, video and number. The session is the video: ``'id10001/<video>'``.

    Raises
    ------
    DatasetError
        There is no such folder, or no utterance in it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     Path(home, "wav/id10001/1zcIwhmdeo4").mkdir(parents=True)
    ...     _ = Path(home, "wav/id10001/1zcIwhmdeo4/00001.wav").write_bytes(b"")
    ...     [clip] = voxceleb1(home)
    >>> clip.speaker, clip.session
    ('id10001', 'id10001/1zcIwhmdeo4')
    """
    return [_utterance(name, path) for name, path in sorted(_paths(Path(root).expanduser()).items())]


def identification(root: str | os.PathLike, split: str | os.PathLike = "iden_split.txt") -> list[Utterance]:
    """List the utterances by the official split for identification: all speakers are in all three folds.

    Parameters
    ----------
    root : str or os.PathLike
        As for `voxceleb1`.
    split : str or os.PathLike
        The list: a name in `root`, or a path.

    Returns
    -------
    list of Utterance
        In the order of the list; `fold` is 'train', 'validation' or 'test'.

    Raises
    ------
    DatasetError
        The list is not there, or a line is wrong, which is named; files of it are not there: they are counted.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     Path(home, "wav/id10001/1zcIwhmdeo4").mkdir(parents=True)
    ...     _ = Path(home, "wav/id10001/1zcIwhmdeo4/00001.wav").write_bytes(b"")
    ...     _ = Path(home, "iden_split.txt").write_text("3 id10001/1zcIwhmdeo4/00001.wav\\n")
    ...     [clip.fold for clip in identification(home)]
    ['test']
    """
    table = _listed(root, split)
    folds, lines = {}, {}
    for line, (number, name) in read_lines(table, 2, "a number and a path"):
        if number not in FOLDS:
            known = ", ".join(f"{key} ({fold})" for key, fold in FOLDS.items())
            raise DatasetError(f"line {line}: the first field is {known}, not {number!r}", table)
        folds[name], lines[name] = FOLDS[number], line
    paths = _found(root, lines, table)
    return [_utterance(name, paths[name], fold) for name, fold in folds.items()]


def verification(root: str | os.PathLike, trials: str | os.PathLike = "veri_test.txt") -> list[Trial]:
    """List the trials of an official list for verification.

    Parameters
    ----------
    root : str or os.PathLike
        As for `voxceleb1`.
    trials : str or os.PathLike
        The list, such as those of `TRIALS`: a name in `root`, or a path.

    Returns
    -------
    list of Trial
        In the order of the list.

    Raises
    ------
    DatasetError
        As `speakers.read_trials`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     Path(home, "test/m4a/id10270/x6uYqmx31kE").mkdir(parents=True)
    ...     _ = Path(home, "test/m4a/id10270/x6uYqmx31kE/00001.m4a").write_bytes(b"")
    ...     _ = Path(home, "veri_test.txt").write_text("1 " + "id10270/x6uYqmx31kE/00001.wav " * 2)
    ...     [Path(trial.first).name for trial in verification(home)]
    ['00001.m4a']
    """
    table = _listed(root, trials)
    listed, lines = parse_trials(table)
    paths = _found(root, lines, table)
    return [Trial(label, paths[first], paths[second]) for label, first, second in listed]


def _listed(root: str | os.PathLike, table: str | os.PathLike) -> Path:
    """Where a list is."""
    for path in (Path(root).expanduser() / table, Path(table).expanduser()):
        if path.is_file():
            return path
    raise DatasetError(f"the list is not there: VoxCeleb's authors publish it, {_WHERE}", Path(root) / table)


def _paths(root: Path) -> dict[str, str]:
    """Path of each utterance there, by its name without suffix, as lists have it."""
    if not root.is_dir():
        raise DatasetError(f"no such folder: how to get VoxCeleb1, {_WHERE}", root)
    found: dict[str, str] = {}
    for home in (root / part / kind for part in _PARTS for kind in _KINDS):
        for speaker in home.iterdir() if home.is_dir() else ():
            if _SPEAKER.fullmatch(speaker.name) and speaker.is_dir():
                for path in find_audio(speaker):
                    found.setdefault(Path(path).relative_to(home).with_suffix("").as_posix(), path)
    if not found:
        raise DatasetError(f"holds no VoxCeleb1: expected wav/id10001/<video>/00001.wav and so on; {_WHERE}", root)
    return found


def _found(root: str | os.PathLike, lines: Mapping[str, int], table: Path) -> dict[str, str]:
    """Path of each name of a list, whatever its suffix is here."""
    root = Path(root).expanduser()
    paths = _paths(root)
    return located(lines, lambda name: paths.get(name.rpartition(".")[0]), table, root)


def _utterance(name: str, path: str, fold: str | None = None) -> Utterance:
    return Utterance(path, name.partition("/")[0], name.rpartition("/")[0], fold)
