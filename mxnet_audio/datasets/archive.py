"""Safe extraction of untrusted archives."""

from __future__ import annotations

import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from mxnet_audio.errors import DatasetError

__all__ = ["extract"]

# zipfile raises RuntimeError for an unknown compression.
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, RuntimeError)


class _Member(NamedTuple):
    name: str
    kind: str  # 'file', 'folder', or a kind that is refused, such as 'symbolic link'
    size: int
    open: Callable[[], IO[bytes]]


def extract(
    archive: str | os.PathLike,
    directory: str | os.PathLike,
    max_bytes: int | None = None,
    max_members: int = 100_000,
) -> dict[str, int]:
    """Extract a tar (plain, gz, bz2, xz) or zip archive into a directory.

    Only plain files and folders are written, byte by byte: owners, permissions, links and devices in the archive have
    no effect. So the extraction filters of ``tarfile``, which early 3.10 and 3.11 lack, are not needed. The ``._`` and
    ``__MACOSX`` members of macOS are skipped.

    Parameters
    ----------
    archive : str or os.PathLike
    directory : str or os.PathLike
        Created if it is missing. It should be empty: after an error it holds the members before the bad one.
    max_bytes : int, optional
        Largest total size of the members; by default 64 MiB more than 20 times the size of the archive (audio hardly
        compresses, so a corpus stays far below).
    max_members : int, optional
        Largest number of members.

    Returns
    -------
    dict of str to int
        Path of every file, relative to the directory and with ``/``, and its size [bytes].

    Raises
    ------
    DatasetError
        If the archive is missing or damaged; if a member has an absolute path, leads out of the directory, is a link
        or a device, or occurs twice (it is named); or if a limit is exceeded.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with zipfile.ZipFile(Path(folder, "a.zip"), "w") as z:
    ...         z.writestr("genres/blues/a.au", b"1234")
    ...     extract(Path(folder, "a.zip"), Path(folder, "out"))
    {'genres/blues/a.au': 4}
    """
    archive, directory = Path(archive), Path(directory)
    written: dict[str, int] = {}
    try:
        if max_bytes is None:
            max_bytes = 20 * archive.stat().st_size + (64 << 20)
        directory.mkdir(parents=True, exist_ok=True)
        remaining = max_bytes
        for count, member in enumerate(_members(archive), 1):
            if count > max_members:
                raise DatasetError(f"holds more than {max_members} members: refused", archive)
            name = _safe_name(member, archive)
            remaining -= member.size
            if remaining < 0:
                raise DatasetError(f"unpacks to more than {max_bytes} bytes at {name}: refused", archive)
            if name.name.startswith("._") or "__MACOSX" in name.parts:
                continue
            target = directory.joinpath(*name.parts)
            if member.kind == "folder":
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                written[str(name)] = _copy(member, target)
            except FileExistsError:
                raise DatasetError(f"holds {name} twice: refused", archive) from None
    except _DAMAGE as error:
        raise DatasetError(f"is damaged or not a tar or zip archive: {error}", archive) from error
    except OSError as error:  # gzip and bz2 report damage as OSError without a number
        failure = "cannot be unpacked" if error.errno else "is damaged"
        raise DatasetError(f"{failure}: {error}", archive) from error
    return written


def _copy(member: _Member, target: Path) -> int:
    """Write a member to a new file, and return its size."""
    with target.open("xb") as out, member.open() as source:
        remaining = member.size
        while remaining and (block := source.read(min(remaining, 1 << 20))):
            out.write(block)
            remaining -= len(block)
        # The header may declare more bytes than there are, or (zip) fewer.
        if remaining or source.read(1):
            raise EOFError(f"{member.name} does not have the declared size of {member.size} bytes")
    return member.size


def _safe_name(member: _Member, archive: Path) -> PurePosixPath:
    """Return the relative path of a member, or raise DatasetError if the member is unsafe."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or "\\" in member.name or "\0" in member.name or ":" in (name.parts or ("",))[0]:
        raise DatasetError(f"member {member.name!r} has an absolute or foreign path: refused", archive)
    if ".." in name.parts:
        raise DatasetError(f"member {member.name!r} leads out of the folder: refused", archive)
    if member.kind not in ("file", "folder"):
        raise DatasetError(f"member {member.name!r} is a {member.kind}: refused", archive)
    return name


def _members(archive: Path) -> Iterator[_Member]:
    """Yield the members of the archive."""
    # In this order: a tar that ends in a zip looks like a zip, too.
    if not tarfile.is_tarfile(archive) and zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as source:
            for item in source.infolist():
                yield _Member(item.filename, _zip_kind(item), item.file_size, partial(source.open, item))
    else:
        # Read in one pass, each member after its header, so that a large archive is decompressed once. Not as a
        # stream ("r|*"), as tarfile treats the end of a truncated stream as the end of the archive.
        with tarfile.open(archive, "r:*") as source:
            for item in source:
                size = item.size if item.isreg() else 0
                yield _Member(item.name, _tar_kind(item), size, partial(source.extractfile, item))  # type: ignore[arg-type]
            # The checksum of gzip, bz2 and xz is at the end.
            while source.fileobj and source.fileobj.read(1 << 20):
                pass


def _zip_kind(item: zipfile.ZipInfo) -> str:
    mode = item.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "symbolic link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "device"
    if item.flag_bits & 1:
        return "encrypted file"
    return "folder" if item.is_dir() else "file"


def _tar_kind(item: tarfile.TarInfo) -> str:
    if item.isreg():
        return "sparse file" if item.issparse() else "file"
    if item.isdir():
        return "folder"
    return "symbolic link" if item.issym() else "hard link" if item.islnk() else "device"
