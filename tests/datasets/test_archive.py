"""Test the extraction of valid, unsafe and damaged archives."""

import io
import os
import tarfile
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


def test_missing(tmp_path):
    with pytest.raises(DatasetError, match="No such file"):
        extract(tmp_path / "none.zip", tmp_path / "out")
