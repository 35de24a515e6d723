"""The loader: equal batches in every mode, in order, in bounded memory; caches notice changes; no leaked threads."""

import gc
import logging
import threading
import time
import tracemalloc

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio.data import AudioChunkDataset, AudioDataset, AudioLoader, BucketSampler, EpochSampler, Mixup, Pad
from mxnet_audio.data.transforms import AddNoise, Compose, Features, Load, RandomCrop, TimeMasking
from mxnet_audio.engine import gluon, mx
from mxnet_audio.errors import AudioDecodeError, AudioError, DatasetError, ParameterError
from mxnet_audio.features import AudioFeatureConfig, extract

MODES = ("eager", "lazy", "lazy_cached")
CONFIG = AudioFeatureConfig(sr=8000, n_fft=256, hop_length=128, n_mels=16, n_frames=20)


def loader_threads():
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


def assert_same(first, second):
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
def test_seed_and_epoch_determine_order_and_random_transforms(mode, workers, dataset, load):
    random = dataset.transform_first(TimeMasking(5, seed=1))
    expected = load(random, mode="lazy", shuffle=True, seed=3, num_workers=2)
    loader = load(random, mode=mode, shuffle=True, seed=3, num_workers=workers)
    first = read(loader)
    assert_same(first, read(expected))
    second = read(loader)
    assert_same(second, read(expected))
    assert any((a[1] != b[1]).any() for a, b in zip(first, second))
    loader.epoch = 0
    assert_same(read(loader), first)


def test_random_transforms_differ_from_epoch_to_epoch_in_every_mode(dataset, load):
    for mode in MODES:
        loader = load(dataset.transform_first(Compose([TimeMasking(8, seed=1)])), batch_size=7, mode=mode)
        first, second = read(loader), read(loader)
        assert (first[0][0] != second[0][0]).any()


@pytest.fixture
def decoded(monkeypatch):
    """Sources that `Features` was called with."""
    calls = []
    original = Features.forward

    def recorded(self, source):
        calls.append(source)
        return original(self, source)

    monkeypatch.setattr(Features, "forward", recorded)
    return calls


def test_eager_and_lazy_cached_decode_once_and_lazy_in_every_epoch(dataset, load, decoded):
    for mode, expected in (("eager", 7), ("lazy", 21), ("lazy_cached", 7)):
        decoded.clear()
        loader = load(dataset, mode=mode)
        for _ in range(3):
            read(loader)
        assert len(decoded) == expected
    decoded.clear()
    assert_same(read(load(dataset, mode="lazy_cached")), read(load(dataset, mode="eager")))
    assert len(decoded) == 7  # by the eager loader alone: the other one reads the cache


def test_a_changed_file_or_configuration_is_computed_again(paths, dataset, load, write_tone):
    before = read(load(dataset, 7, "lazy_cached"))[0][0]
    write_tone(paths[2], 999.0, seconds=0.3, sr=8000)
    after = read(load(dataset, 7, "lazy_cached"))[0][0]
    changed = [bool((a != b).any()) for a, b in zip(before, after)]
    assert changed == [False, False, True, False, False, False, False]
    other = AudioDataset(paths, list(range(7)), transforms=[Features(CONFIG.model_copy(update={"fmin": 100.0}))])
    assert (read(load(other, 7, "lazy_cached"))[0][0] != after).any()


def test_results_of_an_interrupted_first_epoch_are_cached(dataset, load, decoded):
    loader = load(dataset, 2, "lazy_cached", num_workers=1, prefetch_size=1)
    next(iter(loader))
    gc.collect()
    decoded.clear()
    found = read(load(dataset, 2, "lazy_cached"))
    assert len(decoded) < 7
    assert_same(found, read(load(dataset, 2, "lazy")))


@pytest.mark.parametrize("mode", MODES)
def test_a_bad_file_is_named(mode, tmp_path, paths, load):
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    dataset = AudioDataset([*paths, tmp_path / "bad.wav"], transforms=[Features(CONFIG)])
    with pytest.raises(AudioDecodeError, match=r"bad\.wav: .*on_error=\"skip\""):
        read_all(load(dataset, mode=mode))
    assert not loader_threads()


def read_all(loader):
    return [x.asnumpy() for x in loader]


@pytest.mark.parametrize("mode", MODES)
def test_a_bad_file_is_skipped_on_request_and_logged_once(mode, paths, load, caplog):
    dataset = AudioDataset(["missing.wav", *paths], list(range(8)), transforms=[Features(CONFIG)])
    loader = load(dataset, 4, mode, on_error="skip")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            batches = read(loader)
            assert [y.tolist() for _, y in batches] == [[1, 2, 3], [4, 5, 6, 7]]
    (message,) = [record.getMessage() for record in caplog.records]
    assert list(loader.skipped) == [0] and isinstance(loader.skipped[0], AudioError)
    assert str(loader.skipped[0]) in message and message.count("missing.wav: ") == 1


def test_batches_without_a_readable_file_are_skipped_and_such_epochs_are_errors(paths, load):
    assert len(read(load(AudioDataset(["a.wav", paths[0]], [0, 1]), 1, on_error="skip"))) == 1
    with pytest.raises(DatasetError, match=r"\b2 samples.* a\.wav: "):
        read(load(AudioDataset(["a.wav", "b.wav"], [0, 1]), 1, on_error="skip"))
    with pytest.raises(DatasetError, match="positions"):
        load(AudioDataset(paths)).take([], 1)


def test_errors_hold_no_sound(tmp_path, load):
    """Frames of a traceback would hold it: memory would grow with the number of bad files."""
    sf.write(tmp_path / "silent.wav", np.zeros(8000), 8000)
    dataset = AudioDataset([tmp_path / "silent.wav"], transforms=[Features(CONFIG)])
    for mode in MODES:
        loader = load(dataset, 1, mode, on_error="skip")
        for _ in range(2):
            for _, _, error in loader.samples():
                while error is not None:
                    assert error.__traceback__ is None
                    error = error.__cause__ or error.__context__


def test_transforms_that_write_to_their_input_change_no_stored_result(paths, load):
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


def test_a_subclass_of_features_is_not_cached_as_features(paths, load):
    class Doubled(Features):
        def apply(self, x):
            return 2 * super().apply(x)

    plain = read_all(load(AudioDataset(paths, transforms=[Features(CONFIG)]), 7, "lazy_cached"))
    with pytest.raises(ParameterError, match="key"):
        load(AudioDataset(paths, transforms=[Doubled(CONFIG)]), 7, "lazy_cached")
    np.testing.assert_array_equal(read_all(load(AudioDataset(paths, transforms=[Doubled(CONFIG)]), 7))[0], 2 * plain[0])


def test_batch_samplers_are_shuffled_in_each_epoch(dataset, load):
    for sampler in (
        BucketSampler(range(1, 8), 2, 2, shuffle=True),
        gluon.data.BatchSampler(EpochSampler(7, shuffle=True), 2, "keep"),
    ):
        loader = load(dataset, batch_sampler=sampler)
        orders = [[y.tolist() for _, y in read(loader)] for _ in range(3)]
        assert orders[0] != orders[1] or orders[1] != orders[2]
    with pytest.raises(ParameterError, match="batch_sampler"):
        load(dataset, batch_sampler=iter([[0], [1]]))
    assert read(load(dataset, batch_sampler=[])) == []


def test_number_of_threads(paths, load):
    names = set()

    def record(x):
        names.add(threading.current_thread().name)
        time.sleep(0.01)
        return x

    read_all(load(AudioDataset(paths * 3, transforms=[Features(CONFIG), record]), 3, num_workers=3))
    assert len(names) == 3


def test_memory_of_the_lazy_modes_does_not_grow_with_the_number_of_files(paths, load, monkeypatch):
    monkeypatch.setattr("mxnet_audio.features.cache._SHARD_BYTES", 1 << 16)

    read_all(load(AudioDataset(paths[:1])))  # allocates what is needed once

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
        assert many - few < 120 * 16_000 / 4  # a quarter of the memory of the 120 other sounds
    assert peak(160, "eager") - peak(40, "eager") > 120 * 16_000 / 2


@pytest.mark.parametrize("mode", MODES)
def test_closing_early_leaks_no_thread(mode, dataset, load):
    for batch in load(dataset, 1, mode):
        del batch
        break
    gc.collect()
    assert not loader_threads()


def test_no_threads_once_everything_is_in_memory_or_in_the_cache(dataset, load):
    """Ludwig's rule: read four batches ahead while there is something to decode, none afterwards."""
    for mode in ("eager", "lazy_cached"):
        loader = load(dataset, 2, mode)
        read(loader)
        for _ in loader:
            assert not loader_threads()
    for _ in load(dataset.transform_first(TimeMasking(2)), 2, "eager"):
        assert loader_threads()
        break


def test_reading_ahead_is_bounded_by_prefetch_size(paths, load):
    calls = []
    dataset = AudioDataset(paths * 20, transforms=[Features(CONFIG), recorder(calls)])
    stream = iter(load(dataset, 2, "lazy", prefetch_size=3))
    next(stream)
    time.sleep(0.2)
    assert len(calls) <= 2 + 3 * 2
    stream.close()


def recorder(calls):
    """Return a transform that appends to a list and returns its input."""

    def record(x):
        calls.append(1)
        return x

    return record


@pytest.mark.parametrize("mode", ["lazy", "lazy_cached"])
def test_nothing_is_read_ahead_with_a_prefetch_size_of_0(mode, paths, load):
    calls = []
    dataset = AudioDataset(paths, transforms=[Features(CONFIG), recorder(calls)])
    expected = read_all(load(dataset, 3, "lazy"))
    for options in ({"prefetch_size": 0}, {}):
        calls.clear()
        if not options:  # the configuration's own
            config = CONFIG.model_copy(update={"prefetch_size": 0})
            dataset = AudioDataset(paths, transforms=[Features(config), recorder(calls)])
        batches = []
        for batch in load(dataset, 3, mode, **options):
            batches.append(batch.asnumpy())
            assert len(calls) == sum(map(len, batches)) and not loader_threads()
        for found, batch in zip(batches, expected):
            np.testing.assert_array_equal(found, batch)


def test_the_next_batch_is_read_while_the_network_works(paths, load):
    second_batch = threading.Event()

    def record(x, calls=[]):  # noqa: B006
        calls.append(1)
        if len(calls) == 6:
            second_batch.set()
        return x

    stream = iter(load(AudioDataset(paths * 3, transforms=[Features(CONFIG), record]), 3, "lazy", num_workers=1))
    next(stream)
    assert second_batch.wait(60)  # while the network still has the first batch
    stream.close()


@pytest.mark.parametrize("last_batch", ["keep", "discard", "rollover"])
def test_last_batch_as_in_gluon(last_batch, dataset, load):
    loader = load(dataset, 3, last_batch=last_batch)
    theirs = gluon.data.DataLoader(dataset, 3, last_batch=last_batch)
    for _ in range(3):
        assert len(loader) == len(theirs)
        assert_same(read(loader), read(theirs))


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
    assert_same(read(loader), [first])


def test_decoded_sound_is_cached_before_random_crops(paths, load):
    dataset = AudioDataset(paths, transforms=[Load(sr=8000), RandomCrop(1000, seed=1), AddNoise(20.0, 20.0, seed=1)])
    cached, lazy = load(dataset, 7, "lazy_cached"), load(dataset, 7, "lazy")
    for _ in range(2):
        for a, b in zip(cached, lazy):
            np.testing.assert_array_equal(a.asnumpy(), b.asnumpy())


def test_the_configuration_determines_how_far_to_read_ahead(paths, load):
    calls = []
    config = CONFIG.model_copy(update={"prefetch_size": 1})
    stream = iter(load(AudioDataset(paths * 10, transforms=[Features(config), recorder(calls)]), 2))
    next(stream)
    time.sleep(0.1)
    assert len(calls) <= 4
    stream.close()


def test_the_configuration_determines_mode_and_folder(paths, tmp_path):
    config = CONFIG.model_copy(update={"mode": "lazy_cached", "lazy_cache_dir": str(tmp_path / "mine")})
    read_all(AudioLoader(AudioDataset(paths, transforms=[Features(config)]), 3))
    assert list((tmp_path / "mine").rglob("*.features"))
    assert not list((tmp_path / "mine").rglob("*.tmp"))


def test_take_shares_memory_and_cache(dataset, load, monkeypatch):
    for mode in ("eager", "lazy_cached"):
        loader = load(dataset, mode=mode)
        read(loader)
        part = loader.take([5, 1], 2)
        monkeypatch.setattr(Features, "forward", None)
        ((_, y),) = read(part)
        monkeypatch.undo()
        assert y.tolist() == [5, 1] and part.size == 2
        shuffled = [loader.take(range(7), 7, shuffle=True) for _ in range(2)]
        assert_same(read(shuffled[0]), read(shuffled[1]))
        assert read(shuffled[0])[0][1].tolist() == np.random.default_rng((0, 1)).permutation(7).tolist()
        assert [y.tolist() for _, y in read(loader.take([5, 1, 3], 2, batch_sampler=[[2], [0, 1]]))] == [[3], [5, 1]]


def test_other_gluon_datasets_can_be_loaded_but_not_cached(load):
    dataset = gluon.data.ArrayDataset(np.arange(6, dtype=np.float32).reshape(3, 2), [0, 1, 2])
    for mode in ("eager", "lazy"):
        ((x, y),) = read(load(dataset, 3, mode))
        assert x.tolist() == [[0, 1], [2, 3], [4, 5]] and y.tolist() == [0, 1, 2]
    with pytest.raises(ParameterError, match=r"lazy_cached.*ArrayDataset"):
        load(dataset, 3, "lazy_cached")


def test_sources_without_a_key_are_not_cached(dataset, load):
    with pytest.raises(ParameterError, match=r"lazy_cached.*key"):
        load(dataset.transform_first(lambda x: x, lazy=False), mode="lazy_cached")


def test_chunks_of_long_files_in_every_mode(paths, load):
    chunks = AudioChunkDataset(paths, 0.1, hop=0.05, context=0.02, sr=8000, labels=list(range(7)))
    expected = [chunks[i][0] for i in range(len(chunks))]
    for mode in MODES:
        loader = load(chunks, 8, mode)
        for _ in range(2):
            np.testing.assert_array_equal(np.concatenate([x for x, _ in read(loader)]), expected)


def test_batches_go_to_the_given_device(dataset, load):
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
        {"batch_size": 2.5},
        {"num_workers": "2"},
    ],
)
def test_wrong_arguments_are_named(wrong, dataset, load):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        load(dataset, **wrong)
    if "batch_size" in wrong:
        with pytest.raises(ParameterError, match="batch_size"):
            load(dataset).take([0], **wrong)


def test_repr_is_one_line(dataset, load):
    loader = load(dataset, 3, "eager")
    assert repr(loader) == f"AudioLoader({dataset!r}, 3 batches, batch_size=3, mode='eager')"
    assert (
        repr(loader.take([0, 1], 1)) == f"AudioLoader(2 samples of {dataset!r}, 2 batches, batch_size=1, mode='eager')"
    )
    assert repr(dataset).startswith("AudioDataset(7 items, 7 classes, transforms=[Features(sr=8000, n_fft=256, ")


def test_an_empty_dataset_is_refused(load):
    with pytest.raises(DatasetError, match="empty"):
        load(AudioDataset([]))
