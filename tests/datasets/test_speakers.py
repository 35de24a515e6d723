"""Test listings by speaker: folders of speakers, TIMIT and named corpora."""

import logging
from pathlib import Path

import pytest

from mxnet_audio import audio
from mxnet_audio.datasets import speakers
from mxnet_audio.datasets.speakers import Utterance
from mxnet_audio.errors import DatasetError, ParameterError


def test_folders_with_and_without_sessions(touch, caplog):
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
    without_session = str(root / "bo b/1.wav")
    assert found == [
        Utterance(str(root / "anna/talk/1.wav"), "anna", "anna/talk"),
        Utterance(str(root / "anna/talk/deep/2.M4A"), "anna", "anna/talk"),
        Utterance(str(root / "anna/walk/1.flac"), "anna", "anna/walk"),
        Utterance(without_session, "bo b", without_session),
    ]
    assert "speaker folders without sound files: cy" in caplog.text
    assert "speaker folders: loose.wav" in caplog.text
    caplog.clear()
    assert [Path(clip.path).name for clip in speakers.speaker_folder(str(root), [".m4a"])] == ["2.M4A"]
    assert "speaker folders without sound files: bo b, cy" in caplog.text


def test_folder_errors(touch, tmp_path):
    for root, message in (
        (tmp_path / "missing", "missing: no such folder"),
        (touch("x/1.wav") / "x", "no speaker folders"),
        (touch("y/anna/1.txt") / "y", "no sound files in its speaker folders"),
    ):
        with pytest.raises(DatasetError, match=message):
            speakers.speaker_folder(root)
    with pytest.raises(DatasetError, match=r"no \.flac or \.wav files in its speaker folders"):
        speakers.speaker_folder(tmp_path / "y", (".wav", ".flac"))


def test_timit_in_upper_and_lower_case(touch, tmp_path, write_tone):
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


def test_timit_errors(touch):
    root = touch("train/dr1/1.wav")
    for path, split, message in (
        (root / "missing", None, "no such folder"),
        (root, None, r"TRAIN/DR1/FCJF0/SA1\.WAV"),
        (root, "test", "TEST/"),
    ):
        with pytest.raises(DatasetError, match=message):
            speakers.timit(path, split)
    with pytest.raises(ParameterError, match=r"split .*'dev'"):
        speakers.timit(root, "dev")


def test_fsdd_by_speaker(touch):
    root = touch("0_george_0.wav", "0_george_5.wav", "9_theo_49.wav")
    paths = [str(root / name) for name in ("0_george_0.wav", "0_george_5.wav", "9_theo_49.wav")]
    assert speakers.of_corpus("FSDD", root) == [
        Utterance(paths[0], "george", paths[0], "test", "0"),
        Utterance(paths[1], "george", paths[1], "train", "0"),
        Utterance(paths[2], "theo", paths[2], "train", "9"),
    ]
    assert [clip.path for clip in speakers.of_corpus("fsdd", root, "test")] == paths[:1]
    with pytest.raises(ParameterError, match=r"gtzan.* fsdd"):
        speakers.of_corpus("gtzan", root)


def test_fsdd_recordings_by_speaker(fsdd):
    found = speakers.of_corpus("fsdd", fsdd)
    assert len({clip.speaker for clip in found}) > 1 and {clip.content for clip in found} == set("0123456789")


def test_complete_folders_give_no_warning(touch, caplog):
    with caplog.at_level(logging.WARNING):
        speakers.speaker_folder(touch("anna/1.wav"))
    assert not caplog.records
