"""Whole files: read if they are regular files, and replaced completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["contents", "parse_json", "read_json", "replacing", "write_json"]


def contents(path: str | os.PathLike, largest: int = 256 << 20) -> bytes:
    """Read a regular file.

    Parameters
    ----------
    path : str or os.PathLike
        File to read; a link is followed. Pipes and devices are refused: they could block, or never end.
    largest : int [bytes]
        Size up to which a file is read.

    Returns
    -------
    bytes

    Raises
    ------
    OSError
        If it is missing, not a regular file, larger, or cannot be read.
    """
    with open(path, "rb", opener=_open_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
        if status.st_size > largest:
            raise OSError(errno.EFBIG, f"larger than the {largest >> 20} MiB that are read", os.fspath(path))
        return file.read(status.st_size)


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # Windows has no named pipes among its files


def parse_json(text: str | bytes | bytearray) -> Any:
    """Parse strict JSON.

    Parameters
    ----------
    text : str, bytes or bytearray

    Returns
    -------
    object

    Raises
    ------
    ValueError
        If it is not JSON, whatever is wrong: also for NaN, infinity, and lists nested deeper than Python's recursion.

    Examples
    --------
    >>> parse_json(b'{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    ...
    ValueError: nested too deeply
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def read_json(path: str | os.PathLike, largest: int = 256 << 20) -> Any:
    """Read a JSON file in UTF-8.

    Parameters
    ----------
    path : str or os.PathLike
    largest : int [bytes]
        Size up to which a file is read.

    Returns
    -------
    object

    Raises
    ------
    OSError
        If it cannot be read, see `contents`.
    ValueError
        If it is not strict JSON, see `parse_json`.

    Examples
    --------
    >>> path = getfixture('tmp_path') / 'a.json'
    >>> write_json(path, {'labels': ['ä']})
    >>> read_json(path)
    {'labels': ['ä']}
    """
    return parse_json(contents(path, largest))


@contextlib.contextmanager
def replacing(path: str | os.PathLike, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path, and put the file at `path` if the block ends without an error.

    The temporary file is in the same folder and is renamed. A killed run leaves the old file unchanged, and at most one
    ``.<name>.<unique>.tmp`` beside it. Several writers of one path are safe: each has its own temporary file, and the
    last one wins. A link stays, and the file that it names is replaced. The new file has the permissions of the old
    one. If `path` is a pipe or a character device, such as ``/dev/stdout``, the complete content is written to it.

    Parameters
    ----------
    path : str or os.PathLike
        File to write.
    sync : bool
        True forces the content to the disk before the rename, which takes milliseconds. Without it, a power failure
        after the rename may leave an empty file.

    Yields
    ------
    Path
        Temporary path to write to; an empty file.

    Raises
    ------
    OSError
        If `path` cannot be written to. It names `path`, also if the block failed to write, as on a full disk. That the
        folder is missing or read-only, or `path` a directory, a disk or a socket, is raised before the block is run.

    Examples
    --------
    >>> folder = getfixture('tmp_path')
    >>> with replacing(folder / 'a.txt') as temporary:
    ...     _ = temporary.write_text('complete')
    >>> [p.name for p in folder.iterdir()]
    ['a.txt']
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    temporary = target.parent / f".{target.name[:50]}.{uuid.uuid4().hex}.tmp"  # a name has at most 255 bytes
    try:
        former = _status(path)
        if former is not None and not (stat.S_ISREG(former.st_mode) and target.exists()):
            with _copied_to(path, former.st_mode) as temporary:
                yield temporary
            return
        try:
            temporary.touch(0o666 if former is None else (former.st_mode & 0o666) | 0o600, exist_ok=False)
            permissions = former or temporary.stat()
            yield temporary
            if sync:
                with temporary.open("rb+") as file:  # Windows syncs only files that are open for writing
                    os.fsync(file.fileno())
            _give_permissions(temporary, permissions)  # also if the block made the file again
            _move(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.errno is None or error.filename not in (None, os.fspath(temporary)):
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _status(path: Path) -> os.stat_result | None:
    """Return the status of the file, behind links; None if there is none yet."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _copied_to(path: Path, mode: int) -> Iterator[Path]:
    """Yield a temporary path whose content is written to a file that cannot be replaced."""
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise OSError(errno.EINVAL, "not a file that can be written", os.fspath(path))
    with tempfile.TemporaryDirectory(prefix="mxnet-audio-") as folder:
        temporary = Path(folder) / "output"
        temporary.touch()
        yield temporary
        with temporary.open("rb") as source, path.open("wb") as device:
            shutil.copyfileobj(source, device)


def _give_permissions(temporary: Path, status: os.stat_result) -> None:
    """Give a file the owner, the group and the mode of another, as far as this user may."""
    if hasattr(os, "chown"):
        for owner in (status.st_uid, -1):
            with contextlib.suppress(OSError):
                os.chown(temporary, owner, status.st_gid)
                break
    with contextlib.suppress(OSError):  # a file system without permissions
        temporary.chmod(stat.S_IMODE(status.st_mode))


def _move(temporary: Path, target: Path) -> None:
    try:
        temporary.replace(target)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.EXDEV):
            raise
        shutil.copyfile(temporary, target)  # a mount point, such as one file that a container shares


def write_json(path: str | os.PathLike, document: Any) -> None:
    """Write a document atomically as strict, readable JSON in UTF-8.

    Parameters
    ----------
    path : str or os.PathLike
        File to write.
    document : object
        Anything that `json.dumps` takes; NaN and infinity raise ValueError.

    Raises
    ------
    OSError
        If the file cannot be written; it names `path`.
    """
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        # A file name that is not valid Unicode contains lone surrogates: as escapes they are valid JSON.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
