"""Features of long sounds in constant memory: frames of samples that come in blocks, and patches of these frames."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from mxnet_audio import audio
from mxnet_audio.checks import iterable_argument, one_of, whole_number
from mxnet_audio.errors import FeatureError, ParameterError
from mxnet_audio.features.config import AudioFeatureConfig
from mxnet_audio.features.extract import check_config, frames_of

__all__ = ["frame_blocks", "patches"]

_TYPES = ("yamnet", "musicnn", "mel", "log_mel")
_FRAMES = 256  # in an array of frames: enough for the transform to run at its full speed


def frame_blocks(blocks: Iterable[np.ndarray], config: AudioFeatureConfig) -> Iterator[np.ndarray]:
    """Compute the frames of a sound that comes in blocks of samples.

    Concatenated, they are the frames that `extract` computes of the whole sound with ``n_frames=None``. Memory does not
    grow with the length of the sound.

    Parameters
    ----------
    blocks : iterable of np.ndarray [shape=(n,)], float
        Samples at ``config.sr``, mono, in blocks of any sizes.
    config : AudioFeatureConfig
        Features of type ``yamnet``, ``musicnn``, ``mel``, or ``log_mel`` without ``top_db``. A sound shorter than
        ``config.n_samples`` is padded with zeros at its end; ``n_frames`` has no other effect.

    Returns
    -------
    iterator of np.ndarray [shape=(bands, frames)], float32
        At most 256 frames each.

    Raises
    ------
    ParameterError
        The configuration is of another type, or its decibels depend on the peak of the whole sound; or a block is not
        one channel of floats. The blocks are checked as they come.
    FeatureError
        The sound has no samples, or fewer than a frame needs.
    InvalidAudioError
        Some samples are NaN or infinite.

    See Also
    --------
    patches : stretches of these frames, as networks take them.

    Examples
    --------
    >>> sound = (np.ones(16000, np.float32) for _ in range(10))
    >>> [frames.shape for frames in frame_blocks(sound, AudioFeatureConfig(type="yamnet"))]
    [(64, 256), (64, 256), (64, 256), (64, 230)]
    """
    iterable_argument("blocks", blocks, "arrays")
    check_config(config)
    one_of("config.type", config.type, _TYPES)
    if config.type == "log_mel" and (config.top_db is not None or config.ref == "max"):
        peak = "ref='max'" if config.ref == "max" else f"top_db={config.top_db:g}"
        raise ParameterError(f"config must not depend on the peak of the whole sound, got {peak}")
    return _frames(_padded(blocks, config), config)


def patches(
    frame_blocks: Iterable[np.ndarray], n_frames: int, hop: int, *, batch_size: int = 32
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut frames that come in blocks into patches of one length, and gather these in batches.

    Patches start at frames 0, ``hop``, ``2 * hop`` and so on, as long as they fit. If frames remain behind the last of
    them, one more patch ends with the last frame. Memory does not grow with the number of frames.

    Parameters
    ----------
    frame_blocks : iterable of np.ndarray [shape=(bands, n)]
        Frames, in blocks of any sizes, such as those of `frame_blocks`.
    n_frames : int > 0
        Frames in a patch.
    hop : int > 0
        Frames from the start of a patch to that of the next.
    batch_size : int > 0
        Patches in a batch; the last batch may have fewer.

    Returns
    -------
    iterator of tuple
        Patches [shape=(n, bands, n_frames)], and the number of the first frame of each [shape=(n,)], int.

    Raises
    ------
    ParameterError
        A number is below 1, or a block is not an array of frames with the same bands as those before.
    FeatureError
        There are fewer than `n_frames` frames.

    Examples
    --------
    >>> frames = np.ones((64, 200), np.float32)
    >>> [(batch.shape, starts) for batch, starts in patches([frames], n_frames=96, hop=48)]
    [((4, 64, 96), array([  0,  48,  96, 104]))]
    """
    iterable_argument("frame_blocks", frame_blocks, "arrays")
    n_frames, hop = whole_number("n_frames", n_frames), whole_number("hop", hop)
    return _batches(_patches(frame_blocks, n_frames, hop), whole_number("batch_size", batch_size))


def _padded(blocks: Iterable[np.ndarray], config: AudioFeatureConfig) -> Iterator[np.ndarray]:
    """Yield the blocks, and before and after them the zeros that the first and the last frames contain."""
    padding = np.zeros(config.n_fft // 2 if config.center else 0, np.float32)
    n = 0
    yield padding
    for block in blocks:
        if not (isinstance(block, np.ndarray) and block.ndim == 1 and block.dtype.kind == "f"):
            kind = f"{block.dtype} {block.shape}" if isinstance(block, np.ndarray) else type(block).__name__
            raise ParameterError(f"blocks must be arrays of floats [shape=(n,)], got {kind}")
        if len(block):
            n += len(audio.valid_audio(block))
            yield block
    if not n:
        raise FeatureError("there are no samples")
    yield np.zeros(max(0, (config.n_samples or 0) - n), np.float32)
    yield padding


def _frames(blocks: Iterator[np.ndarray], config: AudioFeatureConfig) -> Iterator[np.ndarray]:
    """Yield the frames that lie in the blocks, which contain the padding."""
    length, hop = config.frame_length, config.hop_length
    uncentered = {"center": False} if config.center else {}
    buffer = np.empty(max(length, hop) + (_FRAMES - 1) * hop, np.float32)
    kept = len(buffer) - _FRAMES * hop  # samples that belong to later frames, too
    filled, complete = 0, False
    for block in blocks:
        done = 0
        while done < len(block):
            n = min(len(block) - done, len(buffer) - filled)
            buffer[filled : filled + n] = block[done : done + n]
            done, filled = done + n, filled + n
            if filled == len(buffer):
                yield frames_of(buffer, config, **uncentered)
                buffer[:kept] = buffer[len(buffer) - kept :].copy()
                filled, complete = kept, True
    if filled >= length or not complete:  # frames_of refuses a sound without a frame
        yield frames_of(buffer[:filled], config, **uncentered)


def _patches(frame_blocks: Iterable[np.ndarray], n_frames: int, hop: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield each patch and its first frame."""
    frames: np.ndarray | None = None
    first = end = start = 0  # of the frames in memory, and of the next patch
    for block in frame_blocks:
        if not (isinstance(block, np.ndarray) and block.ndim == 2 and (frames is None or len(block) == len(frames))):
            kind = f"shape {block.shape}" if isinstance(block, np.ndarray) else type(block).__name__
            raise ParameterError(f"frame_blocks must be arrays of frames [shape=(bands, n)], got {kind}")
        frames = block if frames is None else np.concatenate([frames, block], axis=1)
        end += block.shape[1]
        while start + n_frames <= end:
            yield frames[:, start - first : start - first + n_frames], start
            start += hop
        # The frames before the next patch are done with, except those of a patch that may end the sound.
        drop = max(0, min(start, end - n_frames) - first)
        frames, first = frames[:, drop:], first + drop
    if frames is None or end < n_frames:
        raise FeatureError(f"{end} frames are fewer than a patch ({n_frames})")
    if start - hop + n_frames < end:
        yield frames[:, -n_frames:], end - n_frames


def _batches(items: Iterator[tuple[np.ndarray, int]], size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield patches and first frames, stacked."""
    while batch := list(islice(items, min(size, sys.maxsize))):
        yield np.stack([patch for patch, _ in batch]), np.array([start for _, start in batch])
