"""Test the synthetic corpus and its generators."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import datasets
from mxnet_audio.datasets.synthesis import GENERATORS, coloured_noise
from mxnet_audio.datasets.synthetic import LABELS, render, synthesise
from mxnet_audio.errors import DatasetError, ParameterError

SMALL = {"clips_per_class": 2, "sr": 8000, "seconds": 0.5}


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("sr", [4000, 22050])
def test_every_class_renders_sound(label, sr):
    for index in range(6):
        y = render(label, index, sr=sr, seconds=1.0)
        assert y.shape == (sr,) and y.dtype == np.int16
        assert 32767 * 10 ** (-18.1 / 20) < np.abs(y).max() <= 32767 * 10 ** (-0.9 / 20)
        sound = GENERATORS[label](np.random.default_rng(index), sr, sr)
        assert sound.shape == (sr,) and np.isfinite(sound).all() and np.ptp(sound) > 0


def test_clips_depend_only_on_number_and_seed(tmp_path):
    few = synthesise(tmp_path / "few", **SMALL)
    many = synthesise(tmp_path / "many", **SMALL | {"clips_per_class": 3})
    by_name = {Path(path).name: Path(path).read_bytes() for path, _ in many}
    assert len(by_name) == 30 and len(set(by_name.values())) == 30
    assert all(by_name[Path(path).name] == Path(path).read_bytes() for path, _ in few)
    assert (render("rain", 0, seed=1, seconds=0.5) != render("rain", 0, seed=2, seconds=0.5)).any()


def test_class_folders_of_16_bit_wav_files(tmp_path):
    pairs = synthesise(tmp_path, **SMALL)
    assert pairs == sorted(pairs) == datasets.folder(tmp_path)
    info = sf.info(pairs[0][0])
    assert (info.samplerate, info.channels, info.frames, info.subtype) == (8000, 1, 4000, "PCM_16")


def test_second_call_renders_only_missing_clips(tmp_path):
    pairs = synthesise(tmp_path, **SMALL)
    content = Path(pairs[3][0]).read_bytes()
    Path(pairs[3][0]).unlink()
    times = [Path(path).stat().st_mtime_ns for path, _ in pairs[:3]]
    assert synthesise(tmp_path, **SMALL) == pairs
    assert [Path(path).stat().st_mtime_ns for path, _ in pairs[:3]] == times
    assert Path(pairs[3][0]).read_bytes() == content
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == len(pairs) + 1


def test_another_seed_renders_all_clips_again(tmp_path):
    path = Path(synthesise(tmp_path, **SMALL | {"clips_per_class": 3})[0][0])
    old = path.read_bytes()
    pairs = synthesise(tmp_path, seed=5, **SMALL)
    assert path.read_bytes() != old
    assert datasets.folder(tmp_path) == pairs, "all old clips are deleted"


def test_other_files_are_not_overwritten(tmp_path):
    existing = tmp_path / "rain" / "rain_0000.wav"
    existing.parent.mkdir()
    existing.write_bytes(b"recording")
    with pytest.raises(DatasetError, match=r"rain_0000\.wav"):
        synthesise(tmp_path, **SMALL)
    assert existing.read_bytes() == b"recording"


def test_errors(tmp_path):
    for wrong in ({"clips_per_class": 0}, {"seed": -1}, {"sr": 100}, {"seconds": 0}):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            synthesise(tmp_path, **SMALL | wrong)
    with pytest.raises(ParameterError, match=r"label .*'thunder'"):
        render("thunder", 0)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DatasetError, match="file: cannot write"):
        synthesise(tmp_path / "file", **SMALL)


def test_coloured_noise_has_the_requested_slope():
    spectrum = np.abs(np.fft.rfft(coloured_noise(np.random.default_rng(0), 1 << 16, 2.0))) ** 2
    octaves = [spectrum[k : 2 * k].mean() for k in (64, 256, 1024, 4096)]
    np.testing.assert_allclose(np.diff(np.log2(octaves)), -4, atol=0.5)
