"""What a collection of files is like, by its headers."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

from mxnet_audio.audio.decode import info
from mxnet_audio.audio.stream import AudioInfo
from mxnet_audio.errors import AudioError

__all__ = ["rates", "typical_length"]

SAMPLE = 100  # files to look at: enough for a median


def typical_length(paths: Sequence[str | os.PathLike]) -> float | None:
    """Median length of some hundred of the files, evenly chosen.

    Parameters
    ----------
    paths : sequence of str or os.PathLike
        Sound files; those that cannot be read, or do not say their length, are passed over.

    Returns
    -------
    float [s] or None
        None when no file says its length.

    Examples
    --------
    >>> import soundfile
    >>> folder = getfixture('tmp_path')
    >>> for name, seconds in (('a.wav', 1), ('b.wav', 2), ('c.wav', 9)):
    ...     soundfile.write(folder / name, [0.0] * 8000 * seconds, 8000)
    >>> typical_length([*sorted(folder.iterdir()), 'missing.wav'])
    2.0
    """
    lengths = [found.duration for found in _headers(paths) if found.duration]
    return median(lengths) if lengths else None


def rates(paths: Sequence[str | os.PathLike]) -> Counter[int]:
    """How many of some hundred of the files, evenly chosen, have which sampling rate [Hz].

    Parameters
    ----------
    paths : sequence of str or os.PathLike
        Sound files; those that cannot be read are passed over.

    Returns
    -------
    collections.Counter

    Examples
    --------
    >>> rates(["missing.wav"])
    Counter()
    """
    return Counter(found.sr for found in _headers(paths))


def _headers(paths: Sequence[str | os.PathLike]) -> Iterator[AudioInfo]:
    for path in paths[:: max(1, len(paths) // SAMPLE)]:
        with contextlib.suppress(AudioError):  # whoever loads it will name it
            yield info(path)
