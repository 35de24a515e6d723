"""Safe extraction of untrusted archives."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, NamedTuple

from mxnet_audio.checks import path_argument
from mxnet_audio.errors import DatasetError

__all__ = ["extract"]

# The last five are raised for some damaged headers, RuntimeError for an unknown compression, too.
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError),
    *(RuntimeError, ValueError, OverflowError, LookupError, struct.error),
)

# The limits of what tarfile and zipfile read into memory, whatever a header declares.
_MAX_HEADER = 32 << 10  # [bytes] of all headers of one member of a tar: long names, PAX records, maps of sparse files
_MAX_ENTRY = 256  # [bytes] of an entry in the directory of a zip, on average
_MAX_DEPTH = 100  # folders in each other, which shutil.rmtree can still delete
_BLOCK = 64 << 10


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
        Largest number of members. Their headers are limited, too: memory does not grow with what an archive declares.

    Returns
    -------
    dict of str to int
        Path of every file, relative to the directory and with ``/``, and its size [bytes].

    Raises
    ------
    DatasetError
        If the archive is missing, not a regular file, or damaged; if a member has an absolute path, leads out of the
        directory, is a link or a device, occurs twice, or (zip) is encrypted or compressed otherwise than by deflate
        (it is named); or if a limit is exceeded.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with zipfile.ZipFile(Path(folder, "a.zip"), "w") as z:
    ...         z.writestr("genres/blues/a.au", b"1234")
    ...     extract(Path(folder, "a.zip"), Path(folder, "out"))
    {'genres/blues/a.au': 4}
    """
    archive, directory = path_argument("archive", archive), path_argument("directory", directory)
    written: dict[str, int] = {}
    try:
        if not stat.S_ISREG(archive.stat().st_mode):  # a pipe would be waited for
            raise DatasetError("is not a regular file", archive)
        if max_bytes is None:
            max_bytes = 20 * archive.stat().st_size + (64 << 20)
        directory.mkdir(parents=True, exist_ok=True)
        remaining = max_bytes
        for count, member in enumerate(_members(archive, max_bytes, max_members), 1):
            if count > max_members:
                raise _too_many(max_members, archive)
            name = _safe_name(member, archive)
            remaining -= member.size
            if remaining < 0:
                raise _too_large(max_bytes, archive, f" at {name}")
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
        while remaining and (block := source.read(min(remaining, _BLOCK))):
            out.write(block)
            remaining -= len(block)
        # The header may declare more bytes than there are, or (zip) fewer.
        if remaining or source.read(1):
            raise EOFError(f"{member.name} does not have the declared size of {member.size} bytes")
    return member.size


def _safe_name(member: _Member, archive: Path) -> PurePosixPath:
    """Return the relative path of a member, or raise DatasetError if the member is unsafe."""
    name = PurePosixPath(member.name)
    drives = any(PureWindowsPath(part).drive for part in name.parts)  # any of them leads out of a folder on Windows
    if name.is_absolute() or "\\" in member.name or "\0" in member.name or drives:
        raise DatasetError(f"member {member.name!r} has an absolute or foreign path: refused", archive)
    if ".." in name.parts:
        raise DatasetError(f"member {member.name!r} leads out of the folder: refused", archive)
    if len(name.parts) > _MAX_DEPTH:
        raise DatasetError(f"a member is in more than {_MAX_DEPTH} folders: {member.name[:100]!r}…: refused", archive)
    if member.kind not in ("file", "folder"):
        raise DatasetError(f"member {member.name!r} is a {member.kind}: refused", archive)
    return name


def _too_many(max_members: int, archive: Path) -> DatasetError:
    return DatasetError(f"holds more than {max_members} members: refused", archive)


def _too_large(max_bytes: int, archive: Path, where: str = "") -> DatasetError:
    return DatasetError(f"unpacks to more than {max_bytes} bytes{where}: refused", archive)


def _members(archive: Path, max_bytes: int, max_members: int) -> Iterator[_Member]:
    """Yield the members of the archive."""
    with _decompressed(archive) as file:
        is_tar = _is_tar(file.read(tarfile.BLOCKSIZE))
        file.seek(0)
        # In this order: a tar that ends in a zip looks like a zip, too.
        if is_tar or not zipfile.is_zipfile(archive):
            total = max_bytes + max_members * (_MAX_HEADER // 8)  # headers are far shorter on average
            yield from _tar_members(_TarStream(file, archive, total))
            return
    with _ZipReader(archive, max_members) as reader, zipfile.ZipFile(reader) as source:
        for item in source.infolist():
            yield _Member(item.filename, _zip_kind(item), item.file_size, partial(source.open, item))


def _decompressed(archive: Path) -> IO[bytes]:
    """Open a file whose content is compressed by gzip, bzip2 or xz, or not at all."""
    with archive.open("rb") as file:
        start = file.read(6)
    for magic, module in ((b"\x1f\x8b", gzip), (b"BZh", bz2), (b"\xfd7zXZ\0", lzma)):
        if start.startswith(magic):
            return module.open(archive, "rb")  # type: ignore[attr-defined, no-any-return]
    return archive.open("rb")


def _is_tar(block: bytes) -> bool:
    """Return True if the first block of a file is the header of a tar."""
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


class _TarStream:
    """Content of a tar, of which only so much can be read as was allowed: tarfile reads headers of any size."""

    def __init__(self, file: IO[bytes], archive: Path, total: int):
        self._file, self._archive, self._total = file, archive, total
        self.allowed = 0

    def read(self, size: int) -> bytes:
        if not 0 <= size <= self.allowed:
            raise DatasetError(f"has headers of more than {_MAX_HEADER} bytes: refused", self._archive)
        self.allowed -= size
        block = self._file.read(size)
        if self._file.tell() > self._total:
            raise _too_large(self._total, self._archive)
        return block

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)

    def tell(self) -> int:
        return self._file.tell()


def _tar_members(stream: _TarStream) -> Iterator[_Member]:
    """Yield the members of a tar.

    It is read in one pass, each member after its header, so that a large archive is decompressed once. Not as a stream
    ("r|"), as tarfile treats the end of a truncated stream as the end of the archive.
    """
    stream.allowed = _MAX_HEADER
    with tarfile.open(fileobj=stream, mode="r:") as source:  # type: ignore[call-overload]
        while (item := source.next()) is not None:
            size = stream.allowed = item.size if item.isreg() else 0
            yield _Member(item.name, _tar_kind(item), size, partial(source.extractfile, item))  # type: ignore[arg-type]
            # tarfile keeps all members and the PAX records that hold for all of them: only names and sizes are needed.
            source.members, source.pax_headers = [], {}  # type: ignore[assignment]
            stream.allowed = _MAX_HEADER
        # The checksum of gzip, bz2 and xz is at the end.
        while stream.read(stream.allowed):
            stream.allowed = _MAX_HEADER


class _ZipReader(io.FileIO):
    """Zip whose directory is limited: zipfile reads all of it at once. Members are read by smaller blocks."""

    def __init__(self, archive: Path, max_members: int):
        super().__init__(archive)
        self._archive, self._max_members = archive, max_members
        self._limit = max(2 * _BLOCK, max_members * _MAX_ENTRY)

    def read(self, size: int | None = -1) -> bytes:
        block = super().read(self._limit + 1 if size is None or size < 0 else min(size, self._limit + 1))
        # Each entry begins with a mark, which may occur in names, too.
        entries = block.count(b"PK\1\2") if len(block) > 2 * _BLOCK else 0
        if len(block) > self._limit or entries > self._max_members:
            raise _too_many(self._max_members, self._archive)
        return block


def _zip_kind(item: zipfile.ZipInfo) -> str:
    mode = item.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "symbolic link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "device"
    if item.flag_bits & 1:
        return "encrypted file"
    # zipfile decompresses the others by whole blocks, whatever their size.
    if item.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "file that is not compressed by deflate"
    return "folder" if item.is_dir() else "file"


def _tar_kind(item: tarfile.TarInfo) -> str:
    if item.isreg():
        return "sparse file" if item.issparse() else "file"
    if item.isdir():
        return "folder"
    return "symbolic link" if item.issym() else "hard link" if item.islnk() else "device"
