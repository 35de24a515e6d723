"""The cache: misses when it must, survives what happens to files."""

import errno
import logging
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from mxnet_audio.features import AudioFeatureConfig, FeatureCache, load_features

CONFIG = AudioFeatureConfig(n_mels=8, n_frames=6)
ARRAY = np.arange(48, dtype=np.float32).reshape(8, 6)


@pytest.fixture
def wav(tmp_path, write_tone):
    return write_tone(tmp_path / "sounds" / "a.wav", sr=12000)


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "cache")


def _entries(cache):
    return sorted(cache.directory.rglob("*.features"))


def test_what_is_put_is_got_and_nothing_lies_beside_the_audio(wav, cache):
    assert cache.get(wav, CONFIG) is None
    cache.put(wav, CONFIG, ARRAY)
    got = cache.get(str(wav), CONFIG)
    np.testing.assert_array_equal(got, ARRAY)
    got[:] = 0  # the caller's own
    np.testing.assert_array_equal(cache.get(wav, CONFIG), ARRAY)
    assert list(wav.parent.iterdir()) == [wav]
    (entry,) = _entries(cache)
    assert entry.parent.name == entry.name[:2] and entry.parent.parent == cache.directory


def test_other_ways_to_name_the_file_hit(wav, cache, monkeypatch):
    cache.put(wav, CONFIG, ARRAY)
    monkeypatch.chdir(wav.parent)
    assert cache.get("a.wav", CONFIG) is not None
    (wav.parent / "link.wav").symlink_to(wav)
    assert cache.get("link.wav", CONFIG) is not None


def test_a_changed_file_or_configuration_misses(wav, cache):
    cache.put(wav, CONFIG, ARRAY)
    assert cache.get(wav, CONFIG.model_copy(update={"fmin": 20.0})) is None
    stat = wav.stat()
    os.utime(wav, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1000))
    assert cache.get(wav, CONFIG) is None
    os.utime(wav, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert cache.get(wav, CONFIG) is not None
    wav.write_bytes(wav.read_bytes() + b"\0\0")
    os.utime(wav, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert cache.get(wav, CONFIG) is None
    wav.unlink()
    assert cache.get(wav, CONFIG) is None
    wav.symlink_to(wav)
    assert cache.get(wav, CONFIG) is None


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "zeros", "junk", "directory"])
def test_a_damaged_entry_is_a_miss_and_is_replaced(wav, cache, damage):
    cache.put(wav, CONFIG, ARRAY)
    (entry,) = _entries(cache)
    data = bytearray(entry.read_bytes())
    data[200] ^= 1
    broken = {"empty": b"", "cut": data[:150], "flipped": data, "zeros": bytes(len(data)), "junk": b"junk"}
    if damage == "directory":
        entry.unlink()
        entry.mkdir()
    else:
        entry.write_bytes(broken[damage])
    assert cache.get(wav, CONFIG) is None
    np.testing.assert_array_equal(cache.fetch(wav, CONFIG, lambda: ARRAY), ARRAY)
    if damage != "directory":
        np.testing.assert_array_equal(cache.get(wav, CONFIG), ARRAY)


@pytest.mark.parametrize("shape", [(8, 5), (7, 6), (48,), (1, 8, 6)])
def test_a_wrong_shape_is_a_miss(wav, cache, shape):
    cache.put(wav, CONFIG, np.zeros(shape, np.float32))
    assert cache.get(wav, CONFIG) is None


def test_fetch_computes_once_and_keeps_no_failure(wav, cache):
    calls = []

    def compute():
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("first")
        return ARRAY

    with pytest.raises(RuntimeError):
        cache.fetch(wav, CONFIG, compute)
    for _ in range(3):
        np.testing.assert_array_equal(cache.fetch(wav, CONFIG, compute), ARRAY)
    assert len(calls) == 2


def test_a_file_that_changes_meanwhile_is_not_kept(wav, cache):
    def compute():
        wav.write_bytes(wav.read_bytes() + b"\0\0")
        return ARRAY

    cache.fetch(wav, CONFIG, compute)
    assert _entries(cache) == []


def test_an_unwritable_folder_warns_once_and_works(wav, tmp_path, caplog):
    (tmp_path / "file").touch()
    cache = FeatureCache(tmp_path / "file" / "cache")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            np.testing.assert_array_equal(cache.fetch(wav, CONFIG, lambda: ARRAY), ARRAY)
    assert len(caplog.records) == 1 and "not cached" in caplog.text


def test_a_full_disk_warns_once_and_leaves_nothing(wav, cache, caplog, monkeypatch):
    def full(path, data):
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            cache.fetch(wav, CONFIG, lambda: ARRAY)
    assert len(caplog.records) == 1 and "No space" in caplog.text
    assert [p for p in cache.directory.rglob("*") if p.is_file()] == []


def test_leftovers_go_when_they_are_old(wav, cache):
    folder = cache.directory / "ab"
    folder.mkdir(parents=True)
    old, new = folder / ".old.tmp", folder / ".new.tmp"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    cache.put(wav, CONFIG, ARRAY)
    assert not old.exists() and new.exists()
    assert cache.get(wav, CONFIG) is not None


def test_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform.startswith("linux"):
        assert FeatureCache().directory == tmp_path / "mxnet-audio" / "features"


_WRITER = """
import sys
from pathlib import Path
import numpy as np
from mxnet_audio.features import AudioFeatureConfig, FeatureCache
config = AudioFeatureConfig(n_mels=64, n_frames=300)
cache, wav = FeatureCache(sys.argv[1]), sys.argv[2]
array = np.arange(64 * 300, dtype=np.float32).reshape(64, 300)
print("ready", flush=True)
for _ in range(int(sys.argv[3])):
    cache.put(wav, config, array)
    got = cache.get(wav, config)
    if got is None or not np.array_equal(got, array):
        sys.exit("a reader saw a half-written entry")
"""


def _writer(cache, wav, rounds):
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(cache.directory), str(wav), str(rounds)], stdout=subprocess.PIPE
    )


def test_two_processes_write_the_same_entry(wav, cache):
    writers = [_writer(cache, wav, 400) for _ in range(2)]
    for writer in writers:
        writer.communicate(timeout=120)
        assert writer.returncode == 0
    assert [path for path in cache.directory.rglob("*") if path.is_file()] == _entries(cache)
    assert len(_entries(cache)) == 1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_killed_in_mid_write_and_again(wav, cache):
    config = AudioFeatureConfig(n_mels=64, n_frames=300)
    rng = random.Random(0)
    for _ in range(4):
        writer = _writer(cache, wav, 10**9)
        writer.stdout.readline()
        time.sleep(rng.uniform(0.01, 0.1))
        writer.kill()
        writer.communicate()
        assert writer.returncode == -signal.SIGKILL
        for entry in _entries(cache):
            assert safetensors.numpy.load(entry.read_bytes()[:-4])["features"].shape == (64, 300)
    features = np.ones((64, 300), np.float32)
    cache.put(wav, config, features)
    np.testing.assert_array_equal(FeatureCache(cache.directory).get(wav, config), features)


def test_load_features_through_the_cache(wav, cache, monkeypatch):
    first = load_features(wav, CONFIG, cache)
    monkeypatch.setattr("mxnet_audio.audio.load", None)  # a hit decodes nothing
    np.testing.assert_array_equal(load_features(wav, CONFIG, cache), first)


def test_many_threads_read_at_the_same_time(tmp_path, cache, write_tone):
    """NumPy's own format fails at this on CPython 3.11, once in some thousand reads."""
    files = [write_tone(tmp_path / f"{i}.wav", sr=12000, seconds=0.1) for i in range(20)]
    for file in files:
        cache.put(file, CONFIG, ARRAY)
    with ThreadPoolExecutor(8) as pool:
        for array in pool.map(lambda i: cache.get(files[i % 20], CONFIG), range(20_000)):
            assert array.shape == ARRAY.shape
