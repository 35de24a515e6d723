"""``speaker identify``."""

import numpy as np
import soundfile as sf


def test_rankings(run, run_json, people, silence, bad_file, enrolled):
    clips = [people / name / f"{take}.wav" for name in ("ann", "bob") for take in (4, 5, 6, 7)]
    document = run_json("speaker", "identify", *clips, silence, *enrolled, code=1)
    correct = [row["speaker"] == name for row, name in zip(document["results"], ["ann"] * 4 + ["bob"] * 4)]
    assert len(correct) == 8 and sum(correct) >= 7
    for row in document["results"]:
        (best, score), (_, lower) = row["ranking"]
        assert row["speaker"] == (best if score >= document["threshold"] else None) and score >= lower
    assert [entry["path"] for entry in document["skipped"]] == [str(silence)]
    result = run("speaker", "identify", people / "cem", "-k", 1, *enrolled)
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[1] for row in rows].count("unknown") >= 7 and all("," not in row[2] for row in rows)
    result = run("speaker", "identify", silence, bad_file, *enrolled, code=1)
    assert result.stdout == "" and result.stderr.endswith("0 done, 2 skipped\n")


def test_recordings_shorter_and_longer_than_a_window(run, run_json, people, enrolled, tmp_path):
    y = np.concatenate([sf.read(path)[0] for path in sorted(people.glob("bob/[4-7].wav"))])
    for name, part in (("short", y[:1600]), ("long", y)):
        sf.write(tmp_path / f"{name}.wav", part, 8000)
        document = run_json("speaker", "identify", tmp_path / f"{name}.wav", *enrolled)
        assert document["results"][0]["ranking"][0][0] == "bob"
    assert "5 recordings" in run("speaker", "enroll", "bob", tmp_path / "short.wav", *enrolled).stdout


def test_nobody_is_enrolled(run, people, model):
    clip = people / "ann" / "0.wav"
    assert run("speaker", "identify", clip, *model, code=1).stderr.startswith("error: nobody is enrolled")
    message = run("speaker", "verify", clip, "--speaker", "ann", *model, code=1).stderr
    assert "'ann'" in message and "nobody" in message
