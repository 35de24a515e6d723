"""``index``, with a real model on real files."""


def test_document(indexed, trained):
    _, document = indexed
    assert document["model_id"] == trained[1]["model_id"]
    assert (document["added"], document["unchanged"], document["count"]) == (16, 0, 16)
    assert document["skipped"] == []


def test_unchanged_files_are_not_read_again(run, run_json, model, tones, bad_file, tmp_path):
    words = ("--index", tmp_path / "index", *model)
    document = run_json("index", tones / "low", *words)
    assert document["index"] == str(tmp_path / "index") and document["count"] == 8
    document = run_json("index", tones, bad_file, tmp_path / "missing.wav", *words)
    assert (document["added"], document["unchanged"], document["count"]) == (8, 8, 16)
    assert {item["path"] for item in document["skipped"]} == {str(bad_file), str(tmp_path / "missing.wav")}
    result = run("index", tones, bad_file, *words)
    assert result.stdout.startswith("0 added, 16 unchanged") and str(tmp_path / "index") in result.stdout
    assert result.stderr.count(str(bad_file)) == 1


def test_only_bad_files_exit_with_1(run, model, bad_file, tmp_path):
    result = run("index", bad_file, "--index", tmp_path / "index", *model, code=1)
    assert result.stdout == ""
    assert str(bad_file) in result.stderr
