"""Inputs of a network from sound of any length: views of a whole sound, and parts of its windows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mxnet_audio import audio
from mxnet_audio.audio.spans import SpanReader, span_starts
from mxnet_audio.audio.stream_windows import StreamedWindow, is_silent
from mxnet_audio.checks import real_number
from mxnet_audio.errors import InvalidAudioError, ModelError

__all__ = ["Views", "check_outputs", "mean_outputs", "read_views", "view_count", "window_length", "window_parts"]

MAX_VIEWS = 10
SPARE = 0.1  # of the network's input: longer sound counts as if it were as long
MAX_WINDOW = 1e9  # [samples]


class Views(NamedTuple):
    """Parts of a sound that outputs are averaged over.

    Attributes
    ----------
    samples : np.ndarray [shape=(views, n)] or None
        Samples of each; None if the sound is a single view.
    seconds, seconds_used : float or None
        Length of the sound, and of the parts that are used; None if all of it is used.
    """

    samples: np.ndarray | None
    seconds: float | None
    seconds_used: float | None


def view_count(length: int, n: int) -> int:
    """Return the number of parts of `n` samples that cover a sound but for a tenth of a part.

    Examples
    --------
    >>> [view_count(length, 100) for length in (50, 110, 111, 210, 211)]
    [1, 1, 2, 2, 3]
    """
    return max(1, math.ceil(length / n - SPARE))


def read_views(source: Any, sr: int, n: int, count: int | None) -> Views:
    """Read the parts of a sound that outputs are averaged over, and no more.

    Parameters
    ----------
    source : as for `mxnet_audio.audio.load`
        Sound that can be read more than once.
    sr : int > 0 [Hz]
        Sampling rate of the network's input.
    n : int > 0
        Number of its samples.
    count : int > 0, optional
        Number of parts; by default as many as cover the sound, at most 10.

    Returns
    -------
    Views
        Of a longer sound, parts that are spread evenly from its start to its end, without those that are digital
        silence. Of a shorter one, shifts.

    Raises
    ------
    AudioError
        If the sound cannot be used; InvalidAudioError also if all parts are silent.
    """
    reader = SpanReader(source, sr)
    length = reader.length
    count = min(view_count(length, n), MAX_VIEWS) if count is None else count
    seconds = (length / sr, count * n / sr) if length > (count + SPARE) * n else (None, None)
    if count == 1:
        return Views(None, *seconds)
    if length <= n:
        y = audio.valid_audio(audio.load(source, sr=sr)[0], allow_silence=False)
        return Views(audio.views(y, n, count), *seconds)
    parts = [audio.fit_length(y, n) for y in reader.read(span_starts(length, n, count), n) if not is_silent(y)]
    if not parts:
        where = f"the {count} parts of {n / sr:.3g} s that are used, from its start to its end"
        raise InvalidAudioError(f"silent: the peak is below -100 dBFS in {where}")
    return Views(np.stack(parts), *seconds)


def window_length(sr: int, n: int, window: float | None, hop: float | None) -> tuple[int, int]:
    """Return length and hop [samples] of the windows of a timeline, given in seconds.

    Parameters
    ----------
    sr : int > 0 [Hz]
        Sampling rate.
    n : int > 0
        Default length of a window.
    window, hop : float > 0 [s], optional
        Arguments of a timeline.

    Raises
    ------
    ParameterError
        If one of them is out of range.

    Examples
    --------
    >>> window_length(8000, 40000, None, None), window_length(8000, 40000, 2, 0.5)
    ((40000, 20000), (16000, 4000))
    """
    sample = 1 / sr
    window = n / sr if window is None else real_number("window", window, sample, MAX_WINDOW / sr)
    hop = max(window / 2, sample) if hop is None else real_number("hop", hop, sample, window)
    return round(window * sr), round(hop * sr)


def window_parts(window: StreamedWindow, n: int) -> list[np.ndarray]:
    """Return the parts of a window that outputs are averaged over, of `n` samples each; none of digital silence.

    A window that is not much longer than that, or is given with the sound around it, is a single part.
    """
    count = view_count(len(window.samples), n)
    if count == 1:
        return [] if is_silent(window.own_samples) else [window.samples]
    starts = span_starts(len(window.samples), n, count)
    return [part for start in starts if not is_silent(part := window.samples[start : start + n])]


def check_outputs(**outputs: np.ndarray) -> None:
    """Check that outputs of a network, given by name, are numbers: finite parameters can overflow, too.

    Raises
    ------
    ModelError
        If there is NaN or infinity among them.
    """
    for name, output in outputs.items():
        if not np.isfinite(output).all():
            raise ModelError(f"unusable: {name} are NaN or infinity; train or export the model again")


def mean_outputs(
    passes: Iterable[tuple[np.ndarray, np.ndarray]], counts: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Average the outputs of a network over the parts of each sound.

    Parameters
    ----------
    passes : iterable of (np.ndarray [shape=(m, classes)], np.ndarray [shape=(m, dim)])
        Probabilities and embeddings of consecutive parts, in one or more passes of the network.
    counts : sequence of int > 0
        Number of parts of each sound; at least one.

    Returns
    -------
    probabilities : np.ndarray [shape=(n, classes)], float32
    vectors : np.ndarray [shape=(n, dim)], float32

    Raises
    ------
    ModelError
        If there is NaN or infinity among them.
    """
    starts, divisors = np.cumsum([0, *counts[:-1]]), np.array(counts, np.float32)[:, np.newaxis]
    probabilities, vectors = (
        np.add.reduceat(np.concatenate(outputs), starts, axis=0) / divisors for outputs in zip(*passes)
    )
    check_outputs(probabilities=probabilities, embeddings=vectors)
    return probabilities, vectors
