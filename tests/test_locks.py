"""Test locks between threads and processes."""

import logging
import threading

import pytest

from mxnet_audio import locks
from mxnet_audio.locks import locked


def test_writers_take_turns(tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")

    def count():
        for _ in range(20):
            with locked(tmp_path / ".lock", "counting"):
                counter.write_text(str(int(counter.read_text()) + 1))

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.read_text() == "60"


def test_who_waits_is_told_for_what(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(locks, "_PATIENCE", 0.01)
    taken, release = threading.Event(), threading.Event()

    def hold():
        with locked(tmp_path / ".lock", "the first work"):
            taken.set()
            release.wait(10)

    class Release(logging.Handler):
        def emit(self, record):
            release.set()

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(10)
    locks.logger.addHandler(handler := Release())
    try:
        with locked(tmp_path / ".lock", "the download of esc50"):
            pass
    finally:
        locks.logger.removeHandler(handler)
        thread.join()
    assert "waiting for another process to finish the download of esc50" in caplog.text


def test_lock_ends_with_an_exception(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), locked(tmp_path / ".lock", "work"):
            raise KeyError
