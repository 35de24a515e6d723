"""Windows of a timeline, and the patches in and around each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mxnet_audio.inference.pooling import Frames

__all__ = ["PatchWindow", "patch_windows"]

SHORT_REST = 0.01  # of a hop: a shorter rest at the end, such as a part of a frame, gives no window


class PatchWindow(NamedTuple):
    """Window of a sound, with patches.

    Attributes
    ----------
    start, end : float [s]
        Position of the window.
    patches : Frames
        Outputs of an encoder for the patches in and around the window; at least one.
    """

    start: float
    end: float
    patches: Frames


def patch_windows(parts: Iterable[Frames], window: float, hop: float, margin: float) -> Iterator[PatchWindow]:
    """Cut a sound, whose patches come in order, into windows; memory does not grow with its length.

    Windows start at 0, `hop`, ``2 * hop`` and so on, as long as they fit. If a rest of more than a hundredth of a hop
    remains, one more window ends with the last patch. A shorter sound gives one window.

    Parameters
    ----------
    parts : iterable of Frames
        Outputs of an encoder for consecutive patches.
    window, hop : float > 0 [s]
        Length of a window, and time from start to start, at most `window`.
    margin : float >= 0 [s]
        Patches that lie less than this before or after the window are given, too.

    Yields
    ------
    PatchWindow
        In order.

    Examples
    --------
    >>> import numpy as np
    >>> times = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0], [3.0, 3.5]])
    >>> parts = [Frames(np.zeros((4, 8)), times, np.zeros((4, 2)))]
    >>> [(start, end, len(patches.times)) for start, end, patches in patch_windows(parts, 2.0, 1.0, 1.0)]
    [(0.0, 2.0, 3), (1.0, 3.0, 4), (1.5, 3.5, 4)]
    """
    near: Frames | None = None
    count = 0
    for part in parts:
        near = part if near is None else near.joined(part)
        while count * hop + window + margin <= near.times[-1, 0]:
            yield _window(near, count * hop, window, margin)
            count += 1
        near = near.of(near.times[:, 1] > max(0, count - 1) * hop - margin)  # for the last window
    if near is None:
        return
    last_start = max(0.0, float(near.times[-1, 1]) - window)
    while count * hop < last_start - SHORT_REST * hop:
        yield _window(near, count * hop, window, margin)
        count += 1
    if not count or last_start - (count - 1) * hop > SHORT_REST * hop:
        is_next = count * hop - last_start <= SHORT_REST * hop
        yield _window(near, count * hop if is_next else last_start, window, margin)


def _window(near: Frames, start: float, window: float, margin: float) -> PatchWindow:
    end = min(start + window, float(near.times[-1, 1]))
    inside = (near.times[:, 1] > start - margin) & (near.times[:, 0] < end + margin)
    return PatchWindow(start, end, near.of(inside))
