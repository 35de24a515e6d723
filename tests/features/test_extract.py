"""Features of samples and files."""

import io

import librosa
import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from mxnet_audio import audio, features
from mxnet_audio.audio import spans
from mxnet_audio.errors import AudioDecodeError, FeatureError, InvalidAudioError, ParameterError
from mxnet_audio.features import AudioFeatureConfig, extract, htk, load_features
from mxnet_audio.features.keys import FIXED_VALUES, KEYS_OF_TYPE, TIME_MAJOR_TYPES

TYPES = sorted(KEYS_OF_TYPE)
LUDWIG_TYPES = sorted(TIME_MAJOR_TYPES)


def noise(*shape, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("n_frames", [1, 2, 47])
@pytest.mark.parametrize("n", [1, 300, 5000, 90_000])
@pytest.mark.parametrize(
    "changed",
    [{}, {"center": False}, {"n_fft": 511}, {"hop_length": 1}, {"n_fft": 511, "center": False}],
    ids=str,
)
def test_every_length_gives_the_requested_frames(n_frames, n, changed):
    config = AudioFeatureConfig(n_frames=n_frames, n_mels=20, **changed)
    got = extract(noise(2, n), config.sr, config)
    assert got.shape == (2, 20, n_frames) and got.dtype == np.float32 and np.isfinite(got).all()


@pytest.mark.parametrize("n", [1, 500, 16_000, 50_000])  # 1 and 500 are shorter than a window
@pytest.mark.parametrize("changed", [{}, {"norm": "per_file"}, {"num_fft_points": 700}], ids=str)
@pytest.mark.parametrize("kind", LUDWIG_TYPES)
def test_every_length_gives_the_rows_of_the_length_limit(kind, changed, n):
    config = AudioFeatureConfig(type=kind, sr=16000, audio_file_length_limit_in_s=2, padding_value=1e9, **changed)
    got = extract(noise(2, n), 16000, config)
    assert got.shape == (2, *config.shape) and got.dtype == np.float32 and np.isfinite(got).all()
    rows = n if kind == "raw" else htk.frame_count(n, 640, 320)
    assert (got[:, :rows] != 1e9).all() and (got[:, rows:] == 1e9).all()


@pytest.mark.parametrize("kind", TYPES)
def test_shapes_match_the_configuration(kind):
    fixed = {"sr": 16000} if kind in TIME_MAJOR_TYPES else {"n_frames": 30}
    for extra in [{}, fixed, {"deltas": 2}] if kind == "mfcc" else [{}, fixed]:
        config = AudioFeatureConfig(type=kind, **extra)
        got = extract(noise(3, 20_000), 22050, config).shape[1:]
        assert all(stated in (None, real) for stated, real in zip(config.shape, got))
        if extra is fixed:
            assert config.shape == got


@given(
    kind=st.sampled_from(TYPES),
    n=st.integers(600, 9000),
    norm=st.booleans(),
    lead=st.sampled_from([(2,), (1,), (2, 2)]),
)
@settings(max_examples=60, deadline=None)
def test_a_batch_equals_its_items_within_1e_5_of_the_largest(kind, n, norm, lead):
    extra = {"audio_file_length_limit_in_s": 0.3} if kind in TIME_MAJOR_TYPES else {}
    if norm and "norm" in KEYS_OF_TYPE[kind]:
        extra["norm"] = "per_file" if kind in TIME_MAJOR_TYPES else None
    config = AudioFeatureConfig(type=kind, **extra)
    y = noise(*lead, n, seed=n)
    batch = extract(y, 12000, config)
    for index in np.ndindex(*lead):
        one = extract(y[index], 12000, config)
        np.testing.assert_allclose(batch[index], one, rtol=1e-5, atol=1e-5 * max(1, np.abs(one).max()))


def test_features_of_a_file_equal_librosas(tmp_path):
    sf.write(tmp_path / "a.wav", noise(3 * 44100, 2), 44100)
    config = AudioFeatureConfig(n_frames=100)
    samples, sr = librosa.load(tmp_path / "a.wav", sr=12000)
    start = (len(samples) - config.n_samples) // 2
    samples = samples[start : start + config.n_samples]
    kwargs = {"y": samples, "sr": sr, "n_fft": 512, "hop_length": 256}
    mel = librosa.feature.melspectrogram(n_mels=96, **kwargs)
    expected = {
        "log_mel": librosa.power_to_db(mel),
        "mel": mel,
        "mfcc": librosa.feature.mfcc(n_mels=96, **kwargs),
        "chroma": librosa.feature.chroma_stft(**kwargs),
    }
    for kind, want in expected.items():
        config = AudioFeatureConfig(type=kind, n_frames=100)
        got = load_features(tmp_path / "a.wav", config)
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-2 if kind in ("log_mel", "mfcc") else 1e-3)
    whole, rate = audio.load(tmp_path / "a.wav")
    np.testing.assert_allclose(extract(whole, rate, config), got, atol=1e-3)


FUNCTIONS = {
    "raw": lambda y, sr: y[:, np.newaxis],
    "stft": htk.stft_magnitude,
    "stft_phase": htk.stft_phase,
    "fbank": htk.fbank,
    "group_delay": htk.group_delay,
}


@pytest.mark.parametrize("n", [16_000, 40_000])
@pytest.mark.parametrize("kind", LUDWIG_TYPES)
def test_per_file_normalises_the_whole_sound_before_it_is_cut_or_padded_within_1e_5(kind, n):
    y = noise(n)
    x = FUNCTIONS[kind](y, 16000).astype(np.float64)
    for column in x.T:  # the definition, with the unbiased deviation
        mean = sum(column) / len(column)
        column[:] = (column - mean) / (np.sqrt(sum((column - mean) ** 2) / (len(column) - 1)) + 1e-10)
    limit = 24_000 if kind == "raw" else htk.frame_count(24_000, 640, 320)
    want = np.full((limit, x.shape[1]), -7.0)
    want[: len(x)] = x[:limit]
    constant = x.std(axis=0) < 1e-3  # the phase of 0 Hz
    config = AudioFeatureConfig(type=kind, norm="per_file", audio_file_length_limit_in_s=1.5, padding_value=-7)
    got = extract(y, 16000, config)
    np.testing.assert_allclose(got[:, ~constant], want[:, ~constant], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", LUDWIG_TYPES)
def test_per_file_makes_constant_columns_0(kind):
    config = AudioFeatureConfig(type=kind, norm="per_file", audio_file_length_limit_in_s=1)
    silence, single = np.zeros(16_000, np.float32), noise(1)  # constant columns; one row
    for y in (silence, single, silence + np.float32(0.1)) if kind == "raw" else (silence, single):
        assert not extract(y, 16000, config).any()


@pytest.mark.parametrize("n", [5000, 16_000, 24_000, 24_319, 24_640, 24_641, 100_000])
@pytest.mark.parametrize("kind", LUDWIG_TYPES)
def test_samples_beyond_the_limit_do_not_count(kind, n):
    """The result equals the features of the whole sound, cut."""
    short, long = (AudioFeatureConfig(type=kind, audio_file_length_limit_in_s=s) for s in (1.5, 20))
    y = noise(n)
    want = extract(y, 16000, long)[: short.limit(16000)[0]]
    np.testing.assert_array_equal(extract(y, 16000, short), want)
    if n == 100_000:
        y[-20_000:] = np.nan
        np.testing.assert_array_equal(extract(y, 16000, short), want)


@pytest.mark.parametrize("orig_sr", [8000, 22050, 44100])
@pytest.mark.parametrize("kind", ["raw", "stft", "fbank"])
def test_resampling_needs_only_the_beginning_within_1e_4(kind, orig_sr, tmp_path):
    kwargs = {"type": kind, "sr": 16000}
    short = AudioFeatureConfig(audio_file_length_limit_in_s=1.5, **kwargs)
    long = AudioFeatureConfig(audio_file_length_limit_in_s=6, **kwargs)
    y = noise(5 * orig_sr)
    want = extract(y, orig_sr, long)[: short.shape[0]]
    np.testing.assert_allclose(extract(y, orig_sr, short), want, rtol=1e-4, atol=1e-4 * np.abs(want).max())
    sf.write(tmp_path / "a.wav", y, orig_sr, subtype="FLOAT")
    got = load_features(tmp_path / "a.wav", short)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4 * np.abs(want).max())


def test_a_file_is_decoded_no_further_than_the_limit_needs(tmp_path, monkeypatch):
    durations = []

    def load(source, **kwargs):
        durations.append(kwargs["duration"])
        return original(source, **kwargs)

    original = spans.load
    monkeypatch.setattr(spans, "load", load)
    sf.write(tmp_path / "a.wav", noise(80_000), 8000)
    for config in (AudioFeatureConfig(type="fbank"), AudioFeatureConfig(norm="per_file"), AudioFeatureConfig()):
        load_features(tmp_path / "a.wav", config)
    assert 7.5 < durations[0] < 9 and durations[1:] == [None, None]


def test_a_file_with_a_silent_beginning_is_not_silent(tmp_path):
    config = AudioFeatureConfig(type="fbank", audio_file_length_limit_in_s=1)
    y = np.zeros(40_000, np.float32)
    with pytest.raises(InvalidAudioError, match="silent"):
        load_features((y, 8000), config)
    y[30_000:] = noise(10_000)
    np.testing.assert_allclose(load_features((y, 8000), config), np.log(1e-10), rtol=1e-6)


def test_sound_above_the_new_rate_is_silent():
    n = 3 * 44_100
    tone = np.sin(2 * np.pi * 15_000 / 44_100 * np.arange(n)) * np.hanning(n)
    late = np.append(np.zeros(n), tone)
    for config in (
        AudioFeatureConfig(),
        AudioFeatureConfig(type="fbank", sr=12000, norm="per_file"),
        AudioFeatureConfig(type="fbank", sr=12000, audio_file_length_limit_in_s=1),
    ):
        with pytest.raises(InvalidAudioError, match="silent"):
            load_features((late, 44_100), config)
        with pytest.raises(InvalidAudioError, match="silent"):
            load_features((tone, 44_100), config)  # the resampler makes a click where it is cut
    assert load_features((late, 44_100), AudioFeatureConfig(type="fbank")).std() > 1


class _Pipe(io.RawIOBase):
    """Stream that can be read once."""

    def __init__(self, content):
        self._content = io.BytesIO(content)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._content.readinto(buffer)


def test_a_silent_beginning_of_a_stream_that_is_readable_once(tmp_path):
    y = np.zeros(40_000, np.float32)
    y[30_000:] = noise(10_000)
    sf.write(tmp_path / "a.wav", y, 8000, subtype="FLOAT")
    config = AudioFeatureConfig(type="fbank", audio_file_length_limit_in_s=1)
    want = load_features(tmp_path / "a.wav", config)
    np.testing.assert_array_equal(load_features(_Pipe((tmp_path / "a.wav").read_bytes()), config), want)


def test_a_length_limit_beyond_the_memory_is_named():
    config = AudioFeatureConfig(type="fbank", audio_file_length_limit_in_s=1e9)
    with pytest.raises(FeatureError, match=r"audio_file_length_limit_in_s \(1e\+09 s\) .*\d+ rows"):
        extract(noise(9000), 16_000, config)


@pytest.mark.parametrize("sr", [12_000, 22_050])
@pytest.mark.parametrize("kind", TYPES)
def test_an_empty_batch_has_the_shape_of_its_items(kind, sr):
    config = AudioFeatureConfig(type=kind, **({} if kind in FIXED_VALUES else {"sr": 12_000}))
    y = noise(1, 9000)
    empty = extract(y[:0], sr, config)
    assert empty.shape == (0, *extract(y, sr, config).shape[1:]) and empty.dtype == np.float32


def test_every_form_of_a_sound_gives_the_same_features(tmp_path):
    y = noise(9000)
    path = tmp_path / "a.wav"
    sf.write(path, y, 8000, subtype="FLOAT")
    encoded = path.read_bytes()
    entry = {"array": y, "sampling_rate": 8000, "path": "a.wav"}
    for kind in TYPES:
        config = AudioFeatureConfig(type=kind)
        want = load_features(path, config)
        for source in (str(path), encoded, io.BytesIO(encoded), (y, 8000), entry, {"bytes": encoded, "path": None}):
            np.testing.assert_array_equal(load_features(source, config), want)


def test_errors_name_the_file(tmp_path, write_tone):
    sf.write(tmp_path / "silent.wav", np.zeros(9000), 12000)
    with pytest.raises(InvalidAudioError, match=r"silent\.wav: silent"):
        load_features(tmp_path / "silent.wav", AudioFeatureConfig())
    with pytest.raises(AudioDecodeError, match=r"missing\.wav: "):
        load_features(tmp_path / "missing.wav", AudioFeatureConfig())
    short = write_tone(tmp_path / "short.wav", seconds=0.01, sr=12000)
    with pytest.raises(FeatureError, match=r"short\.wav: .*120 .*n_fft"):
        load_features(short, AudioFeatureConfig(center=False))
    with pytest.raises(FeatureError, match=r"short\.wav: delta_width \(9\) .*\(1\)"):
        load_features(short, AudioFeatureConfig(type="mfcc", deltas=1))
    with pytest.raises(FeatureError, match=r"short\.wav: num_fft_points \(479\) .*window_length_in_s"):
        load_features(short, AudioFeatureConfig(num_fft_points=479))
    assert load_features(short, AudioFeatureConfig(n_frames=5)).shape == (96, 5)


@pytest.mark.parametrize("kind", TYPES)
def test_unusable_samples_are_refused(kind):
    config = AudioFeatureConfig(type=kind)
    for empty in (np.zeros(0), np.zeros((2, 0)), np.float32(1)):
        with pytest.raises(FeatureError, match="no samples"):
            extract(empty, 12000, config)
    for wrong in (np.nan, np.inf, -np.inf):
        y = noise(2, 9000)
        y[1, 500] = wrong
        with pytest.raises(InvalidAudioError, match="NaN or infinite"):
            extract(y, 12000, config)
    for rate in (0, -1, np.nan, np.inf, "8000"):
        with pytest.raises(ParameterError, match="sr must be"):
            extract(noise(9000), rate, config)


def test_keys_reach_the_arguments_of_their_function():
    y = noise(20_000)
    kwargs = {"n_mfcc": 13, "dct_type": 3, "dct_norm": None, "lifter": 22, "deltas": 1, "delta_width": 5}
    mel = {"n_fft": 400, "hop_length": 160, "win_length": 300, "window": "hamming", "center": False, "n_mels": 40}
    mel |= {"fmin": 50, "fmax": 4000, "htk": True, "norm": None, "power": 1, "amin": 1e-6, "ref": 2, "top_db": 60}
    got = extract(y, 12000, AudioFeatureConfig(type="mfcc", **kwargs, **mel))
    np.testing.assert_array_equal(got, features.mfcc(y, 12000, **kwargs, **mel))
    ludwig = {"window_length_in_s": 0.03, "window_shift_in_s": 0.01, "window_type": "hann", "num_fft_points": 512}
    config = AudioFeatureConfig(type="fbank", num_filter_bands=20, audio_file_length_limit_in_s=1, **ludwig)
    want = htk.fbank(y, 12000, num_filter_bands=20, **ludwig)[: config.limit(12000)[0]]
    np.testing.assert_array_equal(extract(y, 12000, config), want)


@pytest.mark.parametrize("kind", LUDWIG_TYPES)
@pytest.mark.parametrize("norm", [None, "per_file"])
def test_crop_takes_the_middle_of_a_longer_sound(kind, norm):
    config = AudioFeatureConfig(type=kind, sr=8000, audio_file_length_limit_in_s=0.5, norm=norm, crop="middle")
    rows, samples = config.limit(8000)
    y = np.random.default_rng(0).normal(0, 0.1, samples + 640).astype(np.float32)
    if norm is None:
        expected = extract(y[320 : 320 + samples], 8000, config)
    else:  # the deviation is that of the whole sound
        long = AudioFeatureConfig(type=kind, sr=8000, audio_file_length_limit_in_s=len(y) / 8000, norm=norm)
        whole = extract(y, 8000, long)
        expected = whole[(len(whole) - rows) // 2 :][:rows]
    np.testing.assert_array_equal(extract(y, 8000, config), expected)
    short = config.model_copy(update={"crop": "start"})
    np.testing.assert_array_equal(extract(y[:1000], 8000, config), extract(y[:1000], 8000, short))


def test_crop_finds_the_middle_of_a_long_file(tmp_path):
    y = np.zeros(80000, np.float32)
    y[38000:42000] = np.random.default_rng(0).normal(0, 0.1, 4000)
    sf.write(tmp_path / "late.wav", y, 8000, subtype="FLOAT")
    config = AudioFeatureConfig(type="raw", sr=8000, audio_file_length_limit_in_s=0.5, crop="middle")
    np.testing.assert_array_equal(load_features(tmp_path / "late.wav", config)[:, 0], y[38000:42000])


@pytest.mark.parametrize("kind", LUDWIG_TYPES)
@pytest.mark.parametrize("norm", [None, "per_file"])
@pytest.mark.parametrize("sr", [None, 8000])
def test_features_without_padding_are_the_frames_before_the_padding(kind, norm, sr):
    config = AudioFeatureConfig(type=kind, sr=sr, audio_file_length_limit_in_s=1, norm=norm, padding_value=-7)
    y = noise(6111)
    short, padded = load_features((y, 8000), config, pad=False), load_features((y, 8000), config)
    np.testing.assert_array_equal(short, padded[: len(short)])
    assert len(short) < len(padded) == config.limit(8000)[0] and (padded[len(short) :] == -7).all()
    long = (noise(20_000), 8000)
    np.testing.assert_array_equal(load_features(long, config, pad=False), load_features(long, config))


def test_bands_by_frames_without_padding_are_as_long_as_the_sound():
    config = AudioFeatureConfig(sr=8000, n_frames=60)
    short, padded = (load_features((noise(6111), 8000), config, pad=pad) for pad in (False, True))
    assert short.shape[1] == 1 + 6111 // config.hop_length < 60
    np.testing.assert_allclose(short[:, :-2], padded[:, : short.shape[1] - 2], atol=1e-4)
    long = (noise(20_000), 8000)
    np.testing.assert_array_equal(load_features(long, config, pad=False), load_features(long, config))
