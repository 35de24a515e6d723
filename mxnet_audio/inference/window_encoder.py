"""Stream sound of any length through a network that takes a window of it at once. Needs no MXNet.

Long sound is cut into windows. Windows of about the same length pass the network together, padded to one of few
lengths: MXNet and the runtimes of exported models keep memory for every shape that they have met.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import NamedTuple, TypeAlias

import numpy as np

from mxnet_audio import audio, features
from mxnet_audio.audio.reading import SILENCE_PEAK
from mxnet_audio.audio.source import naming_errors, source_name
from mxnet_audio.audio.stream_windows import StreamedWindow, is_silent, stream_windows
from mxnet_audio.checks import real_number, whole_number
from mxnet_audio.errors import AudioError, InvalidAudioError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference.pooling import Frames, Pool, PooledSound, SoundOutput
from mxnet_audio.inference.predictor import AudioSource, AudioSources, as_list
from mxnet_audio.parallel import map_ordered, without_tracebacks

__all__ = ["Forward", "Sequences", "WindowEncoder", "input_of", "padded_length", "samples_of"]

# Sound in one pass of the network. Attention needs memory for the square of a window's length: for one window of 20 s
# of wav2vec2-base, as many windows of 1 s as this allows need a twentieth. On the CPU, more in one pass are no faster.
BATCH_SECONDS = 16.0
BATCH_SIZE = 64  # most windows in one pass
WAITING_SECONDS = 128.0  # of sound of all lengths that waits for more of its length
WAITING_SOUNDS = 256  # most sounds whose outputs wait for those of a sound before them, of a rare length
AHEAD_SECONDS = 60.0  # sound of one file that is decoded ahead, in a thread; the rest is read as a stream
LENGTHS = 4  # in an octave, that inputs are padded to

# From inputs [shape=(n, 1, bands, frames)] and their lengths [shape=(n,), frames] to scores between 0 and 1
# [shape=(n, tags)], or None, and vectors [shape=(n, dim)]; or to numbers of steps [shape=(n,)], and sequences
# [shape=(n, steps, dim)].
Forward: TypeAlias = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray | None, np.ndarray]]
Sequences: TypeAlias = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class WindowEncoder:
    """Encoder of sound of any length, in constant memory, with a network that takes a window of it at once.

    A sound is read as a stream, and cut into windows that do not overlap, except the last: it ends with the sound, and
    counts by the share of it that is in no other window; a rest of a hundredth of a window or less is left out. The
    outputs are pooled over the windows.

    Parameters
    ----------
    forward : callable
        Network: a function of inputs [shape=(n, 1, bands, frames), float32] and their lengths [shape=(n,), frames],
        which returns scores between 0 and 1 [shape=(n, tags)], or None, and vectors [shape=(n, dim)].
    config : AudioFeatureConfig
        Features of a window, at a fixed rate.
    window : float > 0 [s]
        Length of a window.
    min_input : int > 0
        Smallest number of frames, or samples, that the network takes.
    pads : bool
        Whether inputs of different lengths can be padded to one batch. If not, only equal lengths go together.
    pool : {'mean', 'sum', 'max', 'last'}
        Pool of the vectors of the windows.
    silence : int, optional
        Number of the tag for silence, see `PooledSound`.
    sequences : callable, optional
        Function of the same inputs, which returns the numbers of steps [shape=(n,)] and sequences of vectors
        [shape=(n, steps, dim)], for `iter_frames`.
    step : tuple of float [s], optional
        Time from one vector of a sequence to the next, and length of the sound that it represents.

    Raises
    ------
    ParameterError
        If `config` leaves the rate open, or `window` is shorter than the smallest input.

    Attributes
    ----------
    sr : int [Hz]
        Rate of the network's input.
    shortest : float [s]
        Length of the shortest sound that can be encoded.
    """

    def __init__(
        self,
        forward: Forward,
        config: AudioFeatureConfig,
        *,
        window: float,
        min_input: int = 1,
        pads: bool = True,
        pool: str = "mean",
        silence: int | None = None,
        sequences: Sequences | None = None,
        step: tuple[float, float] | None = None,
    ):
        if config.sr is None:
            raise ParameterError("config must have a rate (sr), got None")
        self.forward, self.sequences, self.step = forward, sequences, step
        self.config, self.sr, self.pads, self.pool, self.silence = config, config.sr, pads, pool, silence
        self.shortest = samples_of(config, min_input) / config.sr
        self.window = real_number("window", window, self.shortest)

    def encode_many(self, sources: AudioSources, batch_size: int | None = None) -> Iterator[SoundOutput]:
        """Encode many sounds, in order.

        Threads decode and compute features while the network computes. Memory does not grow with the number of sounds
        or their length.

        Parameters
        ----------
        sources : iterable
            Sounds, each as `mxnet_audio.audio.load` takes it; or a single path.
        batch_size : int > 0, optional
            Number of windows in one pass of the network at most; by default as many as are 16 s long together.

        Yields
        ------
        SoundOutput
            One for each sound. If it cannot be used, `error` holds the reason.

        Raises
        ------
        ParameterError
            If `batch_size` is below 1, or `sources` is not iterable.
        """
        batch_size = None if batch_size is None else whole_number("batch_size", batch_size)
        pending: deque[PooledSound] = deque()  # in order; yielded once their windows are computed
        waiting: dict[int, list[tuple[PooledSound, _Input]]] = {}  # by length, in the order of the first of each
        seconds = 0.0  # of the sound that waits
        for sound, one in self._inputs_of_all(sources):
            if not pending or pending[-1] is not sound:
                pending.append(sound)
            if one is None:
                sound.is_read = True
            else:
                sound.waiting += 1
                length = self._length(one.x)
                batch = waiting.setdefault(length, [])
                batch.append((sound, one))
                seconds += self._seconds(length)
                if len(batch) < self._capacity(length, batch_size):
                    is_late = seconds > WAITING_SECONDS or len(pending) > WAITING_SOUNDS
                    length = next(iter(waiting)) if is_late else 0
                if length:
                    seconds -= self._seconds(length) * len(waiting[length])
                    self._compute(waiting.pop(length), batch_size)
            while pending and pending[0].is_complete:
                yield pending.popleft().output()
        for batch in waiting.values():
            self._compute(batch, batch_size)
        yield from (sound.output() for sound in pending)

    def iter_frames(self, source: AudioSource, batch_size: int | None = None) -> Iterator[Frames]:
        """Yield the vectors of one sound in the course of time, in constant memory.

        They are those of the steps of the network's sequences, if these are known, and of windows otherwise.

        Parameters
        ----------
        source : str or os.PathLike or binary file or bytes or (np.ndarray, rate)
            Sound, as `mxnet_audio.audio.load` takes it.
        batch_size : int > 0, optional
            As for `encode_many`.

        Yields
        ------
        Frames
            Steps have no scores.

        Raises
        ------
        AudioError
            If the sound cannot be used; what shows only within the file is raised when it is reached.
        """
        outputs = self._window_frames if self.sequences is None else self._step_frames
        return self._frames(source, self.window, self.window, batch_size, outputs)

    def iter_windows(
        self, source: AudioSource, window: float | None = None, hop: float | None = None, batch_size: int | None = None
    ) -> Iterator[Frames]:
        """Yield the outputs for windows of one sound, each of which is an input of its own, in constant memory.

        Parameters
        ----------
        source : str or os.PathLike or binary file or bytes or (np.ndarray, rate)
            Sound, as `mxnet_audio.audio.load` takes it.
        window : float > 0 [s], optional
            Length of a window; that of the network by default, and at most.
        hop : float > 0 [s], optional
            Time from the start of a window to that of the next, at most `window`, which is the default.
        batch_size : int > 0, optional
            As for `encode_many`.

        Yields
        ------
        Frames
            One row for each window; the last window ends with the sound.

        Raises
        ------
        AudioError
            As for `iter_frames`.
        ParameterError
            If `window` or `hop` is out of range.
        """
        window = self.window if window is None else real_number("window", window, self.shortest, self.window)
        hop = window if hop is None else real_number("hop", hop, min(self.shortest, window), window)
        return self._frames(source, window, hop, batch_size, self._window_frames)

    def encode_frames(self, source: AudioSource) -> Frames:
        """Compute the vectors of one sound in the course of time; parameters and errors as in `iter_frames`.

        Returns
        -------
        Frames
        """
        first, *others = self.iter_frames(source)
        return first.joined(*others)

    def _frames(
        self,
        source: AudioSource,
        window: float,
        hop: float,
        batch_size: int | None,
        outputs: Callable[[list[_Input], int | None], Frames],
    ) -> Iterator[Frames]:
        """Yield outputs for the windows of a sound, batch by batch."""
        batch_size = None if batch_size is None else whole_number("batch_size", batch_size)
        inputs = _inputs(source, self, round(window * self.sr), max(1, round(hop * self.sr)))
        for first in inputs:  # all windows of a sound have the same length
            count = self._capacity(self._length(first.x), batch_size) - 1
            yield outputs([first, *itertools.islice(inputs, count)], batch_size)

    def _window_frames(self, inputs: list[_Input], batch_size: int | None) -> Frames:
        scores, vectors = self._forward(inputs, batch_size)
        times = np.array([(one.window.start, one.window.end) for one in inputs]) / self.sr
        return Frames(vectors, times, scores, silent=np.array([not one.is_audible for one in inputs]))

    def _step_frames(self, inputs: list[_Input], batch_size: int | None) -> Frames:
        """Return the vectors of all steps, except those within the window before."""
        assert self.sequences is not None
        found = []
        for part, x, lengths in self._passes(inputs, batch_size):
            steps, sequences = self.sequences(x, lengths)
            for one, count, sequence in zip(part, steps.astype(int), sequences):
                found.append(self._steps_of(one, sequence[:count]))
        return found[0].joined(*found[1:])

    def _steps_of(self, one: _Input, sequence: np.ndarray) -> Frames:
        window, seconds = one.window, np.array((one.window.start, one.window.end)) / self.sr
        if self.step is None:
            times = np.tile(seconds, (len(sequence), 1))
            silent = np.full(len(sequence), not one.is_audible)
        else:
            hop, length = self.step
            begins = seconds[0] + hop * np.arange(len(sequence))
            new = (begins >= (window.end - one.fresh) / self.sr - 1e-6) & (begins < seconds[1])
            new[0] |= not new.any()
            sequence, begins = sequence[new], begins[new]
            times = np.stack([begins, np.minimum(begins + length, seconds[1])], axis=1)
            loud = np.append(0, np.cumsum(np.abs(window.samples) >= SILENCE_PEAK))
            first, last = np.clip(np.rint(times.T * self.sr).astype(int) - window.first, 0, len(window.samples))
            silent = loud[last] == loud[first]
        return Frames(sequence, times, np.empty((len(sequence), 0), np.float32), silent=silent)

    def _inputs_of_all(self, sources: AudioSources) -> Iterator[tuple[PooledSound, _Input | None]]:
        """Yield the inputs of each sound, and None at its end."""
        size = round(self.window * self.sr)
        read = partial(_inputs, encoder=self, size=size, hop=size)
        stream = map_ordered(lambda source: _read_ahead(read(source), AHEAD_SECONDS / self.window), as_list(sources))
        with contextlib.closing(stream):
            for source, inputs, error in stream:
                sound = PooledSound(source, Pool(self.pool), self.silence, error)
                try:
                    for one in inputs or ():
                        yield sound, one
                except AudioError as late:
                    sound.error = without_tracebacks(late)
                yield sound, None

    def _compute(self, batch: list[tuple[PooledSound, _Input]], batch_size: int | None) -> None:
        """Compute inputs, and add the outputs to their sounds."""
        scores, vectors = self._forward([one for _, one in batch], batch_size)
        for row, (sound, one) in enumerate(batch):
            part = slice(row, row + 1)
            share = one.fresh / (one.window.end - one.window.start)
            sound.add(vectors[part], scores[part], np.array([one.is_audible]), np.array([share]))

    def _forward(self, inputs: list[_Input], batch_size: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Compute the scores [shape=(n, tags)] and vectors [shape=(n, dim)] of inputs."""
        outputs = [self.forward(x, lengths) for _, x, lengths in self._passes(inputs, batch_size)]
        vectors = np.concatenate([vectors for _, vectors in outputs])
        scores = [np.empty((len(some), 0), np.float32) if tags is None else tags for tags, some in outputs]
        return np.concatenate(scores), vectors

    def _passes(
        self, inputs: list[_Input], batch_size: int | None
    ) -> Iterator[tuple[list[_Input], np.ndarray, np.ndarray]]:
        """Yield inputs, stacked and padded to one length, and their lengths; sizes of batches are powers of two."""
        longest = max(self._length(one.x) for one in inputs)
        capacity = self._capacity(longest, batch_size)
        while inputs:
            size = min(capacity, 1 << len(inputs).bit_length() - 1)
            part, inputs = inputs[:size], inputs[size:]
            x = np.zeros((size, *part[0].x.shape[:-1], longest), np.float32)
            for row, one in zip(x, part):
                row[..., : one.x.shape[-1]] = one.x
            yield part, x, np.array([one.frames for one in part])

    @cached_property
    def longest(self) -> int:
        """Number of frames, or samples, of an input that is as long as a window."""
        return input_of(np.zeros(round(self.window * self.sr), np.float32), self.config).shape[-1]

    def _length(self, x: np.ndarray) -> int:
        """Return the number of frames that an input is padded to: one of few."""
        return padded_length(x.shape[-1], self.longest) if self.pads else x.shape[-1]

    def _seconds(self, length: int) -> float:
        return length / self.longest * self.window

    def _capacity(self, length: int, batch_size: int | None) -> int:
        """Return the number of inputs of a length in one pass."""
        if batch_size is not None:
            return batch_size
        return 1 << int(min(BATCH_SIZE, max(1.0, BATCH_SECONDS / self._seconds(length)))).bit_length() - 1


class _Input(NamedTuple):
    """Window of a sound, and its features x [shape=(1, bands, frames)].

    `frames` is the number of frames that the sound covers: features may be padded to a length. `fresh` is the number of
    samples at its end that no window before contains; `is_audible` is False for digital silence.
    """

    x: np.ndarray
    frames: int
    window: StreamedWindow
    fresh: int
    is_audible: bool


def _inputs(source: AudioSource, encoder: WindowEncoder, size: int, hop: int) -> Iterator[_Input]:
    """Yield the windows of a sound with their features, as they are read."""
    sr, name, end = encoder.sr, source_name(source), 0
    blocks = audio.blocks(source, sr, allow_silence=False)
    for window in stream_windows(blocks, size, hop):
        if len(window.samples) < round(encoder.shortest * sr):
            reason = f"{len(window.samples) / sr:.4f} s is too short: give at least {encoder.shortest:.4f} s"
            raise InvalidAudioError(reason, name)
        with naming_errors(name):
            x = input_of(window.samples, encoder.config)
        frames = x.shape[-1] if encoder.config.n_frames is None else encoder.config.frames_in(len(window.samples) / sr)
        fresh, end = window.end - max(end, window.start), window.end
        yield _Input(x, min(frames, x.shape[-1]), window, fresh, not is_silent(window.samples))


def _read_ahead(inputs: Iterator[_Input], count: float) -> Iterator[_Input]:
    """Read the first windows now, and return the iterator over all; called in a thread."""
    ahead = list(itertools.islice(inputs, math.ceil(count)))
    return itertools.chain(ahead, inputs)


def padded_length(frames: int, longest: int) -> int:
    """Return the length that inputs are padded to: one of few, and no more than the longest.

    Examples
    --------
    >>> padded_length(90, 100), padded_length(51, 100), padded_length(120, 100)
    (100, 60, 120)
    """
    if frames >= longest:
        return frames
    octaves = math.floor(math.log2(longest / frames) * LENGTHS) / LENGTHS
    return max(frames, math.ceil(longest / 2**octaves))


def input_of(y: np.ndarray, config: AudioFeatureConfig) -> np.ndarray:
    """Return the input of a network for samples [shape=(n,)] at the rate of the features."""
    sr = config.sr
    assert sr is not None
    if config.time_axis == -2:  # such features are cut, and padded, to a length
        config = config.model_copy(update={"audio_file_length_limit_in_s": (len(y) + 0.5) / sr})
    return features.as_image(features.extract(y, sr, config), config.time_axis)


def samples_of(config: AudioFeatureConfig, frames: int) -> int:
    """Return the smallest number of samples that this number of frames is computed from."""
    if config.time_axis == -2:
        return frames
    count = frames if config.n_frames is None else 1
    samples = config.model_copy(update={"n_frames": count}).n_samples
    assert samples is not None
    return samples
