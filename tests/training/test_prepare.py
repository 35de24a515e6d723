"""What fit chooses where nothing was said: as many frames as a typical clip has, and the most frequent rate; logged."""

import logging

import pytest

from mxnet_audio import AudioFeatureConfig
from mxnet_audio.training import complete_config, keeping


@pytest.fixture
def paths(tmp_path, write_tone):
    rates = (8000, 16000, 16000)
    return [str(write_tone(tmp_path / f"{i}.wav", seconds=1.0, sr=sr)) for i, sr in enumerate(rates)]


def test_as_many_frames_as_a_typical_clip(paths):
    assert complete_config(paths).n_frames == 1 + 12000 // 256
    assert complete_config(paths, AudioFeatureConfig(n_frames=20)).n_frames == 20


def test_the_most_frequent_rate_is_said_aloud_where_rates_differ(paths, caplog):
    with caplog.at_level(logging.INFO):
        assert complete_config(["missing.wav", *paths], AudioFeatureConfig(type="fbank")).sr == 16000
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and "16000 Hz, of the rates [8000, 16000]" in record.getMessage()
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert complete_config(paths[1:], AudioFeatureConfig(type="fbank")).sr == 16000
        assert complete_config(paths, AudioFeatureConfig(type="fbank", sr=8000)).sr == 8000
    assert not caplog.records


def test_what_the_configuration_was_given_counts_before_the_default(tmp_path):
    eager = AudioFeatureConfig(type="log_mel", mode="eager")
    assert keeping(eager, cache=True)["mode"] == "eager"
    assert keeping(AudioFeatureConfig(), cache=tmp_path) == {"mode": "lazy_cached", "cache_dir": tmp_path}
