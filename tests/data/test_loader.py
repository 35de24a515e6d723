"""The loader: one result in every mode, in order, in bounded memory; caches that miss when they must; no leaks."""

import gc
import logging
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio.data import AudioChunkDataset, AudioDataset, AudioLoader, BucketSampler, EpochSampler, Mixup, Pad
from mxnet_audio.data.transforms import AddNoise, Compose, Features, Load, RandomCrop, TimeMasking
from mxnet_audio.engine import gluon, mx
from mxnet_audio.errors import AudioDecodeError, AudioError, DatasetError
from mxnet_audio.features import AudioFeatureConfig, extract

MODES = ("eager", "lazy", "lazy_cached")
CONFIG = AudioFeatureConfig(sr=8000, n_fft=256, hop_length=128, n_mels=16, n_frames=20)


def ours():
    return [thread for thread in threading.enumerate() if thread.name.startswith("mxnet-audio")]


@pytest.fixture
def paths(tmp_path, write_tone):
    return [
        str(
            write_tone(
                tmp_path / "sound" / f"{i}.wav", 200 + 100 * i, seconds=0.2 + 0.05 * i, sr=8000, channels=1 + i % 2
            )
        )
        for i in range(7)
    ]


@pytest.fixture
def dataset(paths):
    return AudioDataset(paths, list(range(7)), transforms=[Features(CONFIG)])


@pytest.fixture
def load(tmp_path):
    def make(dataset, batch_size=3, mode=None, **kwargs):
        return AudioLoader(dataset, batch_size, mode, cache_dir=tmp_path / "cache", **kwargs)

    return make


def read(loader):
    return [tuple(part.asnumpy() for part in batch) for batch in loader]


def same(first, second):
    assert len(first) == len(second)
    for one, other in zip(first, second):
        for a, b in zip(one, other):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("mode", MODES)
def test_batches_are_the_features_of_the_files_in_order(mode, paths, dataset, load):
    batches = read(load(dataset, mode=mode))
    assert [len(x) for x, _ in batches] == [3, 3, 1]
    assert np.concatenate([y for _, y in batches]).tolist() == list(range(7))
    for x, path in zip(np.concatenate([x for x, _ in batches]), paths):
        y, sr = Load(sr=None)(path), 8000
        np.testing.assert_array_equal(x, extract(y, sr, CONFIG))


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("mode", MODES)
def test_seed_and_epoch_alone_decide_order_and_random_transforms(mode, workers, dataset, load):
    random = dataset.transform_first(TimeMasking(5, seed=1))
    expected = load(random, mode="lazy", shuffle=True, seed=3, num_workers=2)
    loader = load(random, mode=mode, shuffle=True, seed=3, num_workers=workers)
    first = read(loader)
    same(first, read(expected))
    second = read(loader)
    same(second, read(expected))
    assert any((a[1] != b[1]).any() for a, b in zip(first, second))
    loader.epoch = 0
    same(read(loader), first)


def test_random_transforms_differ_from_epoch_to_epoch_in_every_mode(dataset, load):
    for mode in MODES:
        loader = load(dataset.transform_first(Compose([TimeMasking(8, seed=1)])), batch_size=7, mode=mode)
        first, second = read(loader), read(loader)
        assert (first[0][0] != second[0][0]).any()


def test_eager_and_cached_decode_once_and_lazy_every_time(dataset, load, monkeypatch):
    calls = []
    original = Features.forward

    def counted(self, source):
        calls.append(source)
        return original(self, source)

    monkeypatch.setattr(Features, "forward", counted)
    for mode, expected in (("eager", 7), ("lazy", 21), ("lazy_cached", 7)):
        calls.clear()
        loader = load(dataset, mode=mode)
        for _ in range(3):
            read(loader)
        assert len(calls) == expected
    calls.clear()
    same(read(load(dataset, mode="lazy_cached")), read(load(dataset, mode="eager")))
    assert len(calls) == 7  # the eager ones: a later run finds the cache


def test_a_changed_file_or_configuration_is_read_anew(paths, dataset, load, write_tone):
    before = read(load(dataset, 7, "lazy_cached"))[0][0]
    write_tone(paths[2], 999.0, seconds=0.3, sr=8000)
    after = read(load(dataset, 7, "lazy_cached"))[0][0]
    changed = [bool((a != b).any()) for a, b in zip(before, after)]
    assert changed == [False, False, True, False, False, False, False]
    other = AudioDataset(paths, list(range(7)), transforms=[Features(CONFIG.model_copy(update={"fmin": 100.0}))])
    assert (read(load(other, 7, "lazy_cached"))[0][0] != after).any()


def test_an_interrupted_first_epoch_keeps_what_it_had_read(dataset, load):
    loader = load(dataset, 2, "lazy_cached", num_workers=1, prefetch_size=1)
    next(iter(loader))
    gc.collect()
    again = load(dataset, 2, "lazy_cached")
    assert again._cache._arrays
    same(read(again), read(load(dataset, 2, "lazy")))


@pytest.mark.parametrize("mode", MODES)
def test_a_bad_file_is_named(mode, tmp_path, paths, load):
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    dataset = AudioDataset([*paths, tmp_path / "bad.wav"], transforms=[Features(CONFIG)])
    with pytest.raises(AudioDecodeError, match=r"bad\.wav: "):
        read_all(load(dataset, mode=mode))
    assert not ours()


def read_all(loader):
    return [x.asnumpy() for x in loader]


@pytest.mark.parametrize("mode", MODES)
def test_a_bad_file_is_left_out_by_choice_and_said_once(mode, paths, load, caplog):
    dataset = AudioDataset(["missing.wav", *paths], list(range(8)), transforms=[Features(CONFIG)])
    loader = load(dataset, 4, mode, on_error="skip")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            batches = read(loader)
            assert [y.tolist() for _, y in batches] == [[1, 2, 3], [4, 5, 6, 7]]
    assert [record.getMessage() for record in caplog.records] == ["left out: missing.wav: no such file"]
    assert list(loader.skipped) == [0] and isinstance(loader.skipped[0], AudioError)


def test_a_batch_without_a_good_file_is_left_out_and_an_epoch_without_one_is_an_error(paths, load):
    assert len(read(load(AudioDataset(["a.wav", paths[0]], [0, 1]), 1, on_error="skip"))) == 1
    with pytest.raises(DatasetError, match=r"none of the 2 .* a\.wav: no such file"):
        read(load(AudioDataset(["a.wav", "b.wav"], [0, 1]), 1, on_error="skip"))
    with pytest.raises(DatasetError, match="no positions"):
        load(AudioDataset(paths)).take([], 1)


def test_errors_that_are_kept_hold_no_sound(tmp_path, load):
    """Frames of a traceback would: memory would grow with the number of bad files."""
    sf.write(tmp_path / "silent.wav", np.zeros(8000), 8000)
    dataset = AudioDataset([tmp_path / "silent.wav"], transforms=[Features(CONFIG)])
    for mode in MODES:
        loader = load(dataset, 1, mode, on_error="skip")
        for _ in range(2):
            for _, _, error in loader.samples():
                while error is not None:
                    assert error.__traceback__ is None
                    error = error.__cause__ or error.__context__


def test_steps_that_write_to_what_they_get_change_nothing_that_is_kept(paths, load):
    def centred(x):
        x -= x.mean()
        return x

    def doubled(x, entropy):
        x *= 2
        return x

    doubled.random = True
    dataset = AudioDataset(paths, transforms=[Features(CONFIG), doubled, centred])
    expected = [x.asnumpy() for x in load(dataset, 7, "lazy")]
    for mode in MODES:
        loader = load(dataset, 7, mode)
        for _ in range(3):
            np.testing.assert_array_equal([x.asnumpy() for x in loader], expected)


def test_a_transform_of_ones_own_on_top_of_features_is_not_taken_for_features(paths, load):
    class Doubled(Features):
        def apply(self, x):
            return 2 * super().apply(x)

    plain = read_all(load(AudioDataset(paths, transforms=[Features(CONFIG)]), 7, "lazy_cached"))
    with pytest.raises(DatasetError, match="key"):
        load(AudioDataset(paths, transforms=[Doubled(CONFIG)]), 7, "lazy_cached")
    np.testing.assert_array_equal(read_all(load(AudioDataset(paths, transforms=[Doubled(CONFIG)]), 7))[0], 2 * plain[0])


def test_bucketed_batches_are_shuffled_anew_in_each_epoch(dataset, load):
    for sampler in (
        BucketSampler(range(1, 8), 2, 2, shuffle=True),
        gluon.data.BatchSampler(EpochSampler(7, shuffle=True), 2, "keep"),
    ):
        loader = load(dataset, batch_sampler=sampler)
        orders = [[y.tolist() for _, y in read(loader)] for _ in range(3)]
        assert orders[0] != orders[1] or orders[1] != orders[2]
    with pytest.raises(DatasetError, match="iterator"):
        load(dataset, batch_sampler=iter([[0], [1]]))
    assert read(load(dataset, batch_sampler=[])) == []


def test_as_many_threads_as_asked_for(paths, load):
    seen = set()

    def note(x):
        seen.add(threading.current_thread().name)
        time.sleep(0.01)
        return x

    read_all(load(AudioDataset(paths * 3, transforms=[Features(CONFIG), note]), 3, num_workers=3))
    assert len(seen) == 3


def test_memory_of_the_lazy_modes_does_not_grow_with_the_number_of_files(paths, load, monkeypatch):
    monkeypatch.setattr("mxnet_audio.features.cache._SHARD_BYTES", 1 << 16)

    read_all(load(AudioDataset(paths[:1])))  # what is needed once is there now

    def peak(count, mode):
        sounds = [(np.full(4000, 1 / (2 + i), np.float16), 8000) for i in range(count)]
        tracemalloc.start()
        loader = load(AudioDataset(sounds, transforms=[Load(sr=8000)]), 4, mode)
        for _ in range(2):
            for _ in loader:
                pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    for mode in ("lazy", "lazy_cached"):
        few, many = peak(40, mode), peak(160, mode)
        assert many - few < 120 * 16_000 / 4  # of what 120 sounds more take
    assert peak(160, "eager") - peak(40, "eager") > 120 * 16_000 / 2


@pytest.mark.parametrize("mode", MODES)
def test_closing_early_leaks_no_thread(mode, dataset, load):
    for batch in load(dataset, 1, mode):
        del batch
        break
    gc.collect()
    assert not ours()


def test_no_threads_once_everything_is_there(dataset, load):
    """Ludwig's rule: four batches ahead while there is something to decode, none after."""
    for mode in ("eager", "lazy_cached"):
        loader = load(dataset, 2, mode)
        read(loader)
        for _ in loader:
            assert not ours()
    for _ in load(dataset.transform_first(TimeMasking(2)), 2, "eager"):
        assert ours()
        break


def test_reading_ahead_is_bounded_by_prefetch_size(paths, load):
    seen = []

    def note(x):
        seen.append(1)
        return x

    many = AudioDataset(paths * 20, transforms=[Features(CONFIG), note])
    stream = iter(load(many, 2, "lazy", prefetch_size=3))
    next(stream)
    time.sleep(0.3)
    assert len(seen) <= 2 + 3 * 2
    stream.close()


def test_the_network_works_while_the_next_batch_is_read(paths, load):
    second = threading.Event()

    def note(x, seen=[]):  # noqa: B006
        seen.append(1)
        if len(seen) == 6:
            second.set()
        return x

    stream = iter(load(AudioDataset(paths * 3, transforms=[Features(CONFIG), note]), 3, "lazy", num_workers=1))
    next(stream)
    assert second.wait(60)  # while the first batch is still with the network
    stream.close()


@pytest.mark.parametrize("last_batch", ["keep", "discard", "rollover"])
def test_last_batch_as_in_gluon(last_batch, dataset, load):
    loader = load(dataset, 3, last_batch=last_batch)
    theirs = gluon.data.DataLoader(dataset, 3, last_batch=last_batch)
    for _ in range(3):
        assert len(loader) == len(theirs)
        same(read(loader), read(theirs))


def test_padding_and_buckets_give_lengths(paths, load):
    dataset = AudioDataset(paths, list(range(7)), transforms=[Load(sr=8000)])
    lengths = [dataset[i][0].shape[-1] for i in range(7)]
    for x, n, y in read(load(dataset, 3, batchify_fn=Pad())):
        assert n.tolist() == [lengths[i] for i in y.astype(int)]
        assert x.shape[1] == n.max()
    sampler = BucketSampler(lengths, 2, [2000, 4000], shuffle=True, seed=0)
    batches = read(load(dataset, 2, batch_sampler=sampler, batchify_fn=Pad(buckets=[2000, 4000])))
    assert sorted(np.concatenate([y for _, _, y in batches])) == list(range(7))
    for x, n, _ in batches:
        assert x.shape[1] == (2000 if n.max() <= 2000 else 4000)


def test_mixup_mixes_by_seed_and_epoch(dataset, load):
    loader = load(dataset, 7, batchify_fn=Mixup(0.4, classes=7, seed=2))
    (first,), (second,) = read(loader), read(loader)
    np.testing.assert_allclose(first[1].sum(axis=1), 1, rtol=1e-6)
    assert (first[1] != second[1]).any()
    loader.epoch = 0
    same(read(loader), [first])


def test_random_crops_work_on_decoded_sound_that_is_cached(paths, load):
    dataset = AudioDataset(paths, transforms=[Load(sr=8000), RandomCrop(1000, seed=1), AddNoise(20.0, 20.0, seed=1)])
    cached, lazy = load(dataset, 7, "lazy_cached"), load(dataset, 7, "lazy")
    for _ in range(2):
        for a, b in zip(cached, lazy):
            np.testing.assert_array_equal(a.asnumpy(), b.asnumpy())


def test_the_configuration_says_how_far_ahead(paths, load):
    seen = []

    def note(x):
        seen.append(1)
        return x

    config = CONFIG.model_copy(update={"prefetch_size": 1})
    stream = iter(load(AudioDataset(paths * 10, transforms=[Features(config), note]), 2))
    next(stream)
    time.sleep(0.2)
    assert len(seen) <= 4
    stream.close()


def test_the_configuration_says_how_to_load(paths, tmp_path):
    config = CONFIG.model_copy(update={"mode": "lazy_cached", "lazy_cache_dir": str(tmp_path / "mine")})
    read_all(AudioLoader(AudioDataset(paths, transforms=[Features(config)]), 3))
    assert list((tmp_path / "mine").rglob("*.features"))
    assert not list((tmp_path / "mine").rglob("*.tmp"))


def test_take_shares_what_is_held(dataset, load, monkeypatch):
    for mode in ("eager", "lazy_cached"):
        loader = load(dataset, mode=mode)
        read(loader)
        part = loader.take([5, 1], 2)
        monkeypatch.setattr(Features, "forward", None)
        ((_, y),) = read(part)
        monkeypatch.undo()
        assert y.tolist() == [5, 1] and part.size == 2
        shuffled = [loader.take(range(7), 7, shuffle=True) for _ in range(2)]
        same(read(shuffled[0]), read(shuffled[1]))
        assert read(shuffled[0])[0][1].tolist() == np.random.default_rng((0, 1)).permutation(7).tolist()


def test_any_gluon_dataset_serves_but_has_no_cache(load):
    dataset = gluon.data.ArrayDataset(np.arange(6, dtype=np.float32).reshape(3, 2), [0, 1, 2])
    for mode in ("eager", "lazy"):
        ((x, y),) = read(load(dataset, 3, mode))
        assert x.tolist() == [[0, 1], [2, 3], [4, 5]] and y.tolist() == [0, 1, 2]
    with pytest.raises(DatasetError, match="AudioDataset"):
        load(dataset, 3, "lazy_cached")


def test_what_cannot_be_known_again_is_not_cached(dataset, load):
    with pytest.raises(DatasetError, match="key"):
        load(dataset.transform_first(lambda x: x, lazy=False), mode="lazy_cached")


def test_chunks_of_long_files_in_every_mode(paths, load):
    chunks = AudioChunkDataset(paths, 0.1, hop=0.05, context=0.02, sr=8000, labels=list(range(7)))
    expected = [chunks[i][0] for i in range(len(chunks))]
    for mode in MODES:
        loader = load(chunks, 8, mode)
        for _ in range(2):
            np.testing.assert_array_equal(np.concatenate([x for x, _ in read(loader)]), expected)


def test_batches_go_to_the_device_asked_for(dataset, load):
    x, y = next(iter(load(dataset, ctx=mx.cpu(1))))
    assert x.context == y.context == mx.cpu(1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"mode": "fast"},
        {"num_workers": 0},
        {"prefetch_size": -1},
        {"last_batch": "x"},
        {"on_error": "x"},
        {"seed": -1},
    ],
)
def test_a_wrong_argument_is_named(wrong, dataset, load):
    with pytest.raises(DatasetError, match=next(iter(wrong))):
        load(dataset, **wrong)


def test_an_empty_dataset_is_refused(load):
    with pytest.raises(DatasetError, match="empty"):
        load(AudioDataset([]))


def test_a_killed_first_epoch_leaves_nothing_half_valid(paths, tmp_path):
    script = (
        "import os, sys\n"
        "from mxnet_audio.data import AudioDataset, AudioLoader\n"
        "from mxnet_audio.data.transforms import Features\n"
        "from mxnet_audio.features import AudioFeatureConfig, cache\n"
        "cache._SHARD_BYTES = 2000\n"
        f"config = AudioFeatureConfig(**{CONFIG.model_dump(mode='json')!r})\n"
        "dataset = AudioDataset(sys.argv[2:], transforms=[Features(config)])\n"
        "for number, _ in enumerate(AudioLoader(dataset, 1, 'lazy_cached', cache_dir=sys.argv[1])):\n"
        "    if number == 3:\n"
        "        os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "cache"), *paths], check=False)
    assert killed.returncode == -9
    dataset = AudioDataset(paths, list(range(7)), transforms=[Features(CONFIG)])
    loader = AudioLoader(dataset, 7, "lazy_cached", cache_dir=tmp_path / "cache")
    assert loader._cache._arrays  # what was written before the kill is whole
    same(read(loader), read(AudioLoader(dataset, 7, "eager")))
