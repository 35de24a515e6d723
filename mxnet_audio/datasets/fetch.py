"""Download of an archive: from mirrors in order, resumed after an interruption, verified at the end."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from mxnet_audio.errors import DatasetError

if TYPE_CHECKING:
    import requests

# pooch and requests take 0.1 s to import and are needed for downloads only, so the functions here import them.

__all__ = ["Remote", "archive_difference", "fetch", "remove_partial_download"]

logger = logging.getLogger(__name__)

_TIMEOUT = (10, 60)  # [s] of connecting, and between two blocks


@dataclass(frozen=True)
class Remote:
    """Published archive: its addresses, size and hash.

    Attributes
    ----------
    filename : str
        Name on disk.
    urls : tuple of str
        Addresses in the order in which they are tried.
    size : int [bytes] or None
        None if it is not known.
    hash : str or None
        ``'sha256:…'`` or ``'md5:…'``; None if it is not known.
    certain : bool
        False if the hash is from a third party: then the size must match, and another hash is only a warning. (A host
        that creates archives on request may change the bytes of an archive but not its files.)
    """

    filename: str
    urls: tuple[str, ...]
    size: int | None
    hash: str | None
    certain: bool = True


class _Resuming:
    """Downloader for pooch that resumes from a ``.part`` file.

    pooch passes a temporary file to its downloader and deletes it after a failure. So the bytes are collected in the
    ``.part`` file, which replaces the temporary one when it is complete.
    """

    def __init__(self, part: Path, size: int | None, progress: bool):
        self.part, self.size, self.progress = part, size, progress
        self.resumed = False

    def __call__(self, url: str, output_file: str, _pooch: Any) -> None:
        offset = self.part.stat().st_size if self.part.exists() else 0
        self.resumed = offset > 0
        if offset == 0 or offset != self.size:
            self._get(url, offset)
        self.part.replace(output_file)

    def _get(self, url: str, offset: int) -> None:
        """Append the bytes from `offset` on to the ``.part`` file."""
        import requests

        # Without 'identity' a server may compress the archive again, and the lengths would differ.
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            span, _, total = response.headers.get("Content-Range", "").rpartition("/")
            if response.status_code == 416 and offset:
                if total == str(offset):  # the file was complete
                    return
                self.part.unlink()
                return self._get(url, 0)
            response.raise_for_status()
            is_rest = total.isdecimal() and span == f"bytes {offset}-{int(total) - 1}"
            if offset and not (response.status_code == 206 and is_rest):
                # The server ignores Range (and sends the whole file, which is used) or sent another range: start over.
                self.part.unlink()
                self.resumed, offset = False, 0
                if response.status_code == 206:
                    return self._get(url, 0)
            length = response.headers.get("Content-Length")
            expected = None if length is None else offset + int(length)
            if self.size is not None and expected not in (None, self.size):
                raise DatasetError(f"size: expected {self.size} bytes, got {expected}")
            self._write(response, offset, expected or self.size)
        size = self.part.stat().st_size
        if (expected or self.size) not in (None, size):
            raise requests.ConnectionError(f"ended after {size} of {expected or self.size} bytes")

    def _write(self, response: requests.Response, offset: int, total: int | None) -> None:
        with (
            self.part.open("ab") as out,
            tqdm(
                total=total,
                initial=offset,
                unit="B",
                unit_scale=True,
                desc=self.part.name.removesuffix(".part"),
                disable=not self.progress,
            ) as bar,
        ):
            for block in response.iter_content(1 << 16):
                out.write(block)
                out.flush()  # so that it survives if the process is killed
                bar.update(len(block))


def archive_difference(path: Path, remote: Remote) -> str | None:
    """Describe how a file differs from the published archive; None if it does not."""
    import pooch

    size = path.stat().st_size
    if remote.size not in (None, size):
        return f"size: expected {remote.size} bytes, got {size}"
    if remote.hash is None:
        return None
    algorithm, expected = remote.hash.split(":")
    found = pooch.file_hash(str(path), alg=algorithm)
    return None if found == expected else f"{algorithm}: expected {expected}, got {found}"


def fetch(remote: Remote, directory: Path, url: str | None = None, progress: bool = True) -> Path:
    """Download an archive into a directory, or resume an interrupted download.

    Parameters
    ----------
    remote : Remote
    directory : Path
        Existing directory. An incomplete download is kept in a hidden folder in it.
    url : str, optional
        The only address to download from. Its archive may differ from the published one; then a warning is logged.
    progress : bool, optional
        Show a progress bar on standard error.

    Returns
    -------
    Path
        ``directory / remote.filename``, complete and verified.

    Raises
    ------
    DatasetError
        If no address gave the expected file; each is listed with its error.
    """
    import requests

    staging = _staging(remote, directory)
    staging.mkdir(exist_ok=True)
    # Another address may have other bytes: the incomplete download of one must not be resumed from another.
    stem = remote.filename if url is None else f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{remote.filename}"
    part = staging / f"{stem}.part"
    failures = []
    for source in remote.urls if url is None else (url,):
        try:
            path = _download(source, remote, part, verify=url is None, progress=progress)
        except (requests.RequestException, ValueError, DatasetError) as error:
            logger.debug("%s failed: %s", source, error)
            failures.append(f"{source}: {_innermost(error)}")
            continue
        if (not remote.certain or url is not None) and (difference := archive_difference(path, remote)):
            logger.warning("%s is not the published %s: %s", source, remote.filename, difference)
        target = directory / remote.filename
        path.replace(target)
        remove_partial_download(remote, directory)
        return target
    hint = "; run again to resume" if part.exists() else ""
    raise DatasetError(f"could not be downloaded{hint}\n  " + "\n  ".join(failures), directory / remote.filename)


def remove_partial_download(remote: Remote, directory: Path) -> None:
    """Delete what interrupted downloads have left in a directory."""
    shutil.rmtree(_staging(remote, directory), ignore_errors=True)


def _staging(remote: Remote, directory: Path) -> Path:
    return directory / f".{remote.filename}.download"


def _innermost(error: Exception) -> Exception:
    """Return the cause of an error of requests, which wraps it in several others that repeat the address."""
    for part in (getattr(error, "reason", None), *error.args):
        if isinstance(part, Exception):
            return _innermost(part)
    return error


def _download(source: str, remote: Remote, part: Path, verify: bool, progress: bool) -> Path:
    """Download from one address, and resume after broken connections as long as bytes arrive."""
    import pooch
    import requests

    downloader = _Resuming(part, remote.size if verify else None, progress)
    known_hash = remote.hash if verify and remote.certain else None
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            with _quiet(pooch.get_logger()):
                return Path(pooch.retrieve(source, known_hash, part.stem, str(part.parent), downloader=downloader))
        except requests.RequestException:
            # Resume a connection that broke after some bytes, but do not retry a dead one.
            if not part.exists() or part.stat().st_size <= before:
                raise
        except ValueError:
            # The hash is wrong, and pooch has removed the file. The two parts may be of different versions: start over.
            if not downloader.resumed or part.exists():
                raise


@contextlib.contextmanager
def _quiet(pooch_logger: logging.Logger) -> Iterator[None]:
    """Suppress pooch's messages, which advise developers to copy hashes into their code."""
    level = pooch_logger.level
    pooch_logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        pooch_logger.setLevel(level)
