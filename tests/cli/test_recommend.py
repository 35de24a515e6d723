"""``recommend``, with a real model and a real index."""

import shutil


def test_recommendations(run, run_json, model, indexed, tones, bad_file):
    heard = [tones / "low" / f"{i} é.wav" for i in range(3)]
    words = ("recommend", *heard, bad_file, "--index", indexed[0], *model)
    document = run_json(*words, "-k", 4, code=1)
    assert document["heard"] == [str(path) for path in [*heard, bad_file]]
    paths = [item["path"] for item in document["recommendations"]]
    scores = [item["score"] for item in document["recommendations"]]
    assert len(paths) == 4
    assert scores == sorted(scores, reverse=True)
    assert not set(paths) & {str(path) for path in heard}
    assert sum("low" in path for path in paths) >= 3
    assert [item["path"] for item in document["skipped"]] == [str(bad_file)]
    result = run(*words, "--top-k", 4, code=1)
    assert [line[9:] for line in result.stdout.splitlines()] == paths
    assert f"skipped {bad_file}" in result.stderr


def test_limits_is_a_hidden_alias(run, run_json, model, indexed, tones):
    words = ("recommend", tones / "low" / "0 é.wav", "--index", indexed[0], *model)
    for option in ("-n", "--limits", "-k", "--top-k"):
        assert len(run_json(*words, option, 2)["recommendations"]) == 2
    assert "--limits" in run(*words, "-n", 0, code=2).stderr
    text = run("recommend", "--help").stdout
    assert "--top-k" in text and "--limits" not in text


def test_index_is_not_changed(run_json, model, indexed, tones):
    words = ("--index", indexed[0], *model)
    first = run_json("recommend", tones / "low" / "1 é.wav", *words)
    run_json("recommend", tones / "high ♪" / "1 é.wav", *words)
    assert run_json("recommend", tones / "low" / "1 é.wav", *words) == first


def test_indexed_file_may_be_deleted(run, run_json, model, tones, tmp_path):
    folder = shutil.copytree(tones / "low", tmp_path / "low")
    words = ("--index", tmp_path / "index", *model)
    run("index", folder, *words)
    heard = folder / "0 é.wav"
    heard.unlink()
    document = run_json("recommend", heard, *words)
    assert document["skipped"] == [] and len(document["recommendations"]) == 7


def test_only_bad_files_exit_with_1(run_json, model, indexed, bad_file):
    document = run_json("recommend", bad_file, "--index", indexed[0], *model, code=1)
    assert document["recommendations"] == []


def test_everything_was_heard(run, run_json, model, indexed, tones):
    words = ("recommend", tones, "--index", indexed[0], *model)
    assert run_json(*words)["recommendations"] == []
    assert str(indexed[0]) in run(*words).stderr
