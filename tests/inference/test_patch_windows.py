"""Windows and the patches around them: the same for patches in parts of any size, in the memory of a window."""

import numpy as np
import pytest

from mxnet_audio.inference.patch_windows import patch_windows
from mxnet_audio.pretrained import Frames

PATCH, BETWEEN = 1.0, 0.5


def frames_of(seconds):
    """Return patches of 1 s every 0.5 s; the last one is cut off by the end of the sound."""
    begins = np.arange(0, max(seconds - BETWEEN, BETWEEN), BETWEEN)
    times = np.stack([begins, np.minimum(begins + PATCH, seconds)], axis=1)
    return Frames(begins[:, np.newaxis], times, np.zeros((len(times), 0)), silent=begins % 2 < 1)


def in_parts(frames, size):
    return (frames.of(slice(start, start + size)) for start in range(0, len(frames.times), size))


@pytest.mark.parametrize("seconds", [0.3, 1.0, 7.0, 7.3, 40.0])
@pytest.mark.parametrize(("window", "hop"), [(1.5, 1.0), (0.2, 0.1), (3.0, 3.0), (50.0, 1.0), (0.5, 0.5)])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_windows_are_those_of_the_whole_sound(seconds, window, hop, size):
    frames, margin = frames_of(seconds), PATCH + BETWEEN
    found = list(patch_windows(in_parts(frames, size), window, hop, margin))
    starts = [*np.arange(0, max(seconds - window, 0) + 1e-9, hop)]
    if seconds - window - starts[-1] > 0.01 * hop:
        starts.append(seconds - window)
    assert [start for start, _, _ in found] == pytest.approx(starts)
    assert [end for _, end, _ in found] == pytest.approx([min(start + window, seconds) for start in starts])
    for start, end, patches in found:
        near = (frames.times[:, 1] > start - margin) & (frames.times[:, 0] < end + margin)
        np.testing.assert_array_equal(patches.times, frames.times[near])
        np.testing.assert_array_equal(patches.vectors, frames.vectors[near])
        np.testing.assert_array_equal(patches.silent, frames.silent[near])


def test_patches_are_dropped_once_they_are_behind():
    read = []
    parts = (read.append(number) or part for number, part in enumerate(in_parts(frames_of(1000.0), 10)))
    windows = patch_windows(parts, 2.0, 1.0, PATCH)
    for count in range(200):
        _, _, patches = next(windows)
        assert len(patches.times) <= 10 and len(read) <= 2 + count / 5


def test_a_part_of_a_frame_at_the_end_gives_no_window():
    windows = list(patch_windows([frames_of(7.995)], 2.0, 2.0, PATCH))
    assert [(start, end) for start, end, _ in windows] == [(0, 2), (2, 4), (4, 6), (6, 7.995)]
