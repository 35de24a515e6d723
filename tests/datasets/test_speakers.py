"""Folders of speakers, TIMIT, corpora by speaker, and lists of trials."""

import logging
from pathlib import Path

import pytest

from mxnet_audio import audio
from mxnet_audio.datasets import speakers
from mxnet_audio.datasets.speakers import Trial, Utterance
from mxnet_audio.errors import DatasetError


@pytest.fixture
def touch(tmp_path):
    """Maker of empty files in `tmp_path`: ``touch(*names)``."""

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        return tmp_path

    return make


@pytest.fixture
def trials(touch):
    """Writer of a list beside ``a/1.wav``, ``a/2.wav`` and ``b/1.wav``: ``trials(text) -> path``."""
    home = touch("a/1.wav", "a/2.wav", "b/1.wav")

    def write(text):
        (home / "trials.txt").write_text(text, encoding="utf-8")
        return home / "trials.txt"

    return write


def test_both_layouts_of_folders(touch, caplog):
    root = touch(
        "anna/talk/1.wav",
        "anna/talk/deep/2.M4A",
        "anna/walk/1.flac",
        "anna/._1.wav",
        "bo b/1.wav",
        "bo b/notes.txt",
        "cy/notes.txt",
        ".git/x/1.wav",
        "loose.wav",
    )
    found = speakers.speaker_folder(root)
    alone = str(root / "bo b/1.wav")
    assert found == [
        Utterance(str(root / "anna/talk/1.wav"), "anna", "anna/talk"),
        Utterance(str(root / "anna/talk/deep/2.M4A"), "anna", "anna/talk"),
        Utterance(str(root / "anna/walk/1.flac"), "anna", "anna/walk"),
        Utterance(alone, "bo b", alone),
    ]
    assert "speakers without sound files are left out: cy" in caplog.text
    assert "in no speaker's folder: loose.wav" in caplog.text
    caplog.clear()
    assert [Path(clip.path).name for clip in speakers.speaker_folder(str(root), [".m4a"])] == ["2.M4A"]
    assert "left out: bo b, cy" in caplog.text


def test_folders_without_speakers_or_sound(touch, tmp_path):
    for root, message in (
        (tmp_path / "gone", "cannot be listed: No such file"),
        (touch("x/1.wav") / "x", "holds no folders: put the clips of each speaker"),
        (touch("y/anna/1.txt") / "y", r"holds no sound files \(\.aac, .*\) in any speaker's folder"),
    ):
        with pytest.raises(DatasetError, match=message):
            speakers.speaker_folder(root)


def test_timit_in_letters_of_any_case(touch, tmp_path, write_tone):
    touch("x/timit/test/dr1/mdab0/sx409.wav", "x/timit/test/dr1/mdab0/sx409.phn", "x/timit/doc/sa1.wav")
    touch("x/timit/TRAIN/DR8/MBCG0/SI486.WAV", "x/timit/TRAIN/DR8/MBCG0/SI486.WAV.wav")
    sphere = write_tone(tmp_path / "x/timit/TRAIN/DR1/FCJF0/SA1.WAV", sr=16000, format="NIST", subtype="PCM_16")
    found = speakers.timit(tmp_path / "x")
    assert [clip[1:] for clip in found] == [
        ("FCJF0", "FCJF0", "train", "SA1"),
        ("MBCG0", "MBCG0", "train", "SI486"),
        ("MDAB0", "MDAB0", "test", "SX409"),
    ]
    assert audio.info(found[0].path).format == "NIST" and audio.load(sphere, sr=None)[0].shape == (16000,)
    assert found[1].path.endswith("SI486.WAV")
    assert speakers.timit(tmp_path / "x/timit/TRAIN") == speakers.timit(tmp_path / "x", "train") == found[:2]
    assert speakers.timit(tmp_path / "x", "test") == found[2:]


def test_timit_that_is_not_there(touch):
    root = touch("train/dr1/1.wav")
    for path, split, message in (
        (root / "gone", None, "no such folder"),
        (root, None, "holds no TIMIT: expected TRAIN/DR1/FCJF0/SA1.WAV"),
        (root, "test", "holds no TIMIT: expected TEST/"),
        (root, "dev", "split is 'train', 'test' or None for both, not 'dev'"),
    ):
        with pytest.raises(DatasetError, match=message):
            speakers.timit(path, split)


def test_digits_by_speaker(touch):
    root = touch("0_george_0.wav", "0_george_5.wav", "9_theo_49.wav")
    paths = [str(root / name) for name in ("0_george_0.wav", "0_george_5.wav", "9_theo_49.wav")]
    assert speakers.of_corpus("FSDD", root) == [
        Utterance(paths[0], "george", paths[0], "test", "0"),
        Utterance(paths[1], "george", paths[1], "train", "0"),
        Utterance(paths[2], "theo", paths[2], "train", "9"),
    ]
    assert [clip.path for clip in speakers.of_corpus("fsdd", root, "test")] == paths[:1]
    with pytest.raises(DatasetError, match="gtzan does not say who speaks: fsdd does"):
        speakers.of_corpus("gtzan", root)


def test_real_digits_by_speaker(fsdd):
    found = speakers.of_corpus("fsdd", fsdd)
    assert len({clip.speaker for clip in found}) > 1 and {clip.content for clip in found} == set("0123456789")


@pytest.mark.parametrize(
    "text",
    [
        "1 a/1.wav a/2.wav\n0 a/1.wav b/1.wav\n",
        "a/1.wav a/2.wav 1\na/1.wav b/1.wav 0\n",
        "\ufeff1\ta/1.wav  a/2.wav \r\n\r\n0 a/1.wav b/1.wav",
    ],
)
def test_lists_in_either_order(trials, text):
    table = trials(text)
    one, two, three = (str(table.parent / name) for name in ("a/1.wav", "a/2.wav", "b/1.wav"))
    assert speakers.read_trials(table) == [Trial(1, one, two), Trial(0, one, three)]
    assert speakers.read_trials(str(table), table.parent) == speakers.read_trials(table)


def test_a_list_of_another_folder_and_of_full_paths(trials, tmp_path):
    table = trials(f"1 1.wav {tmp_path / 'a/2.wav'}\n")
    assert speakers.read_trials(table, tmp_path / "a") == [
        Trial(1, str(tmp_path / "a/1.wav"), str(tmp_path / "a/2.wav"))
    ]


@pytest.mark.parametrize(
    "text",
    [
        "1\ta b/1 2.wav\tc.wav\r\n \t\t\n0 c.wav c.wav\n",
        "a b/1 2.wav\t c.wav\t1\nc.wav c.wav 0\t\n",
        "1\ta b/1 2.wav\tc.wav\n0 c.wav\t\tc.wav\n",
    ],
)
def test_paths_with_spaces_have_tabs_between(touch, text):
    root = touch("a b/1 2.wav", "c.wav")
    (root / "list").write_text(text)
    one, two = str(root / "a b/1 2.wav"), str(root / "c.wav")
    assert speakers.read_trials(root / "list") == [Trial(1, one, two), Trial(0, two, two)]


def test_files_called_0_and_1_are_no_labels(touch):
    root = touch("0", "1", "2")
    (root / "list").write_text("0 1 1\n2 1 0\n0 2 0\n")
    assert [trial.label for trial in speakers.read_trials(root / "list")] == [1, 0, 0]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "trials.txt: the list is empty"),
        (" \n\n", "the list is empty"),
        ("1 a/1.wav a/2.wav\n2 a/1.wav b/1.wav\n", "line 2: the first field is the label, 0 or 1, not '2'"),
        ("1 a/1.wav a/2.wav\na/1.wav b/1.wav 0\n0 a/1.wav b/1.wav\n", "line 2: the first field is the label"),
        ("a/1.wav a/2.wav 1\n\na/1.wav b/1.wav -1\n", "line 3: the last field is the label, 0 or 1, not '-1'"),
        ("a/1.wav a/2.wav target\n", "line 1: the first, or the last, field is the label, 0 or 1, not 'a/1.wav'"),
        ("1 a/1.wav a/2.wav\n0 a/1.wav\n", "line 2: expected a label and two paths, .* got 2 fields"),
        ("1\ta/1.wav\t\n", "line 1: expected .*, got 2 fields"),
        ("1 a/1.wav a 2.wav\n", "line 1: expected .* with tabs between if there are spaces in them, got 4 fields"),
        (
            "0 a/1.wav b/1.wav\n0 a/1.wav c/1.wav\n1 c/1.wav c/2.wav\n",
            "trials.txt: 2 of its 4 sounds are not in .*: the first is c/1.wav in line 2",
        ),
        ("1 a a/2.wav\n", "1 of its 2 sounds are not in .*: the first is a in line 1"),
    ],
)
def test_lists_say_what_is_wrong(trials, text, message):
    with pytest.raises(DatasetError, match=message):
        speakers.read_trials(trials(text))


def test_a_list_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.txt").write_bytes(b"1 \xe9.wav a.wav\n")
    for name, message in (("gone.txt", "cannot be read: No such file"), ("", "cannot be read"), ("latin.txt", "UTF-8")):
        with pytest.raises(DatasetError, match=message):
            speakers.read_trials(tmp_path / name)


def test_what_is_whole_is_not_warned_of(touch, caplog):
    with caplog.at_level(logging.WARNING):
        speakers.speaker_folder(touch("anna/1.wav"))
    assert not caplog.records
