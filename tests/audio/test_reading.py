"""Loading of sound, and the check of samples."""

import os
import subprocess
import sys
import tracemalloc
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import scipy.io.wavfile
import soundfile as sf
import soxr

from mxnet_audio import audio
from mxnet_audio.engine import nd
from mxnet_audio.errors import InvalidAudioError, ParameterError


def test_downmix_is_the_mean_of_the_channels(tmp_path):
    y = np.random.default_rng(0).uniform(-0.5, 0.5, (200_000, 8)).astype(np.float32)
    sf.write(tmp_path / "a.wav", y, 96000, subtype="FLOAT")
    mono, sr = audio.load(tmp_path / "a.wav")
    assert sr == 96000 and mono.flags.c_contiguous
    np.testing.assert_allclose(mono, y.mean(axis=1), atol=1e-6)
    channels, _ = audio.load(tmp_path / "a.wav", mono=False)
    np.testing.assert_array_equal(channels, y.T)


def test_resampling_is_soxr_in_one_shot(tmp_path, write_tone):
    path = write_tone(tmp_path / "a.wav", sr=44100, seconds=3)
    y, _ = sf.read(path, dtype="float32")
    got, sr = audio.load(path, sr=12000)
    assert sr == 12000
    np.testing.assert_array_equal(got, soxr.resample(y, 44100, 12000, quality="HQ"))


def test_offset_and_duration(tmp_path, write_tone):
    path = write_tone(tmp_path / "a.wav", sr=8000, seconds=2, channels=2)
    whole, _ = audio.load(path)
    np.testing.assert_array_equal(audio.load(path, offset=0.5)[0], whole[4000:])
    np.testing.assert_array_equal(audio.load(path, offset=0.5, duration=0.25)[0], whole[4000:6000])
    np.testing.assert_array_equal(audio.load(path, offset=1.5, duration=9)[0], whole[12000:])
    np.testing.assert_array_equal(audio.load((whole, 8000), offset=1.5, duration=9)[0], whole[12000:])
    for source in (path, (whole, 8000)):
        with pytest.raises(InvalidAudioError, match="beyond the end"):
            audio.load(source, offset=2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"offset": -0.1},
        {"offset": float("nan")},
        {"duration": 0},
        {"duration": -1},
        {"sr": 0},
        {"sr": -8000},
        {"sr": 8000.5},
        {"sr": float("inf")},
        {"sr": 10**400},
        {"sr": "8000"},
        {"offset": "1"},
        {"duration": float("inf")},
    ],
)
def test_arguments_out_of_range_are_named(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        audio.load((np.ones(100, np.float32), 8000), **wrong)


@pytest.mark.parametrize("name", ["with space.wav", "Straße, звук 音.wav", "a\nb.wav"])
def test_file_names_with_any_characters(tmp_path, write_tone, name):
    assert len(audio.load(write_tone(tmp_path / name, sr=8000))[0]) == 8000
    assert len(audio.load(str(tmp_path / name))[0]) == 8000


def test_ten_milliseconds(tmp_path, write_tone):
    path = write_tone(tmp_path / "short.wav", seconds=0.01, sr=44100)
    assert len(audio.load(path)[0]) == 441
    assert len(audio.load(path, sr=12000)[0]) == 120


def test_too_short_to_resample():
    with pytest.raises(InvalidAudioError, match="too short"):
        audio.load((np.ones(1, np.float32), 96000), sr=1000)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused(tmp_path, value):
    y = np.zeros(1000, np.float32)
    y[500] = value
    sf.write(tmp_path / "a.wav", y, 8000, subtype="FLOAT")
    with pytest.raises(InvalidAudioError, match=r"a\.wav: .*NaN"):
        audio.load(tmp_path / "a.wav")


@pytest.mark.parametrize("shape", [(0, 5), (2, 0), (0, 0), (0,)])
@pytest.mark.parametrize("dtype", [np.float32, np.int16])
@pytest.mark.filterwarnings("error")
def test_an_array_without_samples_is_refused(shape, dtype):
    with pytest.raises(InvalidAudioError, match="no samples"):
        audio.load((np.zeros(shape, dtype), 8000))


def test_silence_can_be_loaded_and_refused(tmp_path):
    sf.write(tmp_path / "a.wav", np.zeros(1000), 8000)
    y, _ = audio.load(tmp_path / "a.wav")
    assert audio.valid_audio(y) is y
    with pytest.raises(InvalidAudioError, match=r"a\.wav: silent"):
        audio.valid_audio(y, tmp_path / "a.wav", allow_silence=False)
    audio.valid_audio(y + np.float32(2e-5), allow_silence=False)


@pytest.mark.parametrize("bad", [[0.0], np.zeros(3, int), np.zeros((1, 1, 3)), np.zeros(0), np.zeros((2, 0))])
def test_valid_audio_refuses_other_arrays(bad):
    with pytest.raises(InvalidAudioError):
        audio.valid_audio(bad)


@pytest.mark.parametrize(
    "dtype, low, high",
    [(np.int16, -32768, 32767), (np.int32, -(2**31), 2**31 - 1), (np.int8, -128, 127), (np.uint8, 0, 255)],
)
def test_integers_are_scaled_by_their_range(dtype, low, high):
    middle = (low + high + 1) // 2
    y, sr = audio.load((np.array([low, middle, high], dtype), 8000))
    assert sr == 8000 and y.dtype == np.float32
    np.testing.assert_allclose(y, [-1, 0, 1], atol=0.01)
    assert y[0] == -1 and y[1] == 0


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "PCM_U8"])
@pytest.mark.filterwarnings("ignore::scipy.io.wavfile.WavFileWarning")
def test_a_file_read_with_scipy_is_as_loud_as_the_file(tmp_path, write_tone, subtype):
    path = write_tone(tmp_path / "a.wav", channels=2, subtype=subtype)
    sr, y = scipy.io.wavfile.read(path)
    np.testing.assert_array_equal(audio.load((y.T, sr))[0], audio.load(path)[0])


@pytest.mark.parametrize("bits", [12, 16, 24])
@pytest.mark.parametrize("form", ["int32", "int64", "uint32", "list", "nd"])
def test_wide_integers_without_a_known_full_scale_are_refused(bits, form):
    y = np.abs(np.sin(np.arange(800)) * 2 ** (bits - 1)).astype(int)
    wide = y.tolist() if form == "list" else nd.array(y, dtype="int32") if form == "nd" else y.astype(form)
    for source in ((wide, 8000), {"array": wide, "sampling_rate": 8000, "path": "a.wav"}):
        for function in (audio.load, audio.info, lambda source: list(audio.blocks(source))):
            with pytest.raises(InvalidAudioError, match=r"full scale.* array / 2\*\*15 for 16-bit"):
                function(source)
    assert 0.9 < audio.load((y / 2 ** (bits - 1), 8000))[0].max() <= 1


@pytest.mark.parametrize("dtype", [">i2", "<i2", ">i4", "<i4"])
def test_integers_of_both_byte_orders_are_scaled(dtype):
    half = np.iinfo(dtype).max // 2 + 1
    np.testing.assert_array_equal(audio.load((np.array([-half, 0, half], dtype), 8000))[0], [-0.5, 0, 0.5])


@pytest.mark.parametrize("dtype", ["m8[s]", "M8[s]", "c16", "?", "O", "U1"])
def test_types_that_are_no_samples_are_refused(dtype):
    with pytest.raises(InvalidAudioError, match="expected integers or floats"):
        audio.load((np.ones(8, int).astype(dtype), 8000))


def test_unsigned_integers_of_16_bits_are_refused():
    with pytest.raises(InvalidAudioError, match="uint16 samples up to 4095"):
        audio.load((np.array([0, 2048, 4095], np.uint16), 8000))


def test_wide_integers_of_digital_silence():
    assert not audio.load(([0, 0], 8000))[0].any()


@pytest.mark.parametrize("rate", [1, 43])
def test_a_wrong_rate_does_not_fill_the_memory(tmp_path, rate):
    """136,000 samples at 1 Hz are 24 GB at 44.1 kHz."""
    sf.write(tmp_path / "a.wav", np.full(136_000, 0.1), rate)
    tracemalloc.start()
    for source in (tmp_path / "a.wav", (np.full(136_000, 0.1), rate)):
        with pytest.raises(InvalidAudioError, match=f"{rate} Hz cannot be resampled to 44100 Hz"):
            audio.load(source, 44100)
        with pytest.raises(InvalidAudioError, match=f"{rate} Hz"):
            next(audio.blocks(source, 44100, seconds=1e9))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20
    assert len(audio.load(tmp_path / "a.wav")[0]) == 136_000


def test_a_low_rate_is_resampled_within_limits(tmp_path):
    """Ultralow rates of sensors, and long sound at 100 Hz: streamed in small blocks, loaded as far as it fits."""
    assert len(audio.load((np.ones(200), 20), 16000)[0]) == 160_000
    sf.write(tmp_path / "a.wav", np.full(2_000_000, 0.1), 100)
    with pytest.raises(InvalidAudioError, match="2e\\+04 s of sound at 100 Hz"):
        audio.load(tmp_path / "a.wav", 44100)
    assert len(audio.load(tmp_path / "a.wav", 44100, duration=1)[0]) == 44100
    assert len(next(audio.blocks(tmp_path / "a.wav", 44100, seconds=1e6))) < 5_000_000


def test_too_little_memory_is_named(monkeypatch, tmp_path, write_tone):
    def fail(*arguments, **options):
        raise MemoryError

    path = write_tone(tmp_path / "a.wav", sr=8000)
    for target in ("soxr.resample", "numpy.concatenate"):
        with monkeypatch.context() as patch, pytest.raises(InvalidAudioError, match=r"a\.wav: .*memory"):
            patch.setattr(target, fail)
            audio.load(EndlessSound(audio.Played(path, 1)), 16000)


class EndlessSound:
    """Source whose length is unknown, so that its blocks are joined at the end."""

    def __init__(self, source):
        self.source, self.name = source, source.name

    @contextmanager
    def opened(self):
        with self.source.opened() as stream:
            yield replace(stream, frames=None, slack=None)


def test_parts_beyond_any_length():
    with pytest.raises(InvalidAudioError, match="beyond the end"):
        audio.load((np.ones(9), 8000), offset=1e308)
    assert len(audio.load((np.ones(9), 8000), duration=1e308)[0]) == 9


def test_arrays_are_loaded_as_copies():
    stereo = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(audio.load((stereo, 8000))[0], [2, 3])
    np.testing.assert_array_equal(audio.load((stereo, 8000), mono=False)[0], stereo)
    assert audio.load((stereo[:1], 8000), mono=False)[0].shape == (2,)
    given = np.ones(4, np.float32)
    got, _ = audio.load((given, 8000.0))
    got[:] = 0
    assert given.all()  # the caller's array is unchanged


@pytest.mark.parametrize(
    "source",
    [
        (np.zeros((2, 2, 2)), 8000),
        (np.zeros((44100, 2)), 8000),
        (np.zeros(4, complex), 8000),
        (np.zeros(4, bool), 8000),
        (np.zeros(0), 8000),
        (np.array([1e300]), 8000),
        (np.array([0.0, -1e13]), 8000),
        (np.zeros(4), 10**15),
        (np.zeros(4), 0),
        (np.zeros(4), -1),
        (np.zeros(4), None),
        (np.zeros(4), "8000"),
        (np.zeros(4),),
    ],
)
def test_arrays_that_are_no_sound_are_refused(source):
    with pytest.raises(InvalidAudioError):
        audio.load(source)


def test_stereo_needs_the_memory_of_mono(tmp_path):
    frames = 2_000_000
    sf.write(tmp_path / "a.wav", np.full((frames, 2), 0.25, np.float32), 44100)
    tracemalloc.start()
    try:
        audio.load(tmp_path / "a.wav")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * frames * 1.4


def test_missing_read_permission_as_another_user(tmp_path, write_tone):
    if not hasattr(os, "setuid") or os.getuid() != 0:
        pytest.skip("only root can change the user; the refusal is also tested in test_decode")
    path = write_tone(tmp_path / "a.wav")
    path.chmod(0o600)
    for folder in [tmp_path, *tmp_path.parents][:3]:
        folder.chmod(0o755)
    code = (
        "import os, sys; from mxnet_audio import audio; import mxnet_audio.audio.decode; audio.load; os.setuid(65534)\n"
        "try: audio.load(sys.argv[1])\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    out = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert out.stdout.strip() == f"AudioDecodeError {path}: no permission to read this file", out.stderr


def test_an_entry_of_a_folder_of_bytes(tmp_path, write_tone):
    write_tone(tmp_path / "a.wav", sr=8000)
    (entry,) = os.scandir(os.fsencode(tmp_path))
    assert len(audio.load(entry)[0]) == 8000 and audio.info(entry).path == str(tmp_path / "a.wav")


def test_a_file_name_that_is_not_unicode(tmp_path, write_tone):
    path = write_tone(tmp_path / "a.wav")
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav")
    path.rename(odd)
    assert len(audio.load(odd)[0]) == 22050
    assert audio.info(odd).frames == 22050
