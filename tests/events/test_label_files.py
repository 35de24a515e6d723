"""Label files."""

import csv
import json

import pytest

from mxnet_audio.errors import DatasetError, ParameterError
from mxnet_audio.events import Event, read_events, write_events

NIGHT = [
    ("nächt, 1.flac", Event(0.0, 1.5, 'Dog "barks"', 0.875)),
    ("nächt, 1.flac", Event(43383.04, 43385.0, "Rain\tor\nhail", 0.5)),
]
OTHER = ("b.wav", Event(2.0, 3.0, "7", None))


def test_csv_is_read_back(tmp_path):
    path = tmp_path / "events.csv"
    assert write_events(path, iter([*NIGHT, OTHER])) == 3
    assert read_events(path) == [*NIGHT, OTHER]
    path.write_text("Label,PATH,end,start,more\ndog,a.wav,2,1,x\n\n,,,,\n")
    assert read_events(path) == [("a.wav", Event(1.0, 2.0, "dog"))]


@pytest.mark.parametrize("suffix", [".csv", ".selections.txt"])
def test_tables_are_utf8_whatever_the_names(tmp_path, suffix):
    path = tmp_path / f"events{suffix}"
    write_events(path, [("ü\udcff.wav", OTHER[1])])
    assert r"ü\udcff.wav" in path.read_text(encoding="utf-8")


def test_audacity(tmp_path):
    path = tmp_path / "events.txt"
    assert write_events(path, NIGHT) == 2
    assert path.read_text() == '0.000\t1.500\tDog "barks"\n43383.040\t43385.000\tRain or hail\n'
    assert read_events(path)[0] == (None, Event(0.0, 1.5, 'Dog "barks"'))
    path.write_text("1.5\t1.5\tpoint\n\\\t200.0\t900.0\n2\t3\t\n")
    assert read_events(path) == [(None, Event(1.5, 1.5, "point")), (None, Event(2.0, 3.0, ""))]


def test_raven(tmp_path):
    path = tmp_path / "events.selections.txt"
    write_events(path, NIGHT, max_frequency=8000)
    with path.open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    assert first["Selection"] == "1" and first["View"] == "Spectrogram 1" and first["Channel"] == "1"
    assert (second["Begin Time (s)"], second["End Time (s)"]) == ("43383.040", "43385.000")
    assert (second["Low Freq (Hz)"], second["High Freq (Hz)"]) == ("0", "8000")
    assert (second["Annotation"], second["Score"], second["Begin Path"]) == ("Rain or hail", "0.5000", NIGHT[0][0])


def test_json(tmp_path):
    path = tmp_path / "events.json"
    assert write_events(path, [*NIGHT, OTHER]) == 3
    document = json.loads(path.read_text(encoding="utf-8"))
    assert [(entry["path"], len(entry["events"])) for entry in document] == [(NIGHT[0][0], 2), ("b.wav", 1)]
    assert document[0]["events"][0] == {"start": 0.0, "end": 1.5, "label": 'Dog "barks"', "score": 0.875}


def test_files_of_one_recording(tmp_path):
    for name in ("events.txt", "events.selections.txt"):
        with pytest.raises(ParameterError, match=r"\.csv"):
            write_events(tmp_path / name, [*NIGHT, OTHER])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", ""),
        ("a.csv", "path,start,label\n"),
        ("a.csv", "path,start,end,label\na.wav,2,1,dog\n"),
        ("a.csv", "path,start,end,label\na.wav\n"),
        ("a.csv", 'path,start,end,label\n"a.wav\n'),
        ("a.csv", "path,start,end,label,score\na.wav,1,2,dog,high\n"),
        ("a.csv", "path,start,end,label,score\na.wav,1,2,dog,nan\n"),
        ("a.txt", "one\t2\tdog\n"),
        ("a.txt", "nan\tinf\tdog\n"),
        ("a.txt", "1 2 dog\n"),
        ("a.txt", "\0\n"),
    ],
)
def test_damaged_files(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(DatasetError, match=name):
        read_events(tmp_path / name)


def test_wrong_usage(tmp_path):
    with pytest.raises(ParameterError):
        write_events(tmp_path / "events.xml", NIGHT)
    with pytest.raises(ParameterError):
        write_events(tmp_path / "events.csv", None)
    for item in (NIGHT[0][1], "night.flac", ("a.wav", (1, 2)), ("a.wav", Event(2, 1, "dog")), None):
        for name in ("events.csv", "events.json", "events.txt"):
            with pytest.raises(ParameterError):
                write_events(tmp_path / name, [item])
    with pytest.raises(ParameterError):
        write_events(tmp_path / "events.json", [("a.wav", Event(0, 1, "dog", float("nan")))])
    assert not list(tmp_path.iterdir())
    with pytest.raises(ParameterError):
        read_events(tmp_path / "events.json")
    with pytest.raises(DatasetError):
        read_events(tmp_path / "missing.csv")
    with pytest.raises(OSError, match="missing"):
        write_events(tmp_path / "missing" / "events.csv", NIGHT)
