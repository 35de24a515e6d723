"""Embeddings of windows of a long sound, from embeddings of its parts. Needs no MXNet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from mxnet_audio.checks import real_number
from mxnet_audio.inference.patch_windows import PatchWindow, patch_windows
from mxnet_audio.inference.pooling import Frames, Pool
from mxnet_audio.inference.predictor import AudioSource
from mxnet_audio.inference.results import WindowVector
from mxnet_audio.inference.window_encoder import WindowEncoder

__all__ = ["pooled_windows", "window_vectors"]

DEFAULT_WINDOW = 1.0  # [s]


def window_vectors(
    encoder: WindowEncoder, source: AudioSource, window: float | None = None, hop: float | None = None
) -> Iterator[WindowVector]:
    """Compute the embeddings of windows of a sound, in constant memory.

    Each window is an input of its own; of windows that are longer than the network takes, the embeddings of inputs that
    overlap by half are pooled, see `pooled_windows`.

    Parameters
    ----------
    encoder : WindowEncoder
    source : str or os.PathLike or binary file or bytes or (np.ndarray, rate)
        Sound, as `mxnet_audio.audio.load` takes it.
    window : float > 0 [s], optional
        Length of a window; by default a second.
    hop : float > 0 [s], optional
        Time from the start of a window to the start of the next, at most `window`; half of it by default.

    Yields
    ------
    WindowVector
        In order; the last window ends with the sound.

    Raises
    ------
    AudioError
        If the sound cannot be used.
    ParameterError
        If `window` or `hop` is out of range: both are at least the shortest input.
    """
    shortest, part = encoder.shortest, encoder.window
    window = real_number("window", max(shortest, DEFAULT_WINDOW) if window is None else window, shortest)
    hop = real_number("hop", max(window / 2, shortest) if hop is None else hop, shortest, window)
    if window <= part:
        return _single(encoder.iter_windows(source, window, hop))
    parts = encoder.iter_windows(source, part, part / 2)
    return pooled_windows(parts, window, hop, part, part / 2, encoder.pool)


def _single(parts: Iterable[Frames]) -> Iterator[WindowVector]:
    """Yield windows that are inputs of their own."""
    for part in parts:
        for (start, end), vector, silent in zip(part.times.tolist(), part.vectors, part.silent):
            yield WindowVector(start, end, None if silent else vector)


def pooled_windows(
    parts: Iterable[Frames], window: float, hop: float, length: float, between: float, pool: str
) -> Iterator[WindowVector]:
    """Pool embeddings of parts over windows.

    They are those of the parts in the window, rounded to the time between two parts; of a shorter window, the nearest.

    Parameters
    ----------
    parts : iterable of Frames
        Outputs of an encoder for consecutive parts.
    window, hop : float > 0 [s]
        Length of a window, and time from start to start, at most `window`.
    length, between : float > 0 [s]
        Length of a part, and time from start to start.
    pool : str
        Pool, see `Pool`.

    Yields
    ------
    WindowVector
        In order; the last window ends with the last part.
    """
    for one in patch_windows(parts, window, hop, length + between):
        yield WindowVector(one.start, one.end, _pooled(one, between, pool))


def _pooled(window: PatchWindow, between: float, kind: str) -> np.ndarray | None:
    """Pool the vectors of the parts in a window, or of the nearest; None if they are digital silence."""
    patches = window.patches
    begins, ends = patches.times.T
    inside = (begins >= window.start - between / 2) & (ends < window.end + between / 2)
    if not inside.any():
        inside[np.abs(begins + ends - window.start - window.end).argmin()] = True
    if patches.silent[inside].all():
        return None
    pool = Pool(kind)
    pool.add(patches.vectors[inside])
    return pool.result()
