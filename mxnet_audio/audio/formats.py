"""Table of the formats that can be decoded: their first bytes, and the suffixes of their files.

FFmpeg has parts that read any bytes as sound (``.gsm``, ``.g722``) and others that open more files or addresses (HLS,
DASH and ASX lists, concat scripts, SDP). Only files with first bytes of this table are passed on to it, along with the
names of the formats that they may be.
"""

from __future__ import annotations

import re
from typing import BinaryIO, NamedTuple

from mxnet_audio.audio.mp3 import after_tags

__all__ = ["AUDIO_SUFFIXES", "ffmpeg_formats"]

_HEAD_BYTES = 1 << 16


class _Format(NamedTuple):
    ffmpeg: str  # names of the format in FFmpeg
    first_bytes: bytes  # regular expression
    suffixes: str = ""


# Without ".ts" and ".mts", which are mostly programs in TypeScript, and formats of libsndfile whose suffixes mean other
# things too (".mat", ".sf", ".iff"): such files are read if they are named. A test writes files of every suffix.
_CONTAINERS = (
    _Format("wav", rb"(?:RIFF|RIFX|RF64|BW64)....WAVE", ".amb .bw64 .bwf .rf64 .wav .wave"),
    _Format("w64", rb"riff\x2e\x91\xcf\x11", ".w64"),
    _Format("aiff", rb"FORM....AIF[FC]", ".aif .aifc .aiff"),
    _Format("iff", rb"FORM....(?:8SVX|16SV)|FRM8.{8}DSD ", ".8svx .dff .svx"),
    _Format("au", rb"\.snd", ".au .snd"),
    _Format("caf", rb"caff", ".caf"),
    _Format("voc", rb"Creative Voice File", ".voc"),
    _Format("nistsphere", rb"NIST_1A", ".nist .sph"),
    _Format("flac", rb"fLaC", ".flac"),
    _Format("ogg", rb"OggS", ".oga .ogg .ogv .opus .spx"),
    _Format("ape", rb"MAC ", ".ape"),
    _Format("wv", rb"wvpk", ".wv"),
    _Format("tta", rb"TTA1", ".tta"),
    _Format("tak", rb"tBaK", ".tak"),
    _Format("mpc,mpc8", rb"MP\+|MPCK", ".mpc"),
    _Format("dsf", rb"DSD ", ".dsf"),
    _Format("amr", rb"#!AMR", ".amr .awb"),
    _Format("rm", rb"\.RMF|\.ra\xfd", ".ra .rm"),
    _Format("asf", rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", ".asf .wma .wmv"),
    _Format("avi", rb"RIFF....AVI ", ".avi"),
    _Format("flv", rb"FLV\x01", ".flv"),
    _Format("matroska", rb"\x1a\x45\xdf\xa3", ".mka .mkv .weba .webm"),
    _Format(
        "mov",
        rb"....(?:ftyp|mdat)|\x00...(?:free|moov|pnot|skip|styp|wide)",
        ".3g2 .3ga .3gp .3gpp .m4a .m4b .m4r .m4v .mov .mp4 .qt",
    ),
    _Format("mpeg", rb"\x00\x00\x01\xba", ".mpeg .mpg .vob"),
    _Format("mpegts", rb"G.{187}G.{187}G|....G.{191}G.{191}G", ".m2ts"),
)
# Frames that each begin with a sync word. Recordings of broadcasts begin within a frame, and some encoders begin with
# zeros, so these words are searched for; FFmpeg then demands several frames in a row.
_FRAMES = _Format(
    "aac,ac3,dts,eac3,loas,mp3",
    rb"\xff[\xe2-\xfe]|\x0b\x77|\x56[\xe0-\xff]|\x7f\xfe\x80\x01|\xfe\x7f\x01\x80|\x1f\xff\xe8\x00|\xff\x1f\x00\xe8",
    ".aac .ac3 .dts .ec3 .eac3 .mp1 .mp2 .mp3 .mpa .mpga",
)

#: Suffixes (lower case) of the files that `find_audio` lists.
AUDIO_SUFFIXES = frozenset(suffix for row in (*_CONTAINERS, _FRAMES) for suffix in row.suffixes.split())


def ffmpeg_formats(file: BinaryIO) -> str | None:
    """Return FFmpeg's names of the formats that a file may have, by its first bytes.

    Parameters
    ----------
    file : binary file object
        Seekable; its position is 0 afterwards. ID3 tags before the first bytes are skipped.

    Returns
    -------
    str or None
        Names, separated by commas; None if the first bytes are of no known format of sound or video.

    Examples
    --------
    >>> import io
    >>> ffmpeg_formats(io.BytesIO(b"fLaC")), ffmpeg_formats(io.BytesIO(b"#EXTM3U"))
    ('flac', None)
    """
    file.seek(after_tags(file))
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    for row in _CONTAINERS:
        if re.match(row.first_bytes, head, re.DOTALL):
            return row.ffmpeg
    return _FRAMES.ffmpeg if re.search(_FRAMES.first_bytes, head) else None
