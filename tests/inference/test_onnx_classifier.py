"""Exported classifiers give the results of the original without MXNet, and name what is wrong with a file."""

import copy
import io
import itertools
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile as sf

from mxnet_audio.engine import mx
from mxnet_audio.errors import AudioDecodeError, InvalidAudioError, ModelError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier
from mxnet_audio.inference.onnx_file import check_graph, checksum_entry
from mxnet_audio.library import classifiers
from mxnet_audio.library.export import export_onnx
from mxnet_audio.library.search import AudioSearch
from mxnet_audio.library.trained_model import TrainedModel

LOG_MEL = {"n_mels": 32, "n_frames": 40}
RAW = {"type": "raw", "sr": 8000, "audio_file_length_limit_in_s": 0.5}
BARE = ("mxnet", "scipy", "librosa", "soundfile", "soxr", "pydantic", "yaml", "sklearn", "onnx", "safetensors")


def classifier_of(network="cifar10", labels=(3, 5, 8), views=None, **config):
    """Make a classifier with random parameters."""
    config = AudioFeatureConfig(**(config or LOG_MEL))
    classifier = classifiers()[network]()
    model = TrainedModel(
        network, list(labels), config, views=views, random_state=0, model_ctx=mx.cpu(), data_ctx=mx.cpu()
    )
    model.net.standardize.set(*((0.0, 0.2) if config.type == "raw" else (-30.0, 20.0)))
    classifier._model = model
    return classifier


@pytest.fixture(scope="module", params=[False, True], ids=["features", "samples"])
def both(request, tmp_path_factory):
    """A classifier, and the one that runs its exported file."""
    classifier = classifier_of()
    path = tmp_path_factory.mktemp("onnx") / "a.onnx"
    export_onnx(classifier.model, path, front_end=request.param)
    return classifier, OnnxAudioClassifier(path)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Exported file with a front end."""
    path = tmp_path_factory.mktemp("onnx") / "a.onnx"
    export_onnx(classifier_of().model, path, front_end=True)
    return path


@pytest.fixture
def sounds(tmp_path, write_tone):
    """Sounds of all lengths and forms, valid and not."""
    (tmp_path / "text.wav").write_text("this is not sound")
    sf.write(tmp_path / "silent.wav", np.zeros(20000), 12000)
    noise = np.random.default_rng(0).normal(0, 0.1, 30000)
    return [
        write_tone(tmp_path / "short ü.wav", 440, 0.2),
        tmp_path / "text.wav",
        str(write_tone(tmp_path / "long.flac", 3000, 3, 44100, channels=2)),
        tmp_path / "silent.wav",
        tmp_path / "missing.wav",
        (noise, 12000),
        (np.stack([noise, -0.5 * noise]), 16000),
        {"array": noise.astype(np.float32), "sampling_rate": 12000, "path": "entry.wav"},
        (np.r_[noise, np.nan], 12000),
        (tmp_path / "short ü.wav").read_bytes(),
    ]


def assert_alike(found, expected):
    """Compare predictions or embeddings: everything is the same, numbers within 1e-4."""
    assert [type(result) for result in found] == [type(result) for result in expected]
    for one, other in zip(found, expected):
        assert (one.path, str(one.error), type(one.error)) == (other.path, str(other.error), type(other.error))
        if other.error is None:
            np.testing.assert_allclose(one[-2], other[-2], rtol=0, atol=1e-4)
            assert one[-2].dtype == np.float32
        if hasattr(other, "label"):
            assert (one.label, type(one.label)) == (other.label, type(other.label))


def test_results_are_those_of_the_classifier(both, sounds):
    classifier, runs = both
    for batch_size in (1, 4, 16):
        assert_alike(list(runs.predict_many(sounds, batch_size)), list(classifier.predict_many(sounds, batch_size)))
    assert_alike(list(runs.encode_many(iter(sounds))), list(classifier.encode_many(sounds)))
    assert sum(prediction.error is None for prediction in runs.predict_many(sounds)) == 6
    assert runs.predict_class(sounds[0]) == classifier.predict_class(sounds[0]) == runs.predict(sounds[0]).label
    assert runs.encode_audio(sounds[0]).shape == (runs.embedding_dim,)
    assert (runs.labels, runs.model_id) == (classifier.labels, classifier.model_id)
    assert runs.network == classifier.network == "cifar10"
    assert runs.embedding_dim == classifier.embedding_dim
    assert runs.feature_config == classifier.feature_config


def test_the_error_for_a_bad_file_names_it(both, sounds):
    _, runs = both
    with pytest.raises(AudioDecodeError, match=r"missing\.wav: "):
        runs.predict(sounds[4])
    with pytest.raises(InvalidAudioError, match=r"silent\.wav: "):
        runs.encode_audio(sounds[3])
    with pytest.raises(ParameterError, match="batch_size"):
        next(runs.predict_many(sounds, 0))


def test_a_single_path_and_streams_are_accepted(both, sounds):
    _, runs = both
    (prediction,) = runs.predict_many(sounds[2])

    class Stream(io.RawIOBase):
        data = io.BytesIO(open(sounds[2], "rb").read())  # noqa: PTH123, SIM115

        def read(self, size=-1):
            return self.data.read(size)

    np.testing.assert_array_equal(runs.predict(Stream()).probabilities, prediction.probabilities)


def test_endless_iterables_are_read_as_far_as_needed(both, sounds):
    _, runs = both
    taken = itertools.count()
    endless = (sounds[0] for _ in taken)
    assert len(list(itertools.islice(runs.predict_many(endless, 4), 10))) == 10
    assert next(taken) < 100


def test_timeline_of_a_long_sound(both, sounds):
    classifier, runs = both
    found, expected = (c.predict_timeline(sounds[2], hop=0.4) for c in (runs, classifier))
    assert [part[:3] for part in found] == [part[:3] for part in expected] and len(found) > 5
    np.testing.assert_allclose(*([part.probabilities for part in parts] for parts in (found, expected)), atol=1e-4)


@pytest.mark.parametrize("front_end", [False, True])
@pytest.mark.parametrize("network, config", [("cifar10", LOG_MEL), ("m5", {**RAW, "crop": "middle"})])
def test_views_are_averaged(network, config, front_end, sounds, tmp_path):
    classifier = classifier_of(network, views=3, **config)
    export_onnx(classifier.model, tmp_path / "a.onnx", front_end=front_end)
    runs = OnnxAudioClassifier(tmp_path / "a.onnx")
    assert runs.views == 3
    assert_alike(list(runs.predict_many(sounds)), list(classifier.predict_many(sounds)))


@pytest.mark.parametrize("front_end", [False, True])
def test_the_start_of_raw_sound(front_end, sounds, tmp_path):
    classifier = classifier_of("m5", **RAW)
    export_onnx(classifier.model, tmp_path / "a.onnx", front_end=front_end)
    later = np.r_[np.zeros(20000), np.sin(np.arange(20000))]  # only its beginning is silent
    sf.write(tmp_path / "later.wav", later, 8000)
    sounds += [(later, 8000), tmp_path / "later.wav"]
    assert_alike(
        list(OnnxAudioClassifier(tmp_path / "a.onnx").encode_many(sounds)), list(classifier.encode_many(sounds))
    )


def test_embeddings_are_comparable_with_those_of_mxnet(both, sounds, tmp_path):
    classifier, runs = both
    files = [sounds[0], sounds[2]]
    AudioSearch(classifier=classifier).index_many(files, save_dir=tmp_path / "index")
    search = AudioSearch(classifier=runs)
    search.load(tmp_path / "index")
    (nearest,) = search.query(files[0], top_k=1, skip_exact_match=False)
    assert nearest.path == str(files[0]) and nearest.distance < 1e-6


def test_threads_and_providers(exported):
    expected = OnnxAudioClassifier(exported).predict((np.ones(12000), 12000)).probabilities
    runs = OnnxAudioClassifier(str(exported), providers=["CPUExecutionProvider"], threads=1)
    np.testing.assert_allclose(runs.predict((np.ones(12000), 12000)).probabilities, expected, atol=1e-6)
    with pytest.raises(ParameterError, match=r"CPUExecutionProvider.*TPU"):
        OnnxAudioClassifier(exported, providers="TPU")
    for providers in (5, [("CPUExecutionProvider", {})]):
        with pytest.raises(ParameterError, match="providers"):
            OnnxAudioClassifier(exported, providers=providers)
    for threads in (0, 1.5):
        with pytest.raises(ParameterError, match="threads"):
            OnnxAudioClassifier(exported, threads=threads)


def resealed(data, change=None, **metadata):
    """Change the graph by a function, or the texts of the metadata, and write a checksum that fits."""
    proto = onnx.load_from_string(data[: -len(checksum_entry(b""))])
    if change is not None:
        change(proto.graph)
    entries = {entry.key: entry.value for entry in proto.metadata_props} | metadata
    del proto.metadata_props[:]
    for key, value in entries.items():
        if value is not None:
            proto.metadata_props.add(key=key, value=value)
    body = proto.SerializeToString()
    return body + checksum_entry(body)


def of_another_producer(data):
    proto = onnx.load_from_string(data)
    proto.producer_name = "pytorch"
    return proto.SerializeToString()


def with_unknown_operators(data):
    one = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    node = onnx.helper.make_node("Mystery", ["x"], ["y"], domain="com.example")
    graph = onnx.helper.make_graph([node], "of another tool", one[:1], one[1:])
    opsets = [onnx.helper.make_opsetid("com.example", 1)]
    return onnx.helper.make_model(graph, producer_name="pytorch", opset_imports=opsets).SerializeToString()


def of_a_newer_format(data):
    return resealed(data, format="4")


def without_labels(data):
    return resealed(data, labels=None)


BAD = {
    "empty": (lambda data: b"", "damaged.*empty"),
    "text": (lambda data: b"to be or not to be", "not an .onnx file .*mxnet-audio"),
    "half": (lambda data: data[: len(data) // 2], "damaged"),
    "end missing": (lambda data: data[:-76], "SHA-256"),
    "one bit": (lambda data: data[:-999] + bytes([data[-999] ^ 1]) + data[-998:], "SHA-256|damaged"),
    "another producer": (of_another_producer, "not an .onnx file .*mxnet-audio"),
    "unknown operators": (with_unknown_operators, "not an .onnx file .*mxnet-audio"),
    "newer format": (of_a_newer_format, "format 4.*formats 1 to 3"),
    "without labels": (without_labels, "'labels'"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_foreign_or_damaged_file_is_named(kind, exported, tmp_path):
    damage, reason = BAD[kind]
    path = tmp_path / "bäd.onnx"
    path.write_bytes(damage(exported.read_bytes()))
    with pytest.raises(ModelError, match=reason) as error:
        OnnxAudioClassifier(path)
    assert str(error.value).startswith(f"{path}: ")


LIES = {
    "network": ["3", "null"],
    "labels": ['"abc"', "[]", "[1, true, 3]", '[1, "b", 3]', "[1.5, 2, 3]", "[1, 1, 3]", "[1, 2]", "{}", "[" * 100_000],
    "features": ["[]", "null"],
    "sr": ["0", "1.5", "true", "-8000", "1" + "0" * 400],
    "n_samples": ["0", "59903", "1e9", str(1 << 62)],
    "front_end": ["1", "false", '"true"'],
    "crop": ['"end"', "null", "[]"],
    "reach": ["0", "NaN", "1e999", "true", '"5"'],
    "views": ["0", "-1", "1.5", "true", "1000000000000"],
    "known": ["3", "[]"],
    "thresholds": ["3", "[0.5]", "[0.5, 0.5, 2]", "[0.5, NaN, 0.5]", "[0.5, true, 0.5]"],
    "format": ["true", "[]", '"1"', "{", "1.5"],
}


@pytest.mark.parametrize("field, text", [(field, text) for field, texts in LIES.items() for text in texts], ids=str)
def test_a_description_of_another_type_is_refused(field, text, exported, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(resealed(exported.read_bytes(), **{field: text}))
    with pytest.raises(ModelError) as raised:
        OnnxAudioClassifier(path)
    assert raised.value.path == str(path)


@pytest.mark.parametrize("features", ['{"n_mels": 0}', '{"n_mels": "many"}', '{"unknown": 1}', '{"type": []}'])
def test_features_of_another_type_are_refused(features, exported, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(resealed(exported.read_bytes(), features=features))
    with pytest.raises(ModelError) as raised:
        OnnxAudioClassifier(path).feature_config  # noqa: B018
    assert raised.value.path == str(path)


def test_parameters_that_are_not_numbers_are_named(exported, tmp_path):
    names = [t.name for t in onnx.load(exported).graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    assert len(names) > 20
    for index, name in enumerate(names[::5]):

        def change(graph, name=name, value=(np.nan, np.inf, -np.inf)[index % 3]):
            (tensor,) = (tensor for tensor in graph.initializer if tensor.name == name)
            values = onnx.numpy_helper.to_array(tensor).copy()
            values.flat[values.size // 2] = value
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, name))

        path = tmp_path / "a.onnx"
        path.write_bytes(resealed(exported.read_bytes(), change))
        with pytest.raises(ModelError, match=f"{name!r} holds NaN"):
            OnnxAudioClassifier(path)


def overflow(graph):
    """Give a layer finite weights whose products are infinite."""
    node = [node for node in graph.node if node.op_type == "Gemm"][-1]
    (tensor,) = (tensor for tensor in graph.initializer if tensor.name == node.input[1])
    values = np.full_like(onnx.numpy_helper.to_array(tensor), 3e38)
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def two_inputs(graph):
    graph.input.append(graph.input[0])
    graph.input[1].name = "other"


def another_input(graph):
    graph.input[0].type.tensor_type.shape.dim[1].dim_value = 7


def one_item(graph):
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def scores_for_probabilities(graph):
    (node,) = (node for node in graph.node if node.op_type == "Softmax")
    node.op_type = "Identity"
    del node.attribute[:]


def huge(graph):
    pads = next(node.input[1] for node in graph.node if node.op_type == "Pad")
    (tensor,) = (tensor for tensor in graph.initializer if tensor.name == pads)
    tensor.int64_data[-1] = 1 << 31


def renamed_embedding(graph):
    """Free the name of the embedding for another operator."""
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = ["vectors" if name == "embedding" else name for name in names]


def no_input(graph):
    """Return constants, and use no input."""
    del graph.input[:], graph.node[:]
    for output in graph.output:
        value = onnx.numpy_helper.from_array(np.full((1, 3), 1 / 3, np.float32))
        graph.node.append(onnx.helper.make_node("Constant", [], [output.name], value=value))


def list_of_arrays(graph):
    renamed_embedding(graph)
    graph.node.append(onnx.helper.make_node("SequenceConstruct", ["vectors", "probabilities"], ["embedding"]))
    (output,) = (output for output in graph.output if output.name == "embedding")
    graph.output.remove(output)
    graph.output.append(onnx.helper.make_tensor_sequence_value_info("embedding", onnx.TensorProto.FLOAT, None))


def endless(graph):
    """Copy the embedding 2**62 times."""
    renamed_embedding(graph)
    value, helper = onnx.helper.make_tensor_value_info, onnx.helper
    step, more = value("step", onnx.TensorProto.INT64, []), value("more", onnx.TensorProto.BOOL, [])
    kept, copied = (value(name, onnx.TensorProto.FLOAT, None) for name in ("kept", "copied"))
    on = value("on", onnx.TensorProto.BOOL, [])
    copies = [helper.make_node("Identity", ["more"], ["on"]), helper.make_node("Identity", ["kept"], ["copied"])]
    body = helper.make_graph(copies, "body", [step, more, kept], [on, copied])
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(1 << 62), "count"))
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(True), "always"))
    graph.node.append(helper.make_node("Loop", ["count", "always", "vectors"], ["embedding"], body=body))


def in_another_file(graph):
    tensor = graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="other.bin")


CHANGES = [
    overflow,
    no_input,
    two_inputs,
    another_input,
    one_item,
    scores_for_probabilities,
    huge,
    list_of_arrays,
    endless,
    in_another_file,
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_graph_is_refused(change, exported, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(resealed(exported.read_bytes(), change))
    with pytest.raises(ModelError) as raised:
        OnnxAudioClassifier(path)
    assert raised.value.path == str(path)


def test_functions_of_a_graph_are_refused():
    model = onnx.ModelProto(functions=[onnx.FunctionProto(name="endless")])
    with pytest.raises(ModelError, match="functions"):
        check_graph(model.SerializeToString())


def resident():
    """Return the memory of this process [bytes]."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc on this system")
def test_memory_of_the_check_is_given_back(exported, tmp_path):
    def take_memory(graph):
        """Repeat the embedding until it has 400 MB, and return its beginning."""
        renamed_embedding(graph)
        for name, numbers in {"times": [1, 100_000_000 // 512], "start": [0], "end": [512], "axis": [1]}.items():
            graph.initializer.append(onnx.numpy_helper.from_array(np.array(numbers), name))
        graph.node.append(onnx.helper.make_node("Tile", ["vectors", "times"], ["many"]))
        graph.node.append(onnx.helper.make_node("Slice", ["many", "start", "end", "axis"], ["embedding"]))

    (tmp_path / "a.onnx").write_bytes(resealed(exported.read_bytes(), take_memory))
    before = resident()
    assert OnnxAudioClassifier(tmp_path / "a.onnx").embedding_dim == 512
    assert resident() - before < 200e6


def test_an_unchanged_graph_with_a_new_checksum_is_read(exported, tmp_path):
    (tmp_path / "a.onnx").write_bytes(resealed(exported.read_bytes(), views="null"))
    assert OnnxAudioClassifier(tmp_path / "a.onnx").views is None


def test_mutants_are_read_or_refused(exported, tmp_path):
    chance = random.Random(17)
    data, path = exported.read_bytes()[: -len(checksum_entry(b""))], tmp_path / "a.onnx"
    refused = 0
    for _ in range(40):
        body = bytearray(data)
        for _ in range(chance.randint(1, 3)):  # the nodes are first, and the description is last
            body[chance.choice([chance.randrange(30, 6000), chance.randrange(-3000, 0)])] = chance.randrange(256)
        path.write_bytes(bytes(body) + checksum_entry(bytes(body)))
        try:
            OnnxAudioClassifier(path, threads=1)
        except ModelError as error:
            assert error.path == str(path)
            refused += 1
    assert refused > 10


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "a.onnx")
    with pytest.raises(ModelError, match=r"a\.onnx: .*not a regular file"):
        OnnxAudioClassifier(tmp_path / "a.onnx")


def test_a_missing_file_and_a_directory(tmp_path):
    with pytest.raises(ModelError, match=r"b\.onnx: "):
        OnnxAudioClassifier(tmp_path / "b.onnx")
    with pytest.raises(ModelError, match=str(tmp_path)):
        OnnxAudioClassifier(tmp_path)


def test_missing_onnx_runtime_is_named(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match="pip install onnxruntime"):
        OnnxAudioClassifier(exported)


WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in sys.argv[1].split():
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Missing())
import numpy as np
from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier
classifier = OnnxAudioClassifier(sys.argv[2])
sounds = [(np.random.default_rng(seed).normal(0, 0.1, 15000), 12000) for seed in range(3)]
print(*(prediction.label for prediction in classifier.predict_many(sounds)), *classifier.encode_audio(sounds[0])[:3])
calls = [lambda source=source: classifier.predict_class(source) for source in sys.argv[3:]]
calls += [
    lambda: type(classifier.feature_config).__name__,
    lambda: len(classifier.predict_timeline(sys.argv[-1])) > 0,
    lambda: classifier.evaluate([(sounds[0], classifier.labels[0])]).n_clips,
]
for call in calls:
    try:
        print(call())
    except Exception as error:
        print(type(error).__name__, error)
"""


def without(modules, *words):
    words = [sys.executable, "-W", "error", "-c", WITHOUT, " ".join(modules), *map(str, words)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()


def test_samples_need_only_numpy_and_onnx_runtime(exported, sounds):
    runs = OnnxAudioClassifier(exported)
    noises = [(np.random.default_rng(seed).normal(0, 0.1, 15000), 12000) for seed in range(3)]
    first, *others = without(BARE, exported, sounds[0])
    labels, vector = first.split()[:3], first.split()[3:]
    assert labels == [str(runs.predict_class(noise)) for noise in noises]
    np.testing.assert_allclose(np.float32(vector), runs.encode_audio(noises[0])[:3], atol=1e-5)
    needed = ("soundfile", "scipy", "soundfile", "scikit-learn")  # for a file, the features, a file, a report
    assert [line.split()[0] for line in others] == ["ModelError"] * 4
    assert [line.rpartition("pip install ")[2] for line in others] == list(needed)


def test_files_and_features_do_not_need_mxnet(sounds, tmp_path):
    classifier = classifier_of()
    export_onnx(classifier.model, tmp_path / "a.onnx")
    _, *results = without(("mxnet", "onnx"), tmp_path / "a.onnx", sounds[0], sounds[2])
    labels = [str(classifier.predict_class(sound)) for sound in (sounds[0], sounds[2])]
    assert results == [*labels, "AudioFeatureConfig", "True", "1"]


def test_copies_and_pickles_give_the_same_results(both, sounds):
    _, exported = both
    expected = list(exported.predict_many(sounds))
    for twin in (copy.copy(exported), copy.deepcopy(exported), pickle.loads(pickle.dumps(exported))):
        assert repr(twin) == repr(exported) and "\n" not in repr(twin)
        for found, one in zip(twin.predict_many(sounds), expected):
            assert found[:2] == one[:2] and str(found.error) == str(one.error)
            np.testing.assert_array_equal(found.probabilities, one.probabilities)
    one_thread = OnnxAudioClassifier.__new__(OnnxAudioClassifier)
    one_thread.__setstate__({**exported.__getstate__(), "threads": 1})
    assert one_thread.predict_class(sounds[0]) == exported.predict_class(sounds[0])


@pytest.mark.parametrize("path", [3, None, ""])
def test_an_exported_model_needs_a_path(path):
    with pytest.raises(ParameterError, match="path"):
        OnnxAudioClassifier(path)
