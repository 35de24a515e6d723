"""The registry: complete records, whose sizes and hashes are those of the published files."""

import dataclasses
import json
import re

import pytest

from mxnet_audio import weights
from mxnet_audio.errors import ParameterError
from mxnet_audio.weights.hub import is_repository
from mxnet_audio.weights.tags import AUDIOSET

NAMES = weights.names()


def test_names():
    panns = ["panns_cnn14", "panns_cnn10", "panns_cnn6", "panns_mobilenetv1"]
    assert NAMES[:6] == ["yamnet", "musicnn", "musicnn_mtt", "musicnn_vgg", "musicnn_vgg_mtt", "resemblyzer"]
    assert NAMES[6:] == ["wav2vec2", "hubert", "wavlm", "whisper", "ast", *panns, "ecapa"]
    networks = [weights.record(name).network for name in NAMES]
    assert networks[:6] == ["yamnet", "musicnn", "musicnn", "musicnn_vgg", "musicnn_vgg_mtt", "ge2e_lstm"]
    assert networks[6:] == ["wav2vec2", "wav2vec2", "wav2vec2", "whisper", "ast", *panns, "ecapa_voxceleb"]


@pytest.mark.parametrize("name", ["", "YAMNet", None, 3, ["yamnet"]])
def test_unknown_name(name):
    for function in (weights.record, weights.load, weights.find, weights.available, weights.location):
        with pytest.raises(ParameterError, match="'yamnet', 'musicnn'"):
            function(name)


@pytest.mark.parametrize("name", NAMES)
def test_record_is_complete(name):
    record = weights.record(name)
    assert record.name == name and record.domain in ("sound", "music", "speech", "voice")
    for text in (record.summary, record.front_end, record.licence, record.network):
        assert text
    assert re.match(r"@\w+\{", record.citation) and record.citation.endswith("}")
    assert record.width == record.embeddings[record.embedding] and record.embedding == next(iter(record.embeddings))
    assert bool(record.files) != bool(record.repository) == bool(record.weight_files)
    assert not record.files or record.repository or record.tag_list or len(record.tags) == record.n_tags
    assert len(set(record.tags)) == len(record.tags)
    assert record.size > 1e6 and record.size_text.startswith("about ") != record.size_is_exact
    assert record.check_embedding(record.embedding) == record.embedding
    for repository in (*filter(None, [record.repository]), *record.other_repositories):
        assert is_repository(repository)
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.name = "other"


@pytest.mark.parametrize("name", NAMES)
def test_files(name):
    record = weights.record(name)
    for file in record.files:
        assert bool(file.urls) != bool(record.package)
        assert all(url.startswith("https://") for url in file.urls)
        if name.startswith("panns"):
            assert file.size is None and re.fullmatch("md5:[0-9a-f]{32}", file.hash or "md5:" + "0" * 32)
            assert (file.hash is None) == (name == "panns_mobilenetv1")
        else:
            assert re.fullmatch("sha256:[0-9a-f]{64}", file.hash) and file.size > 0
    if not name.startswith("panns") and record.files:
        assert record.size == sum(file.size for file in record.files)


@pytest.mark.parametrize("name", NAMES)
def test_record_is_json(name):
    record = weights.record(name)
    document = json.loads(json.dumps(record.to_dict()))
    assert document["name"] == name and document["size_text"] == record.size_text
    assert [file["sha256"] for file in document["files"]] == [file.sha256 for file in record.files]


def test_sizes_in_words():
    sizes = {name: weights.record(name).size_text for name in NAMES}
    assert (sizes["yamnet"], sizes["panns_cnn14"]) == ("4.1 MB", "about 330 MB")
    assert (sizes["wav2vec2"], sizes["whisper"], sizes["ecapa"]) == ("about 380 MB", "about 290 MB", "about 83 MB")


@pytest.mark.parametrize("name", NAMES)
def test_names_of_embeddings(name):
    record = weights.record(name)
    for embedding in ("6:mean", "weighted:max", "0:last"):
        if record.reductions:
            assert record.check_embedding(embedding) == embedding
        else:
            with pytest.raises(ParameterError, match=r"^--embedding must be one of"):
                record.check_embedding(embedding, "--embedding")
    for embedding in ("", "middle", "mean:6", "-1:mean", "1000:mean", "6:", ":mean", "٣:mean", None, 6, ["mean"]):
        with pytest.raises(ParameterError, match=r"^--embedding must be"):
            record.check_embedding(embedding, "--embedding")


def test_music_weights_name_the_other_licence():
    for name in NAMES:
        assert ("CC BY-NC-SA" in weights.record(name).remark) == name.startswith("musicnn")


@pytest.mark.parametrize("name", NAMES)
def test_files_on_this_machine_are_the_published_ones(name, published):
    weights.record(published(name))
    if weights.record(name).repository:
        pytest.skip("models of the hub have no hashes")
    paths = weights.find(name, download=False)
    assert all(file.size in (None, path.stat().st_size) for path, file in zip(paths, weights.record(name).files))


def test_tags():
    assert weights.record("musicnn").tags[:2] == ("rock", "pop") == weights.record("musicnn_vgg").tags[:2]
    assert (
        weights.record("musicnn_mtt").tags[-2:]
        == ("female voice", "choral")
        == weights.record("musicnn_vgg_mtt").tags[-2:]
    )
    assert weights.record("panns_cnn6").tags == AUDIOSET and len(set(AUDIOSET)) == 527
    assert AUDIOSET[0] == "Speech" and AUDIOSET[-1] == "Field recording"


def test_model_in_place_of_a_name(tmp_path, monkeypatch):
    """A folder and a model of the hub are answered with the call that loads them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed" / "config.json").write_text("[]")
    (tmp_path / "mödel").mkdir()
    (tmp_path / "mödel" / "config.json").write_text('{"model_type": "hubert"}')
    types = {"mödel": "'hubert'", "mine": "TYPE", "listed": "TYPE", "openai/whisper-tiny": "'whisper'", "a/b": "TYPE"}
    for name, kind in types.items():
        with pytest.raises(ParameterError, match=rf"^name .*load_encoder\({kind}, source='{name}'\)") as error:
            weights.load(name)
        assert ("one of wav2vec2" in str(error.value)) == (kind == "TYPE")
