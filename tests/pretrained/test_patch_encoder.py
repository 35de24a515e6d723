"""Streaming through an encoder network equals the network on whole sounds."""

import gc
import itertools
import tracemalloc

import numpy as np
import pytest
import soundfile

from mxnet_audio import features
from mxnet_audio.engine import mx, nd
from mxnet_audio.errors import AudioDecodeError, InvalidAudioError, ParameterError, TruncatedAudioError
from mxnet_audio.pretrained import PatchEncoder


@pytest.fixture
def encoder(small_net):
    def make(embedding="mean", **options):
        return PatchEncoder(small_net(embedding, **options), model_ctx=mx.cpu(), data_ctx=mx.cpu())

    return make


@pytest.mark.parametrize("embedding", ["mean", "mean_std", "unit"])
@pytest.mark.parametrize("seconds", [0.05, 0.15, 0.16, 1.0, 2.717])
def test_stream_equals_the_network_on_the_whole_sound(small_net, encoder, sound, embedding, seconds):
    y, sr = sound(seconds)
    config = small_net().features
    padded = np.pad(y, (0, max(0, config.n_samples - len(y))))
    image = features.extract(padded, sr, config.model_copy(update={"n_frames": None}))
    whole = small_net(embedding, frames=image.shape[1])
    scores, vector = (output.asnumpy()[0] for output in whole(nd.array(image[np.newaxis, np.newaxis])))
    (output,) = encoder(embedding).encode_many([(y, sr)])
    np.testing.assert_allclose(output.vector, vector, atol=1e-5)
    # The network averages logits, the stream averages scores.
    assert output.scores.shape == scores.shape
    if seconds <= 0.16:  # one patch
        np.testing.assert_allclose(output.scores, 1 / (1 + np.exp(-scores)), atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 32, 10**30])
def test_batches_change_nothing(encoder, sound, batch_size):
    sounds = [sound(seconds, seed) for seed, seconds in enumerate([0.1, 3.0, 0.2, 1.0, 0.1, 0.5, 7.0])]
    engine = encoder()
    alone = [next(engine.encode_many([one])) for one in sounds]
    together = list(engine.encode_many(sounds, batch_size))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.vector, other.vector, atol=1e-6)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)


def test_passes_have_sizes_of_powers_of_two(encoder, sound, monkeypatch):
    engine, sizes = encoder(), []
    compute = engine.net.patch_outputs

    def note(x):
        sizes.append(len(x))
        return compute(x)

    monkeypatch.setattr(engine.net, "patch_outputs", note)
    sounds = [sound(1.0, seed) for seed in range(9)]
    list(engine.encode_many(sounds, 16))
    full, *rest = sorted(set(sizes), reverse=True)
    assert full == 16 and sizes.count(full) == sum(sizes) // full and all(sizes.count(size) == 1 for size in rest)
    sizes.clear()
    list(engine.encode_many(sounds))
    assert engine.batch_size == 128 and set(sizes) <= {1, 2, 4, 8, 16, 32, 64, 128}


def test_frames(encoder, sound):
    y, sr = sound(1.0)
    vectors, times, scores = encoder().encode_frames((y, sr))
    hop, size = 4 * 128 / sr, encoder().patch_samples / sr
    assert len(vectors) == len(times) == len(scores) and scores.shape[1] == 3
    np.testing.assert_allclose(times[:-1, 0], hop * np.arange(len(times) - 1))
    np.testing.assert_allclose(times[:-1, 1] - times[:-1, 0], size)
    assert 1 - 128 / sr <= times[-1, 1] <= 1  # the last patch ends with the last frame
    (output,) = encoder().encode_many([(y, sr)])
    np.testing.assert_allclose(vectors.mean(axis=0), output.vector, atol=1e-6)
    np.testing.assert_allclose(scores.mean(axis=0), output.scores, atol=1e-6)
    np.testing.assert_array_equal(encoder().encode_frames((y[:400], sr)).times, [[0, 400 / sr]])


def test_bad_sounds_are_named_in_their_place(encoder, sound, tmp_path):
    good, truncated, silent = (tmp_path / name for name in ("good.wav", "cut.flac", "silent.wav"))
    soundfile.write(good, *sound(1.0))
    soundfile.write(truncated, *sound(30.0))
    truncated.write_bytes(truncated.read_bytes()[:100_000])
    soundfile.write(silent, np.zeros(8000), 8000)
    paths = [good, truncated, tmp_path / "missing.wav", silent, (np.array([np.nan]), 8000), good]
    outputs = list(encoder().encode_many(paths))
    assert [output.source for output in outputs] == paths
    for output, kind in zip(
        outputs, (None, (TruncatedAudioError, AudioDecodeError), AudioDecodeError, InvalidAudioError, InvalidAudioError)
    ):
        if kind is None:
            assert output.error is None
        else:
            assert isinstance(output.error, kind) and output.vector is output.scores is None
    np.testing.assert_allclose(outputs[0].vector, outputs[-1].vector, atol=1e-6)
    assert "cut.flac" in str(outputs[1].error)
    with pytest.raises(InvalidAudioError, match=r"silent\.wav"):
        encoder().encode_frames(silent)


def test_an_error_after_the_part_that_is_read_ahead(encoder, sound, tmp_path, monkeypatch):
    monkeypatch.setattr("mxnet_audio.pretrained.patch_encoder.AHEAD_SECONDS", 1.0)
    long, damaged = tmp_path / "long.wav", tmp_path / "damaged.wav"
    soundfile.write(long, *sound(5.0))
    y, sr = sound(25.0)
    y[-1] = np.nan
    soundfile.write(damaged, y, sr, subtype="FLOAT")
    next(encoder().iter_frames(damaged, 4))  # its beginning can be read
    first, failed, last = encoder().encode_many([long, damaged, long], 4)
    assert isinstance(failed.error, InvalidAudioError) and "damaged.wav" in str(failed.error)
    assert failed.error.__traceback__ is None, "it would keep the frames in memory"
    np.testing.assert_allclose(first.vector, last.vector, atol=1e-6)
    monkeypatch.undo()
    np.testing.assert_allclose(next(encoder().encode_many([long])).vector, first.vector, atol=1e-6)


def test_memory_does_not_grow_with_the_length(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr("mxnet_audio.pretrained.patch_encoder.AHEAD_SECONDS", 5.0)
    path, block = tmp_path / "long.wav", np.random.default_rng(0).normal(0, 0.1, 80_000)
    with soundfile.SoundFile(path, "w", 8000, 1) as file:
        for _ in range(90):
            file.write(block)
    engine = encoder()
    tracemalloc.start()
    (output,) = engine.encode_many([path])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert output.error is None and peak < 8 << 20  # the samples take 29 MB


def test_files_are_closed_without_the_garbage_collector(encoder, sound, tmp_path, monkeypatch):
    monkeypatch.setattr("mxnet_audio.pretrained.patch_encoder.AHEAD_SECONDS", 1.0)
    path, engine = tmp_path / "long.wav", encoder()
    soundfile.write(path, *sound(20.0))
    opened = []
    make = soundfile.SoundFile.__init__

    def note(file, *args, **kwargs):
        make(file, *args, **kwargs)
        opened.append(file)

    monkeypatch.setattr(soundfile.SoundFile, "__init__", note)
    gc.disable()
    try:
        for results in (engine.iter_frames(path, 4), engine.encode_many([path] * 3, 4)):
            next(results)
            assert opened
            results.close()
            assert all(file.closed for file in opened)
            opened.clear()
    finally:
        gc.enable()


def test_sounds_are_read_only_as_far_as_needed(encoder, sound):
    endless = (sound(0.2, seed) for seed in itertools.count())
    with_close = encoder().encode_many(endless)
    assert next(with_close).error is None
    with_close.close()


@pytest.mark.parametrize("kept_seconds", [60.0, 0.5])
def test_quiet_sound_is_raised_to_the_level_of_the_network(encoder, sound, monkeypatch, kept_seconds):
    y, sr = sound(1.0)
    monkeypatch.setattr("mxnet_audio.pretrained.patch_encoder.KEPT_SECONDS", kept_seconds)
    monkeypatch.setattr("tests.pretrained.conftest.SmallNet.min_level", -30.0)
    engine = encoder()
    level = 20 * np.log10(np.sqrt(np.mean(np.square(y, dtype=np.float64))))
    assert level > -30
    loud, quiet, quieter = (next(engine.encode_many([(y * gain, sr)])).vector for gain in (1, 1e-3, 1e-4))
    np.testing.assert_allclose(quiet, quieter, atol=1e-5)
    raised = next(engine.encode_many([(y * np.float32(10 ** ((-30 - level) / 20)), sr)])).vector
    np.testing.assert_allclose(quiet, raised, atol=1e-5)
    assert np.abs(loud - quiet).max() > 1e-3


def test_bad_arguments(encoder):
    with pytest.raises(ParameterError, match="batch_size"):
        list(encoder().encode_many([], 0))
    with pytest.raises(ParameterError):
        list(encoder().encode_many(3))


@pytest.mark.parametrize("min_level", [None, -30.0])
def test_file_objects_that_cannot_be_read(encoder, tmp_path, monkeypatch, min_level):
    monkeypatch.setattr("tests.pretrained.conftest.SmallNet.min_level", min_level)
    with (tmp_path / "a.wav").open("wb") as file:
        (output,) = encoder().encode_many([file])
        assert isinstance(output.error, AudioDecodeError)
    with pytest.raises(AudioDecodeError, match=r"a\.wav"):
        encoder().encode_frames(file)


def test_silent_patches_hardly_count_for_the_scores(small_net, sound):
    net, device = small_net(), {"model_ctx": mx.cpu(), "data_ctx": mx.cpu()}
    (plain,) = PatchEncoder(net, **device).encode_many([sound(1.0)])
    (weighted,) = PatchEncoder(net, silence=2, **device).encode_many([sound(1.0)])
    frames = PatchEncoder(net, **device).encode_frames(sound(1.0))
    means = np.average(frames.scores, axis=0, weights=1.001 - frames.scores[:, 2])
    np.testing.assert_allclose(weighted.scores[:2], means[:2], atol=1e-5)
    assert weighted.scores[2] == frames.scores[:, 2].min()
    np.testing.assert_array_equal(weighted.vector, plain.vector)


def test_patches_of_digital_silence_are_marked(encoder, sound):
    y, sr = sound(4.0)
    y = np.array(y, np.float32)
    y[sr : 3 * sr] = 0
    for source in ((y, sr), (np.stack([y, y]), sr)):
        frames = encoder().encode_frames(source)
        inside = (frames.times[:, 0] >= 1.05) & (frames.times[:, 1] <= 2.95)
        outside = (frames.times[:, 1] <= 1) | (frames.times[:, 0] >= 3)
        assert inside.any() and frames.silent[inside].all() and not frames.silent[outside].any()
