"""VoxCeleb1 in the user's own copy: 153,516 utterances of 1,251 speakers, and its official lists.

It is not a corpus of `datasets.get`, as it has no public archive: the authors send the recordings on request. Only the
lists are public. Nothing is downloaded here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from mxnet_audio.audio import find_audio
from mxnet_audio.checks import user_path_argument
from mxnet_audio.datasets.speakers import Utterance
from mxnet_audio.datasets.trials import Trial, find_listed_files, parse_trials, read_fields
from mxnet_audio.errors import DatasetError

__all__ = ["FOLDS", "TRIALS", "identification", "verification", "voxceleb1"]

_HOMEPAGE = "see https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox1.html"

#: Fold of each value of the first field of ``iden_split.txt``.
FOLDS = {"1": "train", "2": "validation", "3": "test"}
#: Official lists of trials: VoxCeleb1, VoxCeleb1-E (all speakers), VoxCeleb1-H (hard pairs), each with a cleaned list.
TRIALS = (
    "veri_test.txt",
    "veri_test2.txt",
    "list_test_all.txt",
    "list_test_all2.txt",
    "list_test_hard.txt",
    "list_test_hard2.txt",
)

# Parents of the speakers' folders in copies with both archives extracted to one folder, or each to its own.
_PARTS = ("", "dev", "test", "vox1_dev_wav", "vox1_test_wav")
_FORMATS = ("", "wav", "m4a")
_SPEAKER = re.compile(r"id\d{5}")


def voxceleb1(root: str | os.PathLike) -> list[Utterance]:
    """List the existing utterances.

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
        If the folder is missing or has no utterances.

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
    return [_utterance(name, path) for name, path in sorted(_paths(user_path_argument("root", root)).items())]


def identification(root: str | os.PathLike, split: str | os.PathLike = "iden_split.txt") -> list[Utterance]:
    """List the utterances with the official split for identification: all speakers are in all three folds.

    Parameters
    ----------
    root : str or os.PathLike
        See `voxceleb1`.
    split : str or os.PathLike
        The list: a name in `root`, or a path.

    Returns
    -------
    list of Utterance
        In the order of the list; `fold` is 'train', 'validation' or 'test'.

    Raises
    ------
    DatasetError
        If the list is missing; a line is invalid (it is named); or files are missing (they are counted).

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
    table = _find_list(root, split)
    folds, lines = {}, {}
    for line, (number, name) in read_fields(table, 2, "a number and a path"):
        if number not in FOLDS:
            numbers = ", ".join(f"{key} ({fold})" for key, fold in FOLDS.items())
            raise DatasetError(f"line {line}: the first field must be one of {numbers}, got {number!r}", table)
        folds[name], lines[name] = FOLDS[number], line
    paths = _find_files(root, lines, table)
    return [_utterance(name, paths[name], fold) for name, fold in folds.items()]


def verification(root: str | os.PathLike, trials: str | os.PathLike = "veri_test.txt") -> list[Trial]:
    """List the trials of an official list for verification.

    Parameters
    ----------
    root : str or os.PathLike
        See `voxceleb1`.
    trials : str or os.PathLike
        The list, such as one of `TRIALS`: a name in `root`, or a path.

    Returns
    -------
    list of Trial
        In the order of the list.

    Raises
    ------
    DatasetError
        If the list is missing; see also `trials.read_trials`.

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
    table = _find_list(root, trials)
    listed, lines = parse_trials(table)
    paths = _find_files(root, lines, table)
    return [Trial(label, paths[first], paths[second]) for label, first, second in listed]


def _find_list(root: str | os.PathLike, table: str | os.PathLike) -> Path:
    """Return the path of a list in the root or elsewhere."""
    root, table = user_path_argument("root", root), user_path_argument("the list", table)
    for path in (root / table, table):
        if os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for names that are too long
            return path
    raise DatasetError(f"no such list: the authors of VoxCeleb publish it, {_HOMEPAGE}", root / table)


def _paths(root: Path) -> dict[str, str]:
    """Return the path of each existing utterance by its name in the lists, without suffix."""
    if not os.path.isdir(root):  # noqa: PTH112 - as in _find_list
        raise DatasetError(f"no such folder: to get VoxCeleb1, {_HOMEPAGE}", root)
    paths: dict[str, str] = {}
    for home in (root / part / kind for part in _PARTS for kind in _FORMATS):
        for speaker in home.iterdir() if home.is_dir() else ():
            if _SPEAKER.fullmatch(speaker.name) and speaker.is_dir():
                for path in find_audio(speaker):
                    paths.setdefault(Path(path).relative_to(home).with_suffix("").as_posix(), path)
    if not paths:
        raise DatasetError(
            f"no utterances of VoxCeleb1 found: expected files such as wav/id10001/<video>/00001.wav; {_HOMEPAGE}", root
        )
    return paths


def _find_files(root: str | os.PathLike, lines: Mapping[str, int], table: Path) -> dict[str, str]:
    """Return the path of each name of a list; the suffixes may differ."""
    root = user_path_argument("root", root)
    paths = _paths(root)
    return find_listed_files(lines, lambda name: paths.get(name.rpartition(".")[0]), table, root)


def _utterance(name: str, path: str, fold: str | None = None) -> Utterance:
    """Make an utterance of its name ``speaker/video/number``."""
    return Utterance(path, name.partition("/")[0], name.rpartition("/")[0], fold)
