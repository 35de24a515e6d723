"""Facts in the headers of sound files, and statistics of a collection."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

from mxnet_audio.audio.opened import Source, open_source
from mxnet_audio.audio.source import naming_errors, source_name
from mxnet_audio.audio.stream import AudioInfo
from mxnet_audio.errors import AudioError

__all__ = ["info", "rates", "typical_length"]

SAMPLE_SIZE = 100  # files whose headers are read: enough for a median


def info(source: Source) -> AudioInfo:
    """Read the header of a sound file.

    Parameters
    ----------
    source : as for `load`
        File, its bytes, or an entry of a data set; for an array, the facts of the array.

    Returns
    -------
    AudioInfo
        Rate, channels, length, format and decoder.

    Raises
    ------
    AudioDecodeError
        The file cannot be opened, or no decoder can read it.
    TruncatedAudioError
        The file is shorter than its header declares.
    InvalidAudioError
        An array, or its rate, cannot be used.

    Examples
    --------
    >>> import io, numpy, soundfile
    >>> file = io.BytesIO()
    >>> soundfile.write(file, numpy.zeros(4000), 8000, format="WAV")
    >>> info(file).duration
    0.5
    """
    name = source_name(source)
    with naming_errors(name), open_source(source) as stream:
        duration = None if stream.frames is None else stream.frames / stream.sr
        return AudioInfo(name, stream.sr, stream.channels, stream.frames, duration, stream.format, stream.decoder)


def typical_length(paths: Sequence[str | os.PathLike]) -> float | None:
    """Return the median length of about a hundred of the files, evenly chosen.

    Parameters
    ----------
    paths : sequence of str or os.PathLike
        Sound files; those that cannot be read, or do not declare their length, are skipped.

    Returns
    -------
    float [s] or None
        None if no file declares its length.

    Examples
    --------
    >>> import soundfile
    >>> folder = getfixture('tmp_path')
    >>> for name, seconds in (('a.wav', 1), ('b.wav', 2), ('c.wav', 9)):
    ...     soundfile.write(folder / name, [0.0] * 8000 * seconds, 8000)
    >>> typical_length([*sorted(folder.iterdir()), 'missing.wav'])
    2.0
    """
    lengths = [header.duration for header in _read_headers(paths) if header.duration]
    return median(lengths) if lengths else None


def rates(paths: Sequence[str | os.PathLike]) -> Counter[int]:
    """Count the sampling rates [Hz] of about a hundred of the files, evenly chosen.

    Parameters
    ----------
    paths : sequence of str or os.PathLike
        Sound files; those that cannot be read are skipped.

    Returns
    -------
    collections.Counter
        Number of files by sampling rate.

    Examples
    --------
    >>> rates(["missing.wav"])
    Counter()
    """
    return Counter(header.sr for header in _read_headers(paths))


def _read_headers(paths: Sequence[str | os.PathLike]) -> Iterator[AudioInfo]:
    for path in paths[:: max(1, len(paths) // SAMPLE_SIZE)]:
        with contextlib.suppress(AudioError):  # loading it raises the error
            yield info(path)
