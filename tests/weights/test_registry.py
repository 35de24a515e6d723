"""The registry: complete records, whose sizes and hashes are those of the published files."""

import dataclasses
import json
import re

import pytest

from mxnet_audio import weights
from mxnet_audio.errors import ParameterError

NAMES = weights.names()


def test_names():
    assert NAMES == ["yamnet", "musicnn", "musicnn_mtt", "musicnn_vgg", "musicnn_vgg_mtt", "resemblyzer"]
    networks = [weights.record(name).network for name in NAMES]
    assert networks == ["yamnet", "musicnn", "musicnn", "musicnn_vgg", "musicnn_vgg_mtt", "ge2e_lstm"]


@pytest.mark.parametrize("name", ["", "YAMNet", None, 3, ["yamnet"]])
def test_unknown_name(name):
    for function in (weights.record, weights.load, weights.find, weights.available, weights.location):
        with pytest.raises(ParameterError, match="'yamnet', 'musicnn'"):
            function(name)


@pytest.mark.parametrize("name", NAMES)
def test_record_is_complete(name):
    record = weights.record(name)
    assert record.name == name and record.domain in ("sound", "music", "voice")
    for text in (record.summary, record.front_end, record.licence, record.network):
        assert text
    assert re.match(r"@\w+\{", record.citation) and record.citation.endswith("}")
    assert record.width == record.embeddings[record.embedding] and record.embedding == next(iter(record.embeddings))
    assert record.files and record.size == sum(file.size for file in record.files)
    for file in record.files:
        assert re.fullmatch("[0-9a-f]{64}", file.sha256) and file.size > 0
        assert bool(file.urls) != bool(record.package)
        assert all(url.startswith("https://") for url in file.urls)
    assert record.tag_list or len(record.tags) == record.n_tags == len(set(record.tags))
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.name = "other"


@pytest.mark.parametrize("name", NAMES)
def test_record_is_json(name):
    document = json.loads(json.dumps(weights.record(name).to_dict()))
    assert document["name"] == name and document["files"][0]["sha256"] == weights.record(name).files[0].sha256


def test_music_weights_name_the_other_licence():
    for name in NAMES:
        assert ("CC BY-NC-SA" in weights.record(name).remark) == name.startswith("musicnn")


@pytest.mark.parametrize("name", NAMES)
def test_files_on_this_machine_are_the_published_ones(name, published):
    weights.record(published(name))
    paths = weights.find(name, download=False)
    assert [path.stat().st_size for path in paths] == [file.size for file in weights.record(name).files]


def test_tags():
    assert weights.record("musicnn").tags[:2] == ("rock", "pop") == weights.record("musicnn_vgg").tags[:2]
    assert (
        weights.record("musicnn_mtt").tags[-2:]
        == ("female voice", "choral")
        == weights.record("musicnn_vgg_mtt").tags[-2:]
    )
