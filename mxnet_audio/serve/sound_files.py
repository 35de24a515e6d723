"""Files of the sounds of an index: opened if they are still what was indexed, and their types."""

from __future__ import annotations

from pathlib import PurePath
from typing import BinaryIO

from mxnet_audio.audio import AUDIO_SUFFIXES, file_of, info
from mxnet_audio.audio.formats import ffmpeg_formats
from mxnet_audio.errors import AudioError
from mxnet_audio.search.entries import Entry
from mxnet_audio.serve.catalogue import has_file
from mxnet_audio.serve.problems import RequestError, UnknownSound
from mxnet_audio.serve.regular_files import open_regular

__all__ = ["MissingSound", "channel_of", "media_type", "open_sound"]

# Types of the formats of `ffmpeg_formats`, by the first name.
_TYPES = {
    "wav": "audio/wav", "w64": "audio/x-w64", "aiff": "audio/aiff", "iff": "audio/x-8svx", "au": "audio/basic",
    "caf": "audio/x-caf", "voc": "audio/x-voc", "nistsphere": "audio/x-nist", "flac": "audio/flac", "ogg": "audio/ogg",
    "ape": "audio/x-ape", "wv": "audio/x-wavpack", "tta": "audio/x-tta", "tak": "audio/x-tak",
    "mpc": "audio/x-musepack", "dsf": "audio/x-dsf", "amr": "audio/amr", "rm": "application/vnd.rn-realmedia",
    "asf": "video/x-ms-asf", "avi": "video/x-msvideo", "flv": "video/x-flv", "matroska": "video/x-matroska",
    "mov": "video/mp4", "mpeg": "video/mpeg", "mpegts": "video/mp2t", "aac": "audio/mpeg",
}  # fmt: skip
# Types of formats that have several, by the suffixes of the files.
_SUFFIX_TYPES = {
    "iff": {".dff": "audio/x-dff"},
    "ogg": {".ogv": "video/ogg"},
    "amr": {".awb": "audio/amr-wb"},
    "asf": {".wma": "audio/x-ms-wma", ".wmv": "video/x-ms-wmv"},
    "rm": {".ra": "audio/vnd.rn-realaudio"},
    "matroska": {".mka": "audio/x-matroska", ".weba": "audio/webm", ".webm": "video/webm"},
    "mov": {
        ".m4a": "audio/mp4", ".m4b": "audio/mp4", ".m4r": "audio/mp4", ".3ga": "audio/3gpp", ".3gp": "video/3gpp",
        ".3gpp": "video/3gpp", ".3g2": "video/3gpp2", ".mov": "video/quicktime", ".qt": "video/quicktime",
    },
    "aac": {
        ".aac": "audio/aac", ".ac3": "audio/ac3", ".dts": "audio/vnd.dts", ".ec3": "audio/eac3", ".eac3": "audio/eac3",
    },
}  # fmt: skip
_REPLACED = "the file of this sound cannot be read, or has been replaced"
_FRAMES = "aac"  # and other formats that are told by words of a few bits anywhere in the file
_CHANNELS = {"left": 0, "right": 1}


class MissingSound(RequestError):
    """Raised if the file of a sound of the index is missing."""

    status, kind = 410, "missing-sound"


def open_sound(entry: Entry) -> BinaryIO:
    """Open the file of an entry, if it is a regular file that is reached without links, as when it was indexed.

    Parameters
    ----------
    entry : Entry

    Returns
    -------
    binary file object
        Whoever is finished with it closes it.

    Raises
    ------
    MissingSound
        The file is missing.
    UnknownSound
        The entry is not of a file, or something else is there now, such as a link or a pipe.
    """
    if not has_file(entry):
        raise UnknownSound("this sound is not a file of the server")
    try:
        return open_regular(file_of(entry.real))
    except FileNotFoundError:
        raise MissingSound("the file of this sound is missing") from None
    except (OSError, ValueError):  # a link, a pipe, no permission, a null character
        raise UnknownSound(_REPLACED) from None


def media_type(file: BinaryIO, name: str) -> str:
    """Return the media type of a sound file, by its first bytes and, for formats with several, its suffix.

    Parameters
    ----------
    file : binary file object
    name : str
        Name of the file.

    Raises
    ------
    UnknownSound
        The file is not a sound: an index that others wrote may name any file.

    Examples
    --------
    >>> import io
    >>> media_type(io.BytesIO(b"RIFF....WAVE"), "a.mp3"), media_type(io.BytesIO(b"....ftyp"), "a.m4a")
    ('audio/wav', 'audio/mp4')
    """
    suffix = PurePath(name).suffix.lower()
    formats = ffmpeg_formats(file)
    family = "" if formats is None else formats.split(",")[0]
    if family and (family != _FRAMES or suffix in AUDIO_SUFFIXES):
        return _SUFFIX_TYPES.get(family, {}).get(suffix) or _TYPES[family]
    try:
        info(file)
    except AudioError:
        raise UnknownSound(_REPLACED) from None
    return "application/octet-stream"


def channel_of(entry: Entry) -> str | int:
    """Return the channel of its file that an entry is of, as `mxnet_audio.audio.load` takes it.

    Examples
    --------
    >>> [channel_of(Entry(0, name, name, (1, 2))) for name in ("/a.wav", "/a.wav [right]", "/a.wav [3]")]
    ['mix', 1, 2]
    """
    word = entry.real[len(file_of(entry.real)) :].strip(" []")
    if word:  # of all channels, each indexed as a sound of its own
        return _CHANNELS[word] if word in _CHANNELS else int(word) - 1
    # The stamp holds size, time and, if one was chosen for all files, the channel.
    return entry.stamp[2] if entry.stamp is not None and len(entry.stamp) > 2 else "mix"
