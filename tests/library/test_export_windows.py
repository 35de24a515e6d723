"""Exported networks that take sound of any length give the results of MXNet for all lengths and batches."""

import json
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest

from mxnet_audio import AudioTagger, PretrainedAudioClassifier
from mxnet_audio.engine import mx
from mxnet_audio.errors import InvalidAudioError, ModelError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier
from mxnet_audio.inference.onnx_file import checksum_entry
from mxnet_audio.inference.onnx_session import OnnxSession
from mxnet_audio.library import onnx_graph
from mxnet_audio.library.export import export_onnx
from mxnet_audio.library.inputs import window_features
from mxnet_audio.library.trained_model import TrainedModel
from mxnet_audio.models import EcapaVoxcelebNet, PannsCnn6Net, Wav2Vec2Net, wav2vec2
from mxnet_audio.models.panns import conv_blocks
from mxnet_audio.pretrained import load_encoder
from mxnet_audio.pretrained.sequence_forward import SequenceForward
from tests.models.hub_folders import HUB

CPU = {"model_ctx": mx.cpu(), "data_ctx": mx.cpu()}
ENCODERS = {
    "wav2vec2": ("wav2vec2", "mean"),
    "wav2vec2_large": ("wav2vec2", "1:max"),
    "wav2vec2_classifier": ("wav2vec2", "last"),
    "hubert": ("hubert", "weighted:mean"),
    "wavlm": ("wavlm", "sum"),
    "whisper": ("whisper", "concat"),
    "whisper_classifier": ("whisper", "mean"),
    "ast_classifier": ("ast", "cls_pooled"),
}


@pytest.fixture(scope="module", autouse=True)
def short_windows():
    """Steps of the tiny models of tests are so short that 20 s of sound have too many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Wav2Vec2Net, "window", 1.0)
        patch.setattr(wav2vec2, "WINDOW", 1.0)
        yield


def noise(seconds, seed=0, sr=16000):
    random = np.random.default_rng(seed)
    t = np.arange(round(seconds * sr)) / sr
    return np.float32(0.1 * random.normal(size=len(t)) * (1 + np.sin(7 * t)) + 0.1 * np.sin(2000 * t)), sr


def assert_close(found, expected):
    if expected is None or not expected.size:
        assert found is None or not found.size
    else:
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * max(1, np.abs(expected).max()))


@pytest.fixture(scope="module", params=ENCODERS)
def encoder(request):
    name, embedding = ENCODERS[request.param]
    return load_encoder(name, source=HUB / request.param, embedding=embedding)


@pytest.fixture(scope="module")
def exported_encoder(encoder, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "encoder.onnx"
    export_onnx(encoder, path)
    return OnnxAudioClassifier(path)


def test_encoders_give_the_same_for_sound_of_any_length(encoder, exported_encoder):
    seconds = [0.0301, 0.05, 0.0623, 0.4, 0.41, 2.3 * encoder.window, 1.0]
    sounds = [noise(length, seed) for seed, length in enumerate(seconds)]
    sounds.insert(2, noise(0.001))  # too short
    sounds.insert(4, (np.zeros(16000), 16000))
    found, expected = (list(model.forward_many(sounds)) for model in (exported_encoder, encoder))
    for one, other in zip(found, expected, strict=True):
        assert (type(one.error), str(one.error)) == (type(other.error), str(other.error))
        if other.error is None:
            assert_close(one.vector, other.vector)
            assert_close(one.probabilities, other.probabilities)
    assert sum(one.error is None for one in found) >= 7 and isinstance(found[4].error, InvalidAudioError)
    assert exported_encoder.model_id == encoder.model_id
    assert exported_encoder.embedding_dim == encoder.embedding_dim
    assert exported_encoder.labels == encoder.labels


def test_a_file_describes_its_inputs_and_outputs(encoder, exported_encoder):
    proto = onnx.load(exported_encoder.model_path)
    onnx.checker.check_model(proto, full_check=True)
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*proto.graph.input, *proto.graph.output)
    }
    net, windows = encoder.net, exported_encoder.description.windows
    frames = "frames" if net.fixed_steps is None else net.input_shape[2]
    outputs = {"embedding": ["batch", encoder.embedding_dim]}
    if encoder.labels:
        outputs["probabilities"] = ["batch", len(encoder.labels)]
    assert shapes == {"features": ["batch", 1, net.input_shape[1], frames], "lengths": ["batch"], **outputs}
    assert (windows.seconds, windows.max_input, windows.head) == (net.window, net.input_shape[2], [])
    assert windows.multi_label == encoder.loaded.multi_label


def test_an_encoder_without_classes_has_embeddings_only(tmp_path):
    encoder = load_encoder("wavlm", source=HUB / "wavlm")
    export_onnx(encoder, tmp_path / "a.onnx")
    exported = OnnxAudioClassifier(tmp_path / "a.onnx")
    assert exported.labels == [] and exported.encode_audio(noise(1)).shape == (encoder.embedding_dim,)
    for call in (exported.predict, exported.predict_class, exported.predict_timeline):
        with pytest.raises(ModelError, match="no classes"):
            call(noise(1))


def test_windows_of_encoders_with_classes(tmp_path):
    encoder = load_encoder("wav2vec2", source=HUB / "wav2vec2_classifier")
    export_onnx(encoder, tmp_path / "a.onnx")
    exported = OnnxAudioClassifier(tmp_path / "a.onnx")
    sound = (np.r_[noise(2)[0], np.zeros(32000, np.float32), noise(1.3)[0]], 16000)
    windows = exported.predict_timeline(sound, 1.0, 0.5)
    (expected,) = encoder.iter_windows(sound, 1.0, 0.5)
    assert [(window.start, window.end) for window in windows] == [tuple(pair) for pair in expected.times.tolist()]
    assert [window.label is None for window in windows] == expected.silent.tolist() and expected.silent.any()
    for window, scores, silent in zip(windows, expected.scores, expected.silent):
        if not silent:
            assert_close(window.probabilities, scores)
    with pytest.raises(ParameterError, match="window"):
        exported.predict_timeline(sound, 1000.0)
    assert len(exported.predict_timeline(sound)) == 6


def test_windows_of_taggers_with_a_tag_for_silence(tmp_path):
    folder = shutil.copytree(HUB / "wav2vec2_classifier", tmp_path / "tagger")
    config = json.loads((folder / "config.json").read_text())
    config["id2label"]["1"], config["problem_type"] = "Silence", "multi_label_classification"
    (folder / "config.json").write_text(json.dumps(config))
    tagger = AudioTagger("wav2vec2", source=folder)
    export_onnx(tagger.encoder, tmp_path / "a.onnx")
    sound = (np.r_[noise(1)[0], np.zeros(32000, np.float32)], 16000)
    windows = [one.predict_timeline(sound, 0.5) for one in (OnnxAudioClassifier(tmp_path / "a.onnx"), tagger)]
    assert [window.label for window in windows[0]] == [window.label for window in windows[1]]
    assert windows[0][-1].label is not None


@pytest.fixture(scope="module", params=["linear", "mlp"])
def classifier(request, corpus, tmp_path_factory):
    """Classifier on a frozen encoder, trained on a few clips."""
    classifier = PretrainedAudioClassifier("hubert", request.param, source=HUB / "hubert")
    folder = tmp_path_factory.mktemp("model")
    classifier.fit(corpus[:6], folder, epochs=3, test_size=0, cache=False, progress=False)
    return classifier


def test_classifiers_give_the_same_results(classifier, corpus, tmp_path):
    classifier.export_onnx(tmp_path / "a.onnx")
    exported = OnnxAudioClassifier(tmp_path / "a.onnx")
    sounds = [*(path for path, _ in corpus[:2]), noise(2.3), tmp_path / "missing.wav", noise(0.01)]
    found, expected = (list(model.predict_many(sounds, unknown=True)) for model in (exported, classifier))
    for one, other in zip(found, expected, strict=True):
        assert (one.label, one.known, str(one.error)) == (other.label, other.known, str(other.error))
        assert_close(one.probabilities, other.probabilities)
    x = exported.preprocess(noise(1))
    assert_close(exported.forward([x])[1], np.stack([classifier.encode_audio(noise(1))]))
    for window, hop in ((None, None), (0.7, 0.3), (1.5, 0.9)):
        found, expected = (model.predict_timeline(noise(2.4), window, hop) for model in (exported, classifier))
        assert len(found) == len(expected) > 1
        for one, other in zip(found, expected):
            assert (one.start, one.end, one.label) == (other.start, other.end, other.label)
            assert_close(one.probabilities, other.probabilities)
    assert exported.model_id == classifier.model_id and exported.labels == classifier.labels


def test_adapters_are_exported(tmp_path):
    encoder = load_encoder("wavlm", source=HUB / "wavlm")
    config = window_features(encoder.net, encoder.loaded.features)
    model = TrainedModel(encoder.record.network, ["a", "b"], config, architecture=encoder.net.architecture, **CPU)
    model.add_lora(rank=2)
    for name, parameter in model.net._collect_params_with_prefix().items():
        if "lora" in name:
            parameter.set_data(mx.nd.random.normal(shape=parameter.shape))
    export_onnx(model, tmp_path / "a.onnx")  # compares both


@pytest.fixture
def narrow_networks(monkeypatch):
    """Let networks whose sizes are always the same have fewer channels."""
    monkeypatch.setattr(PannsCnn6Net, "maps", 32)
    widths = (8, 16, 16, 32)
    monkeypatch.setattr(PannsCnn6Net, "blocks", lambda net: conv_blocks(widths, net.pools, kernel=5, convolutions=1))
    monkeypatch.setitem(EcapaVoxcelebNet.__init__.__kwdefaults__, "channels", 64)


@pytest.mark.usefixtures("narrow_networks")
@pytest.mark.parametrize("network, head", [("panns_cnn6", "dense"), ("panns_cnn6", "mlp"), ("ecapa_voxceleb", "dense")])
def test_every_batch_and_length(network, head, tmp_path):
    kind = "panns" if network.startswith("panns") else "speechbrain"
    config = AudioFeatureConfig(type=kind, n_frames=1001)
    model = TrainedModel(network, ["a", "b", "c"], config, head=head, random_state=0, **CPU)
    export_onnx(model, tmp_path / "a.onnx")
    session = OnnxSession((tmp_path / "a.onnx").read_bytes())
    forward = SequenceForward(model.net, "softmax", **CPU)
    net, random = model.net, np.random.default_rng(0)
    for batch, frames in ((1, net.min_input), (3, 50), (2, 101), (5, 64)):
        x = random.normal(0, 20, (batch, *net.input_shape[:2], frames)).astype(np.float32)
        lengths = random.integers(net.min_input, frames + 1, batch) if net.pads else np.full(batch, frames)
        for found, expected in zip(session.run(x, lengths), forward(x, lengths)):
            assert_close(found, expected)
    assert_close(session.classify(forward(x, lengths)[1]), forward(x, lengths)[0])
    with pytest.raises(ModelError, match="frames"):
        session.run(np.zeros((1, *net.input_shape[:2], 1002)), np.array([1002]))


def test_what_cannot_be_exported(published, tmp_path, monkeypatch):
    path = tmp_path / "a.onnx"
    with pytest.raises(ParameterError, match="reduce_output"):
        export_onnx(load_encoder("wavlm", source=HUB / "wavlm", reduce_output=None), path)
    with pytest.raises(ParameterError, match="front_end"):
        export_onnx(load_encoder("wavlm", source=HUB / "wavlm"), path, front_end=True)
    monkeypatch.setattr(onnx_graph, "_LARGEST", 1000)
    with pytest.raises(ModelError, match="2 GB"):
        export_onnx(load_encoder("wavlm", source=HUB / "wavlm"), path)
    with pytest.raises(ParameterError, match="patches"):
        export_onnx(load_encoder(published("yamnet")), path)
    assert not list(tmp_path.iterdir())


LIES = {
    "seconds": [0, 1e9, True, "1", None],
    "min_input": [0, 1.5, 10**9],
    "max_input": [0, 10, 1 << 40],
    "pads": [1, None],
    "pool": ["median", None],
    "silence": [3, -1, True],
    "multi_label": [0],
    "head": [None, [["a"]], [["a", "b"]], "ab"],
    "more": [1],
}


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "a.onnx"
    export_onnx(load_encoder("wav2vec2", source=HUB / "wav2vec2_classifier"), path)
    return path


@pytest.mark.parametrize("name, value", [(name, value) for name, values in LIES.items() for value in values], ids=str)
def test_a_wrong_description_of_windows_is_refused(name, value, tagger, tmp_path):
    data = tagger.read_bytes()
    proto = onnx.load_from_string(data[: -len(checksum_entry(b""))])
    (entry,) = (entry for entry in proto.metadata_props if entry.key == "windows")
    entry.value = json.dumps(json.loads(entry.value) | {name: value})
    body = proto.SerializeToString()
    path = tmp_path / "b.onnx"
    path.write_bytes(body + checksum_entry(body))
    with pytest.raises(ModelError) as raised:
        OnnxAudioClassifier(path).encode_audio(noise(1))
    assert raised.value.path == str(path)


CODE = """
import sys
for name in ("mxnet", "onnx", "torch"):
    sys.modules[name] = None
import numpy as np
from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier
classifier = OnnxAudioClassifier(sys.argv[1])
sound = (np.random.default_rng(0).normal(0, 0.1, 40_000), 16_000)
print(*classifier.predict(sound).probabilities, *classifier.encode_audio(sound)[:3])
print(len(classifier.predict_timeline(sound, 1)))
"""


def test_mxnet_is_not_needed(tagger):
    words = [sys.executable, "-c", CODE, str(tagger)]
    values = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    encoder = load_encoder("wav2vec2", source=HUB / "wav2vec2_classifier")
    ((_, scores, vector, _),) = encoder.forward_many([(np.random.default_rng(0).normal(0, 0.1, 40_000), 16_000)])
    assert_close(np.float32(values[:-1]), np.r_[scores, vector[:3]])
    assert int(values[-1]) == 4
