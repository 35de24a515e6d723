"""Headers that declare more than the file has, and headers that declare nothing."""

import io
import struct

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import audio
from mxnet_audio.audio.container import check_complete
from mxnet_audio.errors import AudioDecodeError, TruncatedAudioError


def _encoded(kind, subtype=None, seconds=2):
    file = io.BytesIO()
    y = 0.1 * np.random.default_rng(0).standard_normal(8000 * seconds)
    sf.write(file, y, 8000, format=kind, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_streamed_wav_declares_no_length(size):
    data = bytearray(_encoded("WAV"))
    data[4:8] = data[40:44] = struct.pack("<I", size)
    check_complete(io.BytesIO(data))
    assert len(audio.load(io.BytesIO(data))[0]) == 16000


def test_wav_with_chunks_around_the_samples():
    data = _encoded("WAV")
    extra = b"LIST" + struct.pack("<I", 5) + b"abcde\0"
    full = data[:36] + extra + data[36:] + extra
    check_complete(io.BytesIO(full))
    with pytest.raises(TruncatedAudioError):
        check_complete(io.BytesIO(full[: len(full) - len(extra) - 200]))


def test_caf_of_unknown_length():
    data = bytearray(_encoded("CAF"))
    at = data.index(b"data") + 4
    data[at : at + 8] = b"\xff" * 8
    check_complete(io.BytesIO(data))


def test_au_of_unknown_length():
    data = bytearray(_encoded("AU"))
    data[8:12] = b"\xff" * 4
    check_complete(io.BytesIO(data))
    assert len(audio.load(io.BytesIO(data))[0]) == 16000


def test_flac_of_unknown_length():
    data = bytearray(_encoded("FLAC"))
    data[21] &= 0xF0  # the 36 bits of the number of samples
    data[22:26] = bytes(4)
    assert len(audio.load(io.BytesIO(data))[0]) == 16000


def test_an_ogg_truncated_at_a_page_lacks_the_end_mark():
    data = _encoded("OGG", "VORBIS", seconds=20)
    last = data.rfind(b"OggS")
    with pytest.raises(TruncatedAudioError, match=r"Ogg page .* end"):
        check_complete(io.BytesIO(data[:last]))
    with pytest.raises(TruncatedAudioError, match=r"Ogg page .* incomplete"):
        check_complete(io.BytesIO(data[:-1]))
    check_complete(io.BytesIO(data + b"TAG" + bytes(125)))  # a foreign tag after the end


def test_mp4_boxes():
    def box(name, body):
        return struct.pack(">I4s", 8 + len(body), name) + body

    complete = box(b"ftyp", b"M4A ") + box(b"mdat", bytes(100)) + box(b"moov", bytes(20))
    check_complete(io.BytesIO(complete))
    large = box(b"ftyp", b"M4A ") + box(b"moov", b"") + struct.pack(">I4sQ", 1, b"mdat", 116) + bytes(100)
    check_complete(io.BytesIO(large))
    for tail in (b"TAG" + bytes(125), b"TAGtitle".ljust(128, b" "), b"\x45\x21\x93\xc2" * 9):
        check_complete(io.BytesIO(complete + tail))
    with pytest.raises(AudioDecodeError, match="several MP4 files"):
        check_complete(io.BytesIO(complete * 2))
    for bad in (complete[:-1], complete[:-28], large[:-1]):
        with pytest.raises(TruncatedAudioError):
            check_complete(io.BytesIO(bad))


def test_a_hostile_length_does_not_exhaust_the_memory():
    data = bytearray(_encoded("FLAC"))
    data[21] |= 0x0F
    data[22:26] = b"\xff" * 4  # 2**36 - 1 samples
    with pytest.raises(AudioDecodeError, match=str(2**36 - 1)):
        audio.load(io.BytesIO(data))


@pytest.mark.parametrize("header", [b"MAC \x96\x0f\0\0\x34\0\0\0", b"FORM\0\0\0\x708SVX", b"FORM\0\0\0\x7016SV"])
def test_joined_files_of_which_decoders_read_the_first_alone(header):
    data = header + bytes(100)
    check_complete(io.BytesIO(data))
    for joined in (data * 2, data + b"tag" + data):
        with pytest.raises(AudioDecodeError, match=r"a\.xyz: several .* files are joined"):
            check_complete(io.BytesIO(joined), "a.xyz")


def test_matroska_behind_the_size_that_the_first_declares():
    header = b"\x1a\x45\xdf\xa3\x84\x42\x86\x81\x01"
    for size in (b"\x8a", b"\x40\x0a", b"\x01\0\0\0\0\0\0\x0a"):
        data = header + b"\x18\x53\x80\x67" + size
        check_complete(io.BytesIO(data + header + b"x"))  # an attachment
        with pytest.raises(AudioDecodeError, match="several Matroska files"):
            check_complete(io.BytesIO(data + bytes(10) + header))
    for cut in range(len(data)):
        check_complete(io.BytesIO(data[: cut + 1]))


@pytest.mark.parametrize("start", [0, 8, 23])
def test_au_whose_samples_would_begin_within_the_header(start):
    data = bytearray(_encoded("AU"))
    data[4:8] = struct.pack(">I", start)
    with pytest.raises(AudioDecodeError, match=f"begin at byte {start}$"):
        audio.load(io.BytesIO(data), offset=0.5)
