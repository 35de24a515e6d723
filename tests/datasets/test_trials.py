"""Test lists of verification trials."""

import os

import pytest

from mxnet_audio.datasets import speakers
from mxnet_audio.datasets.trials import Trial, read_trials
from mxnet_audio.errors import DatasetError


@pytest.fixture
def trials(touch):
    """Function that writes a list beside ``a/1.wav``, ``a/2.wav`` and ``b/1.wav``: ``trials(text) -> path``."""
    home = touch("a/1.wav", "a/2.wav", "b/1.wav")

    def write(text):
        (home / "trials.txt").write_text(text, encoding="utf-8")
        return home / "trials.txt"

    return write


@pytest.mark.parametrize(
    "text",
    [
        "1 a/1.wav a/2.wav\n0 a/1.wav b/1.wav\n",
        "a/1.wav a/2.wav 1\na/1.wav b/1.wav 0\n",
        "\ufeff1\ta/1.wav  a/2.wav \r\n\r\n0 a/1.wav b/1.wav",
    ],
)
def test_label_first_or_last(trials, text):
    table = trials(text)
    first, second, third = (str(table.parent / name) for name in ("a/1.wav", "a/2.wav", "b/1.wav"))
    assert read_trials(table) == [Trial(1, first, second), Trial(0, first, third)]
    assert read_trials(str(table), table.parent) == read_trials(table)


def test_relative_and_absolute_paths(trials, tmp_path):
    table = trials(f"1 1.wav {tmp_path / 'a/2.wav'}\n")
    assert read_trials(table, tmp_path / "a") == [Trial(1, str(tmp_path / "a/1.wav"), str(tmp_path / "a/2.wav"))]


@pytest.mark.parametrize(
    "text",
    [
        "1\ta b/1 2.wav\tc.wav\r\n \t\t\n0 c.wav c.wav\n",
        "a b/1 2.wav\t c.wav\t1\nc.wav c.wav 0\t\n",
        "1\ta b/1 2.wav\tc.wav\n0 c.wav\t\tc.wav\n",
    ],
)
def test_paths_with_spaces_are_separated_by_tabs(touch, text):
    root = touch("a b/1 2.wav", "c.wav")
    (root / "list").write_text(text)
    first, second = str(root / "a b/1 2.wav"), str(root / "c.wav")
    assert read_trials(root / "list") == [Trial(1, first, second), Trial(0, second, second)]


def test_files_named_0_and_1_are_not_labels(touch):
    root = touch("0", "1", "2")
    (root / "list").write_text("0 1 1\n2 1 0\n0 2 0\n")
    assert [trial.label for trial in read_trials(root / "list")] == [1, 0, 0]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", r"trials\.txt: .*empty"),
        (" \n\n", "empty"),
        ("1 a/1.wav a/2.wav\n2 a/1.wav b/1.wav\n", "line 2: .*first field .* got '2'"),
        ("1 a/1.wav a/2.wav\na/1.wav b/1.wav 0\n0 a/1.wav b/1.wav\n", "line 2: .*first field"),
        ("a/1.wav a/2.wav 1\n\na/1.wav b/1.wav -1\n", "line 3: .*last field .* got '-1'"),
        ("a/1.wav a/2.wav target\n", "line 1: .*first or the last field .* got 'a/1.wav'"),
        ("1 a/1.wav a/2.wav\n0 a/1.wav\n", "line 2: .*a label and two paths.* got 2 fields"),
        ("1\ta/1.wav\t\n", "line 1: .*got 2 fields"),
        ("1 a/1.wav a 2.wav\n", "line 1: .*tabs.* got 4 fields"),
        ("0 a/1.wav b/1.wav\n0 a/1.wav c/1.wav\n1 c/1.wav c/2.wav\n", r"trials\.txt: 2 of its 4 .*c/1\.wav in line 2"),
        ("1 a a/2.wav\n", "1 of its 2 .* a in line 1"),
    ],
)
def test_errors_name_the_line(trials, text, message):
    with pytest.raises(DatasetError, match=message):
        read_trials(trials(text))


def test_unreadable_list(tmp_path):
    (tmp_path / "latin.txt").write_bytes(b"1 \xe9.wav a.wav\n")
    os.mkfifo(tmp_path / "pipe")
    cases = (("missing.txt", "No such file"), ("", "cannot be read"), ("latin.txt", "UTF-8"), ("pipe", "not a regular"))
    for name, message in cases:
        with pytest.raises(DatasetError, match=message):
            read_trials(tmp_path / name)


def test_speakers_exports_them():
    assert speakers.read_trials is read_trials and speakers.Trial is Trial
