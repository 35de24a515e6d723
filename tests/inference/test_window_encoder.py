"""Stream of windows through a network: it equals the network on whole sounds, whatever shares a batch with them."""

import gc
import itertools
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import soundfile

from mxnet_audio import features
from mxnet_audio.errors import AudioDecodeError, InvalidAudioError, ParameterError, TruncatedAudioError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference.window_encoder import WindowEncoder

SR, WINDOW = 8000, 2.0
CONFIG = AudioFeatureConfig(type="mel", sr=SR, n_fft=256, hop_length=128, n_mels=4)
RAW = AudioFeatureConfig(type="raw", sr=SR, norm="per_file", audio_file_length_limit_in_s=0.1)
STEP = (128 / SR, 256 / SR)


class Network:
    """Network whose vector is the mean of the logarithms of its frames; it notes the shapes of its inputs."""

    def __init__(self):
        self.shapes = []

    def __call__(self, x, lengths):
        self.shapes.append(x.shape)
        vectors = np.stack([self._steps(row, length).mean(axis=0) for row, length in zip(x, lengths)])
        return 1 / (1 + np.exp(-vectors[:, :3] / 4)), vectors

    def sequences(self, x, lengths):
        self.shapes.append(x.shape)
        sequences = np.full((len(x), x.shape[3], x.shape[2]), np.nan)
        for row, length, sequence in zip(x, lengths, sequences):
            sequence[:length] = self._steps(row, length)
        return lengths.astype(np.float32), sequences

    def _steps(self, row, length):
        assert not row[..., length:].any()
        return np.log(np.abs(row[0, :, :length].T) + 1e-3)


@pytest.fixture
def network():
    return Network()


@pytest.fixture
def encoder(network):
    """Function that makes an encoder with `network`."""

    def make(config=CONFIG, *, window=WINDOW, min_input=3, **options):
        return WindowEncoder(network, config, window=window, min_input=min_input, **options)

    return make


@pytest.fixture
def sound():
    """Return the function that makes noise of a length, which differs from seed to seed."""

    def make(seconds, seed=0):
        rng, t = np.random.default_rng(seed), np.arange(round(seconds * SR)) / SR
        return (np.float32(rng.normal(0, 0.05, t.size) + 0.1 * np.sin(300 * (seed + 1) * t)), SR)

    return make


def expected(y, config=CONFIG):
    """Return the vector of one window."""
    if config.type == "raw":
        config = config.model_copy(update={"audio_file_length_limit_in_s": (len(y) + 0.5) / SR})
    x = features.as_image(features.extract(y, SR, config), config.time_axis)
    return Network()(x[np.newaxis], np.array([x.shape[-1]]))[1][0]


@pytest.mark.parametrize("config", [CONFIG, RAW], ids=["mel", "raw"])
@pytest.mark.parametrize("seconds", [0.032, 0.1, 1.2345, 2.0])
def test_a_sound_of_one_window_is_one_input(encoder, network, sound, config, seconds):
    y, _ = sound(seconds)
    (output,) = encoder(config).encode_many([(y, SR)])
    np.testing.assert_allclose(output.vector, expected(y, config), atol=1e-5)
    np.testing.assert_allclose(output.scores, 1 / (1 + np.exp(-output.vector[:3] / 4)), atol=1e-5)
    (shape,) = network.shapes
    assert shape[0] == 1 and shape[3] >= (len(y) if config is RAW else 1 + len(y) // 128)


@pytest.mark.parametrize("seconds", [3.0, 4.0, 4.2, 7.77])
def test_the_last_window_ends_with_the_sound_and_counts_by_its_new_part(encoder, sound, seconds):
    y, _ = sound(seconds)
    size = round(WINDOW * SR)
    starts = [*range(0, len(y) - size + 1, size)]
    shares = [1.0] * len(starts)
    if rest := len(y) - starts[-1] - size:
        starts.append(len(y) - size)
        shares.append(rest / size)
    vectors = [expected(y[start : start + size]) for start in starts]
    pooled = {
        "mean": np.average(vectors, axis=0, weights=shares),
        "sum": np.array(shares) @ np.array(vectors),
        "max": np.max(vectors, axis=0),
        "last": vectors[-1],
    }
    for pool, vector in pooled.items():
        (output,) = encoder(pool=pool).encode_many([(y, SR)])
        np.testing.assert_allclose(output.vector, vector, rtol=1e-5)


@pytest.mark.parametrize("pads", [True, False])
@pytest.mark.parametrize("batch_size", [None, 1, 3, 10**30])
def test_batches_change_nothing(encoder, network, sound, pads, batch_size):
    lengths = [0.1, 3.0, 0.2, 1.0, 0.1, 0.5, 7.0, 1.01, 0.99, 1.0]
    sounds = [sound(seconds, seed) for seed, seconds in enumerate(lengths)]
    alone = [next(encoder().encode_many([one])) for one in sounds]
    network.shapes.clear()
    together = list(encoder(pads=pads).encode_many(sounds, batch_size))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.vector, other.vector, atol=1e-6)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)
    sizes = {shape[0] for shape in network.shapes}
    assert max(sizes) <= (batch_size or 64) and all(size in (3, 1 << size.bit_length() - 1) for size in sizes)


def test_inputs_are_padded_to_few_lengths_and_few_sizes(encoder, network, sound):
    rng = np.random.default_rng(0)
    y, _ = sound(WINDOW)
    outputs = list(encoder().encode_many((y[:n], SR) for n in rng.integers(300, len(y), 500)))
    assert len(outputs) == 500 and all(output.error is None for output in outputs)
    lengths = {shape[3] for shape in network.shapes}
    assert len(lengths) <= 25 and len(set(network.shapes)) <= 80 and len(network.shapes) < 200
    network.shapes.clear()
    list(encoder(pads=False).encode_many((y[:n], SR) for n in (1000, 1001, 1300, 1000)))
    assert network.shapes == [(2, 1, 4, 8), (1, 1, 4, 8), (1, 1, 4, 11)]


def test_passes_are_bounded_by_the_length_of_their_sound(encoder, network, sound):
    list(encoder().encode_many([sound(200.0)]))
    assert {shape[0] for shape in network.shapes[:-1]} == {8}  # 16 s
    network.shapes.clear()
    list(encoder().encode_many(sound(0.1, seed) for seed in range(130)))
    assert [shape[0] for shape in network.shapes] == [64, 64, 2]


def test_features_of_a_fixed_length(sound):
    noted = []

    def forward(x, lengths):
        noted.extend(lengths)
        assert x.shape[1:] == (1, 4, 126)
        return None, np.zeros((len(x), 2))

    config = CONFIG.model_copy(update={"n_frames": 126})
    encoder = WindowEncoder(forward, config, window=WINDOW, min_input=126)
    outputs = list(encoder.encode_many([sound(0.2), sound(2.0), sound(2.5)]))
    assert sorted(noted) == [13, 126, 126, 126]  # frames that the sound covers
    assert all(output.scores.shape == (0,) for output in outputs)
    assert encoder.encode_frames(sound(0.2)).times.tolist() == [[0, 0.2]]


def test_steps_have_times_and_those_of_the_last_window_are_new(encoder, network, sound):
    y, _ = sound(5.3)
    y[2 * SR : 3 * SR] = 0
    frames = encoder(sequences=network.sequences, step=STEP).encode_frames((y, SR))
    starts = frames.times[:, 0]
    assert frames.scores.shape == (len(starts), 0) and frames.vectors.shape == (len(starts), 4)
    assert np.isfinite(frames.vectors).all()
    assert (np.diff(starts) > 0).all() and np.diff(starts).max() < 2.1 * STEP[0]
    assert starts[0] == 0 and 5.3 - STEP[0] <= starts[-1] < 5.3 and frames.times[-1, 1] == 5.3
    lengths = (frames.times[:, 1] - starts)[:-1]
    cut = np.isclose(frames.times[:-1, 1], np.ceil(starts[:-1] / WINDOW) * WINDOW)  # a window ends there
    np.testing.assert_allclose(lengths[~cut], STEP[1])
    assert cut.sum() < 8
    inside = (starts >= 2) & (frames.times[:, 1] <= 3)
    np.testing.assert_array_equal(frames.silent, inside)


def test_sequences_without_times_have_those_of_the_window(encoder, network, sound):
    frames = encoder(sequences=network.sequences).encode_frames(sound(2.5))
    assert len(frames.vectors) == 2 * 126
    assert np.unique(frames.times, axis=0).tolist() == [[0, 2], [0.5, 2.5]]


def test_windows_are_inputs_of_their_own(encoder, sound):
    y, _ = sound(3.3)
    (frames,) = encoder().iter_windows((y, SR), 1.0, 0.5)
    assert frames.times.tolist() == [[0, 1], [0.5, 1.5], [1, 2], [1.5, 2.5], [2, 3], [2.3, 3.3]]
    for (begin, end), vector in zip(frames.times, frames.vectors):
        np.testing.assert_allclose(vector, expected(y[round(begin * SR) : round(end * SR)]), atol=1e-5)
    (whole,) = encoder().iter_windows((y[:4000], SR))
    assert whole.times.tolist() == [[0, 0.5]]


@pytest.mark.parametrize("window, hop", [(0.01, None), (2.1, None), (1, 1.5), (1, 0), (1, 0.01), ("1", None)])
def test_windows_out_of_range(encoder, sound, window, hop):
    with pytest.raises(ParameterError, match=r"(window|hop) must be a number"):
        encoder().iter_windows(sound(3.0), window, hop)


def test_bad_sounds_are_named_in_order(encoder, sound, tmp_path):
    good, truncated, silent, short = (tmp_path / name for name in ("good.wav", "cut.flac", "silent.wav", "short.wav"))
    soundfile.write(good, *sound(1.0))
    soundfile.write(truncated, *sound(30.0))
    truncated.write_bytes(truncated.read_bytes()[:100_000])
    soundfile.write(silent, np.zeros(8000), SR)
    soundfile.write(short, *sound(0.03))
    paths = [good, truncated, tmp_path / "missing.wav", silent, (np.array([np.nan]), SR), short, good]
    kinds = (TruncatedAudioError, AudioDecodeError), AudioDecodeError, *[InvalidAudioError] * 3
    outputs = list(encoder().encode_many(paths))
    assert [output.source for output in outputs] == paths
    for output, kind in zip(outputs[1:-1], kinds):
        assert isinstance(output.error, kind) and output.vector is output.scores is None
    assert outputs[0].error is outputs[-1].error is None
    assert "cut.flac" in str(outputs[1].error) and "at least 0.0320 s" in str(outputs[5].error)
    for name, path in (("silent", silent), ("short", short)):
        with pytest.raises(InvalidAudioError, match=rf"{name}\.wav"):
            encoder().encode_frames(path)


def test_an_error_after_the_part_that_is_read_ahead(encoder, sound, tmp_path, monkeypatch):
    monkeypatch.setattr("mxnet_audio.inference.window_encoder.AHEAD_SECONDS", 4.0)
    y, _ = sound(40.0)
    y[-1] = np.nan
    damaged = tmp_path / "damaged.wav"
    soundfile.write(damaged, y, SR, subtype="FLOAT")
    next(encoder().iter_frames(damaged, 2))  # its beginning can be read
    first, failed, last = encoder().encode_many([sound(5.0), damaged, sound(5.0)], 4)
    assert isinstance(failed.error, InvalidAudioError) and "damaged.wav" in str(failed.error)
    assert failed.error.__traceback__ is None, "it would keep the samples in memory"
    np.testing.assert_allclose(first.vector, last.vector)


def test_memory_does_not_grow_with_the_length_or_the_number(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr("mxnet_audio.inference.window_encoder.AHEAD_SECONDS", 4.0)
    path, block = tmp_path / "long.wav", np.random.default_rng(0).normal(0, 0.1, 80_000)
    with soundfile.SoundFile(path, "w", SR, 1) as file:
        for _ in range(40):
            file.write(block)
    engine = encoder()
    list(engine.encode_many([(block, SR)]))
    tracemalloc.start()
    outputs = list(engine.encode_many([path, *((block[: 800 + i], SR) for i in range(300))]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert all(output.error is None for output in outputs) and peak < 6 << 20  # the samples take 13 MB


def test_files_are_closed_without_the_garbage_collector(encoder, sound, tmp_path, monkeypatch):
    monkeypatch.setattr("mxnet_audio.inference.window_encoder.AHEAD_SECONDS", 2.0)
    path, engine = tmp_path / "long.wav", encoder()
    soundfile.write(path, *sound(80.0))
    opened = []
    make = soundfile.SoundFile.__init__

    def note(file, *args, **kwargs):
        make(file, *args, **kwargs)
        opened.append(file)

    monkeypatch.setattr(soundfile.SoundFile, "__init__", note)
    gc.disable()
    try:
        for results in (engine.iter_frames(path, 4), engine.encode_many([path] * 3, 1)):
            next(results)
            assert opened
            results.close()
            assert all(file.closed for file in opened)
            opened.clear()
    finally:
        gc.enable()


def test_sounds_are_read_only_as_far_as_needed(encoder, sound):
    outputs = encoder().encode_many(sound(0.2, seed) for seed in itertools.count())
    assert next(outputs).error is None
    outputs.close()


def test_a_sound_of_a_rare_length_does_not_keep_others_waiting(encoder):
    read = itertools.count()
    outputs = encoder().encode_many((np.ones(1600 if next(read) else 12_000), SR) for _ in range(2000))
    assert next(outputs).error is None
    assert next(read) < 600
    outputs.close()


def test_bad_arguments(encoder, network, sound):
    for batch_size in (0, "4", 2.5):
        with pytest.raises(ParameterError, match="batch_size"):
            list(encoder().encode_many([], batch_size))
        with pytest.raises(ParameterError, match="batch_size"):
            next(encoder().iter_frames(sound(1.0), batch_size))
    with pytest.raises(ParameterError, match="paths"):
        list(encoder().encode_many(3))
    with pytest.raises(ParameterError, match="window"):
        encoder(window=0.01)
    with pytest.raises(ParameterError, match="rate"):
        encoder(AudioFeatureConfig(type="raw"))


def test_mxnet_is_not_imported():
    script = "import sys; sys.modules['mxnet'] = None; import mxnet_audio.inference.window_encoder"
    subprocess.run([sys.executable, "-c", script], check=True)
