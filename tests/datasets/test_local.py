"""Test listings of the user's folders and tables."""

import os
import re
from pathlib import Path

import pytest

from mxnet_audio import datasets
from mxnet_audio.datasets import speakers, trials, voxceleb
from mxnet_audio.datasets.tables import read_rows
from mxnet_audio.errors import DatasetError, ParameterError


def _touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_folder(tmp_path, caplog):
    _touch(
        tmp_path / "Hündin im Hof" / "b 1.wav",
        tmp_path / "Hündin im Hof" / "deep" / "a.OGG",
        tmp_path / "cat" / "c.mp3",
        tmp_path / "cat" / "._c.mp3",
        tmp_path / "cat" / "notes.txt",
        tmp_path / ".git" / "x.wav",
        tmp_path / "loose.wav",
        tmp_path / "list.csv",
    )
    pairs = datasets.folder(tmp_path)
    assert [(Path(path).name, label) for path, label in pairs] == [
        ("b 1.wav", "Hündin im Hof"),
        ("a.OGG", "Hündin im Hof"),
        ("c.mp3", "cat"),
    ]
    assert "class folders: loose.wav" in caplog.text


def test_clips_of_a_table_have_folds_and_groups(tmp_path):
    table = tmp_path / "list.csv"
    table.write_text("group,path,fold,label\nAnna,a.wav,1,dog\n,b.wav, 2 ,cat\nBo,c.wav,,cat\n")
    assert datasets.clips(table) == [
        (str(tmp_path / "a.wav"), "dog", "1", "Anna"),
        (str(tmp_path / "b.wav"), "cat", "2", str(tmp_path / "b.wav")),
        (str(tmp_path / "c.wav"), "cat", None, "Bo"),
    ]
    assert datasets.csv(table) == [clip[:2] for clip in datasets.clips(table)]
    table.write_text("path,label\na.wav,dog\n")
    assert datasets.clips(table) == [(str(tmp_path / "a.wav"), "dog", None, str(tmp_path / "a.wav"))]


def test_clips_of_a_folder_have_no_fold(tmp_path):
    _touch(tmp_path / "cat" / "a.wav")
    path = str(tmp_path / "cat" / "a.wav")
    assert datasets.clips(tmp_path) == [(path, "cat", None, path)]


def test_folder_of_esc10(esc10):
    pairs = datasets.folder(esc10)
    assert len(pairs) == 320 and len({label for _, label in pairs}) == 10


def test_folder_errors(tmp_path):
    with pytest.raises(DatasetError, match=r"nowhere: no such folder"):
        datasets.folder(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="no class folders"):
        datasets.folder(tmp_path)
    _touch(tmp_path / "dog" / "notes.txt")
    with pytest.raises(DatasetError, match="no sound files"):
        datasets.folder(tmp_path)
    _touch(tmp_path / "cat" / "a.wav")
    with pytest.raises(DatasetError, match=r"a\.wav: cannot be listed"):
        datasets.folder(tmp_path / "cat" / "a.wav")


def test_folder_skips_empty_classes_and_loose_files(tmp_path, caplog):
    _touch(tmp_path / "cat" / "a.wav", tmp_path / "dog" / "notes.txt", tmp_path / "loose.wav")
    assert datasets.folder(tmp_path) == [(str(tmp_path / "cat" / "a.wav"), "cat")]
    assert "without sound files: dog" in caplog.text
    assert "class folders: loose.wav" in caplog.text


def test_csv(tmp_path):
    _touch(tmp_path / "sub" / "ä, b.wav", tmp_path / "other" / "c.wav")
    table = tmp_path / "list.csv"
    table.write_text(f'note,label,path\n,7,"sub/ä, b.wav"\n,dog,{tmp_path / "other" / "c.wav"}\n', "utf-8-sig")
    assert datasets.csv(table) == [
        (str(tmp_path / "sub" / "ä, b.wav"), "7"),
        (str(tmp_path / "other" / "c.wav"), "dog"),
    ]
    table.write_text("path,label\nc.wav,dog\n")
    assert datasets.csv(table, root=tmp_path / "other") == [(str(tmp_path / "other" / "c.wav"), "dog")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "list.csv: is empty .*path and label"),
        (b"\npath,label\na.wav,dog\n", "no header"),
        (b"path,note\na.wav,dog\n", "no column label"),
        (b"path,label\n", "no rows"),
        (b"path,label\na.wav,\n", "line 2: "),
        (b"path,label\n  ,dog\n", "line 2: "),
        (b"path,label\na.wav\n", "line 2: "),
        (b"ID,Class\n17,\n", "line 2: "),
        (b"Class,Song\nsiren,17\n", "no column path .* Class, Song"),
        (b"ID\n17\n", "no column label .*ID"),
        (b"a.wav,dog\nb.wav,cat\n", "no column path and no column label among a.wav, dog"),
        (b'path,label\n"a.wav,dog\n', "not a table of text: .*line 2"),
        (b"\xff\xfep\0a\0t", "damaged"),
        (b"RIFF\0\0\0\0WAVE", "null characters"),
    ],
)
def test_csv_errors(tmp_path, text, message):
    _touch(tmp_path / "a.wav")
    (tmp_path / "list.csv").write_bytes(text)
    with pytest.raises(DatasetError, match=message):
        datasets.csv(tmp_path / "list.csv")


@pytest.mark.parametrize("listing", [datasets.folder, datasets.csv, datasets.clips])
@pytest.mark.parametrize("path", [None, 3, ""])
def test_what_is_no_path_is_refused(listing, path):
    with pytest.raises(ParameterError, match=f"path must be a path, got {path!r}"):
        listing(path)


def test_entries_of_folders_are_paths(tmp_path):
    _touch(tmp_path / "data" / "dog" / "a.wav")
    [entry] = os.scandir(os.fsencode(tmp_path))
    assert datasets.folder(entry) == [(str(tmp_path / "data" / "dog" / "a.wav"), "dog")]


def test_an_empty_root_is_the_current_folder(tmp_path, monkeypatch):
    _touch(tmp_path / "a.wav")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "list.csv").write_text("path,label\na.wav,dog\n")
    monkeypatch.chdir(tmp_path)
    assert datasets.csv("lists/list.csv", root="") == [("a.wav", "dog")]


def test_a_root_that_is_no_path_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="root must be a path, got 3"):
        datasets.csv(tmp_path / "list.csv", root=3)


def test_a_table_in_place_of_a_folder(tmp_path):
    (tmp_path / "list.csv").write_text("path,label\na.wav,dog\n")
    with pytest.raises(DatasetError, match=r"list\.csv: .*datasets\.csv"):
        datasets.folder(tmp_path / "list.csv")


@pytest.mark.parametrize(
    ("text", "suffix", "labels"),
    [
        ("a.wav,label\nb.wav,dog\n", "", ["label", "dog"]),
        ("a,path\nb,dog\n", ".wav", ["path", "dog"]),
        ("b.wav,dog\na.wav,label\n", "", ["dog", "label"]),
        ("label,path\ndog,b.wav\n", "", ["dog"]),
    ],
)
def test_first_row_with_an_existing_file_is_data(text, suffix, labels, tmp_path):
    _touch(tmp_path / "a.wav", tmp_path / "b.wav")
    (tmp_path / "list.csv").write_text(text)
    rows = read_rows(tmp_path / "list.csv", suffix=suffix, require_header=False)
    assert [row.label for row in rows] == labels
    assert all(Path(row.path).is_file() for row in rows)


@pytest.mark.parametrize(
    ("header", "missing"), [("path,note", "label"), ("song,label", "path"), ("Label,song", "path"), ("path", "label")]
)
def test_header_with_one_of_the_columns_is_a_header(header, missing, tmp_path):
    _touch(tmp_path / "a.wav")
    (tmp_path / "list.csv").write_text(f"{header}\na.wav,dog\n")
    with pytest.raises(DatasetError, match=f"no column {missing} "):
        read_rows(tmp_path / "list.csv", require_header=False)


def test_csv_of_a_missing_file_or_a_folder(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(DatasetError, match="cannot be read"):
            datasets.csv(path)


def test_csv_rows_with_missing_files(tmp_path, caplog):
    _touch(tmp_path / "a.wav", tmp_path / "c.wav")
    table = tmp_path / "list.csv"
    table.write_text("path,label\na.wav,dog\nb.wav,cat\n\nc.wav,cat\nd.wav,dog\n")
    all_rows = datasets.csv(table)
    assert [Path(path).name for path, _ in all_rows] == ["a.wav", "b.wav", "c.wav", "d.wav"]
    assert datasets.csv(table, missing="keep") == all_rows and not caplog.text
    assert datasets.csv(table, missing="skip") == [all_rows[0], all_rows[2]]
    for name, line in (("b.wav", 3), ("d.wav", 6)):
        assert f"{tmp_path / name}: no such file (line {line} of {table})" in caplog.text
    with pytest.raises(DatasetError, match=r"b\.wav: no such file \(line 3 of .*list\.csv\)"):
        datasets.csv(table, missing="raise")
    assert len(datasets.csv(table, root=tmp_path, missing="skip")) == 2
    with pytest.raises(DatasetError, match=r"list\.csv: .*a\.wav in line 2"):
        datasets.csv(table, root=tmp_path / "elsewhere", missing="skip")
    with pytest.raises(ParameterError, match=r"missing .*'drop'"):
        datasets.csv(table, missing="drop")


def test_csv_labels_are_stripped(tmp_path):
    (tmp_path / "list.csv").write_text("path,label\na b.wav, dog \n")
    assert datasets.csv(tmp_path / "list.csv") == [(str(tmp_path / "a b.wav"), "dog")]


def test_ids_are_file_names_without_suffix(tmp_path):
    _touch(tmp_path / "Train" / "0.wav", tmp_path / "Train" / "1.FLAC", tmp_path / "Train" / "deep" / "3.5.ogg")
    _touch(tmp_path / "Train" / "0.txt", tmp_path / "Train" / "._1.wav")
    table = tmp_path / "train.csv"
    table.write_text("ID,Class\n0,siren\n1,jackhammer\n2,siren\ndeep/3.5,drilling\n0.wav,siren\n")
    names = ["0.wav", "1.FLAC", "2.wav", "deep/3.5.ogg", "0.wav"]
    expected = [str(tmp_path / "Train" / name) for name in names]
    assert [path for path, _ in datasets.csv(table, tmp_path / "Train")] == expected
    assert [label for _, label in datasets.csv(table, tmp_path / "Train", missing="skip")] == [
        "siren",
        "jackhammer",
        "drilling",
        "siren",
    ]
    rows = read_rows(table, tmp_path / "Train", require_header=False)
    assert [row.path for row in rows] == expected and [row.line for row in rows] == [2, 3, 4, 5, 6]
    assert [row.path for row in read_rows(table, suffix=".wav", require_header=False)][:2] == [
        str(tmp_path / "0.wav"),
        str(tmp_path / "1.wav"),
    ]


def test_clips_of_a_table_of_ids(tmp_path):
    _touch(tmp_path / "17.wav")
    table = tmp_path / "train.csv"
    table.write_text("id,class,fold,group\n17,siren,3,street\n")
    assert datasets.clips(table) == [(str(tmp_path / "17.wav"), "siren", "3", "street")]


def test_ambiguous_ids_are_refused(tmp_path):
    _touch(tmp_path / "17.wav", tmp_path / "17.flac")
    (tmp_path / "train.csv").write_text("ID,Class\n17,siren\n")
    with pytest.raises(DatasetError, match=r"17: .*\.flac, \.wav"):
        datasets.csv(tmp_path / "train.csv")


def test_first_row_with_an_existing_file_named_id_is_data(tmp_path):
    _touch(tmp_path / "ID.wav", tmp_path / "17.wav")
    (tmp_path / "train.csv").write_text("ID,Class\n17,siren\n")
    rows = read_rows(tmp_path / "train.csv", suffix=".wav", require_header=False)
    assert [row.label for row in rows] == ["Class", "siren"]


def test_rows_to_skip_are_checked(tmp_path):
    table = tmp_path / "list.csv"
    table.write_text("path,label\na.wav,dog\n")
    for wrong in (-1, 0.5, "1", None):
        with pytest.raises(ParameterError, match="skip_rows"):
            read_rows(table, skip_rows=wrong)
    with pytest.raises(DatasetError, match=r"list\.csv: "):
        read_rows(table, skip_rows=10**12, require_header=False)  # at once, not after 10**12 lines


LISTINGS = {
    "folder": datasets.folder,
    "csv": datasets.csv,
    "clips": datasets.clips,
    "corpus": datasets.get("fsdd").clips,
    "speakers": speakers.speaker_folder,
    "TIMIT": speakers.timit,
    "trials": trials.read_trials,
    "VoxCeleb": voxceleb.voxceleb1,
    "identification": voxceleb.identification,
}


@pytest.mark.parametrize("listing", LISTINGS)
def test_paths_that_cannot_exist(listing):
    for path in ("x" * 5000, "~no-such-user/x"):
        with pytest.raises(DatasetError, match=re.escape(path)):
            LISTINGS[listing](path)
    with pytest.raises(ParameterError, match="must be a path, got 5"):
        LISTINGS[listing](5)
