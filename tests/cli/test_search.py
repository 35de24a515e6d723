"""``index``, ``search`` and ``recommend``, with a real model on real files."""

import shutil

import pytest


@pytest.fixture
def model(trained):
    return "--model-dir", trained[0]


@pytest.fixture(scope="module")
def indexed(run_json, trained, tones, tmp_path_factory):
    """Directory of an index of all tones, and what ``index --json`` said of it."""
    directory = tmp_path_factory.mktemp("my índex")
    return directory, run_json("index", tones, "--index", directory, "--model-dir", trained[0])


def test_index_says_what_it_did(indexed, trained):
    directory, document = indexed
    assert document["index"] == str(directory)
    assert document["model_id"] == trained[1]["model_id"]
    assert (document["added"], document["unchanged"], document["count"]) == (16, 0, 16)
    assert document["skipped"] == []


def test_index_again_goes_on(run, run_json, model, tones, bad_file, tmp_path):
    words = ("--index", tmp_path / "index", *model)
    assert run_json("index", tones / "low", *words)["count"] == 8
    document = run_json("index", tones, bad_file, tmp_path / "missing.wav", *words)
    assert (document["added"], document["unchanged"], document["count"]) == (8, 8, 16)
    assert {item["path"] for item in document["skipped"]} == {str(bad_file), str(tmp_path / "missing.wav")}
    result = run("index", tones, bad_file, *words)
    assert result.stdout == f"0 added, 16 unchanged: 16 files are in {tmp_path / 'index'}\n"
    assert result.stderr.count(str(bad_file)) == 1


def test_nothing_to_index_is_1(run, model, bad_file, tmp_path):
    result = run("index", bad_file, "--index", tmp_path / "index", *model, code=1)
    assert result.stdout == ""
    assert str(bad_file) in result.stderr


def test_search(run, run_json, model, indexed, tones):
    query = tones / "low" / "3 é.wav"
    words = ("search", query, "--index", indexed[0], *model)
    document = run_json(*words, "-k", 5)
    assert document["query"] == str(query)
    found = document["neighbours"]
    distances = [item["distance"] for item in found]
    assert len(found) == 5
    assert distances == sorted(distances)
    assert str(query) not in [item["path"] for item in found]
    assert sum("low" in item["path"] for item in found) >= 4
    lines = run(*words, "-k", 5).stdout.splitlines()
    assert [line.split("  ", 1)[-1].strip() for line in lines] == [item["path"] for item in found]
    assert len(run_json(*words)["neighbours"]) == 10


def test_search_for_a_bad_file(run, model, indexed, bad_file):
    result = run("search", bad_file, "--index", indexed[0], *model, code=1)
    assert result.stderr.startswith(f"error: {bad_file}: ")


def test_search_in_an_index_of_one(run, run_json, model, tones, tmp_path):
    words = (tones / "low" / "0 é.wav", "--index", tmp_path / "index", *model)
    run("index", *words)
    assert run_json("search", *words)["neighbours"] == []
    assert "no other file" in run("search", *words).stderr


def test_recommend(run, run_json, model, indexed, tones, bad_file):
    heard = [tones / "low" / f"{i} é.wav" for i in range(3)]
    words = ("recommend", *heard, bad_file, "--index", indexed[0], *model)
    document = run_json(*words, "-n", 4)
    assert document["heard"] == [str(path) for path in [*heard, bad_file]]
    paths = [item["path"] for item in document["recommendations"]]
    scores = [item["score"] for item in document["recommendations"]]
    assert len(paths) == 4
    assert scores == sorted(scores, reverse=True)
    assert not set(paths) & {str(path) for path in heard}
    assert sum("low" in path for path in paths) >= 3
    assert [item["path"] for item in document["skipped"]] == [str(bad_file)]
    result = run(*words, "-n", 4)
    assert [line[9:] for line in result.stdout.splitlines()] == paths
    assert f"skipped {bad_file}" in result.stderr


def test_recommending_leaves_the_index_alone(run_json, model, indexed, tones):
    words = ("--index", indexed[0], *model)
    first = run_json("recommend", tones / "low" / "1 é.wav", *words)
    run_json("recommend", tones / "high ♪" / "1 é.wav", *words)
    assert run_json("recommend", tones / "low" / "1 é.wav", *words) == first


def test_nothing_heard_is_1(run_json, model, indexed, bad_file):
    document = run_json("recommend", bad_file, "--index", indexed[0], *model, code=1)
    assert document["recommendations"] == []


def test_everything_heard(run, run_json, model, indexed, tones):
    words = ("recommend", tones, "--index", indexed[0], *model)
    assert run_json(*words)["recommendations"] == []
    assert "not heard" in run(*words).stderr


@pytest.mark.parametrize("command", ["search", "recommend"])
def test_no_index(run, model, tones, tmp_path, command):
    query = tones / "low" / "0 é.wav"
    result = run(command, query, "--index", tmp_path / "nö", *model, code=1)
    assert f"{tmp_path / 'nö'}: there is no index" in result.stderr


def test_index_of_another_model(run, run_json, indexed, tones, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    other = ("--model-dir", tmp_path / "other")
    run("train", tones, *other, "--input-shape", "1,16,16", "--epochs", 1)
    for command in ("search", "index"):
        result = run(command, tones / "low" / "0 é.wav", "--index", indexed[0], *other, code=1)
        assert "the index holds vectors of the model" in result.stderr
        assert str(indexed[0]) in result.stderr


def test_damaged_index(run, model, indexed, tones, tmp_path):
    shutil.copytree(indexed[0], tmp_path / "index")
    (tmp_path / "index" / "index.json").write_text("[", encoding="ascii")
    result = run("search", tones / "low" / "0 é.wav", "--index", tmp_path / "index", *model, code=1)
    assert "damaged" in result.stderr
