"""Tests of the routes that search the index, send its sounds, and load it again."""

import json
import os
import shutil
from email.utils import formatdate
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

pytest.importorskip("fastapi")

from mxnet_audio.errors import SearchError
from mxnet_audio.library.search import AudioSearch
from mxnet_audio.serve import ServedModels, similar_parts
from mxnet_audio.serve.live_index import LiveIndex


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Folder of sounds: three tones, one of them stereo, and a long one with a tone in the middle of noise."""
    folder = tmp_path_factory.mktemp("sounds").resolve()
    (folder / "birds").mkdir()
    rng = np.random.default_rng(0)
    t = np.arange(12000) / 12000
    for name, frequency in (("birds/low.wav", 200), ("birds/high.flac", 3000)):
        sf.write(folder / name, 0.5 * np.sin(2 * np.pi * frequency * t), 12000)
    sf.write(folder / "call.wav", np.stack([np.sin(2 * np.pi * f * t) / 2 for f in (400, 2000)], axis=1), 12000)
    y = 0.1 * rng.standard_normal(6 * 12000)
    y[36000:48000] = 0.5 * np.sin(2 * np.pi * 3000 * t)
    sf.write(folder / "long.wav", y, 12000)
    return folder


@pytest.fixture(scope="module")
def models(sounds, onnx_model, tmp_path_factory):
    """Exported classifier and an index of the sounds, of the stereo one by channels."""
    folder = tmp_path_factory.mktemp("index")
    search = AudioSearch(classifier=onnx_model)
    search.index_many(sorted((sounds / "birds").iterdir()), save_dir=folder)
    search.index_many([sounds / "long.wav"], save_dir=folder)
    search.index_many([sounds / "call.wav"], save_dir=folder, channel="each")
    return ServedModels(classifier=onnx_model, search=search)


@pytest.fixture
def own_models(models, tmp_path):
    """The same with an index of its own, whose folder the test may change."""
    folder = tmp_path / "index"
    shutil.copytree(models.search.index.directory, folder)
    search = AudioSearch(classifier=models.classifier)
    search.load(folder)
    return ServedModels(classifier=models.classifier, search=search)


@pytest.fixture
def client(serving, models, sounds):
    return serving(models, audio_root=sounds)


def search(client, content, **params):
    answer = client.post("/v1/search", content=content, params=params, headers={"Content-Type": "audio/wav"})
    assert answer.status_code == 200, answer.text
    return answer.json()["neighbours"]


def found(client, name):
    """Return the neighbour with a name."""
    sound = next(one for one in search(client, client.sound, top_k=10) if one["name"] == name)
    return sound


@pytest.fixture(autouse=True)
def query(request, sounds):
    """Give the clients of a test a sound to search with."""
    if "client" in request.fixturenames:
        request.getfixturevalue("client").sound = (sounds / "long.wav").read_bytes()


def test_search_finds_what_the_library_finds(client, models, sounds):
    neighbours = search(client, (sounds / "birds/low.wav").read_bytes(), top_k=5)
    expected = models.search.query(sounds / "birds/low.wav", 5, skip_exact_match=False)
    assert [str(sounds / one["name"]) for one in neighbours] == [one.path for one in expected]
    np.testing.assert_allclose([one["distance"] for one in neighbours], [one.distance for one in expected], atol=1e-6)
    assert neighbours[0].keys() == {"id", "name", "distance", "audio_url"}
    assert str(sounds) not in json.dumps(neighbours)


def test_the_sound_of_a_path_is_not_its_own_neighbour(client):
    answer = client.post("/v1/search", json={"path": "birds/low.wav"}).json()
    assert [one["name"] for one in answer["neighbours"]].count("birds/low.wav") == 0
    assert len(answer["neighbours"]) == 4
    names = [one["name"] for one in client.post("/v1/search", json={"path": "call.wav"}).json()["neighbours"]]
    assert len(names) == 3
    assert not any("call.wav" in name for name in names)


def test_search_answers_with_the_model_and_the_channel(client, models, sounds):
    content = (sounds / "call.wav").read_bytes()
    url = "/v1/search?channel=right&top_k=1"
    answer = client.post(url, content=content, headers={"Content-Type": "audio/wav"}).json()
    assert answer["model"] == {"network": models.classifier.network, "model_id": models.classifier.model_id}
    assert answer["neighbours"][0]["name"] == "call.wav [right]"
    assert answer["neighbours"][0]["distance"] < 1e-6


def test_windows_gives_the_most_similar_part(client, sounds):
    neighbours = search(client, (sounds / "birds/high.flac").read_bytes(), windows=True)
    parts = {one["name"]: (one["start"], one["end"]) for one in neighbours}
    assert parts["long.wav"] == (3.0, 4.0)
    assert parts["birds/low.wav"] == (0.0, 1.0)
    assert parts["call.wav [left]"] == (0.0, 1.0)
    again = search(client, (sounds / "birds/high.flac").read_bytes(), windows=True)
    assert again == neighbours


def test_missing_files_are_left_out(serving, onnx_model, sounds, tmp_path):
    for name in ("low.wav", "high.flac"):
        shutil.copy(sounds / "birds" / name, tmp_path)
    search_ = AudioSearch(classifier=onnx_model)
    search_.index_many(sorted(tmp_path.iterdir()))
    (tmp_path / "low.wav").unlink()
    client = serving(ServedModels(search=search_))
    assert [one["name"] for one in search(client, (sounds / "long.wav").read_bytes())] == ["high.flac"]


def test_a_sound_that_was_indexed_by_a_link_has_its_name(serving, onnx_model, sounds, tmp_path):
    try:
        (tmp_path / "link.wav").symlink_to(sounds / "long.wav")
    except OSError:
        pytest.skip("links cannot be made here")
    search_ = AudioSearch(classifier=onnx_model)
    search_.index_many([tmp_path / "link.wav"])
    client = serving(ServedModels(search=search_))
    (one,) = search(client, (sounds / "birds/low.wav").read_bytes())
    answer = client.get(one["audio_url"])
    assert (one["name"], answer.headers["content-disposition"]) == ("link.wav", 'inline; filename="link.wav"')
    assert answer.content == (sounds / "long.wav").read_bytes()


def test_a_sound_that_is_no_file_has_no_address(serving, onnx_model, sounds, tmp_path):
    search_ = AudioSearch(classifier=onnx_model)
    search_.index_audio("/etc/hostname", sounds / "long.wav")
    client = serving(ServedModels(search=search_))
    (one,) = search(client, (sounds / "long.wav").read_bytes())
    assert (one["name"], one["audio_url"]) == ("hostname", None)
    assert client.get(f"/v1/audio/{one['id']}").status_code == 404


@pytest.mark.parametrize(
    ("params", "status"),
    [({"top_k": 0}, 422), ({"where": "year > 1990"}, 422), ({"channel": 7}, 422), ({"windows": "maybe"}, 422)],
    ids=["top_k", "where", "channel", "windows"],
)
def test_bad_parameters_are_named(client, params, status):
    answer = client.post("/v1/search", content=client.sound, params=params, headers={"Content-Type": "audio/wav"})
    assert answer.status_code == status
    assert next(iter(params)) in answer.json()["detail"]


def test_without_an_index_nothing_is_searched(serving, onnx_model):
    client = serving(ServedModels(classifier=onnx_model))
    for method, route in (("POST", "search"), ("GET", "audio/" + 32 * "0"), ("POST", "reload")):
        answer = client.request(method, f"/v1/{route}")
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:mxnet-audio:not-served")


def test_audio_is_the_file(client, sounds):
    for name, file, kind in (
        ("birds/low.wav", "birds/low.wav", "audio/wav"),
        ("birds/high.flac", "birds/high.flac", "audio/flac"),
        ("call.wav [left]", "call.wav", "audio/wav"),
    ):
        content = (sounds / file).read_bytes()
        url = found(client, name)["audio_url"]
        answer = client.get(url)
        assert answer.status_code == 200
        assert answer.content == content
        assert answer.headers["content-type"] == kind
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["content-disposition"] == f'inline; filename="{Path(file).name}"'
        head = client.head(url)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(content))


def test_ranges(client, sounds):
    content = (sounds / "long.wav").read_bytes()
    url = found(client, "long.wav")["audio_url"]

    def ask(ranges, **headers):
        return client.get(url, headers={"Range": ranges, **headers})

    for ranges, expected in (
        ("bytes=10-19", content[10:20]),
        ("bytes=-7", content[-7:]),
        ("bytes=100-", content[100:]),
    ):
        answer = ask(ranges)
        assert (answer.status_code, answer.content) == (206, expected)
        assert answer.headers["content-length"] == str(len(expected))
        assert answer.headers["content-range"].endswith(f"/{len(content)}")
    assert ask("bytes=10-19").headers["content-range"] == f"bytes 10-19/{len(content)}"
    answer = ask(f"bytes={len(content)}-")
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(content)}")
    assert answer.headers["content-type"] == "application/problem+json"
    for ignored in (
        "lines=1-2",
        "bytes=5-2",
        "bytes=x",
        "bytes=",
        "bytes=-",
        "bytes=0-1,5-6",
        "bytes=" + "9" * 5000 + "-",
    ):
        answer = ask(ignored)
        assert (answer.status_code, answer.content) == (200, content), ignored


def test_conditions(client, sounds):
    os.utime(sounds / "long.wav", (1e9, 1e9))
    url = found(client, "long.wav")["audio_url"]
    answer = client.get(url)
    etag, date = answer.headers["etag"], answer.headers["last-modified"]
    assert date == formatdate(1e9, usegmt=True)
    for name, value, status in (
        ("If-None-Match", etag, 304),
        ("If-None-Match", f'"other", W/{etag}', 304),
        ("If-None-Match", '"other"', 200),
        ("If-Modified-Since", date, 304),
        ("If-Modified-Since", formatdate(0, usegmt=True), 200),
        ("If-Modified-Since", "yesterday", 200),
    ):
        assert client.get(url, headers={name: value}).status_code == status, (name, value)
    for condition, status in ((etag, 206), (date, 206), ('"other"', 200), (f"W/{etag}", 200)):
        assert client.get(url, headers={"Range": "bytes=0-1", "If-Range": condition}).status_code == status, condition
    assert client.head(url, headers={"Range": "bytes=0-1"}).status_code == 200


@pytest.mark.parametrize("id", ["0" * 32, "f" * 32, "x", "..%2f..%2fetc%2fpasswd", "%00", "A" * 32])
def test_unknown_ids(client, id):
    assert client.get(f"/v1/audio/{id}").status_code == 404


def test_only_regular_files_of_the_index_are_sent(serving, onnx_model, sounds, tmp_path):
    folder = tmp_path.resolve() / "clips"
    folder.mkdir()
    shutil.copy(sounds / "long.wav", folder / "a.wav")
    search_ = AudioSearch(classifier=onnx_model)
    search_.index_many([folder / "a.wav"])
    client = serving(ServedModels(search=search_))
    (one,) = search(client, (sounds / "long.wav").read_bytes())
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a.wav").write_text("secret")

    def status():
        return client.get(one["audio_url"]).status_code

    assert status() == 200
    (folder / "a.wav").unlink()
    assert status() == 410
    (folder / "a.wav").symlink_to(secret / "a.wav")
    assert status() == 404
    (folder / "a.wav").unlink()
    os.mkfifo(folder / "a.wav")
    assert status() == 404
    (folder / "a.wav").unlink()
    (folder / "a.wav").mkdir()
    assert status() == 404
    (folder / "a.wav").rmdir()
    folder.rmdir()
    folder.symlink_to(secret)
    assert status() == 404


def test_files_that_are_no_sounds_are_not_sent(serving, onnx_model, tmp_path):
    """An index that others wrote may name any file."""
    (tmp_path / "passwords").write_text("root:secret")
    (tmp_path / "keys").write_bytes(bytes(100) + b"\xff\xfb" + bytes(100))
    search_ = AudioSearch(classifier=onnx_model)
    search_._loaded()
    vector = np.ones(onnx_model.embedding_dim)
    for name in ("passwords", "keys"):
        search_.index.add(tmp_path / name, vector, (1, 2))
    client = serving(ServedModels(search=search_))
    catalogue = client.app.state.service.index.catalogue
    for entry in search_.index.entries:
        assert client.get(f"/v1/audio/{catalogue.id_of(entry)}").status_code == 404


@pytest.mark.skipif(os.name == "nt", reason="names that Windows has not")
def test_any_name_can_be_shown(serving, onnx_model, sounds, tmp_path):
    names = [b'a"b\n<i>.wav', b"caf\xe9.wav", "\u266b %41.wav".encode()]
    for name in names:
        shutil.copy(sounds / "long.wav", os.fsencode(tmp_path) + b"/" + name)
    search_ = AudioSearch(classifier=onnx_model)
    search_.index_many(tmp_path.iterdir())
    client = serving(ServedModels(search=search_))
    content = (sounds / "long.wav").read_bytes()
    found_ = {one["name"]: client.get(one["audio_url"]) for one in search(client, content)}
    assert found_.keys() == {'a"b\ufffd<i>.wav', "caf\ufffd.wav", "\u266b %41.wav"}
    assert all(answer.content == content for answer in found_.values())
    headers = {answer.headers["content-disposition"] for answer in found_.values()}
    assert "inline; filename=\"_ %41.wav\"; filename*=UTF-8''%E2%99%AB%20%2541.wav" in headers


def test_a_replaced_file_is_sent_whole(client, sounds, own_models, serving, tmp_path, monkeypatch):
    """The file is opened once: what takes its place meanwhile is not mixed with it."""
    from mxnet_audio.serve import file_response

    monkeypatch.setattr(file_response, "_BLOCK", 1000)
    copy = tmp_path.resolve() / "copy.wav"
    shutil.copy(sounds / "long.wav", copy)
    content = copy.read_bytes()
    own_models.search.index_many([copy])
    client = serving(own_models)
    url = next(one for one in search(client, content, top_k=10) if one["name"].endswith("copy.wav"))["audio_url"]
    with client.stream("GET", url) as answer:
        blocks = answer.iter_raw()
        first = next(blocks)
        copy.unlink()
        copy.write_bytes(b"other")
        assert first + b"".join(blocks) == content


def test_a_collection_of_milvus(serving, onnx_model, sounds, tmp_path):
    pytest.importorskip("milvus_lite")
    search_ = AudioSearch(
        classifier=onnx_model, engine="milvus", uri=str(tmp_path / "songs.db"), collection="songs", metric="cosine"
    )
    search_.index_many(
        [sounds / "long.wav", *(sounds / "birds").iterdir()], metadata=lambda path: {"kind": Path(path).suffix[1:]}
    )
    client = serving(ServedModels(search=search_), audio_root=sounds)
    content = (sounds / "birds/high.flac").read_bytes()
    assert {one["name"] for one in search(client, content)} == {"birds/high.flac", "long.wav", "birds/low.wav"}
    (one,) = search(client, content, where='kind == "flac" and kind != "real_path"', windows=True)
    assert (one["name"], one["start"], one["end"]) == ("birds/high.flac", 0.0, 1.0)
    assert client.get(one["audio_url"]).content == content
    for where in ('real_path > "/a"', 'kind == "a" or path like "/home/%"', r'kind == "\\" or path > "a"'):
        answer = client.post(
            "/v1/search", content=content, params={"where": where}, headers={"Content-Type": "audio/wav"}
        )
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:mxnet-audio:bad-parameter")
    assert client.post("/v1/reload").json() == {"reloaded": False, "sounds": 3}
    search_.index.drop()
    search_.index.close()


class Away:
    """Stand-in of a collection whose server is away."""

    def __len__(self):
        raise SearchError("no answer", "http://user:secret@milvus")

    metric = property(__len__)

    def query(self, *args, **kwargs):
        raise SearchError("no answer", "http://user:secret@milvus")

    def batches(self, **kwargs):
        raise SearchError("no answer", "http://user:secret@milvus")


def test_a_collection_whose_server_is_away(serving, onnx_model, sounds):
    search_ = AudioSearch(classifier=onnx_model)
    search_.index = Away()
    client = serving(ServedModels(search=search_), audio_root=sounds)
    for method, route in (
        ("POST", "search"), ("GET", "models"), ("POST", "reload"), ("GET", "audio/" + 32 * "0")
    ):  # fmt: skip
        json = {"path": "long.wav"} if route == "search" else None
        answer = client.request(method, f"/v1/{route}", json=json)
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:mxnet-audio:index-unavailable"), route
        assert "secret" not in answer.text


def test_parts_of_a_sound_that_is_indexed_again_by_another_channel(onnx_model, sounds, tmp_path):
    low, high = (sf.read(sounds / "birds" / name)[0] for name in ("low.wav", "high.flac"))
    sf.write(tmp_path / "a.wav", np.stack([np.concatenate(pair) for pair in ((low, high), (high, low))], axis=1), 12000)
    search_ = AudioSearch(classifier=onnx_model)
    live, vector, starts = LiveIndex(search_), onnx_model.encode_audio(sounds / "birds/high.flac"), []
    for channel in ("left", "right"):
        search_.index_audio(tmp_path / "a.wav", channel=channel)
        found = live.with_parts(live.nearest(vector), vector, 1.0, lambda all: list(onnx_model.forward_many(all)), 60.0)
        starts += [match.part[0] for match in found]
    assert starts == [1.0, 0.0]


def test_parts_that_take_too_long_are_left_out(models, sounds):
    live = LiveIndex(models.search)
    vector = models.classifier.encode_audio(sounds / "long.wav")
    matches = live.nearest(vector, 1)
    assert [match.name for match in matches] == ["long.wav"]
    assert live.with_parts(matches, vector, 1.0, models.classifier.forward_many, -1.0) == matches
    (match,) = live.with_parts(matches, vector, 1.0, lambda sounds: list(models.classifier.forward_many(sounds)), 60.0)
    assert match.part is not None


def test_parts_are_kept_up_to_a_size(models, sounds, monkeypatch):
    monkeypatch.setattr(similar_parts, "_CACHE_BYTES", 8000)
    live, model, passes = LiveIndex(models.search), models.classifier, []

    def compute(sounds):
        passes.append(len(sounds))
        return list(model.forward_many(sounds))

    def ask(seconds):
        vector = model.encode_audio(sounds / "long.wav")
        return live.with_parts(live.nearest(vector, 1), vector, seconds, compute, 60.0)

    assert ask(5.0) == ask(5.0) and len(passes) == 1
    ask(2.0)  # its five windows take more than there is
    ask(5.0)
    assert len(passes) == 3
    assert live._parts._bytes == sum(each.size for each in live._parts._cache.values()) <= 8000
