"""Chained Ogg: Vorbis and Opus streams after one another."""

import io

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio
from mxnet_audio.audio import pieces
from mxnet_audio.audio.ogg import ogg_parts
from mxnet_audio.errors import AudioDecodeError, TruncatedAudioError


def _ogg(subtype="VORBIS", seconds=2, sr=48000, channels=1, seed=0):
    file = io.BytesIO()
    y = 0.1 * np.random.default_rng(seed).standard_normal((sr * seconds, channels))
    sf.write(file, y, sr, format="OGG", subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("lengths", [(2, 3), (3, 1, 2), (2, 2)])
def test_links_are_read_after_one_another(tmp_path, subtype, lengths):
    links = [_ogg(subtype, seconds, seed=seed) for seed, seconds in enumerate(lengths)]
    path = tmp_path / "radio.ogg"
    path.write_bytes(b"".join(links))
    want = np.concatenate([audio.load(io.BytesIO(link))[0] for link in links])
    np.testing.assert_array_equal(audio.load(path)[0], want)
    np.testing.assert_array_equal(np.concatenate(list(audio.blocks(path, seconds=0.7))), want)
    assert audio.info(path).duration == sum(lengths) and audio.info(path).frames == len(want)
    for offset in (0.5, 1.9, 2.0, 2.8, sum(lengths) - 0.4):
        start = round(offset * 48000)
        part, _ = audio.load(path, offset=offset, duration=0.3)
        np.testing.assert_array_equal(part, want[start : start + 14400])


def test_a_link_repeated_with_its_serial_number_is_a_second_link():
    link = _ogg()
    y, _ = audio.load(io.BytesIO(link))
    np.testing.assert_array_equal(audio.load(io.BytesIO(link * 3))[0], np.concatenate([y] * 3))


def test_links_of_other_rates_channels_and_codecs_become_as_the_first():
    first, second = _ogg(sr=48000), _ogg("OPUS", sr=24000, channels=2, seed=1)
    y, sr = audio.load(io.BytesIO(first + second), mono=False)
    assert sr == 48000 and y.shape == (4 * 48000,)
    np.testing.assert_allclose(y[2 * 48000 :], audio.load(io.BytesIO(second), sr=48000)[0], atol=1e-5)
    y, sr = audio.load(io.BytesIO(second + first), mono=False)
    assert sr == 24000 and y.shape == (2, 4 * 24000)
    np.testing.assert_array_equal(y[0, 2 * 24000 :], y[1, 2 * 24000 :])


@pytest.mark.parametrize("sr", [8000, 16000, 24000, 48000])
def test_parts_of_opus_equal_those_of_the_whole(sr):
    file = io.BytesIO(_ogg("OPUS", 9, sr))
    whole, _ = audio.load(file)
    for offset in np.arange(0.1, 8.8, 0.7):
        start = round(offset * sr)
        part, _ = audio.load(file, offset=offset, duration=0.1)
        np.testing.assert_array_equal(part, whole[start : start + len(part)])


def test_a_link_that_was_cut_short_is_told():
    first, second = _ogg(), _ogg(seed=1)
    for data, part in ((first[:-100] + second, 1), (first + second + first[:-100] + second, 3)):
        with pytest.raises(TruncatedAudioError, match=f"part {part} of"):
            audio.info(io.BytesIO(data))
    with pytest.raises(TruncatedAudioError):
        audio.info(io.BytesIO(first + second[:-100]))


def test_pages_without_their_headers_are_told(caplog):
    first, second = _ogg(), _ogg(seed=1)
    rest = first[first.rindex(b"OggS") :]
    y, _ = audio.load(io.BytesIO(rest + second))
    np.testing.assert_array_equal(y, audio.load(io.BytesIO(second))[0])
    assert f"the first {len(rest)} bytes" in caplog.text


def test_one_link_is_left_to_the_decoder_and_many_are_refused(monkeypatch):
    link = _ogg(seconds=1)
    assert ogg_parts(io.BytesIO(link)) == []
    monkeypatch.setattr("mxnet_audio.audio.ogg.MAX_PARTS", 4)
    assert len(ogg_parts(io.BytesIO(link * 4))) == 4
    with pytest.raises(AudioDecodeError, match="more than 4"):
        ogg_parts(io.BytesIO(link * 5))


def test_positions_across_the_borders_of_what_is_read_at_once(monkeypatch):
    link = _ogg(seconds=1)
    monkeypatch.setattr(pieces, "_CHUNK", 64)
    starts = [part.pieces[0].start for part in ogg_parts(io.BytesIO(link * 3))]
    assert starts == [0, len(link), 2 * len(link)]
