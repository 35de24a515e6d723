"""The feature configuration: validation, JSON, YAML and Ludwig documents."""

import json
import subprocess
import sys
from pathlib import Path

import pydantic
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mxnet_audio.errors import FeatureError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.features.htk import WINDOWS
from mxnet_audio.features.keys import KEYS_OF_TYPE, LOADING_KEYS, TIME_MAJOR_TYPES

# Ludwig's preprocessing block with every key at its default.
LUDWIG = """
preprocessing:
  type: fbank
  audio_file_length_limit_in_s: 7.5
  norm: null
  window_length_in_s: 0.04
  window_shift_in_s: 0.02
  window_type: hamming
  num_fft_points: null
  num_filter_bands: 80
  padding_value: 0
  in_memory: true
  mode: lazy
  prefetch_size: null
  lazy_cache_dir: null
  missing_value_strategy: bfill
  fill_value: null
"""


@pytest.mark.parametrize(
    "wrong, named",
    [
        ({"fmax": 6001}, "fmax"),
        ({"fmin": 6000}, "fmin"),
        ({"fmin": -1}, "fmin"),
        ({"fmin": 200, "fmax": 100}, "fmin"),
        ({"n_frames": 0}, "n_frames"),
        ({"hop_length": 0}, "hop_length"),
        ({"n_fft": 1}, "n_fft"),
        ({"win_length": 513}, "win_length"),
        ({"win_length": 0}, "win_length"),
        ({"window": "nonsense"}, "window"),
        ({"window": "kaiser"}, "window"),
        ({"n_mels": 0}, "n_mels"),
        ({"sr": 0}, "sr"),
        ({"sr": 12000.5}, "sr"),
        ({"sr": None}, "sr: type 'log_mel'"),
        ({"norm": "l2"}, "norm"),
        ({"power": 0}, "power"),
        ({"amin": 0}, "amin"),
        ({"amin": 1e-38}, "amin"),  # 0 as a normal float32
        ({"ref": float("nan")}, "ref"),
        ({"top_db": -3}, "top_db"),
        ({"ref": "min"}, "ref: .*number.*got 'min'; ref: .*'max', got 'min'"),
        ({"n_mels": 0}, "n_mels: .*1, got 0$"),
        ({"ref": -1}, "ref"),
        ({"type": "wavelet"}, "type: .*'log_mel', .*got 'wavelet'"),
        ({"type": ["mfcc"]}, "type"),
        ({"type": None}, "type"),
        ({"n_mel": 96}, "n_mel: unknown key"),
        ({"type": "fbank", "n_mels": 40}, "n_mels: not for type 'fbank'"),
        ({"window_type": "hann", "n_mels": 40, "fmin": 1}, "n_mels, fmin: not for type 'fbank'"),
        ({"type": "log_mel", "window_type": "hann"}, "window_type: not for type 'log_mel'"),
        ({"n_mfcc": 13}, "n_mfcc: not for type 'log_mel'"),
        ({"type": "mel", "top_db": 3}, "top_db: not for type 'mel'"),
        ({"type": "chroma", "norm": None}, "norm: not for type 'chroma'"),
        ({"type": "yamnet", "sr": 16000, "n_mels": 64}, "sr, n_mels: not for type 'yamnet'.*n_frames"),
        ({"type": "musicnn", "top_db": None}, "top_db: not for type 'musicnn'.*n_frames"),
        ({"type": "musicnn", "n_mel": 4}, "n_mel: unknown key"),
        ({"type": "log_mel", "norm": "per_file"}, "norm: .*'slaney' or None, got 'per_file'"),
        ({"type": "raw", "norm": "slaney"}, "norm: .*'per_file', 'unit_variance' or None, got 'slaney'"),
        ({"type": "fbank", "norm": "unit_variance"}, "norm: .*'per_file' or None, got 'unit_variance'"),
        ({"type": "log_mel", "norm": "unit_variance"}, "norm: .*'slaney' or None, got 'unit_variance'"),
        ({"type": "whisper", "fmax": 4000}, "fmax: not for type 'whisper', .* n_frames, n_mels$"),
        ({"type": "ast", "sr": 16000}, "sr: not for type 'ast', .* mean, n_frames, n_mels, std$"),
        ({"type": "whisper", "mean": 0}, "mean: not for type 'whisper'"),
        ({"type": "panns", "n_mels": 64}, "n_mels: not for type 'panns'"),
        ({"type": "ast", "std": 0}, "std"),
        ({"type": "ast", "mean": float("nan")}, "mean"),
        ({"type": "mfcc", "n_mfcc": 97}, r"n_mfcc \(97\) .*n_mels \(96\)"),
        ({"type": "mfcc", "dct_type": 5}, "dct_type"),
        ({"type": "mfcc", "deltas": 1, "delta_width": 4}, "delta_width"),
        ({"type": "mfcc", "deltas": 1, "n_frames": 8}, r"delta_width \(9\) .*\(8\)"),
        ({"type": "chroma", "n_chroma": 0}, "n_chroma"),
        ({"audio_file_length_limit_in_s": 0}, "audio_file_length_limit_in_s"),
        ({"audio_file_length_limit_in_s": 1e-5, "sr": 16000}, r"audio_file_length_limit_in_s \(1e-05 s\) .*16000 Hz"),
        ({"audio_file_length_limit_in_s": 1e308, "sr": 16000}, "audio_file_length_limit_in_s"),
        ({"window_length_in_s": 1e308, "sr": 16000}, "window_length_in_s"),
        ({"window_shift_in_s": 1e308, "sr": 16000}, "window_shift_in_s"),
        ({"window_type": "boxcar"}, "window_type: .*'hamming' or 'hann', got 'boxcar'"),
        ({"type": "raw", "window_type": "boxcar"}, "window_type"),  # unused by the type, but checked
        ({"window_length_in_s": 0}, "window_length_in_s"),
        ({"window_length_in_s": 1e-5, "sr": 16000}, r"window_length_in_s \(1e-05 s\) .*16000 Hz"),
        ({"window_shift_in_s": float("inf")}, "window_shift_in_s"),
        ({"num_fft_points": 639, "sr": 16000}, r"num_fft_points \(639\) .*window_length_in_s"),
        ({"num_filter_bands": 0}, "num_filter_bands"),
        ({"padding_value": float("nan")}, "padding_value"),
        ({"in_memory": False, "mode": "eager"}, "in_memory: false .*mode: eager"),
        ({"mode": "greedy"}, "mode"),
        ({"type": "fbank", "norm": "perfile"}, r"norm: must be .*, got 'perfile', did you mean per_file\?"),
        ({"prefetch_size": -1}, "prefetch_size"),
        ({"lazy_cache_dir": 3}, "lazy_cache_dir"),
        ({"missing_value_strategy": "fill_with_mean"}, "missing_value_strategy"),
        ({"fill_value": [1]}, "fill_value"),
    ],
    ids=str,
)
def test_wrong_values_are_named(wrong, named):
    for make in (lambda: AudioFeatureConfig(**wrong), lambda: AudioFeatureConfig.model_validate(wrong)):
        with pytest.raises(FeatureError, match=f"feature configuration: {named}") as caught:
            make()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [AudioFeatureConfig.model_validate, AudioFeatureConfig.from_yaml])
@pytest.mark.parametrize("document", [None, 3, [1], {"n_mel": 4}, {1: 2}, {"self": 1}], ids=str)
def test_every_way_to_a_configuration_raises_the_packages_errors(make, document):
    with pytest.raises(FeatureError):
        make(document)
    with pytest.raises(ValueError):
        AudioFeatureConfig.model_validate_json(json.dumps(document))


_VALUES = {
    "sr": st.sampled_from([8000, 16000, 22050]),
    "n_fft": st.integers(300, 700), "hop_length": st.integers(1, 400), "win_length": st.integers(1, 300) | st.none(),
    "window": st.sampled_from(["hann", "boxcar"]), "center": st.booleans(), "n_mels": st.integers(20, 130),
    "fmin": st.floats(0, 900), "fmax": st.floats(1000, 4000) | st.none(), "htk": st.booleans(),
    "power": st.floats(0.5, 3), "mean": st.floats(-9, 9), "std": st.floats(0.1, 9),
    "amin": st.floats(1e-9, 1), "ref": st.floats(1e-9, 1e9) | st.just("max"),
    "top_db": st.floats(1, 100) | st.none(), "n_frames": st.integers(50, 99) | st.none(),
    "n_mfcc": st.integers(1, 20), "dct_type": st.sampled_from([1, 2, 3, 4]),
    "dct_norm": st.sampled_from(["ortho", None]), "lifter": st.floats(0, 40), "deltas": st.integers(0, 2),
    "delta_width": st.sampled_from([3, 5, 9]), "n_chroma": st.integers(1, 40), "tuning": st.floats(-1, 1) | st.none(),
    "audio_file_length_limit_in_s": st.floats(0.01, 100), "window_length_in_s": st.floats(0.01, 0.1),
    "window_shift_in_s": st.floats(0.01, 0.1), "window_type": st.sampled_from(WINDOWS),
    "num_fft_points": st.integers(2205, 5000) | st.none(), "num_filter_bands": st.integers(1, 100),
    "padding_value": st.floats(-9, 9), "crop": st.just("middle"), "in_memory": st.just(True),
    "mode": st.sampled_from(["eager", "lazy", "lazy_cached"]), "prefetch_size": st.integers(0, 9) | st.none(),
    "lazy_cache_dir": st.text() | st.none(), "missing_value_strategy": st.sampled_from(["ffill", "drop_row"]),
    "fill_value": st.integers() | st.floats(-1, 1) | st.text() | st.none(),
}  # fmt: skip


@st.composite
def configs(draw):
    kind = draw(st.sampled_from(sorted(KEYS_OF_TYPE)))
    norms = st.sampled_from(["per_file" if kind in TIME_MAJOR_TYPES else "slaney", None])
    values = {key: _VALUES.get(key, norms) for key in (KEYS_OF_TYPE[kind] | LOADING_KEYS) - {"type"}}
    return {"type": kind, **draw(st.fixed_dictionaries({}, optional=values))}


@given(configs())
@settings(max_examples=100, deadline=None)
def test_json_round_trip(given):
    config = AudioFeatureConfig(**given)
    dumped = config.model_dump(mode="json")
    # All keys of its type (but Ludwig's default crop), none of other types, and those about loading that were given.
    assert set(dumped) == (KEYS_OF_TYPE[config.type] - {"crop"}) | (set(given) & (LOADING_KEYS | {"crop"}))
    assert AudioFeatureConfig.model_validate(json.loads(json.dumps(dumped))) == config
    assert AudioFeatureConfig.model_validate_json(json.dumps(dumped)) == config
    assert AudioFeatureConfig.from_yaml(yaml.safe_dump(dumped)) == config
    assert config.identity() == {key: value for key, value in dumped.items() if key not in LOADING_KEYS}
    assert AudioFeatureConfig(**config.identity()).key() == config.key()


def test_immutable_and_hashable():
    with pytest.raises(pydantic.ValidationError):
        AudioFeatureConfig().sr = 8000
    assert len({AudioFeatureConfig(), AudioFeatureConfig(type="log_mel"), AudioFeatureConfig(type="mel")}) == 2


CHANGES = {
    "sr": 16000, "n_fft": 1024, "hop_length": 128, "win_length": 256, "window": "hamming",
    "center": False, "n_mels": 64, "fmin": 20.0, "fmax": 5000.0, "htk": True, "norm": None, "power": 1.0,
    "mean": 0.0, "std": 0.5,
    "amin": 1e-5, "ref": 2.0, "top_db": None, "n_frames": 10,
    "n_mfcc": 13, "dct_type": 3, "dct_norm": None, "lifter": 22, "deltas": 1, "delta_width": 5,
    "n_chroma": 24, "tuning": 0.1,
    "audio_file_length_limit_in_s": 3, "window_length_in_s": 0.03, "window_shift_in_s": 0.01, "window_type": "hann",
    "num_fft_points": 2048, "num_filter_bands": 40, "padding_value": -1, "crop": "middle",
    "in_memory": False, "mode": "lazy_cached", "prefetch_size": 0, "lazy_cache_dir": "x",
    "missing_value_strategy": "ffill", "fill_value": "x",
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(KEYS_OF_TYPE))
def test_every_key_of_a_type_changes_its_identity_and_no_key_about_loading_does(kind):
    changes = CHANGES | {"norm": "per_file"} if kind in TIME_MAJOR_TYPES else CHANGES
    assert set(changes) == set(AudioFeatureConfig.model_fields) - {"type"}
    plain = AudioFeatureConfig(type=kind)
    keys = {AudioFeatureConfig(type=kind, **{k: changes[k]}).key() for k in KEYS_OF_TYPE[kind] - {"type"}}
    assert len(keys | {plain.key()}) == len(KEYS_OF_TYPE[kind])
    for key in LOADING_KEYS:
        assert AudioFeatureConfig(type=kind, **{key: changes[key]}).key() == plain.key()


def test_keys_are_the_same_in_every_version_and_process():
    # Folders of caches and the ids of saved models depend on them.
    golden = "218a255c2fecc1431392b74569c245520efe9f6379aab0f81b3a79fafa1a2767"
    assert AudioFeatureConfig().key() == golden
    small = AudioFeatureConfig(n_frames=47, n_mels=40)
    assert small.key() == "8141c974d3fe1a37145f60f983ebf24ba3f352f85bf16e7ffb4c6e4666a62b51"
    fbank = AudioFeatureConfig(type="fbank", sr=16000)
    assert fbank.key() == AudioFeatureConfig(type="fbank", sr=16000, crop="start").key()
    assert fbank.key() == "aed97a28a08af42d65d341e9fff577935936533d27f23a210d32b7c91ebd4eea"
    assert AudioFeatureConfig(type="yamnet", n_frames=96).key().startswith("2e12ef034c051f8d")
    assert AudioFeatureConfig(type="whisper").key().startswith("b971a0c61fa91f11")
    assert AudioFeatureConfig(type="ast").key().startswith("f91ead7105d76d07")
    assert AudioFeatureConfig(type="panns").key().startswith("ac207f72b1431f48")
    code = "from mxnet_audio.features import AudioFeatureConfig as C; print(C().key())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == golden


@pytest.mark.parametrize(
    "given, kind",
    [
        ({}, "log_mel"),
        ({"sr": 16000}, "log_mel"),
        ({"norm": None}, "log_mel"),
        ({"mode": "eager"}, "log_mel"),
        ({"n_mels": 40}, "log_mel"),
        ({"norm": "per_file"}, "fbank"),
        ({"padding_value": 0}, "fbank"),
        ({"audio_file_length_limit_in_s": 3}, "fbank"),
        ({"type": "raw", "num_filter_bands": 3}, "raw"),
    ],
    ids=str,
)
def test_default_type(given, kind):
    config = AudioFeatureConfig(**given)
    assert config.type == kind
    assert (config.sr is None) == (kind != "log_mel")


@pytest.mark.parametrize("kind", ["raw", "stft", "stft_phase", "fbank", "group_delay"])
def test_a_full_ludwig_block_equals_its_defaults(kind, tmp_path):
    """As text, file and mapping, and also with the keys that the type does not use."""
    text = LUDWIG.replace("fbank", kind)
    (tmp_path / "features.yaml").write_text(text)
    mapping = yaml.safe_load(text)
    minimal = AudioFeatureConfig(type=kind)
    path = tmp_path / "features.yaml"
    for source in (text, path, str(path), mapping, mapping["preprocessing"], yaml.safe_dump(mapping["preprocessing"])):
        config = AudioFeatureConfig.from_yaml(source)
        assert config == minimal and config.key() == minimal.key()
    assert config.sr is None and config.norm is None and config.num_filter_bands == 80
    # A key that only other types of the family use makes no difference.
    other = AudioFeatureConfig.from_yaml(text.replace("num_filter_bands: 80", "num_filter_bands: 40"))
    assert (other == minimal) == (kind != "fbank")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("preprocessing:", {"type": "fbank"}),
        ("preprocessing: {in_memory: false}", {"type": "fbank", "in_memory": False}),
        ("preprocessing: {norm: per_file}", {"type": "fbank", "norm": "per_file"}),
        ("preprocessing: {n_mels: 40}", {"n_mels": 40}),
        ("preprocessing: {type: mfcc, n_mfcc: 13}", {"type": "mfcc", "n_mfcc": 13}),
        ("{name: sound, type: audio, preprocessing: {type: raw}}", {"type": "raw"}),
        ("type: mfcc", {"type": "mfcc"}),
        ("amin: 1e-5", {"amin": 1e-5}),  # a string to YAML 1.1
        ("{}", {}),
    ],
)
def test_yaml(text, expected):
    assert AudioFeatureConfig.from_yaml(text) == AudioFeatureConfig(**expected)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("- 1", ".*mapping.*got list"),
        ("", ".*mapping.*got nothing"),
        ("preprocessing: [1]", ".*mapping.*got list"),
        ("a: [1", "not YAML"),
        ("window_typ: hann", "window_typ: "),
        ("1: 2", "1"),
        ("preprocessing: {window_type: sine}", "window_type: .*got 'sine'"),
    ],
)
def test_errors_in_yaml_name_the_file(text, reason, tmp_path):
    with pytest.raises(FeatureError, match=f"^(feature configuration: )?{reason}") as caught:
        AudioFeatureConfig.from_yaml(text)
    assert "\n" not in str(caught.value)
    (tmp_path / "f.yaml").write_text(text)
    with pytest.raises(FeatureError, match=rf"f\.yaml: .*{reason}"):
        AudioFeatureConfig.from_yaml(tmp_path / "f.yaml")


@pytest.mark.parametrize("path", ["missing.yaml", Path("missing.yaml"), "."], ids=repr)
def test_a_missing_file(path):
    with pytest.raises(FeatureError, match=rf"^{path}: .*(No such file|Is a directory)"):
        AudioFeatureConfig.from_yaml(path)


@pytest.mark.parametrize("name", ["set #1.yaml", "123", "a: b.yaml", "- x", "{a", "null", "mode: lazy"])
def test_the_name_of_an_existing_file_is_a_path_even_if_it_is_yaml(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("n_mels: 40")
    assert AudioFeatureConfig.from_yaml(name) == AudioFeatureConfig(n_mels=40)


def test_a_path_is_named_as_it_is_given():
    with pytest.raises(FeatureError, match=r"^missing #1\.yaml: .*No such file"):
        AudioFeatureConfig.from_yaml("missing #1.yaml")
    with pytest.raises(FeatureError, match=r"mapping.*got str$"):
        AudioFeatureConfig.from_yaml("two\nlines")


def test_a_line_longer_than_any_file_name_is_text():
    assert AudioFeatureConfig.from_yaml(f"{{n_mels: 40, lazy_cache_dir: {'x' * 5000}}}").n_mels == 40


def test_yaml_runs_no_code():
    with pytest.raises(FeatureError, match="not YAML"):
        AudioFeatureConfig.from_yaml("window: !!python/object/apply:os.getcwd []")


def test_lengths_in_samples_and_frames():
    assert AudioFeatureConfig().n_samples is None
    assert AudioFeatureConfig(n_frames=1366).n_samples == 349440
    assert AudioFeatureConfig(type="fbank").n_samples is None
    assert AudioFeatureConfig(type="fbank", sr=16000).n_samples == 120_000
    assert AudioFeatureConfig(type="fbank", sr=16000).frames_in(7.5) == 374
    assert AudioFeatureConfig(type="raw", sr=16000).frames_in(0.5) == 8000
    with pytest.raises(FeatureError, match="sr: None"):
        AudioFeatureConfig(type="fbank").frames_in(1)


LUDWIG_DOCUMENT = """
input_features:
  - {name: text, type: text}
  - name: clip
    type: audio
    preprocessing: {audio_file_length_limit_in_s: 2.0, computed_fill_value: null}
output_features: [{name: label, type: category}]
"""


def test_a_ludwig_document_with_one_audio_feature():
    config = AudioFeatureConfig.from_yaml(LUDWIG_DOCUMENT)
    assert (config.type, config.audio_file_length_limit_in_s) == ("fbank", 2.0)
    assert AudioFeatureConfig.from_yaml("input_features: [{name: a, type: audio, tied: null}]").type == "fbank"
    two = LUDWIG_DOCUMENT.replace("type: text", "type: audio")
    for text, count in ((two, 2), ("input_features: [{name: a, type: text}]", 0)):
        with pytest.raises(FeatureError, match=f"{count} audio features"):
            AudioFeatureConfig.from_yaml(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{preprocessing: {type: raw}, encoder: {type: parallel_cnn}, trainer: {epochs: 5}}", "encoder, trainer"),
        ("{name: clip, type: audio, preprocessing: {type: raw}, encoder: {type: parallel_cnn}}", "encoder"),
        ("{preprocessing: {type: raw}, tied: other}", "tied"),
        ("{preprocessing: {type: raw}, n_mels: 40}", "n_mels"),
        ("{preprocessing: {type: raw}, 1: 2}", "1"),
        ("{name: clip, type: image, preprocessing: {type: raw}}", "type: .*'image'"),
        ("{type: fbank, preprocessing: {}}", "type: .*'fbank'"),
        (LUDWIG_DOCUMENT + "trainer: {epochs: 5}\ndefaults: {}", "defaults, trainer"),
        (LUDWIG_DOCUMENT.replace("type: audio", "type: audio\n    encoder: {type: rnn}"), "encoder"),
        ("{type: fbank, encoder: {type: rnn}}", "encoder"),
    ],
    ids=str,
)
def test_parts_of_a_document_that_are_not_features_are_named(text, named, tmp_path):
    (tmp_path / "f.yaml").write_text(text)
    with pytest.raises(FeatureError, match=rf"f\.yaml: (feature configuration: )?{named}"):
        AudioFeatureConfig.from_yaml(tmp_path / "f.yaml")


def test_a_misspelt_key_gets_a_suggestion_and_an_empty_file_is_called_empty():
    with pytest.raises(FeatureError, match=r"num_filter_band: .*num_filter_bands"):
        AudioFeatureConfig(type="fbank", num_filter_band=3)
    with pytest.raises(FeatureError, match=r"colour: unknown key$"):
        AudioFeatureConfig(colour=3)
    with pytest.raises(FeatureError, match=r"got nothing$"):
        AudioFeatureConfig.from_yaml("\n")


def test_repr_is_one_line_of_the_keys_in_use():
    text = repr(AudioFeatureConfig(type="fbank", sr=16000, mode="eager"))
    assert "sr=16000" in text and "mode='eager'" in text and "n_mels" not in text and "\n" not in text
