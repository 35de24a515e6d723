"""``tag``, with published weights on real files."""

import pytest

from mxnet_audio.library.tagger import encoders_with_tags


def test_files_and_folders(run, run_json, published, fsdd, bad_file, tmp_path):
    published("yamnet")
    clip = fsdd / "0_jackson_0.wav"
    (tmp_path / "words").mkdir()
    copy = tmp_path / "words" / "é.wav"
    copy.write_bytes((fsdd / "1_lucas_0.wav").read_bytes())
    result = run("tag", clip, copy.parent, bad_file, "-k", 2, code=1)
    assert (
        "yamnet" in result.stderr and f"skipped {bad_file}: " in result.stderr and "2 done, 1 skipped" in result.stderr
    )
    first, best, _, second, *rest = result.stdout.splitlines()
    assert (first, second, len(rest)) == (str(clip), str(copy), 2)
    score, name = best.split()
    assert name == "Speech" and 0.5 < float(score) <= 1
    document = run_json("tag", clip, copy.parent, bad_file, "-k", 2, code=1)
    assert document["encoder"] == "yamnet" and document["model_id"]
    assert [item["path"] for item in document["files"]] == [str(clip), str(copy)]
    assert [item["path"] for item in document["skipped"]] == [str(bad_file)]
    tags = document["files"][0]["tags"]
    assert tags[0]["tag"] == "Speech" and len(tags) == 2
    assert tags[0]["score"] == pytest.approx(float(score), abs=1e-3)


def test_timeline(run, run_json, published, fsdd, bad_file):
    published("yamnet")
    clip = fsdd / "0_jackson_0.wav"  # 0.64 s: one window
    document = run_json("tag", clip, bad_file, "--timeline", "-k", 1, code=1)
    (item,) = document["files"]
    (segment,) = item["segments"]
    assert item["path"] == str(clip) and segment["start"] == 0 and segment["end"] == pytest.approx(0.64, abs=0.01)
    assert [tag["tag"] for tag in segment["tags"]] == ["Speech"]
    assert [item["path"] for item in document["skipped"]] == [str(bad_file)]
    head, line = run("tag", clip, "--timeline", "-k", 2).stdout.splitlines()
    assert head == str(clip)
    assert line.split()[:4] == ["0.00", "to", "0.64", "s"] and " Speech; " in line


def test_music_only_if_asked_for(run_json, published, music):
    published("musicnn")
    document = run_json("tag", music / "trumpet_loop.ogg", "--encoder", "musicnn", "-k", 3)
    assert document["encoder"] == "musicnn"
    assert "jazz" in [item["tag"] for item in document["files"][0]["tags"]]


def test_only_bad_files_exit_with_1(run, run_json, published, bad_file, tmp_path):
    assert run("tag", tmp_path / "missing.wav", code=1).stdout == ""
    published("yamnet")
    document = run_json("tag", bad_file, code=1)
    assert document["files"] == [] and [item["path"] for item in document["skipped"]] == [str(bad_file)]


def test_wrong_usage(run, tones):
    for encoder in ("resemblyzer", "auto"):
        message = run("tag", tones, "--encoder", encoder, code=1).stderr
        assert all(name in message for name in (*encoders_with_tags(), encoder))
    assert "-k" in run("tag", tones, "-k", 0, code=2).stderr
