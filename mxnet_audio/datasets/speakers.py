"""Recordings by speaker: folders of speakers, TIMIT, and named corpora with known speakers.

`Trial` and `read_trials` of :mod:`mxnet_audio.datasets.trials` can be imported from here, too.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Literal, NamedTuple

from mxnet_audio.audio import AUDIO_SUFFIXES, find_audio
from mxnet_audio.audio.source import missing_reason
from mxnet_audio.checks import one_of, user_path_argument
from mxnet_audio.datasets.local import list_folders
from mxnet_audio.datasets.registry import get
from mxnet_audio.datasets.splits import Folds
from mxnet_audio.datasets.trials import Trial, read_trials
from mxnet_audio.errors import DatasetError, ParameterError

__all__ = ["Trial", "Utterance", "of_corpus", "read_trials", "speaker_folder", "timit"]

logger = logging.getLogger(__name__)

_CORPORA_OF_SPEAKERS = ("fsdd",)  # corpora whose groups are speakers
_TIMIT = re.compile(r"(?:.*/)?(train|test)/dr[1-8]/([fm][a-z]{3}\d)/(s[aix]\d+)\.wav(?:\.wav)?", re.IGNORECASE)


class Utterance(NamedTuple):
    """Recording of one speaker.

    Attributes
    ----------
    path, speaker : str
    session : str
        Recordings made together, in one room with one microphone; a split should not separate them. The path if the
        session is unknown.
    fold : int, str or None
        None if the recording is in no official fold.
    content : str or None
        Spoken content, if known: a digit, or the number of a sentence.
    """

    path: str
    speaker: str
    session: str
    fold: int | str | None = None
    content: str | None = None


def speaker_folder(root: str | os.PathLike, suffixes: Collection[str] = AUDIO_SUFFIXES) -> list[Utterance]:
    """List a folder of speakers: ``speaker/session/utterance``, as in VoxCeleb, or ``speaker/utterance``.

    Parameters
    ----------
    root : str or os.PathLike
        Holds one folder per speaker; these may be in folders of splits (``train``, ``dev``, ``test``). Files below a
        session's folder belong to this session. Hidden files and folders are ignored.
    suffixes : collection of str
        Suffixes of the files to list, such as ``('.wav', '.m4a')``.

    Returns
    -------
    list of Utterance
        Sorted by speaker and path. The session is ``'speaker/session'``, or the path if there is no session folder. The
        fold is the name of the split, if there are splits.

    Raises
    ------
    DatasetError
        If the folder is missing, or has no speaker folders, or none of these has sound files. Speakers without sound
        files are skipped with a warning.

    See Also
    --------
    mxnet_audio.data.VoxAudioFolderDataset : the same as a Gluon dataset

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     for name in ("bo/talk/1.wav", "anna/1.flac"):
    ...         Path(home, name).parent.mkdir(parents=True)
    ...         _ = Path(home, name).write_bytes(b"")
    ...     [(clip.speaker, clip.session == clip.path or clip.session) for clip in speaker_folder(home)]
    [('anna', True), ('bo', 'bo/talk')]
    """
    files = list_folders(user_path_argument("root", root), "speaker", suffixes)
    return [
        Utterance(file.path, file.name, f"{file.name}/{file.below[0]}" if file.below else file.path, file.split)
        for file in files
    ]


def timit(root: str | os.PathLike, split: Literal["train", "test"] | None = None) -> list[Utterance]:
    """List the user's copy of TIMIT: ``TRAIN/DR1/FCJF0/SA1.WAV``, in upper or lower case.

    Parameters
    ----------
    root : str or os.PathLike
        Holds ``TRAIN`` and ``TEST`` at any depth. A recording that exists both as ``SA1.WAV`` (NIST SPHERE, as
        published) and as ``SA1.WAV.wav`` is listed once.
    split : {'train', 'test'}, optional
        Split to list; the two have different speakers. By default both.

    Returns
    -------
    list of Utterance
        Sorted by path. The session is the speaker (each was recorded on one day). The `content` is the sentence; all
        speakers read ``SA1`` and ``SA2``.

    Raises
    ------
    DatasetError
        If the folder is missing or has no recordings of TIMIT or of the split.
    ParameterError
        If `split` is unknown, or `root` is no path.

    References
    ----------
    https://catalog.ldc.upenn.edu/LDC93S1, which sells the corpus.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     Path(home, "TRAIN/DR1/FCJF0").mkdir(parents=True)
    ...     _ = Path(home, "TRAIN/DR1/FCJF0/SA1.WAV").write_bytes(b"")
    ...     [clip] = timit(home)
    >>> clip[1:]
    ('FCJF0', 'FCJF0', 'train', 'SA1')
    """
    if split is not None:
        one_of("split", split, ("train", "test"))
    root = user_path_argument("root", root)
    if not os.path.isdir(root):  # noqa: PTH112 - Path.is_dir raises for names that are too long
        raise DatasetError(missing_reason(root, "folder"), root)
    utterances: dict[tuple[str, ...], Utterance] = {}
    for path in find_audio(root):
        if match := _TIMIT.fullmatch(Path(path).relative_to(root.parent).as_posix()):
            fold, speaker, sentence = match[1].lower(), match[2].upper(), match[3].upper()
            if split in (fold, None):
                utterances.setdefault((fold, speaker, sentence), Utterance(path, speaker, speaker, fold, sentence))
    if not utterances:
        expected = f"{(split or 'train').upper()}/DR1/FCJF0/SA1.WAV"
        raise DatasetError(f"no recordings of TIMIT found: expected files such as {expected}", root)
    return list(utterances.values())


def of_corpus(name: str, root: str | os.PathLike, folds: Folds | None = None) -> list[Utterance]:
    """List a named corpus by speaker.

    Parameters
    ----------
    name : str
        Name of a corpus with known speakers: ``'fsdd'``.
    root : str or os.PathLike
        Directory of the download.
    folds : a fold or an iterable of folds, optional
        Folds to list; by default all.

    Returns
    -------
    list of Utterance
        The `content` is the label of the clip: the digit of FSDD.

    Raises
    ------
    DatasetError
        If the directory is missing or has no clips of the corpus.
    ParameterError
        If the corpus or the fold is unknown, or the corpus has no speakers.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     _ = Path(home, "7_theo_12.wav").write_bytes(b"")
    ...     [clip] = of_corpus("fsdd", home)
    >>> clip.speaker, clip.content, clip.fold
    ('theo', '7', 'train')
    """
    corpus = get(name)
    if corpus.name not in _CORPORA_OF_SPEAKERS:
        raise ParameterError(f"the speakers of {corpus.name} are unknown: choose {', '.join(_CORPORA_OF_SPEAKERS)}")
    return [Utterance(clip.path, clip.group, clip.path, clip.fold, clip.label) for clip in corpus.clips(root, folds)]
