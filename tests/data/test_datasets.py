"""Lists, columns, tables and corpora as Gluon datasets."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import datasets as hf
import numpy as np
import pandas as pd
import pytest

from mxnet_audio import audio
from mxnet_audio import datasets as corpora
from mxnet_audio.data import AudioChunkDataset, AudioDataset
from mxnet_audio.data.transforms import MFCC, AddNoise, Features, Load, MelSpectrogram, PadTrim, Resample
from mxnet_audio.engine import gluon, mx, nd
from mxnet_audio.errors import AudioDecodeError, DatasetError, InvalidAudioError, ParameterError
from mxnet_audio.features import AudioFeatureConfig, load_features

SR = 8000


def undecoded(paths):
    return hf.Dataset.from_dict({"audio": paths}).cast_column("audio", hf.Audio(decode=False))["audio"]


def decoded(paths):
    return [{"array": audio.load(path)[0], "sampling_rate": SR, "path": path} for path in paths]


@pytest.mark.parametrize(
    "column",
    [
        list,
        tuple,
        iter,
        np.array,
        lambda paths: np.array(paths, dtype=object),
        lambda paths: pd.Series(paths, index=[7, 0, 1]),
        lambda paths: pd.Series(paths, dtype="string"),
        undecoded,
        decoded,
        lambda paths: pd.Series(decoded(paths)),
        lambda paths: [audio.load(path) for path in paths],
        lambda paths: [(nd.array(audio.load(path)[0]), SR) for path in paths],
        lambda paths: [open(path, "rb").read() for path in paths],  # noqa: PTH123, SIM115
    ],
)
def test_every_kind_of_column_gives_the_same_items(wavs, column):
    dataset = AudioDataset(column(wavs), ["x", "y", "x"], transforms=Load(sr=None))
    assert len(dataset) == 3 and dataset.synsets == ["x", "y"]
    for (data, label), path, expected in zip(dataset, wavs, [0, 1, 0]):
        assert data.dtype == np.float32 and type(label) is int and label == expected
        np.testing.assert_array_equal(data, audio.load(path)[0])


@pytest.mark.parametrize("make", [np.array, nd.array, list, lambda rows: [list(map(float, row)) for row in rows]])
def test_rows_of_samples_with_the_same_rate(make):
    rows = np.random.default_rng(0).uniform(-1, 1, (4, 50)).astype(np.float32)
    dataset = AudioDataset(make(rows), sr=SR, transforms=Load(sr=None))
    assert dataset.sources[0][1] == SR and len(dataset) == 4
    np.testing.assert_array_equal(np.stack(list(dataset)), rows)
    stereo = AudioDataset(np.stack([rows, rows], axis=1), sr=SR, transforms=Load(sr=None, mono=False))
    assert stereo[3].shape == (2, 50)


def test_arrays_without_rate_and_single_sounds_are_refused():
    for sources in (np.zeros((2, 50)), [np.zeros(50)], nd.zeros((2, 50))):
        with pytest.raises(DatasetError, match=r"row 0: .*sr="):
            AudioDataset(sources)[0]
    for one in ("a.wav", b"RIFF", {"path": "a.wav"}, np.zeros(50), nd.zeros(50)):
        with pytest.raises(ParameterError, match=r"list of sounds.*(str|bytes|dict)|row of samples.*\(50,\)"):
            AudioDataset(one)
    for table in (pd.DataFrame({"path": ["a.wav"]}), hf.Dataset.from_dict({"path": ["a.wav"]})):
        with pytest.raises(ParameterError, match="from_table"):
            AudioDataset(table)


def test_a_lazy_column_is_read_row_by_row():
    class Column:
        """Column with a length and rows, and nothing else."""

        requested: ClassVar = []

        def __len__(self):
            return 1000

        def __getitem__(self, row):
            self.requested.append(row)
            return None if row == 3 else (np.full(4, row / 1000), SR)

    column = Column()
    dataset = AudioDataset(column, range(1000), transforms=Load(sr=None)).take([5, 3, 999])
    assert column.requested == []
    data, label = dataset[-1]
    assert label == 999 and data[0] == np.float32(0.999) and column.requested == [999]
    with pytest.raises(DatasetError, match=r"^row 3: .*missing"):
        dataset[1]


def test_indices(wavs):
    dataset = AudioDataset(wavs, [5, 6, 7])
    assert dataset[-1][1] == dataset[np.int64(2)][1] == 7 and dataset.synsets is None
    for beyond in (3, -4):
        with pytest.raises(IndexError, match=rf"{beyond}\b.*\b3\b"):
            dataset[beyond]
    assert [label for _, label in dataset] == [5, 6, 7]
    assert dataset.items == list(zip(wavs, [5, 6, 7]))
    assert AudioDataset(wavs).items[0] == (wavs[0], None)


def test_sounds_are_decoded_at_22050_hz_by_default(wavs):
    dataset = AudioDataset(wavs)
    np.testing.assert_array_equal(dataset[0], audio.load(wavs[0], sr=22050)[0])
    assert [type(step) for step in dataset.transforms] == [Load]


@pytest.mark.parametrize(
    "labels, indices, synsets",
    [
        (["rain", "dog", "rain"], [1, 0, 1], ["dog", "rain"]),
        (np.array(["rain", "dog", "rain"]), [1, 0, 1], ["dog", "rain"]),
        (pd.Series(["rain", "dog", "rain"], dtype="category"), [1, 0, 1], ["dog", "rain"]),
        ([2, 0, 9], [2, 0, 9], None),
        (np.array([2, 0, 9], dtype=np.int8), [2, 0, 9], None),
        (nd.array([2, 0, 9]), [2, 0, 9], None),
        (pd.Series([2.0, 0.0, 9.0]), [2, 0, 9], None),
        ([True, False, True], [1, 0, 1], None),
    ],
)
def test_labels(wavs, labels, indices, synsets):
    dataset = AudioDataset(wavs, labels)
    assert [dataset.label(index) for index in range(3)] == indices and dataset.synsets == synsets
    assert dataset.labels == list(labels.asnumpy() if hasattr(labels, "asnumpy") else labels)


@pytest.mark.parametrize(
    "labels, options, message",
    [
        (["a", "b"], {}, r"\b3\b.*\b2 labels"),
        (["a", 1, "b"], {}, "labels.*int, str"),
        ([0.5, 1, 2], {}, "labels.*float, int"),
        ([float("inf"), 1, 2], {}, "labels.*float, int"),
        ([("a",), ("b",), ("c",)], {}, "labels.*tuple"),
        (["a", None, "b"], {}, "row 1: .*label"),
        (["a", "b", ""], {"missing_value_strategy": "bfill"}, "row 2: .*label"),
        ([1, float("nan"), 0], {}, "row 1: .*label"),
        (["a", "b", "c"], {"synsets": ["a", "b"]}, "label 'c'.*a, b"),
        ([0, 1, 2], {"synsets": ["a", "b"]}, r"\b0\b.*\b2\b.*\b2 classes"),
        ([0, -1, 1], {"synsets": ["a", "b"]}, r"-1\b.*\b1\b.*\b2 classes"),
        ([None, None, None], {"missing_value_strategy": "drop_row"}, "no row"),
    ],
)
def test_wrong_labels_are_refused(wavs, labels, options, message):
    with pytest.raises(DatasetError, match=message):
        AudioDataset(wavs, labels, **options)


def test_classes_of_another_dataset(wavs):
    dataset = AudioDataset(wavs, ["c", "a", "c"], synsets=("a", "b", "c"))
    assert [dataset.label(index) for index in range(3)] == [2, 0, 2] and dataset.synsets == ["a", "b", "c"]


def test_missing_sounds_are_named(wavs):
    for missing in (None, float("nan"), pd.NA, ""):
        with pytest.raises(DatasetError, match=r"row 1: .*missing"):
            AudioDataset([wavs[0], missing])
    with pytest.raises(DatasetError, match=r"row 1: .*missing"):
        AudioDataset(undecoded([wavs[0], None]))[1]


@pytest.mark.parametrize(
    "strategy, indices, labels",
    [
        ("bfill", [1, 1, 1, 0, 2, 2], "abcdef"),
        ("ffill", [1, 1, 1, 0, 2, 2], "abcdef"),
        ("fill_with_mode", [1, 1, 1, 0, 2, 1], "abcdef"),
        ("fill_with_const", [2, 1, 1, 0, 2, 2], "abcdef"),
        ("drop_row", [1, 1, 0, 2], "bcde"),
    ],
)
@pytest.mark.parametrize("column", [list, pd.Series, undecoded])
def test_missing_sounds_by_strategy(wavs, strategy, indices, labels, column):
    sources = column([None, wavs[1], wavs[1], wavs[0], wavs[2], None])
    dataset = AudioDataset(
        sources, list("abcdef"), missing_value_strategy=strategy, fill_value=wavs[2], transforms=Load(sr=None)
    )
    assert "".join(dataset.labels) == labels
    assert [len(data) // 100 - 1 for data, _ in dataset] == indices
    assert [dataset.synsets[label] for _, label in dataset] == list(labels)


def test_missing_arrays_by_strategy():
    column = [np.zeros(3), None, np.ones(3), np.ones(3)]
    dataset = AudioDataset(column, sr=SR, missing_value_strategy="fill_with_mode", transforms=Load(sr=None))
    np.testing.assert_array_equal(dataset[1], np.ones(3))
    options = {"missing_value_strategy": "fill_with_const", "fill_value": np.full(3, 0.5), "sr": SR}
    np.testing.assert_array_equal(AudioDataset(column, transforms=Load(sr=None), **options)[1], np.full(3, 0.5))


def test_the_mode_of_files_does_not_open_them():
    entry = {"path": "missing.wav"}
    assert list(AudioDataset([entry, None], missing_value_strategy="fill_with_mode").sources) == [entry, entry]
    column = ["b.wav", "missing.wav", entry, None]
    assert AudioDataset(column, missing_value_strategy="fill_with_mode").sources[3] == "missing.wav"
    with pytest.raises(AudioDecodeError, match=r"^row 1: .*empty"):
        AudioDataset([None, {"path": None}], missing_value_strategy="fill_with_mode")


def test_dropped_rows_are_those_without_sound_or_label(wavs):
    dataset = AudioDataset([wavs[0], None, wavs[2], wavs[1]], ["x", "y", None, "z"], missing_value_strategy="drop_row")
    assert dataset.items == [(wavs[0], 0), (wavs[1], 1)] and dataset.synsets == ["x", "z"]


def test_tables(wavs):
    frame = pd.DataFrame({"file": wavs, "kind": ["x", "y", "x"]}, index=[9, 8, 7])
    assert AudioDataset.from_table(frame, "file", "kind").items == list(zip(wavs, [0, 1, 0]))
    assert AudioDataset.from_table({"file": wavs}, "file").labels is None
    table = hf.Dataset.from_dict({"audio": wavs, "kind": [2, 0, 2]})
    table = table.cast_column("audio", hf.Audio(decode=False)).cast_column("kind", hf.ClassLabel(names=["x", "y", "z"]))
    dataset = AudioDataset.from_table(table, "audio", "kind", transforms=Load(sr=None))
    assert dataset.synsets == ["x", "y", "z"] and [label for _, label in dataset] == [2, 0, 2]
    assert dataset.sources[1] == {"bytes": None, "path": wavs[1]}
    for given in (frame, table, {"file": wavs, "kind": [0, 0, 0]}):
        with pytest.raises(DatasetError, match=r"'sound'.*(file|audio), kind"):
            AudioDataset.from_table(given, "sound", "kind")
        with pytest.raises(DatasetError, match="'class'"):
            AudioDataset.from_table(given, "audio" if given is table else "file", "class")


def test_from_pairs(wavs):
    pairs = list(zip(wavs, "xyx"))
    assert AudioDataset.from_pairs(iter(pairs)).items == list(zip(wavs, [0, 1, 0]))
    assert len(AudioDataset.from_pairs([])) == 0


def test_from_corpus(fsdd):
    dataset = AudioDataset.from_corpus("fsdd", fsdd, folds="test", transforms=Load(sr=None))
    corpus = corpora.get("fsdd")
    assert dataset.synsets == list(corpus.labels) and dataset.groups == corpus.groups(fsdd, "test")
    assert [(path, dataset.synsets[label]) for path, label in dataset.items] == corpus.pairs(fsdd, "test")
    part = dataset.take([0, -1])
    assert part.groups == [dataset.groups[0], dataset.groups[-1]] and part.synsets == dataset.synsets
    assert part[1][0].ndim == 1


class Subclass(AudioDataset):
    """Subclass with the constructor of its base."""


def test_subclasses_make_instances_of_themselves(wavs, fsdd):
    pairs = list(zip(wavs, "xyx"))
    frame = pd.DataFrame({"file": wavs, "kind": list("xyx")})
    options = {"transforms": Load(sr=None)}
    for dataset in (Subclass.from_pairs(pairs, **options), Subclass.from_table(frame, "file", "kind", **options)):
        assert type(dataset) is Subclass and dataset.items == list(zip(wavs, [0, 1, 0]))
        assert type(dataset.take(1)) is type(dataset.transform_first(abs)) is Subclass
    chunks = AudioChunkDataset.from_table(frame, "file", "kind", chunk=0.0125, sr=None)
    assert type(chunks) is AudioChunkDataset and [label for _, label in chunks] == [0, 1, 1, 0, 0, 0]
    assert type(Subclass.from_corpus("fsdd", fsdd, folds="test")) is Subclass


def test_chunks_of_a_corpus_have_its_groups(fsdd):
    corpus = corpora.get("fsdd")
    dataset = AudioChunkDataset.from_corpus("fsdd", fsdd, folds="test", chunk=0.25, sr=None)
    groups = dict(zip((path for path, _ in corpus.pairs(fsdd, "test")), corpus.groups(fsdd, "test")))
    assert dataset.groups == [groups[chunk.source] for chunk in dataset.sources]
    assert len(dataset) > len(groups) and dataset.synsets == list(corpus.labels)


def test_repr_is_one_line(wavs):
    load = "transforms=[Load(sr=22050, mono=True)]"
    assert repr(AudioDataset(wavs)) == f"AudioDataset(3 items, no labels, {load})"
    assert repr(AudioDataset(wavs, ["x", "y", "x"])) == f"AudioDataset(3 items, 2 classes, {load})"
    assert repr(AudioDataset(wavs, [7, 3, 5])) == f"AudioDataset(3 items, 3 classes, {load})"


def test_errors_name_the_source(wavs, tmp_path):
    (tmp_path / "junk.wav").write_bytes(b"junk")
    silent = (np.zeros(9000, np.float32), 12000)
    named = {"array": silent[0], "sampling_rate": silent[1], "path": "z"}
    sources = [str(tmp_path / "junk.wav"), "missing.wav", b"junk", silent, named]
    dataset = AudioDataset(sources, transforms=Features(AudioFeatureConfig()))
    for index, error, message in (
        (0, AudioDecodeError, r"junk\.wav: "),
        (1, AudioDecodeError, r"^missing\.wav: "),
        (2, AudioDecodeError, "^item 2: "),
        (3, InvalidAudioError, "^item 3: silent"),
        (-1, InvalidAudioError, "^z: silent"),
    ):
        with pytest.raises(error, match=message):
            dataset[index]


def test_errors_of_later_transforms_name_the_source(wavs):
    def refuse(x):
        raise InvalidAudioError("too short")

    with pytest.raises(InvalidAudioError, match=r"b\.wav: too short"):
        AudioDataset(wavs, transforms=[Load(), refuse])[1]
    with pytest.raises(InvalidAudioError, match=r"^item 0: too short"):
        AudioDataset([audio.load(wavs[0])], transforms=refuse)[0]


def test_features_of_sources(wavs):
    config = AudioFeatureConfig(n_mels=8, n_frames=5)
    dataset = AudioDataset(wavs, [0, 1, 2]).transform_first(Features(config))
    assert [type(step) for step in dataset.transforms] == [Features]
    np.testing.assert_array_equal(dataset[1][0], load_features(wavs[1], config))


def test_only_the_first_transform_may_take_a_source(wavs):
    with pytest.raises(ParameterError, match=r"Load\(.*first"):
        AudioDataset(wavs, transforms=[PadTrim(5), Load()])
    with pytest.raises(ParameterError, match=r"Features\(.*first"):
        AudioDataset(wavs, transforms=Load()).transform_first(Features(AudioFeatureConfig()))
    received = []
    steps = AudioDataset(wavs, transforms=received.append).transforms
    assert steps[1:] == (received.append,) and isinstance(steps[0], Load)


def test_runs_of_transforms_add_up_to_the_sample(wavs):
    dataset = AudioDataset(wavs, ["x", "y", "x"], transforms=[Load(sr=None), PadTrim(50), AddNoise(seed=3)])
    whole, label = dataset.sample(1, epoch=7)
    half = dataset.run(1, stop=2)
    assert half.shape == (50,) and label == 1
    np.testing.assert_array_equal(dataset.run(1, 7, half, start=2), whole)
    assert dataset.run(1, stop=0) == wavs[1]
    np.testing.assert_array_equal(AddNoise(seed=3)(half, (7, 1, 2)), whole)


def test_random_transforms_draw_anew_at_each_visit_of_each_item(wavs):
    def fresh():
        return AudioDataset([wavs[0]] * 2, transforms=[Load(sr=None), AddNoise(seed=3)])

    dataset = fresh()
    visits = [dataset[0], dataset[-2], dataset.sample(0)]
    for epoch, visit in enumerate(visits):
        np.testing.assert_array_equal(visit, fresh().sample(0, epoch))
    assert not np.array_equal(visits[0], visits[1]) and not np.array_equal(visits[0], dataset[1])
    np.testing.assert_array_equal(dataset[1], fresh().sample(1, 1))
    np.testing.assert_array_equal(dataset.transform_first(PadTrim(100))[0], visits[0])  # it counts visits separately


def test_visits_are_counted_under_threads(wavs):
    entropies, lock = [], threading.Lock()

    class Record:
        random = True

        def __call__(self, x, entropy):
            with lock:
                entropies.append(entropy)
            return x

    dataset = AudioDataset([(np.ones(1), SR)] * 2, transforms=[Load(sr=None), Record()])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(dataset.__getitem__, [0, 1] * 200))
    assert sorted(entropies) == sorted((epoch, index, 1) for epoch in range(200) for index in (0, 1))


def test_transform_first_lazily_and_at_once(wavs):
    calls = []

    def double(x):
        calls.append(len(x))
        return 2 * x

    dataset = AudioDataset(wavs, ["x", "y", "x"], transforms=Load(sr=None))
    lazy = dataset.transform_first(double)
    assert not calls and isinstance(lazy, AudioDataset)
    np.testing.assert_array_equal(lazy[1][0], 2 * dataset[1][0])
    calls.clear()
    in_memory = dataset.transform_first(double, lazy=False)
    assert sorted(calls) == [100, 200, 300]
    for (data, label), (expected, expected_label) in zip(in_memory, lazy):
        np.testing.assert_array_equal(data, expected)
        assert label == expected_label
    calls.clear()
    part = in_memory.transform_first(PadTrim(10)).take([2, 0])
    assert not calls and part[0][0].shape == (10,) and part.synsets == in_memory.synsets == ["x", "y"]
    assert [label for _, label in part] == [0, 0]
    assert in_memory.transforms[0].takes_source and getattr(in_memory.transforms[0], "key", None) is None


def test_transforming_at_once_names_the_bad_file(wavs):
    with pytest.raises(AudioDecodeError, match=r"missing\.wav"):
        AudioDataset([*wavs, "missing.wav"]).transform_first(PadTrim(10), lazy=False)


def test_take_and_methods_of_gluon(wavs):
    dataset = AudioDataset(wavs, ["x", "y", "z"], transforms=Load(sr=None))
    part = dataset.take(np.array([2, 0]))
    assert part.labels == ["z", "x"] and part.synsets == ["x", "y", "z"]
    assert part.items == [(wavs[2], 2), (wavs[0], 0)]
    assert dataset.take(2).labels == ["x", "y"] and len(dataset.take(None)) == len(dataset.take(99)) == 3
    with pytest.raises(IndexError):
        dataset.take([3])
    assert [label for _, label in dataset.filter(lambda sample: sample[1] != 1)] == [0, 2]
    assert [label for _, label in dataset.sample(gluon.data.SequentialSampler(2))] == [0, 1]
    assert [len(dataset.shard(2, index)) for index in (0, 1)] == [2, 1]
    assert list(dataset.transform(lambda data, label: len(data) + label)) == [100, 201, 302]
    assert dataset.transform(lambda data, label: label, lazy=False)[2] == 2


@pytest.mark.parametrize("options", [{}, {"num_workers": 2, "thread_pool": True}])
def test_gluons_loader_gives_batches(wavs, options):
    dataset = AudioDataset(wavs, ["x", "y", "x"], transforms=[Load(sr=None), PadTrim(64)])
    batches = list(gluon.data.DataLoader(dataset, batch_size=2, **options))
    assert [data.shape for data, _ in batches] == [(2, 64), (1, 64)]
    assert all(isinstance(data, mx.nd.NDArray) and data.dtype == np.float32 for data, _ in batches)
    assert np.concatenate([label.asnumpy() for _, label in batches]).tolist() == [0, 1, 0]


def test_transforms_for_another_rate_than_their_input_are_refused(wavs):
    for steps in ([MFCC(16000)], [Load(sr=8000), MelSpectrogram(16000)], [Load(sr=8000), Resample(16000, 8000)]):
        with pytest.raises(ParameterError, match=r"Load\(sr=16000\)"):
            AudioDataset(wavs, transforms=steps)
    AudioDataset(wavs, transforms=[Load(sr=8000), Resample(8000, 16000), MFCC(16000)])
    AudioDataset(wavs, transforms=[Load(sr=None), MFCC(16000)])  # with None, the user knows the rate


def test_things_that_are_not_transforms_or_tables_are_refused(wavs):
    with pytest.raises(ParameterError, match=r"Load\("):
        AudioDataset(wavs, transforms=[Load])
    for steps in ([3], "MFCC", 3):
        with pytest.raises(ParameterError, match="transforms"):
            AudioDataset(wavs, transforms=steps)
    with pytest.raises(DatasetError, match=r"table.*list"):
        AudioDataset.from_table([1, 2], "path")


def test_a_column_that_lacks_its_decoder_names_the_alternative(wavs):
    column = hf.Dataset.from_dict({"audio": wavs}).cast_column("audio", hf.Audio())
    dataset = AudioDataset.from_table(column, "audio")
    with pytest.raises(DatasetError, match=r"row 0: .*decode=False"):
        dataset[0]


def test_the_configuration_determines_the_treatment_of_missing_sounds(tmp_path, write_tone):
    path = str(write_tone(tmp_path / "a.wav", sr=8000))
    config = AudioFeatureConfig(type="fbank", missing_value_strategy="ffill")
    assert [source for source, _ in AudioDataset([path, None], transforms=Features(config)).items] == [path, path]
    with pytest.raises(DatasetError, match="row 1"):
        AudioDataset([path, None], transforms=Features(AudioFeatureConfig(type="fbank")))
    assert len(AudioDataset([path, None], transforms=Features(config), missing_value_strategy="drop_row")) == 1


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("AudioDataset(5)", "sources"),
        ("AudioDataset(None)", "sources"),
        ("AudioDataset(CLIPS, 5)", "labels"),
        ("AudioDataset(CLIPS, 'ab')", "labels"),
        ("AudioDataset(CLIPS, ['a', 'b'], synsets=5)", "synsets"),
        ("AudioDataset.from_pairs(5)", "pairs"),
        ("AudioDataset.from_pairs([0])", "pairs"),
        ("AudioDataset.from_pairs([(1, 2, 3)])", "pairs"),
        ("AudioDataset.from_corpus('fsdd', 5)", "directory"),
        ("AudioDataset(CLIPS).take(2.5)", "indices"),
    ],
)
def test_arguments_of_wrong_types_are_named(call, name):
    clips = [(np.zeros(100, np.float32), 8000)] * 2
    with pytest.raises(ParameterError, match=f"^{name} must be "):
        eval(call, {"AudioDataset": AudioDataset, "CLIPS": clips})
