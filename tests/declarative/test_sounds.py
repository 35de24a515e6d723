"""Columns of sounds: missing ones, and inputs of sequence encoders and of pretrained ones."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio.audio import load
from mxnet_audio.declarative.columns import Columns
from mxnet_audio.declarative.config import RunConfig
from mxnet_audio.declarative.sounds import FilledSounds, SoundColumn, padded_batch, sound_key
from mxnet_audio.declarative.table import read_table
from mxnet_audio.engine import nd
from mxnet_audio.errors import AudioDecodeError, InvalidAudioError
from mxnet_audio.features import load_features
from mxnet_audio.library import encoder_run
from mxnet_audio.models import EcapaVoxcelebNet
from mxnet_audio.pretrained import load_encoder

HUB = Path(__file__).resolve().parents[1] / "models" / "hub"
LIMIT = {"type": "raw", "audio_file_length_limit_in_s": 0.1}
TONES = [1200, 4000, 1200, 800]  # samples


def config(encoder="parallel_cnn", **preprocessing):
    return RunConfig.read(
        {
            "input_features": [
                {"name": "audio", "type": "audio", "encoder": encoder, "preprocessing": preprocessing or None}
            ],
            "output_features": [{"name": "label", "type": "category"}],
        }
    )


@pytest.fixture
def table(tmp_path):
    """Table of four files of noise, one that is missing, and a row without a sound."""
    rng = np.random.default_rng(0)
    for index, size in enumerate(TONES):
        sf.write(tmp_path / f"{index}.wav", rng.normal(0, 0.1, size), 16000)
    names = ["0.wav", "1.wav", "2.wav", "3.wav", "missing.wav", ""]
    (tmp_path / "clips.csv").write_text("audio,label\n" + "".join(f"{name},{i % 2}\n" for i, name in enumerate(names)))
    return read_table(tmp_path / "clips.csv")


def column(configuration, table, **options):
    feature = configuration.input_features[0]
    encoding = Columns.fit(configuration, table, range(4))["audio"]
    return SoundColumn(feature, encoding, FilledSounds(feature, table), **({"cache": False} | options))


STRATEGIES = {
    "bfill": ["b", "b", "c", "c", "c", "c"],
    "ffill": ["b", "b", "b", "c", "c", "c"],
    "fill_with_mode": ["c", "b", "c", "c", "c", "c"],
    "fill_with_const": ["f", "b", "f", "c", "c", "f"],
    "drop_row": [None, "b", None, "c", "c", None],
}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("constants_only", [False, True])
def test_missing_sounds(strategy, constants_only):
    rows = read_table({"audio": [None, "b", float("nan"), "c", "c", ""], "label": ["x", "y"] * 3})
    feature = config(missing_value_strategy=strategy, fill_value="f").input_features[0]
    sounds = FilledSounds(feature, rows, constants_only=constants_only)
    expected = STRATEGIES[strategy]
    if constants_only and strategy != "fill_with_const":
        expected = STRATEGIES["drop_row"]
    assert sounds.present.tolist() == [name is not None for name in expected]
    for row, name in enumerate(expected):
        if name is None:
            assert sounds.key(row) is None
            with pytest.raises(InvalidAudioError, match=f"row {row}"):
                sounds[row]
        else:
            assert sounds[row] == name


def test_a_constant_is_in_the_folder_of_the_table(table, tmp_path):
    feature = config(missing_value_strategy="fill_with_const", fill_value="0.wav").input_features[0]
    assert FilledSounds(feature, table)[5] == str(tmp_path / "0.wav")


def test_a_missing_sound_names_file_and_line(table, tmp_path):
    sounds = FilledSounds(config(missing_value_strategy="drop_row").input_features[0], table)
    with pytest.raises(InvalidAudioError, match="line 7") as error:
        sounds[5]
    assert error.value.path == str(tmp_path / "clips.csv")


def test_no_sound_can_replace_others_if_all_are_missing():
    rows = read_table({"audio": [None, None], "label": ["x", "y"]})
    assert not FilledSounds(config().input_features[0], rows).present.any()


def test_equal_sounds_have_equal_keys(tmp_path):
    sound = (np.ones(5, np.float32), 8000)
    assert sound_key(sound) == sound_key((np.ones(5, np.float32), 8000)) != sound_key((np.ones(5, np.float32), 9000))
    assert sound_key(str(tmp_path / "x" / ".." / "a.wav")) == sound_key(tmp_path / "a.wav")
    assert sound_key(3) is None


@pytest.mark.parametrize(
    "options", [{"audio_file_length_limit_in_s": 0.2}, {"type": "log_mel", "sr": 8000, "n_frames": 6, "n_mels": 20}]
)
def test_inputs_of_sequence_encoders_are_as_long_as_the_sound(table, options):
    configuration = config(**options)
    sounds = column(configuration, table)
    encoding = Columns.fit(configuration, table, range(4))["audio"]
    inputs = [sounds.get(row) for row in range(4)]
    assert sounds.longest == encoding.steps and inputs[1][1] == encoding.steps
    assert all(length == len(x) < encoding.steps for row, (x, length) in enumerate(inputs) if row != 1)
    batch, lengths = sounds.stacked(inputs)
    assert batch.dtype == lengths.dtype == np.float32 and batch.shape == (4, encoding.steps, encoding.bands)
    for (x, _), padded, length in zip(inputs, batch, lengths):
        assert length == len(x) and not padded[len(x) :].any()
        np.testing.assert_array_equal(padded[: len(x)], x)
    features = load_features(table.sounds("audio")[1], encoding.features)
    np.testing.assert_array_equal(inputs[1][0], features if encoding.features.time_axis == -2 else features.T)
    with pytest.raises(AudioDecodeError, match=r"missing\.wav"):
        sounds.get(4)


def test_batches_have_few_lengths():
    lengths = {padded_batch([np.ones((n, 2))], 0, 5000).shape[1] for n in range(300, 5000)}
    assert len(lengths) <= 20 and max(lengths) == 5000


def test_features_are_computed_once(table, tmp_path, monkeypatch):
    sounds = column(config(), table, cache=tmp_path / "cache")
    first = sounds.get(0)
    sounds.flush()
    monkeypatch.setattr("mxnet_audio.declarative.sounds.load_features", None)
    assert sounds.available([0])
    for again in (sounds, column(config(), table, cache=tmp_path / "cache")):
        np.testing.assert_array_equal(again.get(0)[0], first[0])


def test_mode_and_folder_of_the_feature_apply(table, tmp_path):
    folder = tmp_path / "own"
    sounds = column(config(mode="lazy_cached", lazy_cache_dir=str(folder)), table, cache=True)
    sounds.get(0)
    sounds.flush()
    assert list(folder.glob("*/*.features"))
    assert column(config(mode="eager"), table, cache=True).available(range(4))


def encoder_config(name, preprocessing=(), **options):
    encoder = {"type": name, "pretrained_model_name_or_path": str(HUB / name), **options}
    return config(encoder, **dict(preprocessing))


def test_frozen_encoders_give_vectors_that_are_cached(table, tmp_path, monkeypatch):
    encoder = load_encoder("wav2vec2", source=HUB / "wav2vec2")
    configuration = encoder_config("wav2vec2", trainable=False)
    sounds = column(configuration, table, encoder=encoder, cache=tmp_path / "cache")
    inputs = [sounds.get(row) for row in range(4)]
    batch = sounds.stacked(inputs)
    expected = [encoder.encode_audio(table.sounds("audio")[row]) for row in range(4)]
    np.testing.assert_allclose(batch, expected, atol=1e-5)
    sounds.flush()
    monkeypatch.setattr(encoder_run.EncodeSound, "apply", None)
    again = column(configuration, table, encoder=encoder, cache=tmp_path / "cache")
    np.testing.assert_array_equal(again.get(2)[0], inputs[2][0])


def test_frozen_encoders_compute_each_vector_once_without_a_cache(table, monkeypatch):
    encoder = load_encoder("wav2vec2", source=HUB / "wav2vec2")
    sounds = column(encoder_config("wav2vec2", trainable=False), table, encoder=encoder)
    monkeypatch.setattr(encoder_run.EncodeSound, "apply", None)
    assert sounds.get(0)[0].shape == (encoder.embedding_dim,) and sounds.available(range(4))
    with pytest.raises(AudioDecodeError):
        sounds.get(4)
    monkeypatch.undo()
    assert not column(encoder_config("wav2vec2", trainable=False), table, encoder=encoder, once=True).available([0])


@pytest.mark.parametrize("trainable", [False, True])
def test_pretrained_encoders_take_the_start_of_sounds(table, trainable):
    encoder = load_encoder("wav2vec2", source=HUB / "wav2vec2")
    sounds = column(encoder_config("wav2vec2", LIMIT, trainable=trainable), table, encoder=encoder)
    x, length = sounds.get(1)
    start = read_table({"audio": [load(table.sounds("audio")[1], duration=0.1)] * 4, "label": ["x", "y"] * 2})
    expected, _ = column(encoder_config("wav2vec2", trainable=trainable), start, encoder=encoder).get(0)
    np.testing.assert_allclose(x, expected, atol=1e-6)
    assert length == (1600 if trainable else 0)


@pytest.mark.parametrize("name", ["wav2vec2", "whisper"])
def test_inputs_of_trained_encoders_are_those_of_their_networks(table, name):
    encoder = load_encoder(name, source=HUB / name)
    sounds = column(encoder_config(name), table, encoder=encoder)
    x, lengths = sounds.stacked([sounds.get(row) for row in range(4)])
    assert x.ndim == 4 and x.shape[:2] == (4, 1)
    if name == "wav2vec2":
        assert lengths.tolist() == TONES
    outputs = encoder.net(nd.array(x), nd.array(lengths))[1].asnumpy()
    vectors = [encoder.encode_audio(table.sounds("audio")[row]) for row in range(4)]
    np.testing.assert_allclose(outputs, vectors, atol=1e-4)


@pytest.mark.parametrize("name", ["panns_cnn6", "ecapa"])
def test_outputs_do_not_depend_on_the_other_rows_of_a_batch(name, monkeypatch):
    monkeypatch.setitem(EcapaVoxcelebNet.__init__.__kwdefaults__, "channels", 64)
    rng = np.random.default_rng(0)
    sounds = [(rng.normal(0, 0.1, size), 16000) for size in (9000, 12000, 16000, 17000)]
    rows = read_table({"audio": sounds, "label": ["x", "y"] * 2})
    configuration = config({"type": name, "use_pretrained": False})
    encoder = load_encoder(name, use_pretrained=False)
    inputs = column(configuration, rows, encoder=encoder)

    def outputs(*numbers):
        x, lengths = inputs.stacked([inputs.get(row) for row in numbers])
        return encoder.net(nd.array(x), nd.array(lengths))[1].asnumpy()

    np.testing.assert_allclose(outputs(0, 3), np.concatenate([outputs(0), outputs(3)]), atol=1e-5)
