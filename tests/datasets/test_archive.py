"""Test the extraction of valid, unsafe and damaged archives."""

import gzip
import io
import os
import struct
import tarfile
import tracemalloc
import zipfile

import pytest

from mxnet_audio.datasets.archive import extract
from mxnet_audio.errors import DatasetError


def _tar(path, *members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, data, changes in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for key, value in changes.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(data))
    return path


def _files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_extract_tar(tmp_path, mode):
    archive = _tar(tmp_path / "a", ("x/a.wav", b"12", {}), ("x/._a.wav", b"1", {}), ("b", b"", {}), mode=mode)
    assert extract(archive, tmp_path / "out") == {"x/a.wav": 2, "b": 0}
    assert _files(tmp_path / "out") == ["b", "x/a.wav"]


def test_modes_in_the_archive_are_ignored(tmp_path):
    archive = _tar(tmp_path / "a", ("a", b"12", {"mode": 0o6777, "uid": 12345}))
    extract(archive, tmp_path / "out")
    status = (tmp_path / "out" / "a").stat()
    assert status.st_mode & 0o7111 == 0 and status.st_uid == os.getuid()


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("../evil", {}, r"'\.\./evil'"),
        ("x/../../evil", {}, r"'x/\.\./\.\./evil'"),
        ("/tmp/evil", {}, "'/tmp/evil' .*absolute"),
        ("C:/evil", {}, "'C:/evil' .*absolute"),
        ("x/C:evil", {}, "'x/C:evil' .*absolute"),
        ("..\\evil", {}, "evil' .*absolute"),
        ("evil", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "'evil' .*symbolic link"),
        ("evil", {"type": tarfile.SYMTYPE, "linkname": "good"}, "'evil' .*symbolic link"),
        ("evil", {"type": tarfile.LNKTYPE, "linkname": "good"}, "'evil' .*hard link"),
        ("evil", {"type": tarfile.CHRTYPE}, "'evil' .*device"),
        ("evil", {"type": tarfile.FIFOTYPE}, "'evil' .*device"),
        ("good", {}, "good .*twice"),
    ],
)
def test_unsafe_tar_members_are_refused(tmp_path, name, changes, message):
    archive = _tar(tmp_path / "a.tar.gz", ("good", b"1", {}), (name, b"", changes))
    with pytest.raises(DatasetError, match=message) as error:
        extract(archive, tmp_path / "deep" / "out")
    assert error.value.path == str(archive)
    assert _files(tmp_path) == ["a.tar.gz", "deep/out/good"]


@pytest.mark.parametrize(
    ("name", "mode", "message"),
    [
        ("../evil", 0, r"'\.\./evil'"),
        ("/evil", 0, "'/evil'"),
        ("evil", 0o120777 << 16, "'evil' .*symbolic link"),
        ("evil", 0o060644 << 16, "'evil' .*device"),
    ],
)
def test_unsafe_zip_members_are_refused(tmp_path, name, mode, message):
    item = zipfile.ZipInfo(name)
    item.external_attr = mode
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(item, "/etc/passwd")
    with pytest.raises(DatasetError, match=message):
        extract(tmp_path / "a.zip", tmp_path / "deep" / "out")
    assert _files(tmp_path) == ["a.zip"]


def test_limits_of_size_and_number_of_members(tmp_path):
    zeros = b"\0" * (100 << 20)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("big", zeros)
    _tar(tmp_path / "a.tar.gz", ("big", zeros, {}))
    for name in ("a.zip", "a.tar.gz"):
        with pytest.raises(DatasetError, match=r"\d+ bytes at big"):
            extract(tmp_path / name, tmp_path / "out")
    archive = _tar(tmp_path / "many", *((f"{i}", b"", {}) for i in range(11)))
    with pytest.raises(DatasetError, match="10 members"):
        extract(archive, tmp_path / "out2", max_members=10)
    assert _files(tmp_path / "out") == []


def test_zip_member_with_a_wrong_size(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", b"1234567890")
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(data.replace((10).to_bytes(4, "little"), (2).to_bytes(4, "little")))
    with pytest.raises(DatasetError, match="damaged"):
        extract(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
@pytest.mark.parametrize("keep", [0, 5, 600, 40_000, -3])
def test_truncated(tmp_path, name, keep):
    noise = os.urandom(50_000)
    if name == "a.zip":
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("a", noise)
    else:
        _tar(tmp_path / name, ("a", noise, {}), ("b", noise[:100], {}))
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:keep])
    with pytest.raises(DatasetError, match="damaged"):
        extract(tmp_path / name, tmp_path / "out")


def test_flipped_bit(tmp_path):
    archive = _tar(tmp_path / "a.tar.gz", ("a", os.urandom(50_000), {}))
    data = bytearray(archive.read_bytes())
    data[25_000] ^= 1
    archive.write_bytes(data)
    with pytest.raises(DatasetError, match="damaged"):
        extract(archive, tmp_path / "out")


def test_pipe(tmp_path):
    os.mkfifo(tmp_path / "a.tar")
    with pytest.raises(DatasetError, match=r"a\.tar: is not a regular file"):
        extract(tmp_path / "a.tar", tmp_path / "out")


def test_missing(tmp_path):
    with pytest.raises(DatasetError, match="No such file"):
        extract(tmp_path / "none.zip", tmp_path / "out")


def _header(name, size, kind=tarfile.REGTYPE):
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.USTAR_FORMAT)


def _padded(data):
    return data + b"\0" * (-len(data) % tarfile.BLOCKSIZE)


def _record(key, value):
    """Return a PAX record, which begins with its own length."""
    size = len(key) + len(value) + 3
    size += next(digits for digits in range(1, 9) if len(str(size + digits)) == digits)
    return b"%d %s=%s\n" % (size, key, value)


def _pax(*records, kind=tarfile.XHDTYPE):
    data = b"".join(records)
    return _header("pax", len(data), kind) + _padded(data)


FILE = _header("a.wav", 3) + _padded(b"abc")
END = b"\0" * 2 * tarfile.BLOCKSIZE
LONG = b"a" * (8 << 20)
EXTENDED_SPARSE = bytearray(_header("s", 0, tarfile.GNUTYPE_SPARSE))
EXTENDED_SPARSE[482] = 1  # more blocks of the map follow
EXTENDED_SPARSE[148:156] = b"%06o\0 " % (sum(EXTENDED_SPARSE) - sum(EXTENDED_SPARSE[148:156]) + 8 * 32)
SPARSE_BLOCK = b"00000000001\0" * 42 + b"\1" + b"\0" * 7

TARS = {
    "a PAX record of 8 MB": (_pax(_record(b"comment", LONG)) + FILE, "headers of more than"),
    "a PAX record for all members": (_pax(_record(b"comment", LONG), kind=tarfile.XGLTYPE) + FILE, "headers of more"),
    "a name of 8 MB": (_header("l", len(LONG), tarfile.GNUTYPE_LONGNAME) + LONG + FILE, "headers of more than"),
    "a chain of PAX headers": (_pax(_record(b"comment", b"b")) * 900 + FILE, "headers of more than"),
    "a map of a sparse file": (bytes(EXTENDED_SPARSE) + SPARSE_BLOCK * 4000, "headers of more than"),
    "a map that is no map": (_pax(_record(b"GNU.sparse.map", b"a,b")) + FILE, "damaged"),
    "a negative size": (_pax(_record(b"size", b"-5")) + FILE, "damaged"),
    "a name of 3,000 characters": (_pax(_record(b"path", b"b" * 3000)) + FILE, "cannot be unpacked"),
    "a null in a name": (_pax(_record(b"path", b"a\0b")) + FILE, "foreign path"),
    "1,500 folders in each other": (_pax(_record(b"path", b"a/" * 1500 + b"b")) + FILE, "more than 100 folders"),
    "zeros behind the end": (FILE + END + bytes(100 << 20), "unpacks to more than"),
}


@pytest.mark.parametrize("case", TARS)
def test_headers_of_a_tar_are_limited(tmp_path, case):
    data, message = TARS[case]
    with gzip.open(tmp_path / "a.tar.gz", "wb", compresslevel=1) as file:
        file.write(data + END)
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError, match=message):
            extract(tmp_path / "a.tar.gz", tmp_path / "out", max_members=1000)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_headers_of_usual_length_are_read(tmp_path):
    name = b"\xc3\xa4/" * 50 + b"\xff.wav"
    records = [_pax(_record(b"comment", b"c" * 40), kind=tarfile.XGLTYPE)]
    for i in range(300):
        records += [_pax(_record(b"path", b"%d" % i + name), _record(b"xattr", b"x" * 10_000)), FILE]
    (tmp_path / "a.tar").write_bytes(b"".join(records) + END)
    files = extract(tmp_path / "a.tar", tmp_path / "out")
    assert list(files.values()) == [3] * 300 and os.fsencode(list(files)[7]) == b"7" + name


@pytest.mark.parametrize("declared", [300_000, 5])
def test_members_of_a_zip_are_counted_before_its_directory_is_read(tmp_path, declared):
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, *(0,) * 7, 1, *(0,) * 6) + b"a"
    directory = entry * 300_000
    end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, declared, declared, len(directory), 0)
    end += struct.pack("<4sLQL", b"PK\6\7", 0, len(directory), 1)
    end += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *(0xFFFF,) * 2, *(0xFFFFFFFF,) * 2, 0)
    (tmp_path / "a.zip").write_bytes(directory + end)
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError, match="more than 100000 members"):
            extract(tmp_path / "a.zip", tmp_path / "out")
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_members_that_zipfile_decompresses_at_once_are_refused(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("a", bytes(1 << 20))
    with pytest.raises(DatasetError, match=r"'a' .*not compressed by deflate"):
        extract(tmp_path / "a.zip", tmp_path / "out")
