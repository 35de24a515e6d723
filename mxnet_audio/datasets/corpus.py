"""What all named corpora share: download, validate, list."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

from mxnet_audio.audio import find_audio, info
from mxnet_audio.datasets.fetch import Remote, differs, fetch
from mxnet_audio.datasets.place import contents, place, whole
from mxnet_audio.errors import AudioError, DatasetError

__all__ = ["Clip", "Corpus", "Remote", "Validation"]

logger = logging.getLogger(__name__)


class Clip(NamedTuple):
    """One recording: path, label, fold (None: in no official one) and the group that must not be split."""

    path: str
    label: str
    fold: int | str | None
    group: str


@dataclass(frozen=True)
class Validation:
    """What `Corpus.validate` found.

    Attributes
    ----------
    directory : str
    clips : int
        Clips that are there and can be read.
    missing : list of str
        Names of clips that should be there.
    damaged : list of (str, str)
        Path and reason.
    extra : list of str
        Sound files that are no clips of the corpus.
    """

    directory: str
    clips: int
    missing: list[str] = field(default_factory=list)
    damaged: list[tuple[str, str]] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Nothing is missing and nothing damaged."""
        return not self.missing and not self.damaged


@dataclass(frozen=True)
class Corpus:
    """A named corpus as data, and what can be done with it.

    Attributes
    ----------
    name, title : str
    home : str
        Folder that its archive is unpacked to.
    remote : Remote
        The archive.
    licence, citation : str
        The citation is BibTeX.
    labels : tuple of str
        In the corpus's own order.
    folds : tuple
        The official folds.
    n_clips : int
    lister : callable
        ``lister(home) -> iterable of Clip``.
    expected : callable
        ``expected(home) -> set of names`` (without suffix) of the clips that belong there.
    suspects : tuple of str
        Names of clips known to be damaged in some copies. They are probed before they are listed.

    Examples
    --------
    >>> from mxnet_audio import datasets
    >>> corpus = datasets.get("esc10")
    >>> corpus.folds, len(corpus.labels)
    ((1, 2, 3, 4, 5), 10)
    """

    name: str
    title: str
    home: str
    remote: Remote
    licence: str
    citation: str
    labels: tuple[str, ...]
    folds: tuple[int, ...] | tuple[str, ...]
    n_clips: int
    lister: Callable[[Path], Iterable[Clip]]
    expected: Callable[[Path], set[str]]
    suspects: tuple[str, ...] = ()

    @property
    def remotes(self) -> tuple[Remote, ...]:
        """The archives, all in all."""
        return (self.remote,)

    def to_dict(self) -> dict:
        """State the facts in terms of JSON.

        Returns
        -------
        dict
            ``name, title, licence, citation, labels, folds, n_clips, size`` [bytes] and ``remotes``, each
            with ``filename, urls, size, hash, certain``.
        """
        return {
            "name": self.name,
            "title": self.title,
            "licence": self.licence,
            "citation": self.citation,
            "labels": list(self.labels),
            "folds": list(self.folds),
            "n_clips": self.n_clips,
            "size": self.remote.size,
            "remotes": [asdict(remote) | {"urls": list(remote.urls)} for remote in self.remotes],
        }

    def download(
        self,
        directory: str | os.PathLike,
        url: str | None = None,
        archive: str | os.PathLike | None = None,
        progress: bool = True,
    ) -> str:
        """Fetch the archive, verify it and unpack it.

        Where everything is there already, nothing is done. After an interruption, call it again: the download
        goes on where it stopped. The folder appears in one piece; one that was there before, incomplete, is
        completed.

        Parameters
        ----------
        directory : str or os.PathLike
            Made when missing. It keeps the archive too.
        url : str, optional
            Fetch from here instead.
        archive : str or os.PathLike, optional
            Unpack this local archive instead. So is one that lies in the directory under its published name.
            An archive of your own, or from your URL, need not be the published one; a warning says if not.
        progress : bool, optional
            Show a bar on standard error.

        Returns
        -------
        str
            The unpacked folder. `pairs` takes it, or the directory.

        Raises
        ------
        DatasetError
            If no source gave the published archive, or it cannot be unpacked safely, or holds no clips.
        """
        directory = Path(directory)
        home = directory / self.home
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if self._complete(home):
                return str(home)
            fetched = False
            path = directory / self.remote.filename if archive is None else Path(archive)
            if path.is_file():
                if difference := differs(path, self.remote):
                    logger.warning("%s is not the published archive: %s", path, difference)
            elif archive is not None:
                raise DatasetError("no such archive", path)
            else:
                path, fetched = fetch(self.remote, directory, url, progress), True
            try:
                place(path, home, lambda unpacked: self._check(unpacked, path))
            except DatasetError:
                if fetched:  # or the next run would take it up again
                    path.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise DatasetError(f"{self.name} cannot be kept here: {error}", directory) from error
        return str(home)

    def validate(self, directory: str | os.PathLike) -> Validation:
        """Probe every clip and compare with what should be there.

        Parameters
        ----------
        directory : str or os.PathLike
            As for `pairs`.

        Returns
        -------
        Validation

        Raises
        ------
        DatasetError
            If there is no clip at all.
        """
        home = self._locate(directory)
        clips, damaged = self._list(home), []
        for clip in clips:
            if reason := _damage(clip.path):
                damaged.append((clip.path, reason))
        there = {Path(clip.path).stem for clip in clips}
        # What came with the archive is no stranger, though a subset such as ESC-10 does not list it.
        known = {str(home / name) for name in contents(home) or ()}
        return Validation(
            str(home),
            len(clips) - len(damaged),
            sorted(self.expected(home) - there),
            damaged,
            [path for path in find_audio(home) if path not in known and Path(path).stem not in there],
        )

    def pairs(self, directory: str | os.PathLike, folds=None) -> list[tuple[str, str]]:
        """List the clips with their labels.

        Parameters
        ----------
        directory : str or os.PathLike
            Where the corpus was downloaded to, or a copy of your own.
        folds : a fold or an iterable of folds, optional
            Only these; by default all clips, also those that are in no official fold.

        Returns
        -------
        list of (str, str)
            Sorted by path. A clip known to be damaged in some copies is left out where it is, with a warning.

        Raises
        ------
        DatasetError
            If there are no clips, or no such fold.
        """
        return [(clip.path, clip.label) for clip in self.clips(directory, folds)]

    def groups(self, directory: str | os.PathLike, folds=None) -> list[str]:
        """Name the source of each clip: clips of one source should not be on both sides of a split.

        Parameters
        ----------
        directory, folds
            As for `pairs`.

        Returns
        -------
        list of str
            Aligned with `pairs`.
        """
        return [clip.group for clip in self.clips(directory, folds)]

    def clips(self, directory: str | os.PathLike, folds=None) -> list[Clip]:
        """List the clips with label, fold and group; parameters and errors as in `pairs`."""
        clips = []
        for clip in self._list(self._locate(directory)):
            if Path(clip.path).stem in self.suspects and (reason := _damage(clip.path)):
                logger.warning("%s is left out: %s", clip.path, reason)
            else:
                clips.append(clip)
        if folds is None:
            return clips
        wanted = {folds} if isinstance(folds, str | int) else set(folds)
        if unknown := wanted - set(self.folds):
            there = ", ".join(map(repr, self.folds))
            raise DatasetError(f"{self.name} has no fold {min(map(repr, unknown))}: there are {there}")
        return [clip for clip in clips if clip.fold in wanted]

    def _locate(self, directory: str | os.PathLike) -> Path:
        directory = Path(directory)
        home = directory / self.home if (directory / self.home).is_dir() else directory
        if not home.is_dir():
            raise DatasetError(f"no such folder: download {self.name} to it first", directory)
        return home

    def _list(self, home: Path) -> list[Clip]:
        clips = sorted(self.lister(home))
        if not clips:
            raise DatasetError(f"holds no clip of {self.name}", home)
        return clips

    def _complete(self, home: Path) -> bool:
        if not home.is_dir():
            return False
        if (files := contents(home)) is not None:
            return whole(home, files)
        # Somebody else unpacked it: good if all is there.
        try:
            return len(list(self.lister(home))) >= self.n_clips - len(self.suspects)
        except DatasetError:
            return False

    def _check(self, unpacked: Path, archive: Path) -> None:
        try:
            found = len(self._list(unpacked))
        except DatasetError as error:
            raise DatasetError(f"holds no clip of {self.name}: {error.reason}", archive) from error
        if found < self.n_clips:
            logger.warning("%s holds %d of the %d clips of %s", archive, found, self.n_clips, self.name)


def _damage(path: str) -> str | None:
    """Say why a file cannot be read as sound; None when it can."""
    try:
        frames = info(path).frames
    except AudioError as error:
        return error.reason
    return "no samples" if frames == 0 else None
