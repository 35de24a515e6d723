"""Opening of files: regular files, pipes, and what is neither."""

import io
import os
import socket
import threading

import numpy as np
import pytest

from mxnet_audio import audio
from mxnet_audio.audio import open_file
from mxnet_audio.errors import AudioDecodeError


@pytest.fixture
def pipe(tmp_path):
    path = tmp_path / "pipe.wav"
    os.mkfifo(path)
    return path


def test_a_pipe_is_read_whole(pipe, tmp_path, write_tone):
    data = write_tone(tmp_path / "a.wav", seconds=3).read_bytes()
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    y, sr = audio.load(pipe)
    writer.join()
    np.testing.assert_array_equal(y, audio.load(tmp_path / "a.wav")[0])
    assert sr == 22050


def test_a_pipe_without_a_writer_does_not_hang(pipe, monkeypatch, caplog):
    monkeypatch.setattr(open_file, "_QUIET_SECONDS", 0.01)
    monkeypatch.setattr(open_file, "_MAX_WAIT", 0.02)
    with pytest.raises(AudioDecodeError, match=r"pipe\.wav: nothing was written into this pipe"):
        audio.load(pipe)
    assert "waiting for data" in caplog.text


def test_a_pipe_that_is_closed_without_data_is_empty(pipe):
    writer = threading.Thread(target=pipe.write_bytes, args=(b"",))
    writer.start()
    with pytest.raises(AudioDecodeError, match=r"pipe\.wav: .*empty"):
        audio.load(pipe)
    writer.join()


class _Endless(io.RawIOBase):
    name = "endless.wav"

    def readable(self):
        return True

    def read(self, size=-1):
        assert size > 0
        return bytes(size)


def test_pipes_and_file_objects_that_cannot_seek_are_bounded(pipe, monkeypatch):
    monkeypatch.setattr(open_file, "_MAX_PIPE_BYTES", 1 << 20)

    def write():
        with pytest.raises(BrokenPipeError):
            pipe.write_bytes(bytes(8 << 20))

    writer = threading.Thread(target=write)
    writer.start()
    with pytest.raises(AudioDecodeError, match=r"pipe\.wav: .* more than 1 MiB"):
        audio.load(pipe)
    writer.join()
    with pytest.raises(AudioDecodeError, match=r"endless\.wav: .* more than 1 MiB"):
        audio.load(_Endless())


def test_devices_and_sockets_are_refused(tmp_path):
    for path in ("/dev/zero", "/dev/null"):
        with pytest.raises(AudioDecodeError, match=f"{path}: this is a device"):
            audio.load(path)
    path = tmp_path / "socket.wav"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(path))
        with pytest.raises(AudioDecodeError, match=r"socket\.wav: this is a socket"):
            audio.load(path)


def test_a_file_that_cannot_be_read_once_it_is_open():
    with pytest.raises(AudioDecodeError, match="/proc/self/mem"):
        audio.load("/proc/self/mem")


class _Failing(io.BytesIO):
    """File object of a disk that fails after the header."""

    name = "a.wav"

    def __init__(self, data, error):
        super().__init__(data)
        self.error, self.remaining = error, 5000

    def _count(self, data):
        self.remaining -= len(data)
        if self.remaining < 0:
            raise self.error
        return data

    def read(self, size=-1):
        return self._count(super().read(size))

    def readinto(self, buffer):
        data = self._count(super().read(len(buffer)))
        buffer[: len(data)] = data
        return len(data)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), MemoryError(), RuntimeError("odd")], ids=repr)
@pytest.mark.parametrize("name", ["a.wav", "a.m4a"])
def test_whatever_fails_while_a_file_is_read_names_it(tmp_path, write_tone, encode, error, name):
    data = write_tone(tmp_path / "a.wav").read_bytes()
    if name == "a.m4a":
        data = encode(np.random.default_rng(0).uniform(-0.5, 0.5, 44100), 44100, "mp4", "aac")
    with pytest.raises(AudioDecodeError, match=r"a\.wav"):
        audio.load(_Failing(data, error))


def test_missing_files_and_directories(tmp_path):
    with pytest.raises(AudioDecodeError, match=r"missing\.wav: no such file"):
        audio.load(tmp_path / "missing.wav")
    (tmp_path / "a.wav").touch()
    with pytest.raises(AudioDecodeError, match=r"b\.wav: no such file"):
        audio.load(tmp_path / "a.wav" / "b.wav")
    with pytest.raises(AudioDecodeError, match="directory"):
        audio.load(tmp_path)
    with pytest.raises(AudioDecodeError, match="cannot be opened"):
        audio.load(tmp_path / ("x" * 300))
    with pytest.raises(AudioDecodeError, match=r"a\x00b\.wav"):
        audio.load("a\0b.wav")
