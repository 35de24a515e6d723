"""Tests of feature configurations completed from typical clips, and of the options for caching features."""

import logging

import pytest

from mxnet_audio import AudioFeatureConfig
from mxnet_audio.errors import ParameterError
from mxnet_audio.training import cache_options, complete_config


@pytest.fixture
def paths(tmp_path, write_tone):
    rates = (8000, 16000, 16000)
    return [str(write_tone(tmp_path / f"{i}.wav", seconds=1.0, sr=sr)) for i, sr in enumerate(rates)]


def test_n_frames_covers_a_typical_clip(paths):
    assert complete_config(paths).n_frames == 1 + 12000 // 256
    assert complete_config(paths, AudioFeatureConfig(n_frames=20)).n_frames == 20


@pytest.mark.parametrize(("seconds", "n_frames"), [(0.1, 16), (40.0, 1366)])
def test_n_frames_is_bounded(seconds, n_frames, tmp_path, write_tone):
    path = write_tone(tmp_path / "clip.wav", seconds=seconds, sr=2000)
    assert complete_config([str(path)]).n_frames == n_frames


def test_the_most_frequent_rate_is_chosen_and_logged(paths, caplog):
    with caplog.at_level(logging.INFO, "mxnet_audio"):
        assert complete_config(["missing.wav", *paths], AudioFeatureConfig(type="fbank")).sr == 16000
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and "16000" in record.getMessage() and "8000" in record.getMessage()
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert complete_config(paths[1:], AudioFeatureConfig(type="fbank")).sr == 16000
        assert complete_config(paths, AudioFeatureConfig(type="fbank", sr=8000)).sr == 8000
    assert not caplog.records


def test_the_mode_of_the_configuration_has_precedence(tmp_path):
    eager = AudioFeatureConfig(type="log_mel", mode="eager")
    assert cache_options(eager, cache=True)["mode"] == "eager"
    assert cache_options(AudioFeatureConfig(), cache=tmp_path) == {"mode": "lazy_cached", "cache_dir": tmp_path}


def test_a_cache_that_contradicts_the_mode_is_refused():
    with pytest.raises(ParameterError, match=r"cache=False.*mode='eager'"):
        cache_options(AudioFeatureConfig(mode="eager"), cache=False)


@pytest.mark.parametrize("cache", [3, ""])
def test_a_cache_is_a_path_or_a_bool(cache):
    with pytest.raises(ParameterError, match="cache"):
        cache_options(AudioFeatureConfig(), cache)
