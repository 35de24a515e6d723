"""Who speaks: folders of speakers, TIMIT, corpora with known speakers, and lists of trials."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from mxnet_audio import datasets
from mxnet_audio.audio import AUDIO_SUFFIXES, find_audio
from mxnet_audio.errors import DatasetError

__all__ = [
    "Trial",
    "Utterance",
    "located",
    "of_corpus",
    "parse_trials",
    "read_lines",
    "read_trials",
    "speaker_folder",
    "timit",
]

logger = logging.getLogger(__name__)

_SPOKEN = ("fsdd",)  # corpora whose groups are speakers
_TIMIT = re.compile(r"(?:.*/)?(train|test)/dr[1-8]/([fm][a-z]{3}\d)/(s[aix]\d+)\.wav(?:\.wav)?", re.IGNORECASE)


class Utterance(NamedTuple):
    """One recording of one speaker.

    Attributes
    ----------
    path, speaker : str
    session : str
        What was recorded together, in one room with one microphone: clips of it should not be split. Without
        anything known, the path.
    fold : str or None
        In no official one: None.
    content : str or None
        What is said, where a corpus tells: a digit, the number of a sentence.
    """

    path: str
    speaker: str
    session: str
    fold: str | None = None
    content: str | None = None


class Trial(NamedTuple):
    """Two recordings to compare: the label is 1 if one speaker speaks in both, else 0."""

    label: int
    first: str
    second: str


def speaker_folder(root: str | os.PathLike, suffixes: Collection[str] = AUDIO_SUFFIXES) -> list[Utterance]:
    """List a folder of speakers: ``speaker/session/utterance``, as VoxCeleb's, or ``speaker/utterance``.

    Parameters
    ----------
    root : str or os.PathLike
        Holds a folder for each speaker. What lies deeper than a session's folder belongs to that session. Hidden
        files and folders are left out.
    suffixes : collection of str
        Of the files to list, such as ``('.wav', '.m4a')``.

    Returns
    -------
    list of Utterance
        Sorted by speaker and path. The session is ``'speaker/session'``; the path, where there is no session.

    Raises
    ------
    DatasetError
        There is no such folder, no speaker's folder in it, or no sound in any. A speaker without sound is left out
        and logged.

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
    root = Path(root).expanduser()
    wanted = tuple(suffix.lower() for suffix in suffixes)
    try:
        inside = sorted(item for item in root.iterdir() if not item.name.startswith("."))
        speakers = [item for item in inside if item.is_dir()]
    except OSError as error:
        raise DatasetError(f"cannot be listed: {error.strerror}", root) from error
    if not speakers:
        raise DatasetError("holds no folders: put the clips of each speaker in a folder of its own", root)
    found, silent = [], []
    for home in speakers:
        clips = [path for path in find_audio(home) if path.lower().endswith(wanted)]
        for path in clips:
            session, *deeper = Path(path).relative_to(home).parts
            found.append(Utterance(path, home.name, f"{home.name}/{session}" if deeper else path))
        if not clips:
            silent.append(home.name)
    if not found:
        raise DatasetError(f"holds no sound files ({', '.join(sorted(wanted))}) in any speaker's folder", root)
    if loose := [item.name for item in inside if item.is_file() and item.name.lower().endswith(wanted)]:
        logger.warning("%s: left out, as they are in no speaker's folder: %s", root, ", ".join(loose))
    if silent:
        logger.warning("%s: speakers without sound files are left out: %s", root, ", ".join(silent))
    return found


def timit(root: str | os.PathLike, split: Literal["train", "test"] | None = None) -> list[Utterance]:
    """List TIMIT, of the user's own copy: ``TRAIN/DR1/FCJF0/SA1.WAV``, in letters of any case.

    Parameters
    ----------
    root : str or os.PathLike
        Holds ``TRAIN`` and ``TEST``, itself or somewhere below. A file that is there as ``SA1.WAV`` (NIST SPHERE,
        as it was published) and as ``SA1.WAV.wav`` is listed once.
    split : {'train', 'test'}, optional
        Only this one, which has other speakers than the other one. Default: both.

    Returns
    -------
    list of Utterance
        Sorted by path. The session is the speaker, recorded on one day; `content` is the sentence: all speakers
        read ``SA1`` and ``SA2``.

    Raises
    ------
    DatasetError
        There is no such folder or split, or nothing of TIMIT in it.

    References
    ----------
    https://catalog.ldc.upenn.edu/LDC93S1, where it is sold.

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
    if split not in ("train", "test", None):
        raise DatasetError(f"split is 'train', 'test' or None for both, not {split!r}")
    root = Path(root).expanduser()
    if not root.is_dir():
        raise DatasetError("no such folder", root)
    found: dict[tuple[str, ...], Utterance] = {}
    for path in find_audio(root):
        if match := _TIMIT.fullmatch(Path(path).relative_to(root.parent).as_posix()):
            fold, (speaker, sentence) = match[1].lower(), (match[2].upper(), match[3].upper())
            if split in (fold, None):
                found.setdefault((fold, speaker, sentence), Utterance(path, speaker, speaker, fold, sentence))
    if not found:
        raise DatasetError(f"holds no TIMIT: expected {(split or 'train').upper()}/DR1/FCJF0/SA1.WAV and so on", root)
    return list(found.values())


def of_corpus(name: str, root: str | os.PathLike, folds: str | None = None) -> list[Utterance]:
    """List a named corpus by speaker.

    Parameters
    ----------
    name : str
        One whose clips say who speaks: ``'fsdd'``.
    root : str or os.PathLike
        Where it was downloaded to.
    folds : a fold or an iterable of folds, optional
        Only these.

    Returns
    -------
    list of Utterance
        `content` is the label that the clip has in the corpus: FSDD's digit.

    Raises
    ------
    DatasetError
        The corpus does not say who speaks, or is not there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     _ = Path(home, "7_theo_12.wav").write_bytes(b"")
    ...     [clip] = of_corpus("fsdd", home)
    >>> clip.speaker, clip.content, clip.fold
    ('theo', '7', 'train')
    """
    corpus = datasets.get(name)
    if corpus.name not in _SPOKEN:
        raise DatasetError(f"{corpus.name} does not say who speaks: {', '.join(_SPOKEN)} does")
    return [Utterance(clip.path, clip.group, clip.path, clip.fold, clip.label) for clip in corpus.clips(root, folds)]


def read_trials(pairs_file: str | os.PathLike, root: str | os.PathLike | None = None) -> list[Trial]:
    """Read a list of trials, and look for their files.

    Parameters
    ----------
    pairs_file : str or os.PathLike
        Lines of three fields, with spaces between: ``label path path``, as VoxCeleb's, or ``path path label``; all in
        one order. Paths may have spaces, if there are tabs between the fields. The label is 1 for the same speaker, 0
        for two.
    root : str or os.PathLike, optional
        What relative paths start from; by default the list's own folder.

    Returns
    -------
    list of Trial
        In the order of the list.

    Raises
    ------
    DatasetError
        The list cannot be read or is empty; a line has not three fields, or a label is not 0 or 1: its number is
        named. Files are not there: they are counted, and the first is named.

    See Also
    --------
    mxnet_audio.datasets.voxceleb.verification : VoxCeleb1's own lists, whatever way its files are kept

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     for name in ("a.wav", "b.wav"):
    ...         _ = Path(home, name).write_bytes(b"")
    ...     _ = Path(home, "trials.txt").write_text("1 a.wav a.wav\\n0 a.wav b.wav\\n")
    ...     [trial.label for trial in read_trials(Path(home, "trials.txt"))]
    [1, 0]
    """
    table = Path(pairs_file).expanduser()
    root = table.parent if root is None else Path(root).expanduser()

    def place(name: str) -> str | None:
        path = str(root / name)
        return path if os.path.isfile(path) else None  # noqa: PTH113 - Path.is_file raises in closed folders

    trials, lines = parse_trials(table)
    paths = located(lines, place, table, root)
    return [Trial(label, paths[first], paths[second]) for label, first, second in trials]


def parse_trials(pairs_file: str | os.PathLike) -> tuple[list[Trial], dict[str, int]]:
    """Read a list of trials as it is, without a look at the files.

    Parameters
    ----------
    pairs_file
        As for `read_trials`.

    Returns
    -------
    trials : list of Trial
        With the names that the list has.
    lines : dict of str to int
        In which line each name comes first.

    Raises
    ------
    DatasetError
        As `read_trials`, but for missing files.

    Examples
    --------
    >>> path = getfixture('tmp_path') / "trials.txt"
    >>> _ = path.write_text("a.wav b.wav 0\\n")
    >>> parse_trials(path)
    ([Trial(label=0, first='a.wav', second='b.wav')], {'a.wav': 1, 'b.wav': 1})
    """
    rows = list(read_lines(pairs_file, 3, "a label and two paths"))
    # The order that more lines have is the list's: then the line that has it not is the one to name.
    first, last = (sum(fields[place] in ("0", "1") for _, fields in rows) for place in (0, 2))
    ahead, trials, lines = first >= last, [], {}
    for line, fields in rows:
        label, *names = fields if ahead else (fields[2], *fields[:2])
        if label not in ("0", "1"):
            which = f"{'first' if ahead else 'last'} field" if first or last else "first, or the last, field"
            raise DatasetError(f"line {line}: the {which} is the label, 0 or 1, not {label!r}", pairs_file)
        trials.append(Trial(int(label), *names))
        for name in names:
            lines.setdefault(name, line)
    return trials, lines


def read_lines(path: str | os.PathLike, count: int, what: str) -> Iterator[tuple[int, list[str]]]:
    """Read lines of so many fields, with spaces between, or tabs, where fields have spaces. Empty ones are passed over.

    Parameters
    ----------
    path : str or os.PathLike
        In UTF-8.
    count : int > 0
        How many fields a line has.
    what : str
        Which, for the message.

    Yields
    ------
    line : int
        From 1.
    fields : list of str

    Raises
    ------
    DatasetError
        It cannot be read, there are no lines, or one has another number of fields.

    Examples
    --------
    >>> path = getfixture('tmp_path') / "split.txt"
    >>> _ = path.write_text("1 a.wav\\n\\n3 b.wav\\n")
    >>> list(read_lines(path, 2, "a number and a path"))
    [(1, ['1', 'a.wav']), (3, ['3', 'b.wav'])]
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", path) from error
    except ValueError as error:
        raise DatasetError(f"is not text in UTF-8: {error}", path) from error
    if not text.strip():
        raise DatasetError("the list is empty", path)
    for line, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        fields = [field.strip() for field in row.split("\t")]
        if len(fields) != count or not all(fields):
            fields = row.split()
        if len(fields) != count:
            reason = f"expected {what}, with tabs between if there are spaces in them, got {len(fields)} fields"
            raise DatasetError(f"line {line}: {reason}", path)
        yield line, fields


def located(
    lines: Mapping[str, int], place: Callable[[str], str | None], table: str | os.PathLike, root: str | os.PathLike
) -> dict[str, str]:
    """Find the files of a list.

    Parameters
    ----------
    lines : mapping of str to int
        Their names, and in which line each is.
    place : callable
        ``place(name)`` is the path, or None if there is none.
    table, root : str or os.PathLike
        The list, and where its files should be, for the message.

    Returns
    -------
    dict of str to str

    Raises
    ------
    DatasetError
        Some are not there: how many, and which is the first.

    Examples
    --------
    >>> located({"a.wav": 1}, {"a.wav": "/data/a.wav"}.get, "list.txt", "/data")
    {'a.wav': '/data/a.wav'}
    """
    paths = {name: place(name) for name in lines}
    if missing := [name for name, path in paths.items() if path is None]:
        first = f"the first is {missing[0]} in line {lines[missing[0]]}"
        raise DatasetError(f"{len(missing)} of its {len(paths)} sounds are not in {os.fspath(root)}: {first}", table)
    return paths
