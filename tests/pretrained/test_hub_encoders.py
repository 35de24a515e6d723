"""Encoders of the hub by name: published outputs, sound of any length, layers and reductions, scikit-learn, errors."""

import json
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone

from mxnet_audio import weights
from mxnet_audio.errors import InvalidAudioError, ModelError, ParameterError
from mxnet_audio.inference.window_encoder import WindowEncoder
from mxnet_audio.pretrained import AudioEncoder, load_encoder
from mxnet_audio.pretrained.encoder import stored_source
from tests.models.hub_folders import HUB, assert_close, expected

FOLDERS = {
    "wav2vec2": "wav2vec2",
    "wav2vec2_large": "wav2vec2",
    "wav2vec2_classifier": "wav2vec2",
    "hubert": "hubert",
    "wavlm": "wavlm",
    "whisper": "whisper",
    "whisper_classifier": "whisper",
    "ast_classifier": "ast",
}


def encoder_of(folder, **options):
    return load_encoder(FOLDERS[folder], pretrained_model_name_or_path=HUB / folder, **options)


@pytest.fixture
def noise():
    """Return the function that makes noise of a length."""

    def make(seconds, seed=0):
        return np.float32(np.random.default_rng(seed).normal(0, 0.1, round(seconds * 16_000))), 16_000

    return make


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_vector_of_a_clip_is_the_mean_of_the_published_hidden_states(layer):
    arrays = expected("wavlm")
    longest = arrays["lengths"].argmax()
    sound = (arrays["inputs"][longest][: arrays["lengths"][longest]], 16_000)
    encoder = encoder_of("wavlm", layer=layer)
    states = arrays[f"hidden_{layer}"][longest]
    assert_close(encoder.encode_audio(sound), states.mean(axis=0))
    assert_close(encoder_of("wavlm", layer=layer, reduce_output="max").encode_audio(sound), states.max(axis=0))
    vectors, times = encoder.encode_frames(sound)
    assert_close(vectors, states[: len(vectors)])
    assert times[0, 0] == 0 and len(times) >= len(states) - 1


def test_scores_equal_those_of_the_pipeline():
    arrays, encoder = expected("wav2vec2_classifier"), encoder_of("wav2vec2_classifier", layer=1)
    ((_, scores, _, _),) = encoder.forward_many([(arrays["sound"], 16_000)])
    assert_close(scores, arrays["sound_scores"])
    assert encoder.labels == ["down", "go", "up"] and scores.sum() == pytest.approx(1)


@pytest.mark.parametrize("folder", FOLDERS)
def test_clips_of_different_lengths_in_one_batch_are_those_alone(folder, noise):
    encoder = encoder_of(folder)
    clips = [noise(seconds, seed) for seed, seconds in enumerate([0.05, 0.041, 0.0623, 0.05, 0.0301, 0.0581])]
    for clip, (_, scores, vector, error) in zip(clips, encoder.forward_many(clips), strict=True):
        assert error is None
        ((_, score, alone, _),) = encoder.forward_many([clip])
        np.testing.assert_allclose(vector, alone, atol=1e-4)
        np.testing.assert_allclose(scores, score, atol=1e-4)


@pytest.mark.parametrize("folder", ["whisper", "ast_classifier"])
def test_long_sound_is_cut_into_windows(folder, noise):
    encoder = encoder_of(folder)
    y, sr = noise(2.5 * encoder.window)
    size = round(encoder.window * sr)
    parts = [encoder.encode_audio((part, sr)) for part in (y[:size], y[size : 2 * size], y[-size:])]
    share = (len(y) - 2 * size) / size
    np.testing.assert_allclose(
        encoder.encode_audio((y, sr)), np.average(parts, axis=0, weights=[1, 1, share]), atol=1e-5
    )
    (windows,) = encoder.iter_windows((y, sr))
    np.testing.assert_allclose(windows.vectors, parts, atol=1e-5)
    assert windows.scores.shape == (3, len(encoder.labels))


def test_layers_and_reductions_have_names_and_identities():
    spelled = {
        "mean": {},
        "2:mean": {"layer": 2},
        "1:max": {"layer": 1, "reduce_output": "max"},
        "weighted:last": {"layer": "weighted", "reduce_output": "last"},
        "0:null": {"layer": 0, "reduce_output": None},
        "null": {"reduce_output": "null"},
    }
    encoders = {name: encoder_of("wav2vec2", **options) for name, options in spelled.items()}
    for name, encoder in encoders.items():
        assert encoder.embedding_name == name and encoder.embedding_dim == 16
        assert encoder_of("wav2vec2", embedding=name).model_id == encoder.model_id
    assert len({encoder.model_id for encoder in encoders.values()}) == 5  # the last layer is layer 2
    assert encoder_of("wav2vec2_large").model_id != encoders["mean"].model_id
    assert encoder_of("whisper", reduce_output="concat").embedding_dim == 50 * 16


@pytest.mark.parametrize("folder", ["wav2vec2", "ast_classifier"])
def test_without_a_reduction_there_are_sequences_only(folder, noise):
    encoder, sound = encoder_of(folder, reduce_output=None), noise(0.1)
    vectors, times = encoder.encode_frames(sound)
    assert len(vectors) == len(times) > 2 and vectors.shape[1] == 16
    for call in (
        encoder.encode_audio,
        lambda sound: list(encoder.encode_many([sound])),
        lambda x: encoder.transform([x]),
    ):
        with pytest.raises(ParameterError, match=r"reduce_output.*encode_frames"):
            call(sound)


def test_what_only_training_needs_is_listed_as_ignored():
    assert any("quantizer" in name for name in encoder_of("wav2vec2").ignored)
    assert encoder_of("ast_classifier").ignored == []


def test_scikit_learn(noise):
    encoder = encoder_of("wav2vec2", layer=1)
    assert clone(encoder).get_params() == encoder.get_params()
    assert encoder.get_params()["layer"] == 1
    expected = encoder.transform([noise(0.05), noise(0.06)])
    assert expected.shape == (2, 16) and encoder.transform([]).shape == (0, 16)
    twin = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_allclose(twin.transform([noise(0.05), noise(0.06)]), expected, atol=1e-6)
    assert len(pickle.dumps(encoder)) < 1000
    assert twin.set_params(layer=2, reduce_output="max").embedding_name == "2:max"
    assert isinstance(twin._encoder, WindowEncoder)
    assert list(encoder.get_feature_names_out()[:2]) == ["wav2vec20", "wav2vec21"]


def test_short_sound_says_how_long_it_must_be(noise):
    encoder = encoder_of("wav2vec2")
    samples = encoder.net.min_input
    y, sr = noise(0.1)
    assert encoder.encode_audio((y[:samples], sr)).shape == (16,)
    with pytest.raises(InvalidAudioError, match=rf"at least {samples / sr:.4f} s"):
        encoder.encode_audio((y[: samples - 1], sr))


def test_random_weights_have_the_settings_of_a_model_and_are_the_same_each_time():
    published, first, second = encoder_of("whisper"), *(encoder_of("whisper", use_pretrained=False) for _ in range(2))
    vectors = [encoder.encode_audio((np.ones(8000, np.float32), 16000)) for encoder in (first, second)]
    np.testing.assert_array_equal(*vectors)
    assert first.model_id == second.model_id != published.model_id
    assert first.embedding_dim == published.embedding_dim


def test_random_weights_have_an_identity_of_their_own(published):
    encoders = [load_encoder(published("yamnet"), use_pretrained=value) for value in (True, False)]
    assert encoders[0].model_id != encoders[1].model_id


def test_settings_of_a_network_are_part_of_the_identity(tmp_path):
    folder = shutil.copytree(HUB / "wav2vec2", tmp_path / "wav2vec2")
    before = load_encoder("wav2vec2", source=folder)
    assert before.model_id == encoder_of("wav2vec2").model_id
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(config | {"num_attention_heads": config["num_attention_heads"] // 2})
    )
    after = load_encoder("wav2vec2", source=folder)
    assert after.loaded.identity == before.loaded.identity and after.model_id != before.model_id


def test_bad_arguments(tmp_path):
    bad = {
        "layer": [{"layer": 1, "embedding": "mean"}, {"layer": 3}, {"layer": "first"}, {"layer": -1}],
        "reduce_output": [
            {"reduce_output": "median"},
            {"reduce_output": ""},
            {"reduce_output": ["mean"]},
            {"reduce_output": "max", "embedding": "mean"},
        ],
        "concat": [{"reduce_output": "concat"}],
        "use_pretrained": [{"use_pretrained": None}, {"use_pretrained": "no"}],
        "source": [{"source": "elsewhere"}],
        "revision": [{"revision": "main"}],
    }
    for options in bad.values():
        for option in options:
            with pytest.raises(ParameterError):
                encoder_of("wav2vec2", **option)
    with pytest.raises(ParameterError, match="embedding of yamnet"):
        AudioEncoder("yamnet", layer=3)._choice  # noqa: B018
    with pytest.raises(ParameterError, match="auto"):
        load_encoder("auto", revision="main")
    with pytest.raises(ModelError, match=r"config\.json"):
        load_encoder("wav2vec2", source=tmp_path)
    with pytest.raises(ModelError, match="hubert"):
        load_encoder("wav2vec2", source=HUB / "hubert")


def test_windows_are_of_networks_that_take_them(published, noise):
    yamnet = load_encoder(published("yamnet"))
    assert yamnet.window is None and encoder_of("wavlm").window == 20
    with pytest.raises(ParameterError, match="iter_frames"):
        yamnet.iter_windows(noise(1.0))


def test_the_place_of_weights_is_known(published, tmp_path):
    assert encoder_of("wavlm").origin == (str(HUB / "wavlm"), None)
    assert load_encoder(published("yamnet")).origin == (None, None)
    missing = str(tmp_path / "missing")
    mend = "give it by --source"
    assert stored_source("wavlm", str(tmp_path), None, mend) == str(tmp_path)
    assert stored_source("wavlm", "microsoft/wavlm-large", "main", mend) == "microsoft/wavlm-large"
    assert stored_source("yamnet", missing, None, mend) is None
    with pytest.raises(ModelError, match=r"missing.*wavlm.*--source"):
        stored_source("wavlm", missing, None, mend)


@pytest.mark.parametrize("name", ["panns_cnn6", "ecapa"])
def test_networks_of_one_step(name, noise, monkeypatch):
    from mxnet_audio.models import NETWORKS, EcapaVoxcelebNet

    monkeypatch.setitem(EcapaVoxcelebNet.__init__.__kwdefaults__, "channels", 64)
    record = weights.record(name)
    net = NETWORKS[record.network](0, NETWORKS[record.network].longest_input(None))
    net.initialize()
    tensors = {key: value.data().asnumpy() for key, value in net._collect_params_with_prefix().items()}
    monkeypatch.setattr(weights, "load", lambda *args, **kwargs: weights.Loaded(record, tensors, []))
    encoder = load_encoder(name)
    clips = [noise(seconds) for seconds in (0.5, 0.71, 0.5)]
    vectors = encoder.transform(clips)
    assert vectors.shape == (3, record.width)
    np.testing.assert_allclose(vectors[1], encoder.encode_audio(clips[1]), atol=1e-4)
    frames, times = encoder.encode_frames(clips[0])
    assert frames.shape == (1, record.width) and times.tolist() == [[0, 0.5]]
    with pytest.raises(ParameterError):
        load_encoder(name, reduce_output=None)


FOREIGN = ("tensorflow", "torch", "musicnn", "resemblyzer", "tflite_runtime", "ai_edge_litert", "transformers")


@pytest.mark.slow
def test_memory_is_bounded_over_a_thousand_lengths_and_no_foreign_framework_is_imported():
    """Reading the published files imports none either, as tests/weights/test_load.py shows."""
    script = """
import sys
import numpy as np
from mxnet_audio import load_encoder

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

encoder, noise = load_encoder("wav2vec2", source=sys.argv[1]), np.random.default_rng(0).normal(0, 0.1, 4300)
order = np.random.default_rng(1)
lengths = [n for first in (800, 803) for n in order.permutation(np.arange(first, 4300, 7))]
for count, encoding in enumerate(encoder.encode_many((noise[:n], 16_000) for n in lengths)):
    assert encoding.error is None
    if count == 700:  # all lengths that inputs are padded to have occurred
        before = resident()
print(resident() - before)
for name in sys.argv[2:]:
    load_encoder(name).encode_audio((noise, 16_000))
print(*sys.modules)
"""
    names = [name for name in ("yamnet", "musicnn", "resemblyzer") if weights.available(name)]
    words = [sys.executable, "-c", script, HUB / "wav2vec2", *names]
    growth, modules = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert float(growth) < 10  # MB
    assert not set(FOREIGN) & set(modules.split())
    if len(names) < 3:
        pytest.skip(f"no weights but of {names}")
