"""Calls to load sound that users of MXNet's proposal, torchaudio and librosa know."""

import inspect
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio
from mxnet_audio.data import AudioFolderDataset
from mxnet_audio.errors import AudioDecodeError, AudioError


@pytest.fixture
def stereo(tmp_path, write_tone):
    return write_tone(tmp_path / "clips" / "bell" / "a.wav", sr=32000, seconds=0.5, channels=2, subtype="PCM_16")


def test_m4r_ringtones_are_found_and_read(tmp_path):
    av = pytest.importorskip("av", reason="PyAV (extra [av]) is not installed")
    path = tmp_path / "ring.m4a"
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("aac", rate=44100, layout="mono")
        y = (0.4 * np.sin(np.arange(44100) / 10)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(y[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44100, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    ringtone = Path(shutil.move(path, path.with_suffix(".m4r")))
    assert audio.find_audio(tmp_path) == [str(ringtone)]
    assert audio.load(ringtone)[0].size >= 44100


@pytest.mark.parametrize("path", ["s3://bucket/clips", Path("s3://bucket/clips"), "https://example.org/a.wav"])
def test_remote_paths_must_be_downloaded_first(path):
    for function in (audio.load, audio.info, audio.find_audio):
        with pytest.raises(AudioDecodeError, match=r"remote path \((s3|https)://\): download it first"):
            function(path)


def test_a_remote_folder_of_a_dataset_is_refused():
    with pytest.raises(AudioError, match="s3://"):
        AudioFolderDataset("s3://bucket/clips", has_csv=False)


def test_load_keeps_the_rate_and_librosas_default_is_an_argument(stereo):
    y, sr = audio.load(stereo)
    assert (sr, y.shape) == (32000, (16000,))
    y, sr = audio.load(stereo, sr=22050)
    assert (sr, y.shape) == (22050, (11025,))
    assert list(inspect.signature(audio.load).parameters)[:5] == ["source", "sr", "mono", "offset", "duration"]


def test_torchaudios_load_in_other_words(stereo):
    """``torchaudio.load(path, normalization=True)`` returns float samples [channels, n] in [-1, 1), and the rate."""
    y, sr = audio.load(stereo, mono=False)
    want, _ = sf.read(stereo, dtype="float32", always_2d=True)
    assert sr == 32000
    np.testing.assert_array_equal(y, want.T)


def test_audioread_no_backend_is_an_audio_decode_error(tmp_path):
    (tmp_path / "a.xyz").write_bytes(b"no codec reads this" * 10)
    with pytest.raises(AudioDecodeError, match=r"soundfile: .*audioread: "):
        audio.load(tmp_path / "a.xyz")
