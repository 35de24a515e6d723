"""Test the listing of VoxCeleb1 in the usual layouts of its copies."""

from pathlib import Path

import pytest

from mxnet_audio.datasets import voxceleb
from mxnet_audio.errors import DatasetError

NAMES = ("id10001/aa/00001", "id10001/bb/00001", "id10270/cc/00002")
LAYOUTS = {
    "archives": ("wav", "wav", ".wav"),
    "parts": ("dev/wav", "test/wav", ".wav"),
    "as unpacked": ("vox1_dev_wav/wav", "vox1_test_wav/wav", ".wav"),
    "compressed": ("dev/m4a", "test/m4a", ".m4a"),
    "bare": ("", "", ".flac"),
}


@pytest.fixture(params=LAYOUTS.values(), ids=LAYOUTS)
def copy(request, tmp_path):
    """Root of a copy in one layout, and the path of each of `NAMES`."""
    dev, test, suffix = request.param
    paths = []
    for name in NAMES:
        path = tmp_path / (test if name.startswith("id10270") else dev) / (name + suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        paths.append(str(path))
    return tmp_path, paths


def test_voxceleb1(copy):
    root, paths = copy
    assert voxceleb.voxceleb1(root) == [
        (paths[0], "id10001", "id10001/aa", None, None),
        (paths[1], "id10001", "id10001/bb", None, None),
        (paths[2], "id10270", "id10270/cc", None, None),
    ]


def test_identification(copy):
    root, paths = copy
    (root / "iden_split.txt").write_text("".join(f"{n} {name}.wav\n" for n, name in zip((3, 1, 2), NAMES)))
    found = voxceleb.identification(str(root))
    assert [clip.path for clip in found] == paths
    assert [clip.fold for clip in found] == ["test", "train", "validation"]
    assert found[2].speaker == "id10270" and found[2].session == "id10270/cc"


def test_verification_with_a_list_in_the_root_and_elsewhere(copy, tmp_path_factory):
    root, (one, two, three) = copy
    lines = "1 {0}.wav {1}.wav\n0 {1}.wav {2}.wav\n".format(*NAMES)
    elsewhere = tmp_path_factory.mktemp("lists") / "my.txt"
    for path in (root / "veri_test.txt", elsewhere):
        path.write_text(lines)
    expected = [(1, one, two), (0, two, three)]
    assert voxceleb.verification(root) == voxceleb.verification(root, elsewhere) == expected


def test_errors(tmp_path):
    for call in (voxceleb.identification, voxceleb.verification):
        with pytest.raises(DatasetError, match=r"\.txt: .*https://www\.robots\.ox\.ac\.uk"):
            call(tmp_path)
    with pytest.raises(DatasetError, match=r"veri_test2\.txt: "):
        voxceleb.verification(tmp_path, voxceleb.TRIALS[1])
    with pytest.raises(DatasetError, match=r"wav/id10001/.*robots"):
        voxceleb.voxceleb1(tmp_path)
    with pytest.raises(DatasetError, match="missing: no such folder"):
        voxceleb.voxceleb1(tmp_path / "missing")
    path = tmp_path / "wav" / f"{NAMES[0]}.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    split = tmp_path / "iden_split.txt"
    for text, message in (
        (f"4 {NAMES[0]}.wav\n", r"line 1: .*1 \(train\), 2 \(validation\), 3 \(test\), got '4'"),
        (f"1 {NAMES[0]}.wav x\n", "line 1: .*a number and a path.* got 3 fields"),
        (f"1 {NAMES[0]}.wav\n2 {NAMES[1]}.wav\n", "1 of its 2 .*id10001/bb/00001.wav in line 2"),
    ):
        split.write_text(text)
        with pytest.raises(DatasetError, match=message):
            voxceleb.identification(tmp_path)


def test_other_files_and_folders_are_ignored(tmp_path):
    for name in ("wav/id10001/aa/00001.wav", "wav/id10001/aa/00001.txt", "noise/music/1.wav"):
        path = Path(tmp_path, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    assert len(voxceleb.voxceleb1(tmp_path)) == 1
