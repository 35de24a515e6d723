"""Fixtures of the decoders: encoded sound, and each of the decoders alone."""

import shutil
import sys

import pytest


@pytest.fixture
def encode():
    """Function that encodes sound with PyAV: ``encode(y, sr, container, codec, options=None, delay=0.0) -> bytes``."""
    pytest.importorskip("av", reason="PyAV (extra [av]) is not installed")
    from benchmarks.fuzz_audio import encode

    return encode


@pytest.fixture
def only_decoder(monkeypatch, tmp_path_factory):
    """Function that leaves one decoder beside libsndfile: ``only_decoder('PyAV' | 'ffmpeg' | 'none')``."""

    def only_decoder(name):
        folder = tmp_path_factory.mktemp("path")
        if name == "PyAV":
            pytest.importorskip("av", reason="PyAV (extra [av]) is not installed")
        else:
            monkeypatch.setitem(sys.modules, "av", None)
        if name == "ffmpeg":
            (folder / "ffmpeg").symlink_to(_ffmpeg_command())
        monkeypatch.setenv("PATH", str(folder))

    return only_decoder


def _ffmpeg_command():
    if command := shutil.which("ffmpeg"):
        return command
    reason = "ffmpeg is not installed, nor is the package imageio-ffmpeg, which holds one"
    return pytest.importorskip("imageio_ffmpeg", reason=reason).get_ffmpeg_exe()
