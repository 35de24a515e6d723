"""What a collection of files is like, by its headers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from statistics import median

from mxnet_audio.audio.decode import info
from mxnet_audio.errors import AudioError

__all__ = ["typical_length"]

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
    lengths = []
    for path in paths[:: max(1, len(paths) // SAMPLE)]:
        try:
            duration = info(path).duration
        except AudioError:
            continue  # whoever loads it will name it
        if duration:
            lengths.append(duration)
    return median(lengths) if lengths else None
