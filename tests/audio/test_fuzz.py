"""Damaged files of all formats: sound, or an error that names the file. `benchmarks/fuzz_audio.py` tries many more."""

import pytest

from benchmarks import fuzz_audio


@pytest.fixture(scope="module")
def sounds():
    pytest.importorskip("av", reason="PyAV (extra [av]) is not installed")
    return fuzz_audio.make_sounds(0.3)


@pytest.mark.parametrize("decoder, count", [("PyAV", 117), ("ffmpeg", 39), ("none", 39)])
def test_damaged_files_give_sound_or_a_named_error(tmp_path, sounds, only_decoder, decoder, count):
    only_decoder(decoder)
    results = []
    for index in range(count):
        suffix, data = fuzz_audio.mutant(sounds, 17, index)
        path = tmp_path / f"{index}.{suffix}"
        path.write_bytes(data)
        results.append(fuzz_audio.outcome(str(path), once=decoder == "ffmpeg"))
    assert [result for result in results if result not in ("sound", "error")] == []
    assert set(results) == {"sound", "error"}


def test_sounds_that_are_not_damaged_load(tmp_path, sounds, only_decoder):
    only_decoder("PyAV")
    for suffix, data in sounds.items():
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(data)
        assert (suffix, fuzz_audio.outcome(str(path))) == (suffix, "sound")
