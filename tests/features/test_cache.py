"""The feature cache: when it misses, and what it survives."""

import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from mxnet_audio.features import AudioFeatureConfig, FeatureCache
from mxnet_audio.features import cache as cache_module

KEY = AudioFeatureConfig(n_mels=8, n_frames=6).key()
ARRAY = np.arange(48, dtype=np.float32).reshape(8, 6)


@pytest.fixture
def wav(tmp_path, write_tone):
    return write_tone(tmp_path / "sounds" / "a.wav", sr=12000)


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(KEY, tmp_path / "cache")


def reopen(cache):
    return FeatureCache(KEY, cache.directory)


def shards(cache):
    return sorted(cache.directory.rglob("*.features"))


def never():
    raise AssertionError("computed again")


def store(cache, sound, array=ARRAY):
    cache.fetch(sound, lambda: array.copy())
    cache.flush()


def test_a_later_run_finds_the_array_and_the_folder_of_the_audio_stays_clean(wav, cache):
    assert cache.name(wav) not in cache
    store(cache, wav)
    for again in (cache, reopen(cache)):
        np.testing.assert_array_equal(again.fetch(wav, never), ARRAY)
        assert again.name(wav) in again
    assert [path.name for path in wav.parent.iterdir()] == ["a.wav"]


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8", "u1", "?", "c8"])
def test_dtypes_and_shapes_are_restored(wav, cache, dtype):
    array = np.arange(6).astype(dtype).reshape(1, 3, 2)
    store(cache, wav, array)
    got = reopen(cache).fetch(wav, never)
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, array)


def test_other_names_of_a_file_hit(wav, cache, monkeypatch):
    store(cache, wav)
    (wav.parent / "link.wav").symlink_to(wav)
    monkeypatch.chdir(wav.parent)
    for name in ("a.wav", "./a.wav", str(wav), wav.parent / "link.wav"):
        np.testing.assert_array_equal(cache.fetch(name, never), ARRAY)


def test_files_of_the_same_name_in_two_folders_differ(wav, cache, write_tone):
    other = write_tone(wav.parent / "b" / "a.wav", sr=12000)
    os.utime(other, ns=(0, wav.stat().st_mtime_ns))
    store(cache, wav)
    store(cache, other, ARRAY + 1)
    np.testing.assert_array_equal(cache.fetch(wav, never), ARRAY)


def test_sound_in_memory_is_identified_by_its_content(cache):
    sound = np.ones(9, np.float32)
    store(cache, (sound, 8000))
    np.testing.assert_array_equal(cache.fetch((sound.copy(), 8000), never), ARRAY)
    assert cache.name((sound, 8001)) not in cache
    assert cache.name((sound * 2, 8000)) not in cache


def test_a_changed_file_key_or_version_misses(wav, cache, monkeypatch):
    store(cache, wav)
    assert cache.name(wav) not in FeatureCache(KEY + "x", cache.directory)
    stat = wav.stat()
    os.utime(wav, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1000))
    assert cache.name(wav) not in cache
    os.utime(wav, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert cache.name(wav) in cache
    wav.write_bytes(wav.read_bytes() + b"\0\0")
    os.utime(wav, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert cache.name(wav) not in cache
    monkeypatch.setattr("mxnet_audio.__version__", "0.0.9")
    assert not reopen(cache)._arrays
    wav.unlink()
    assert cache.name(wav) is None
    wav.symlink_to(wav)
    assert cache.name(wav) is None


def odd_header(text):
    return len(text).to_bytes(8, "little") + text + bytes(8)


ODD_HEADERS = {
    "list": b"[]",
    "number": b"3",
    "deep": b"[" * 100_000,
    "no tensor": b'{"__metadata__":{},"a":3}',
    "no dtype": b'{"__metadata__":{"a":"0"},"a":{"dtype":"","shape":[1],"data_offsets":[0,8]}}',
    "objects": b'{"__metadata__":{"a":"0"},"a":{"dtype":"O64","shape":[1],"data_offsets":[0,8]}}',
    "before the data": b'{"__metadata__":{"a":"0"},"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}',
    "backwards": b'{"__metadata__":{"a":"0"},"a":{"dtype":"F32","shape":[0],"data_offsets":[8,0]}}',
    "another size": b'{"__metadata__":{"a":"0"},"a":{"dtype":"F32","shape":[9999999999999999],"data_offsets":[0,8]}}',
}


@pytest.mark.parametrize("kind", ODD_HEADERS)
def test_a_file_with_an_odd_header_is_removed(kind, wav, cache):
    store(cache, wav)
    (shard,) = shards(cache)
    odd = shard.with_name("odd.features")
    odd.write_bytes(odd_header(ODD_HEADERS[kind]))
    np.testing.assert_array_equal(reopen(cache).fetch(wav, never), ARRAY)
    assert shards(cache) == [shard]


def test_a_pipe_among_the_files_is_left_alone(wav, cache):
    store(cache, wav)
    (shard,) = shards(cache)
    os.mkfifo(shard.with_name("odd.features"))
    np.testing.assert_array_equal(reopen(cache).fetch(wav, never), ARRAY)


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "zeros", "junk", "directory"])
def test_a_damaged_file_misses_and_is_replaced(wav, cache, damage):
    store(cache, wav)
    (shard,) = shards(cache)
    data = bytearray(shard.read_bytes())
    data[-50] ^= 1
    contents = {"empty": b"", "cut": data[:-20], "flipped": data, "zeros": bytes(len(data)), "junk": b"junk"}
    shard.unlink()
    if damage == "directory":
        shard.mkdir()
    else:
        shard.write_bytes(contents[damage])
    again = reopen(cache)
    np.testing.assert_array_equal(again.fetch(wav, lambda: ARRAY + 1), ARRAY + 1)
    again.flush()
    for opened in (again, reopen(cache), reopen(cache)):
        np.testing.assert_array_equal(opened.fetch(wav, never), ARRAY + 1)


def test_fetch_computes_once_and_stores_no_failure(wav, cache):
    calls = []

    def compute():
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("first")
        return ARRAY.copy()

    with pytest.raises(RuntimeError):
        cache.fetch(wav, compute)
    for _ in range(3):
        np.testing.assert_array_equal(cache.fetch(wav, compute), ARRAY)
    assert len(calls) == 2


def test_arrays_are_read_only(wav, cache):
    for _ in range(2):
        got = cache.fetch(wav, lambda: ARRAY.copy())
        with pytest.raises(ValueError, match="read-only"):
            got += 1
        cache.flush()


def test_a_file_that_changes_meanwhile_is_not_stored(wav, cache):
    def compute():
        wav.write_bytes(wav.read_bytes() + b"\0\0")
        return ARRAY.copy()

    cache.fetch(wav, compute)
    cache.flush()
    assert shards(cache) == []


def test_an_unwritable_folder_warns_once_and_works(wav, tmp_path, caplog):
    (tmp_path / "file").touch()
    cache = FeatureCache(KEY, tmp_path / "file" / "cache")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            np.testing.assert_array_equal(cache.fetch(wav, lambda: ARRAY.copy()), ARRAY)
            cache.flush()
    assert len(caplog.records) == 1 and "not cached" in caplog.text


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="this system has no effective user")
def test_a_read_only_folder_warns_once_and_works(caplog):
    before, sound = os.geteuid(), (np.ones(9, np.float32), 8000)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        if before == 0:
            os.seteuid(65534)  # root may write anywhere
        try:
            cache = FeatureCache(KEY, folder)
            for _ in range(2):
                np.testing.assert_array_equal(cache.fetch(sound, lambda: ARRAY.copy()), ARRAY)
                cache.flush()
        finally:
            os.seteuid(before)
        Path(folder).chmod(0o755)
    assert len(caplog.records) == 1 and "not cached" in caplog.text


def test_a_file_that_cannot_be_opened_now_is_not_deleted(wav, cache, monkeypatch):
    store(cache, wav)
    monkeypatch.setattr(np, "memmap", lambda *args, **kwargs: (_ for _ in ()).throw(OSError("too many open files")))
    assert not reopen(cache)._arrays
    monkeypatch.undo()
    np.testing.assert_array_equal(reopen(cache).fetch(wav, never), ARRAY)


def test_arrays_that_cannot_be_written_are_returned_and_the_callers_array_stays_independent(wav, cache):
    mine = np.ones(3, np.float32)
    assert cache.fetch(wav, lambda: mine)[0] == 1
    mine[0] = 5
    assert cache.fetch(wav, never)[0] == 1
    for odd in (np.array(["a"]), np.ones(2, np.complex256)):
        np.testing.assert_array_equal(cache.fetch((np.full(4, odd.size, np.float32), 8000), lambda odd=odd: odd), odd)
    cache.flush()


def test_a_full_disk_warns_once_and_leaves_no_file(cache, caplog, monkeypatch):
    """The system refuses to write more than 64 KiB to a file."""
    resource = pytest.importorskip("resource")  # Unix
    monkeypatch.setattr(cache_module, "_SHARD_BYTES", 1 << 20)
    sounds = [(np.full(4, i, np.float32), 8000) for i in range(12)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        for _ in range(2):
            for i, sound in enumerate(sounds):
                array = cache.fetch(sound, lambda i=i: np.full(1 << 16, i, np.float32))
                assert array[0] == array[-1] == i
            cache.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert len([record for record in caplog.records if "not cached" in record.message]) == 1
    assert not cache._arrays and not cache._pending  # arrays are no longer gathered
    assert [p for p in cache.directory.rglob("*") if p.is_file()] == []


def test_memory_does_not_grow_with_the_number_of_arrays(cache, monkeypatch):
    monkeypatch.setattr(cache_module, "_SHARD_BYTES", 1 << 16)
    for i in range(40):
        cache.fetch((np.full(4, i, np.float32), 8000), lambda i=i: np.full(1 << 12, i, np.float32))
        assert sum(array.nbytes for array in cache._pending.values()) < 1 << 16
        assert all(array.base is not None for name, array in cache._arrays.items() if name not in cache._pending)
    assert len(shards(cache)) == 10


def test_old_temporary_files_are_removed(wav, cache):
    store(cache, wav)
    (shard,) = shards(cache)
    old, new = shard.with_name(".old.tmp"), shard.with_name(".new.tmp")
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    np.testing.assert_array_equal(reopen(cache).fetch(wav, never), ARRAY)
    assert not old.exists() and new.exists()


def test_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform.startswith("linux"):
        assert FeatureCache(KEY).directory == tmp_path / "mxnet-audio" / "features"


_WRITER = """
import sys
import numpy as np
from mxnet_audio.features import FeatureCache
print("ready", flush=True)
for _ in range(int(sys.argv[2])):
    cache = FeatureCache("shared", sys.argv[1])
    for i in range(8):
        got = cache.fetch((np.full(4, i, np.float32), 8000), lambda: np.full((64, 300), i, np.float32))
        if got.shape != (64, 300) or not (got == i).all():
            sys.exit("an array is incomplete")
    cache._pending = dict(cache._arrays)
    cache.flush()
"""


def writer(cache, rounds):
    return subprocess.Popen([sys.executable, "-c", _WRITER, str(cache.directory), str(rounds)], stdout=subprocess.PIPE)


def test_two_processes_share_a_cache(cache):
    writers = [writer(cache, 30) for _ in range(2)]
    for process in writers:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert sorted(path for path in cache.directory.rglob("*") if path.is_file()) == shards(cache)
    shared = FeatureCache("shared", cache.directory)
    for i in range(8):
        assert (shared.fetch((np.full(4, i, np.float32), 8000), never) == i).all()


def test_a_kill_leaves_only_complete_files(cache):
    rng = random.Random(0)
    for _ in range(4):
        process = writer(cache, 10**9)
        process.stdout.readline()
        time.sleep(rng.uniform(0.02, 0.1))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        for shard in shards(cache):
            assert all(array.shape == (64, 300) for array in safetensors.numpy.load_file(shard).values())
    shared = FeatureCache("shared", cache.directory)
    assert (shared.fetch((np.full(4, 3, np.float32), 8000), lambda: np.full((64, 300), 3.0)) == 3).all()


def test_threads_read_at_the_same_time(tmp_path, cache):
    sounds = [(np.full(4, i, np.float32), 8000) for i in range(20)]
    for i, sound in enumerate(sounds):
        cache.fetch(sound, lambda i=i: np.full(1 << 19, i, np.float32))  # large enough for its checksum to take a while
    cache.flush()
    again = reopen(cache)
    with ThreadPoolExecutor(8) as pool:
        for i, array in enumerate(pool.map(lambda i: again.fetch(sounds[i // 8 % 20], never), range(320))):
            assert array[0] == i // 8 % 20


def test_arrays_are_written_after_some_seconds(wav, cache, monkeypatch):
    cache.fetch(wav, lambda: ARRAY.copy())
    assert not shards(cache)
    monkeypatch.setattr(cache_module, "_MAX_DELAY", 0.0)
    cache.fetch((np.ones(4, np.float32), 8000), lambda: ARRAY.copy())
    assert len(shards(cache)) == 1
    np.testing.assert_array_equal(reopen(cache).fetch(wav, never), ARRAY)
