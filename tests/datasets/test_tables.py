"""Test tables of other programs: encodings, separators, names of columns, several labels."""

import os
import threading
from pathlib import Path

import pytest

from mxnet_audio import datasets
from mxnet_audio.datasets.tables import read_rows
from mxnet_audio.errors import DatasetError, ParameterError


@pytest.fixture
def table(tmp_path):
    """Function that writes a table: ``table(text, encoding) -> path``."""

    def write(text, encoding="utf-8"):
        (tmp_path / "list.csv").write_bytes(text.encode(encoding))
        return tmp_path / "list.csv"

    return write


def pairs(path, **options):
    """List the table, with paths relative to its folder."""
    return [(os.path.relpath(file, path.parent), label) for file, label in datasets.csv(path, **options)]


EXPECTED = [("a b.wav", "Hündin"), ("c.wav", "cat, black")]


@pytest.mark.parametrize(
    "text",
    [
        'path,label\na b.wav,Hündin\nc.wav,"cat, black"\n',
        ' Path , Label \n "a b.wav" , Hündin \n c.wav , "cat, black" \n',
        "PATH;LABEL\na b.wav;Hündin\nc.wav;cat, black\n",
        "filename\ttarget\na b.wav\tHündin\nc.wav\tcat, black\n",
        "fname|note|label\na b.wav|x|Hündin\nc.wav|y|cat, black\n",
        'slice_file_name,classID,class\na b.wav,0,Hündin\nc.wav,1,"cat, black"\n',
        'filename,fold,target,category\na b.wav,1,0,Hündin\nc.wav,2,1,"cat, black"\n',
        "path;label;\r\na b.wav;Hündin;\r\n\r\nc.wav;cat, black;\r\n;;\r\n  \r\n",
        "path;label\ra b.wav;Hündin\rc.wav;cat, black",
    ],
    ids=["comma", "blanks", "semicolon", "tab", "bar", "UrbanSound8K", "ESC-50", "CRLF", "CR"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_separator_encoding_and_columns_are_detected(table, text, encoding, caplog):
    assert pairs(table(text, encoding)) == EXPECTED
    assert ("list.csv: is not in UTF-8; read as cp1252" in caplog.text) == (encoding == "cp1252")


def test_bytes_that_cp1252_does_not_know_are_latin_1(table, caplog):
    assert pairs(table("path,label\na.wav,\x81\xe4\n", "latin-1")) == [("a.wav", "\x81ä")]
    assert "latin-1" in caplog.text


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("name;label\na;b\n", {"columns": {"path": "name"}}),
        ("NAME;x;label\na;y;b\n", {"columns": {"path": "name"}, "separator": ";"}),
        ("name#kind\na#b\n", {"columns": {"path": "name", "label": "kind"}, "separator": "#"}),
        ("path,label,name,kind\nx.wav,y,a,b\n", {"columns": {"path": "name", "label": "kind"}}),
        ("path,label_1,label_2\na,b,c\n", {"columns": {"label": "label_1"}}),
    ],
    ids=["columns", "upper case", "separator", "other than known", "one of two"],
)
def test_columns_and_separator_are_chosen(table, text, options):
    assert pairs(table(text), **options) == [("a", "b")]
    assert [clip.label for clip in datasets.clips(table(text), **options)] == ["b"]


def test_folds_and_groups_of_other_columns(table):
    path = table("path,label,split,part,who\na,b,Train,1,Ann\nc,d,test,2,Bo\n")
    assert [clip.fold for clip in datasets.clips(path)] == ["Train", "test"]
    assert pairs(path, folds="train") == [("a", "b")]
    assert pairs(path, columns={"split": "part"}, folds=2) == [("c", "d")]
    assert [clip[2:] for clip in datasets.clips(path, columns={"fold": "part", "group": "who"})] == [
        ("1", "Ann"),
        ("2", "Bo"),
    ]
    with pytest.raises(DatasetError, match=r"list\.csv: no clip is in fold 'val': there are Train, test"):
        datasets.csv(path, folds=["train", "val"])


def test_fold_goes_before_split(table, caplog):
    assert datasets.clips(table("path,label,fold,split\na,b,1,train\n"))[0].fold == "1"
    assert "the column split is ignored" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separator": ""}, "separator .*''"),
        ({"separator": ",,"}, "separator .*',,'"),
        ({"separator": 3}, "separator .*3"),
        ({"columns": ["path"]}, r"columns .*\['path'\]"),
        ({"columns": {"path": 0}}, "columns .*0"),
        ({"columns": {"path": " "}}, "columns .*' '"),
        ({"columns": {"fold": "path", "split": "label"}}, "not both"),
        ({"columns": {"file": "path"}}, "'path', 'label', 'fold', 'group', 'split', got 'file'"),
    ],
    ids=["empty", "two", "number", "list", "index", "blank", "fold and split", "unknown"],
)
def test_wrong_columns_and_separators(table, options, message):
    with pytest.raises(ParameterError, match=message):
        datasets.csv(table("path,label\na,b\n"), **options)


def test_chosen_column_that_is_missing(table):
    with pytest.raises(DatasetError, match="no column species among path, label"):
        datasets.csv(table("path,label\na,b\n"), columns={"label": "species"})
    with pytest.raises(DatasetError, match="no column part among path, label"):
        datasets.csv(table("path,label\na,b\n"), columns={"fold": "part"})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('fname,labels\na,"dog,bark"\nb,dog\nc,"cat,bark"\n', r"line 2 is 'dog,bark', and 'bark', 'dog'"),
        ("path,label\na,dog;cat\nb,dog\nc,cat\n", "line 2 is 'dog;cat'"),
        ("path;label\na;[\"dog\", 'cat']\nb;cat\nc;dog\n", "line 2"),
        ("path,label1,label2\na,dog,bark\n", "label1, label2"),
        ("path,label,label\na,dog,bark\n", "label, label"),
        ("path;label\na;dog,cat\nb;cat,bird\nc;bird,dog\n", "line 2 is 'dog,cat'"),
        ("path,dog,cat\na,0,1\nb,1,1\n", "columns dog, cat hold 0 and 1"),
        ("path,label\na,dog\nb,dog\na,cat\n", r"lines 2 and 4\), 'dog' and 'cat'"),
    ],
    ids=["FSD50K", "semicolons", "list", "columns", "same name", "never alone", "flags", "rows"],
)
def test_several_labels_of_a_file_are_named(table, text, named):
    with pytest.raises(DatasetError, match=named) as error:
        datasets.csv(table(text))
    assert "--label-separator" in str(error.value)


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("path,label\na.wav,dog | rain|\nb.wav,\nc.wav,rain\n", "|"),
        ("path,label\na.wav,dog\nb.wav,\n./a.wav,rain\nc.wav,rain\na.wav,dog\n", "|"),
        ('fname,labels\na.wav,"dog,rain"\nb.wav,""\nc.wav,rain\n', ","),
        ("path;label\na.wav;dog and rain\nb.wav;\nc.wav;rain\n", " and "),
    ],
    ids=["cell", "rows", "quoted", "word"],
)
def test_labels_of_a_file_are_joined(table, text, separator):
    path = table(text)
    pairs = datasets.csv(path, root="/x", label_separator=separator)
    assert pairs == [
        ("/x/a.wav", frozenset({"dog", "rain"})),
        ("/x/b.wav", frozenset()),
        ("/x/c.wav", frozenset({"rain"})),
    ]
    assert [clip.label for clip in datasets.clips(path, label_separator=separator)] == [label for _, label in pairs]


def test_rows_of_a_file_must_share_fold_and_group(table):
    same = table("path,label,fold\na,dog,1\na,rain,1\n")
    assert [clip.fold for clip in datasets.clips(same, label_separator="|")] == ["1"]
    for column in ("fold", "group"):
        path = table(f"path,label,{column}\na,dog,1\na,rain,2\n")
        with pytest.raises(DatasetError, match="lines 2 and 3"):
            datasets.csv(path, label_separator="|")


def test_files_without_a_path_and_bad_separators_are_refused(table):
    with pytest.raises(DatasetError, match="line 3"):
        datasets.csv(table("path,label\na,dog\n,rain\n"), label_separator="|")
    for separator in ("", 3, b"|"):
        with pytest.raises(ParameterError, match="label_separator"):
            datasets.csv(table("path,label\na,\n"), label_separator=separator)


def test_names_with_commas_are_labels(table):
    path = table('path,label\na,"Male speech, man speaking"\nb,"Chirp, tweet"\nc,Speech\nd,"Chirp, tweet"\n')
    assert [label for _, label in datasets.csv(path)][::2] == ["Male speech, man speaking", "Speech"]
    names = ["Speech, male", "Speech, female", "Song, male", "Song, female"]
    path = table("path;label\n" + "".join(f"{name};{name}\n" for name in names))
    assert [label for _, label in datasets.csv(path)] == names


def test_utf_32_is_refused(table):
    with pytest.raises(DatasetError, match="null characters"):
        datasets.csv(table("path,label\na,b\n", "utf-32"))


def test_names_without_suffix(table, touch):
    touch("64760.wav", "deep/7.flac")
    path = table("fname,label\n64760,dog\ndeep/7,cat\nnone,cat\n")
    assert pairs(path) == [("64760.wav", "dog"), ("deep/7.flac", "cat"), ("none", "cat")]


@pytest.mark.parametrize("cell", ["x" * 5000, "x/" * 2500], ids=["name", "folders"])
def test_paths_that_are_too_long_are_missing(table, cell):
    path = table(f"path,label\n{cell},dog\n")
    with pytest.raises(DatasetError, match="none of its files exists"):
        datasets.csv(path, missing="skip")


def test_labels_may_be_numbers(table):
    assert pairs(table("filename,target\na.wav,07\nb.wav,1\n")) == [("a.wav", "07"), ("b.wav", "1")]


@pytest.mark.parametrize("path", ["pipe", "/dev/zero", "/dev/null"])
def test_pipes_and_devices_are_refused_at_once(path, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    thread = threading.Thread(target=_fails, args=(tmp_path / path,), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


def _fails(path):
    with pytest.raises(DatasetError, match="cannot be read: not a regular file"):
        datasets.csv(path)


def test_tables_without_a_header(table):
    rows = read_rows(table("a.wav;dog\nb, c.wav;cat\n"), require_header=False)
    assert [(Path(row.path).name, row.label) for row in rows] == [("a.wav", "dog"), ("b, c.wav", "cat")]
    for header in ("Filename,Class", "LABEL,path"):
        assert len(read_rows(table(f"{header}\na.wav,a.wav\n"), require_header=False)) == 1


def test_a_label_separator_that_the_table_has_not(table):
    path = table("path,label\na.wav,dog|rain\nb.wav,rain\nc.wav,dog\n")
    with pytest.raises(DatasetError, match=r"list\.csv.*seems to be '\|'"):
        pairs(path, label_separator=";")
