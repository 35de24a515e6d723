"""Fetch one archive: mirrors in order, going on where an earlier attempt stopped, verified at the end."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests
from tqdm import tqdm

from mxnet_audio.errors import DatasetError

__all__ = ["Remote", "differs", "fetch"]

logger = logging.getLogger(__name__)

_TIMEOUT = (10, 60)  # [s] to connect, and between two pieces


@dataclass(frozen=True)
class Remote:
    """Where an archive is, and what it is.

    Attributes
    ----------
    filename : str
        Its name on disk.
    urls : tuple of str
        The first host, then its mirrors.
    size : int [bytes]
    hash : str
        ``'sha256:…'`` or ``'md5:…'``.
    certain : bool
        False where the hash comes from third parties: then the size must be right, and another hash is only a
        warning. (A host that makes archives on request may change an archive's bytes and not its files.)
    """

    filename: str
    urls: tuple[str, ...]
    size: int
    hash: str
    certain: bool = True


class _Resuming:
    """A downloader for pooch that keeps what has come in a ``.part`` file.

    pooch hands its downloader a temporary file and deletes it after a failure. So the bytes are collected in
    a file of our own, which takes the temporary one's place when they are all there.
    """

    def __init__(self, part: Path, size: int | None, progress: bool):
        self.part, self.size, self.progress = part, size, progress
        self.resumed = False

    def __call__(self, url: str, output_file: str, _pooch) -> None:
        have = self.part.stat().st_size if self.part.exists() else 0
        self.resumed = have > 0
        if have == 0 or have != self.size:
            self._get(url, have)
        self.part.replace(output_file)

    def _get(self, url: str, have: int) -> None:
        # Without 'identity' a server may compress once more, and the lengths mean nothing.
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            span, _, total = response.headers.get("Content-Range", "").rpartition("/")
            if response.status_code == 416 and have:
                if total == str(have):  # the whole file was there already
                    return
                self.part.unlink()
                return self._get(url, 0)
            response.raise_for_status()
            to_the_end = total.isdecimal() and span == f"bytes {have}-{int(total) - 1}"
            if have and not (response.status_code == 206 and to_the_end):
                # The server ignores Range (and sends all, so take it), or answers another one: begin anew.
                self.part.unlink()
                self.resumed, have = False, 0
                if response.status_code == 206:
                    return self._get(url, 0)
            length = response.headers.get("Content-Length")
            expected = None if length is None else have + int(length)
            if self.size is not None and expected not in (None, self.size):
                raise DatasetError(f"size: expected {self.size} bytes, got {expected}")
            self._write(response, have, expected or self.size)
        got = self.part.stat().st_size
        if (expected or self.size) not in (None, got):
            raise requests.ConnectionError(f"ended after {got} of {expected or self.size} bytes")

    def _write(self, response: requests.Response, have: int, total: int | None) -> None:
        with (
            self.part.open("ab") as out,
            tqdm(
                total=total,
                initial=have,
                unit="B",
                unit_scale=True,
                desc=self.part.name.removesuffix(".part"),
                disable=not self.progress,
            ) as bar,
        ):
            for block in response.iter_content(1 << 16):
                out.write(block)
                out.flush()  # a killed run keeps it
                bar.update(len(block))


def differs(path: Path, remote: Remote) -> str | None:
    """Say how a file differs from the published archive; None when it does not."""
    size = path.stat().st_size
    if size != remote.size:
        return f"size: expected {remote.size} bytes, got {size}"
    algorithm, expected = remote.hash.split(":")
    got = pooch.file_hash(str(path), alg=algorithm)
    return None if got == expected else f"{algorithm}: expected {expected}, got {got}"


def fetch(remote: Remote, directory: Path, url: str | None = None, progress: bool = True) -> Path:
    """Download an archive into a directory, or go on with a download that was broken off.

    Parameters
    ----------
    remote : Remote
    directory : Path
        Exists. What has come of an unfinished download waits here in a hidden folder.
    url : str, optional
        Fetch from here and nowhere else. What it gives need not be the published archive; where it is not, a
        warning says so.
    progress : bool, optional
        Show a bar on standard error.

    Returns
    -------
    Path
        ``directory / remote.filename``, whole and verified.

    Raises
    ------
    DatasetError
        If no source gave the right file; each is named with what went wrong.
    """
    staging = directory / f".{remote.filename}.download"
    staging.mkdir(exist_ok=True)
    # Another source may hold other bytes: never go on from the part of one with the other.
    stem = remote.filename if url is None else f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{remote.filename}"
    part = staging / f"{stem}.part"
    failures = []
    for source in remote.urls if url is None else (url,):
        try:
            path = _from(source, remote, part, verify=url is None, progress=progress)
        except (requests.RequestException, ValueError, DatasetError) as error:
            logger.info("%s failed: %s", source, error)
            failures.append(f"{source}: {error}")
            continue
        if (not remote.certain or url is not None) and (difference := differs(path, remote)):
            logger.warning("%s is not the published %s: %s", source, remote.filename, difference)
        target = directory / remote.filename
        path.replace(target)
        shutil.rmtree(staging, ignore_errors=True)
        return target
    hint = "; run again to go on with what has come" if part.exists() else ""
    raise DatasetError(f"could not be downloaded{hint}\n  " + "\n  ".join(failures), directory / remote.filename)


def _from(source: str, remote: Remote, part: Path, verify: bool, progress: bool) -> Path:
    """Fetch from one source for as long as it keeps giving bytes."""
    downloader = _Resuming(part, remote.size if verify else None, progress)
    known_hash = remote.hash if verify and remote.certain else None
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            with _quiet(pooch.get_logger()):
                return Path(pooch.retrieve(source, known_hash, part.stem, str(part.parent), downloader=downloader))
        except requests.RequestException:
            # A connection that broke after giving something is taken up again; a dead one is not.
            if not part.exists() or part.stat().st_size <= before:
                raise
        except ValueError:
            # The hash is wrong, and pooch has removed the file. Perhaps the two halves were of two versions.
            if not downloader.resumed or part.exists():
                raise


@contextlib.contextmanager
def _quiet(noisy: logging.Logger) -> Iterator[None]:
    """Hold back pooch's notes, which advise its own users to copy hashes into their code."""
    level = noisy.level
    noisy.setLevel(logging.ERROR)
    try:
        yield
    finally:
        noisy.setLevel(level)
