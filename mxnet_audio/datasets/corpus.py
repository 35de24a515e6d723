"""Named corpora: download, validate and list their clips."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mxnet_audio.audio import find_audio, info
from mxnet_audio.checks import path_argument
from mxnet_audio.datasets.fetch import Remote, archive_difference, fetch, remove_partial_download
from mxnet_audio.datasets.install import has_leftovers, install, installed_files, is_complete, remove_leftovers
from mxnet_audio.datasets.splits import Folds, canonical_fold, requested_folds
from mxnet_audio.errors import AudioError, DatasetError, ParameterError
from mxnet_audio.locks import locked

__all__ = ["Clip", "Corpus", "Remote", "Validation"]

logger = logging.getLogger(__name__)


class Clip(NamedTuple):
    """Labelled recording of a corpus.

    Attributes
    ----------
    path : str
    label : str, or frozenset of str
        A frozenset if the clips of a table can have several labels.
    fold : int, str or None
        None if the clip is in no official fold.
    group : str
        Source of the clip. Clips of one group should not be in both the training and the test set.
    """

    path: str
    label: Any
    fold: int | str | None
    group: str


@dataclass(frozen=True)
class Validation:
    """Result of `Corpus.validate`.

    Attributes
    ----------
    directory : str
    clips : int
        Number of readable clips.
    missing : list of str
        Names of missing clips.
    damaged : list of (str, str)
        Path of each damaged clip, and the reason.
    extra : list of str
        Sound files that are not clips of the corpus.
    """

    directory: str
    clips: int
    missing: list[str] = field(default_factory=list)
    damaged: list[tuple[str, str]] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True if no clip is missing or damaged."""
        return not self.missing and not self.damaged


@dataclass(frozen=True, repr=False)
class Corpus:
    """Named corpus: its description, and methods to download, validate and list it.

    Nothing is downloaded until :meth:`download` is called.

    Attributes
    ----------
    name, title : str
    home : str
        Name of the folder that the archive is extracted to.
    remote : Remote
        The archive.
    licence, citation : str
        The citation is BibTeX.
    labels : tuple of str
        The classes, in the corpus's own order.
    folds : tuple of int or of str
        The official folds.
    n_clips : int
    lister : callable
        ``lister(home)`` returns an iterable of `Clip`.
    expected : callable
        ``expected(home)`` returns the set of the names (without suffix) of all clips.
    suspects : tuple of str
        Names of clips that are damaged in some copies. They are checked before they are listed.

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

    def __repr__(self) -> str:
        return f"Corpus({self.name!r}, n_clips={self.n_clips}, n_classes={len(self.labels)}, folds={self.folds})"

    @property
    def remotes(self) -> tuple[Remote, ...]:
        """All archives of the corpus."""
        return (self.remote,)

    def to_dict(self) -> dict[str, Any]:
        """Return the description as JSON types.

        Returns
        -------
        dict
            Keys ``name, title, licence, citation, labels, folds, n_clips, size`` [bytes] and ``remotes``, a list of
            dictionaries with the keys ``filename, urls, size, hash, certain``.
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
        """Download, verify and extract the archive.

        If the corpus is complete, nothing is done. After an interruption, call the method again: the download is
        resumed. The folder is created atomically; an existing, incomplete one is completed. Other processes and threads
        that download the same corpus to the same directory wait for the first one, and find the work done.

        Parameters
        ----------
        directory : str or os.PathLike
            Created if it is missing. The archive is kept in it.
        url : str, optional
            Address to download from, instead of the published ones.
        archive : str or os.PathLike, optional
            Local archive to extract, instead of a download. An archive in the directory with the published name is
            used, too. A local archive, or one from `url`, may differ from the published one; then a warning is logged.
        progress : bool, optional
            Show a progress bar on standard error.

        Returns
        -------
        str
            The extracted folder. `pairs` accepts it, and the directory.

        Raises
        ------
        DatasetError
            If no address gave the published archive, or the archive is missing, unsafe, damaged or without clips.
        ParameterError
            If an argument is of the wrong type.
        """
        directory = path_argument("directory", directory)
        given = None if archive is None else path_argument("archive", archive)
        if not isinstance(url, str | None):
            raise ParameterError(f"url must be an address, got {url!r}")
        home = directory / self.home
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if not self._is_complete(home) or has_leftovers(home):
                with locked(directory / f".{self.home}.lock", f"the download of {self.name} to {directory}"):
                    remove_leftovers(home)
                    if not self._is_complete(home):  # another process may have completed it meanwhile
                        self._install(home, url, given, progress)
        except OSError as error:
            raise DatasetError(f"{self.name} cannot be stored: {error}", directory) from error
        return str(home)

    def _install(self, home: Path, url: str | None, archive: Path | None, progress: bool) -> None:
        """Extract the archive as the folder `home`; download it first if it is not there."""
        downloaded = False
        path = home.with_name(self.remote.filename) if archive is None else archive
        if path.is_file():
            if difference := archive_difference(path, self.remote):
                logger.warning("%s is not the published archive: %s", path, difference)
        elif archive is not None:
            raise DatasetError("is not a regular file" if path.exists() else "no such file", path)
        else:
            path, downloaded = fetch(self.remote, home.parent, url, progress), True
        try:
            install(path, home, lambda extracted: self._check(extracted, path))
        except DatasetError:
            if downloaded:  # otherwise the next call would use it again
                path.unlink(missing_ok=True)
            raise
        remove_partial_download(self.remote, home.parent)  # of a download that was given up for a local archive

    def validate(self, directory: str | os.PathLike) -> Validation:
        """Read the header of every clip, and compare the clips with the expected ones.

        Parameters
        ----------
        directory : str or os.PathLike
            See `pairs`.

        Returns
        -------
        Validation

        Raises
        ------
        DatasetError
            If there are no clips.
        """
        home = self._locate(directory)
        clips, damaged = self._list(home), []
        for clip in clips:
            if reason := _damage(clip.path):
                damaged.append((clip.path, reason))
        found = {Path(clip.path).stem for clip in clips}
        # Files of the archive are not extra, even if a subset such as ESC-10 does not list them.
        installed = {str(home / name) for name in installed_files(home) or ()}
        return Validation(
            str(home),
            len(clips) - len(damaged),
            sorted(self.expected(home) - found),
            damaged,
            [path for path in find_audio(home) if path not in installed and Path(path).stem not in found],
        )

    def pairs(self, directory: str | os.PathLike, folds: Folds | None = None) -> list[tuple[str, str]]:
        """List the clips with their labels.

        Parameters
        ----------
        directory : str or os.PathLike
            Directory of the download, or the user's own copy.
        folds : a fold or an iterable of folds, optional
            Folds to list; by default all clips, including those in no official fold.

        Returns
        -------
        list of (str, str)
            Path and label, sorted by path. Clips that are known to be damaged in some copies are omitted with a warning
            if they are damaged.

        Raises
        ------
        DatasetError
            If the directory is missing or has no clips.
        ParameterError
            If the corpus has no such fold, or `folds` is empty.
        """
        return [(clip.path, clip.label) for clip in self.clips(directory, folds)]

    def groups(self, directory: str | os.PathLike, folds: Folds | None = None) -> list[str]:
        """List the source of each clip: clips of one source should not be in both the training and the test set.

        Parameters
        ----------
        directory, folds
            See `pairs`.

        Returns
        -------
        list of str
            In the order of `pairs`.
        """
        return [clip.group for clip in self.clips(directory, folds)]

    def clips(self, directory: str | os.PathLike, folds: Folds | None = None) -> list[Clip]:
        """List the clips with label, fold and group; see `pairs` for parameters and errors."""
        requested = {} if folds is None else requested_folds(folds)
        if unknown := requested.keys() - set(map(canonical_fold, self.folds)):
            known = ", ".join(map(repr, self.folds))
            raise ParameterError(f"folds of {self.name} must be among {known}, got {requested[min(unknown)]!r}")
        clips = []
        for clip in self._list(self._locate(directory)):
            if folds is not None and (clip.fold is None or canonical_fold(clip.fold) not in requested):
                continue
            if Path(clip.path).stem in self.suspects and (reason := _damage(clip.path)):
                logger.warning("%s is omitted: %s", clip.path, reason)
            else:
                clips.append(clip)
        return clips

    def _locate(self, directory: str | os.PathLike) -> Path:
        """Return the folder of the corpus: `home` in the directory, or the directory itself."""
        directory = path_argument("directory", directory)
        home = next(filter(os.path.isdir, (directory / self.home, directory)), None)
        if home is None:
            raise DatasetError(f"no such folder: download {self.name} to it first", directory)
        return home

    def _list(self, home: Path) -> list[Clip]:
        """Return the clips, sorted by path, or raise DatasetError if there are none."""
        clips = sorted(self.lister(home))
        if not clips:
            raise DatasetError(f"no clips of {self.name} found", home)
        return clips

    def _is_complete(self, home: Path) -> bool:
        """Return True if nothing needs to be downloaded."""
        if not home.is_dir():
            return False
        if (files := installed_files(home)) is not None:
            return is_complete(home, files)
        # The archive was extracted by other means: the clips are counted.
        try:
            return len(list(self.lister(home))) >= self.n_clips - len(self.suspects)
        except DatasetError:
            return False

    def _check(self, extracted: Path, archive: Path) -> None:
        """Raise DatasetError if an extracted archive has no clips; warn if it has too few."""
        try:
            n_clips = len(self._list(extracted))
        except DatasetError as error:
            raise DatasetError(f"no clips of {self.name} found: {error.reason}", archive) from error
        if n_clips < self.n_clips:
            logger.warning("%s holds %d of the %d clips of %s", archive, n_clips, self.n_clips, self.name)


def _damage(path: str) -> str | None:
    """Return the reason why a file cannot be read as sound; None if it can."""
    try:
        frames = info(path).frames
    except AudioError as error:
        return error.reason
    return "no samples" if frames == 0 else None
