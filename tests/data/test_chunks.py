"""Chunks of long recordings: they cover every sample, and equal slices of the whole recording."""

import io
import itertools
import threading
import time
from collections import UserList
from concurrent.futures import ThreadPoolExecutor

import datasets as hf
import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from mxnet_audio import audio
from mxnet_audio.audio.source import source_identity, source_name
from mxnet_audio.data import chunks
from mxnet_audio.data.chunks import AudioChunkDataset
from mxnet_audio.data.transforms import AddNoise, Features, Load, PadTrim
from mxnet_audio.engine import gluon
from mxnet_audio.errors import DatasetError, InvalidAudioError, ParameterError, TruncatedAudioError
from mxnet_audio.features import AudioFeatureConfig, extract

rates = st.sampled_from([1, 7, 8000, 22050, 44100])


def samples_in(dataset, rate):
    return [(row, round(start * rate), round(stop * rate)) for row, start, stop in dataset.spans]


def noise(n, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, n).astype(np.float32)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=4), st.integers(1, 60), rates)
def test_durations_of_chunks_without_overlap_add_up(lengths, size, rate):
    dataset = AudioChunkDataset([(noise(n), rate) for n in lengths], size / rate, sr=None)
    for row, n in enumerate(lengths):
        spans = [span for span in samples_in(dataset, rate) if span[0] == row]
        assert sum(stop - start for _, start, stop in spans) == n
        assert [start for _, start, _ in spans] == list(range(0, n, size))


@given(st.integers(1, 150), st.integers(1, 60), st.integers(0, 80), st.data(), rates)
def test_chunks_cover_every_sample_and_are_slices(n, size, margin, data, rate):
    hop = data.draw(st.integers(1, size))
    y = noise(n)
    dataset = AudioChunkDataset([(y, rate)], size / rate, hop / rate, margin / rate, sr=None)
    padded = np.pad(y, (margin, margin + size))
    covered = np.zeros(n, bool)
    for item, (_, start, stop) in zip(dataset, samples_in(dataset, rate)):
        assert start % hop == 0 and 0 < stop - start <= size
        covered[start:stop] = True
        assert item.dtype == np.float32
        np.testing.assert_array_equal(item, padded[start : start + size + 2 * margin])
    assert covered.all()
    assert len(dataset) == len(audio.windows(y, rate, size / rate, hop / rate).times)


@pytest.mark.parametrize("format, subtype", [("WAV", "PCM_16"), ("FLAC", "PCM_24"), ("AIFF", "PCM_16")])
def test_files_at_their_own_rate_are_exact(tmp_path, format, subtype):
    sf.write(tmp_path / "a", np.stack([noise(50_000), noise(50_000, 1)], axis=1), 44100, format=format, subtype=subtype)
    for mono in (True, False):
        whole = np.pad(audio.load(tmp_path / "a", mono=mono)[0], [(0, 0)] * (not mono) + [(441, 9261)])
        dataset = AudioChunkDataset([tmp_path / "a"], 0.2, 0.13, 0.01, sr=None, mono=mono)
        assert len(dataset) == 9
        for index, item in enumerate(dataset):
            start = index * round(0.13 * 44100)
            np.testing.assert_array_equal(item, whole[..., start : start + 8820 + 882])


@pytest.mark.parametrize("format", ["OGG", "MP3"])
def test_lossy_files_are_decoded_as_in_a_single_read(tmp_path, format):
    """To 1e-4: decoders round differently after a seek."""
    y = 0.5 * np.sin(np.arange(66_150) / 20)
    sf.write(tmp_path / "a", y, 22050, format=format)
    whole = audio.load(tmp_path / "a")[0]
    dataset = AudioChunkDataset([tmp_path / "a"], 0.5, sr=None)
    joined = np.concatenate(
        [item[: round((stop - start) * 22050)] for item, (_, start, stop) in zip(dataset, dataset.spans)]
    )
    np.testing.assert_allclose(joined, whole, atol=1e-4)


def test_resampled_chunks_equal_the_resampled_file_away_from_their_edges(tmp_path):
    """To 1e-3, 50 ms from the edges, for sound below half of both rates."""
    t = np.arange(3 * 44100) / 44100
    sf.write(tmp_path / "a.wav", 0.3 * np.sin(2 * np.pi * 440 * t) + 0.3 * np.sin(2 * np.pi * 3000 * t), 44100)
    whole = audio.load(tmp_path / "a.wav", sr=16000)[0]
    dataset = AudioChunkDataset([tmp_path / "a.wav"], 1.0, 0.5, 0.25, sr=16000)
    assert len(dataset) == 5
    for index, item in enumerate(dataset):
        assert item.shape == (24000,)
        start = index * 8000 - 4000
        inside = slice(max(0, -start) + 800, min(24000, 48000 - start) - 800)
        np.testing.assert_allclose(item[inside], whole[start + inside.start : start + inside.stop], atol=1e-3)


def test_files_of_several_rates_give_chunks_of_the_same_length(tmp_path):
    sources = []
    for rate in (8000, 11025, 44100):
        sources.append(tmp_path / f"{rate}.wav")
        sf.write(sources[-1], noise(rate), rate)
    dataset = AudioChunkDataset(sources, 0.3, context=0.05, labels=["x", "y", "x"])
    assert {item.shape for item, _ in dataset} == {(round(0.3 * 22050) + 2 * round(0.05 * 22050),)}
    assert [span[0] for span in dataset.spans] == [0] * 4 + [1] * 4 + [2] * 4
    assert dataset.synsets == ["x", "y"] and [label for _, label in dataset] == [0] * 4 + [1] * 4 + [0] * 4
    [(data, label)] = list(gluon.data.DataLoader(dataset, batch_size=12))
    assert data.shape[0] == 12 and label.asnumpy().sum() == 4


def test_only_headers_are_read_until_an_item_is_indexed(tmp_path, monkeypatch):
    sf.write(tmp_path / "a.wav", noise(80_000), 8000)
    calls = []
    load = audio.load
    monkeypatch.setattr(chunks.audio, "load", lambda *args: calls.append(args) or load(*args))
    dataset = AudioChunkDataset([tmp_path / "a.wav"], 2, context=0.5, sr=None)
    assert len(dataset) == 5 and not calls
    dataset[2]
    assert calls == [(tmp_path / "a.wav", None, True, 3.5, 3.0)]


def test_every_kind_of_source(tmp_path):
    path = tmp_path / "a.wav"
    sf.write(path, noise(1000), 1000)
    column = hf.Dataset.from_dict({"audio": [str(path)]}).cast_column("audio", hf.Audio(decode=False))["audio"]
    whole = audio.load(path)[0].reshape(4, 250)
    entry = {"array": audio.load(path)[0], "sampling_rate": 1000}
    for sources in ([str(path)], [path.read_bytes()], [io.BytesIO(path.read_bytes())], [entry], column):
        dataset = AudioChunkDataset(sources, 0.25, sr=None)
        np.testing.assert_array_equal(np.stack(list(dataset)), whole)


def test_threads_share_an_open_file(tmp_path):
    sf.write(tmp_path / "a.wav", noise(20_000), 1000)
    whole = audio.load(tmp_path / "a.wav")[0].reshape(-1, 100)
    with (tmp_path / "a.wav").open("rb") as file, ThreadPoolExecutor(4) as pool:
        for source in (file, audio.Channel(audio.Played(file, 1), "left")):
            dataset = AudioChunkDataset([source], 0.1, sr=None)
            np.testing.assert_array_equal(np.stack(list(pool.map(dataset.__getitem__, range(200)))), whole)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("chunk", value) for value in (0, -1, np.nan, np.inf, "1")],
        *[("hop", value) for value in (2, 0, -1, np.nan)],
        *[("context", value) for value in (-0.1, np.inf, None)],
    ],
)
def test_lengths_out_of_range(name, value):
    with pytest.raises(ParameterError, match=name):
        AudioChunkDataset([(noise(10), 10)], **{"chunk": 1, name: value})


def test_bad_files_are_named_and_skipped(tmp_path, caplog):
    sf.write(tmp_path / "good.wav", noise(500), 1000)
    sf.write(tmp_path / "empty.wav", noise(0), 1000)
    data = (tmp_path / "good.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(data[:-200])
    (tmp_path / "junk.wav").write_bytes(b"junk")
    names = ["junk.wav", "good.wav", "missing.wav", "cut.wav", "empty.wav"]
    sources = [*(str(tmp_path / name) for name in names), b"junk", None, (noise(500), 1000), (noise(5), -1)]
    dataset = AudioChunkDataset(UserList(sources), 0.25, labels=list("abcdefghi"), sr=None)
    assert [span[0] for span in dataset.spans] == [1, 1, 7, 7]
    assert dataset.labels == list("bbhh") and dataset.synsets == ["b", "h"]
    expected = [str(tmp_path / name) for name in names if name != "good.wav"] + ["item 5", "row 6", "item 8"]
    assert [name for name, _ in dataset.skipped] == expected
    assert [type(error) for name, error in dataset.skipped if "cut" in name] == [TruncatedAudioError]
    assert all(f"{name}: " in caplog.text for name in expected)
    with pytest.raises(DatasetError, match=r"\b2 sounds.*junk\.wav: "):
        AudioChunkDataset([sources[0], sources[2]], 1)
    with pytest.raises(DatasetError, match=r"\b1 sounds.*item 0: .*hop.*\b0\.01 s"):
        AudioChunkDataset([(noise(5), 10)], 0.01)


def test_a_header_without_a_duration(tmp_path, monkeypatch):
    sf.write(tmp_path / "a.wav", noise(500), 1000)
    info = audio.info(tmp_path / "a.wav")
    without_duration = type(info)(info.path, info.sr, 1, None, None, "WEBM", "av")
    monkeypatch.setattr(chunks.audio, "info", lambda source: without_duration)
    with pytest.raises(DatasetError, match=r"a\.wav: .*header"):
        AudioChunkDataset([tmp_path / "a.wav"], 1)


def test_errors_in_a_chunk_name_the_file(tmp_path):
    y = noise(500)
    y[300] = np.nan
    sf.write(tmp_path / "a.wav", y, 1000, subtype="FLOAT")
    dataset = AudioChunkDataset([tmp_path / "a.wav", (y, 1000)], 0.25, sr=None)
    assert dataset[0].shape == (250,)
    with pytest.raises(InvalidAudioError, match=r"a\.wav: 0\.25 s to 0\.5 s: .*NaN") as caught:
        dataset[1]
    assert caught.value.path == str(tmp_path / "a.wav")
    with pytest.raises(InvalidAudioError, match=r"^item 3: 0\.25 s to 0\.5 s: .*NaN"):
        dataset[3]
    silent = AudioChunkDataset([(np.zeros(9000), 3000)], 1, transforms=Features(AudioFeatureConfig(n_mels=8)))
    with pytest.raises(InvalidAudioError, match=r"^item 2: 2 s to 3 s: silent"):
        silent[2]


def test_transforms_of_chunks(tmp_path):
    sf.write(tmp_path / "a.wav", noise(16_000), 8000)
    config = AudioFeatureConfig(n_mels=8, sr=8000, n_frames=16)
    whole = audio.load(tmp_path / "a.wav")[0]
    dataset = AudioChunkDataset([tmp_path / "a.wav"], 0.5, sr=None, transforms=Features(config))
    for index, item in enumerate(dataset):
        np.testing.assert_array_equal(item, extract(whole[4000 * index : 4000 * (index + 1)], 8000, config))
    plain = AudioChunkDataset([tmp_path / "a.wav"], 0.5, sr=None)
    np.testing.assert_array_equal(plain.transform_first(Features(config))[1], dataset[1])
    np.testing.assert_array_equal(plain.transform_first(Load(sr=4000))[1], audio.resample(plain[1], 8000, 4000))
    in_memory = plain.transform_first(PadTrim(100), lazy=False)
    np.testing.assert_array_equal(in_memory[3], whole[12000:12100])
    noisy = plain.transform_first(AddNoise(seed=1))
    np.testing.assert_array_equal(noisy.sample(2, 5), AddNoise(seed=1)(plain[2], (5, 2, 1)))
    part = dataset.take([3, 1])
    assert part.spans == [dataset.spans[3], dataset.spans[1]]
    np.testing.assert_array_equal(part[0], dataset[3])


def test_chunks_are_identified_by_file_and_position(tmp_path):
    path = tmp_path / "a.wav"
    sf.write(path, noise(1000), 1000)
    dataset = AudioChunkDataset([path, noise_entry()], 0.25, context=0.1)
    identities = [source_identity(source) for source in dataset.sources]
    assert len(set(identities)) == len(identities) == 8
    assert identities == [
        source_identity(source) for source in AudioChunkDataset([path, noise_entry()], 0.25, context=0.1).sources
    ]
    assert [source_name(source) for source in dataset.sources] == [str(path)] * 4 + [None] * 4
    sf.write(path, noise(1001), 1000)
    assert not set(identities[:4]) & {source_identity(source) for source in dataset.sources}
    keys = {
        AudioChunkDataset([path], 0.25, **options).transforms[0].key
        for options in ({}, {"context": 0.1}, {"sr": 8000}, {"sr": None}, {"mono": False})
    }
    assert len(keys) == 5 and None not in keys


def test_an_open_file_is_not_hashed_while_one_of_its_chunks_is_read():
    users, both = [], threading.Barrier(2)

    class Slow(io.BytesIO):
        """File that records the thread of each access, and gives other threads time between two."""

        def record(self, function, *arguments):
            users.append(threading.get_ident())
            time.sleep(0.002)
            return function(*arguments)

        def seek(self, *arguments):
            return self.record(super().seek, *arguments)

        def read(self, *arguments):
            return self.record(super().read, *arguments)

        def readinto(self, *arguments):
            return self.record(super().readinto, *arguments)

    plain = io.BytesIO()
    sf.write(plain, noise(1000), 1000, format="WAV")
    dataset = AudioChunkDataset([Slow(plain.getvalue())], 0.25, sr=None)
    users.clear()

    def together(function):
        both.wait()
        return function()

    with ThreadPoolExecutor(2) as pool:
        name = pool.submit(together, dataset.sources[1].identity)
        data = pool.submit(together, lambda: dataset[2])
    assert len(list(itertools.groupby(users))) == 2
    np.testing.assert_array_equal(data.result(), AudioChunkDataset([plain], 0.25, sr=None)[2])
    assert name.result() == AudioChunkDataset([plain], 0.25, sr=None).sources[1].identity()


def test_recordings_in_memory_and_open_files_are_hashed_once(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    sf.write(path, noise(1000), 1000)
    sources = [(noise(1000), 1000), path.read_bytes(), io.BytesIO(path.read_bytes()), path, {"path": str(path)}]
    dataset = AudioChunkDataset(sources, 0.25, sr=None)
    hashed, original = [], source_identity
    monkeypatch.setattr(chunks, "source_identity", lambda source: hashed.append(source) or original(source))
    assert not hashed
    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(lambda chunk: chunk.identity(), dataset.sources))
    assert names == [chunk.identity() for chunk in dataset.take(range(20)).sources]
    # Paths are checked each time: the files may have changed.
    assert [sum(one is source for one in hashed) for source in sources] == [1, 1, 1, 8, 8]
    sf.write(path, noise(1001), 1000)
    changed = [chunk.identity() for chunk in dataset.sources]
    assert changed[:12] == names[:12] and not set(changed[12:]) & set(names)


def test_the_configuration_fills_missing_recordings_not_chunks():
    class Column(UserList):
        """Column whose rows are fetched when they are indexed."""

        fetched = 0

        def __getitem__(self, row):
            self.fetched += 1
            return super().__getitem__(row)

    a, b = (noise(1000), 1000), (noise(500, 1), 1000)
    fill, drop = (
        Features(AudioFeatureConfig(type="raw", sr=1000, missing_value_strategy=name)) for name in ("ffill", "drop_row")
    )
    column = Column([a, None, b])
    dataset = AudioChunkDataset(column, 0.01, labels=["x", "y", "z"], transforms=fill)
    assert column.fetched <= 2 * len(column) + 1  # one more ends the iteration
    assert len(dataset) == 250 and dataset.labels == list("x" * 100 + "y" * 100 + "z" * 50)
    assert dataset.spans[100] == (0, 0.0, 0.01) and len(set(dataset.groups[:200])) == 1
    np.testing.assert_array_equal(dataset[107][0], dataset[7][0])
    dropped = AudioChunkDataset(column, 0.25, labels=["x", "y", None], transforms=drop)
    assert dropped.labels == ["x"] * 4
    assert [span[0] for span in AudioChunkDataset([None, b], 0.25, transforms=drop).spans] == [1, 1]
    with pytest.raises(DatasetError, match=r"row 1: .*missing"):
        AudioChunkDataset([a, None], 0.25)


def test_groups_are_recordings(tmp_path):
    path = tmp_path / "a.wav"
    sf.write(path, noise(500), 1000)
    dataset = AudioChunkDataset([path, noise_entry(), {"path": str(path)}, noise_entry()], 0.25)
    assert dataset.groups == [str(path)] * 2 + ["item 1"] * 4 + [str(path)] * 2 + ["item 3"] * 4
    assert dataset.take([2, 0]).groups == ["item 1", str(path)]


def noise_entry():
    return {"array": noise(1000), "sampling_rate": 1000, "path": None}
