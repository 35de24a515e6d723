"""Stream sound of any length through an encoder network, patch by patch."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from mxnet_audio import audio, features
from mxnet_audio.audio.opened import rereadable
from mxnet_audio.audio.reading import SILENCE_PEAK
from mxnet_audio.audio.source import source_name
from mxnet_audio.checks import whole_number
from mxnet_audio.engine import autograd, mx, nd
from mxnet_audio.errors import AudioError, InvalidAudioError
from mxnet_audio.inference.pooling import Frames, Pool, PooledSound, SoundOutput
from mxnet_audio.inference.predictor import AudioSource, AudioSources, as_list, input_length
from mxnet_audio.models import EncoderNet
from mxnet_audio.parallel import map_ordered, without_tracebacks

__all__ = ["Frames", "PatchEncoder", "SoundOutput"]

# Sound in one pass of the network: 32 patches of yamnet, 8 of musicnn, which needs 0.3 GB for 8 and 0.8 GB for 32.
BATCH_SECONDS = 32.0
# Sound of one file that is decoded ahead, in a thread: 15 MB of frames; the rest of a longer file is read as a stream.
AHEAD_SECONDS = 600.0
KEPT_SECONDS = 60.0  # longest sound that is decoded once if its level is needed first; longer sound is decoded twice
STEP = 160  # [samples], to which digital silence is noted


class PatchEncoder:
    """Encoder of sound of any length, in constant memory.

    A sound is read as a stream, its frames are cut into patches, batches of patches of one or several sounds pass the
    network, and its outputs are pooled over the patches of each sound as the network itself would pool them.

    Parameters
    ----------
    net : EncoderNet
        Network with its parameters.
    model_ctx, data_ctx : mxnet.Context
        Device of the network, and device on which batches are put first.
    silence : int, optional
        Number of the tag for silence. A patch then counts for the scores of a sound by 1 minus its score of this tag,
        so that a sneeze between pauses is tagged as a sneeze; the sound is as silent as its least silent patch.
    """

    def __init__(self, net: EncoderNet, *, model_ctx: mx.Context, data_ctx: mx.Context, silence: int | None = None):
        self.net, self.model_ctx, self.data_ctx, self.silence = net, model_ctx, data_ctx, silence
        self.config = net.features
        self.sr, self.patch_samples = input_length(self.config)
        self.batch_size = 2 ** int(np.log2(BATCH_SECONDS * self.sr / self.patch_samples))
        self._lock = threading.Lock()  # the network computes in one thread at a time

    def encode_many(self, sources: AudioSources, batch_size: int | None = None) -> Iterator[SoundOutput]:
        """Encode many sounds, in order.

        Threads decode while the network computes. Memory does not grow with the number of sounds or their length.

        Parameters
        ----------
        sources : iterable
            Sounds, each as `mxnet_audio.audio.load` takes it; or a single path.
        batch_size : int > 0, optional
            Number of patches in one pass of the network; by default those of half a minute.

        Yields
        ------
        SoundOutput
            One for each sound. If it cannot be used, `error` holds the reason.

        Raises
        ------
        ParameterError
            If `batch_size` is below 1, or `sources` is not iterable.
        """
        batch_size = self._batch_size(batch_size)
        pending: deque[PooledSound] = deque()  # in order; yielded once their patches are computed
        waiting: deque[_Patches] = deque()
        for sound, patches in self._patches_of_all(sources, batch_size):
            if not pending or pending[-1] is not sound:
                pending.append(sound)
            if patches is None:
                sound.is_read = True
            else:
                sound.waiting += len(patches.x)
                waiting.append(patches)
            while sum(len(patches.x) for patches in waiting) >= batch_size:
                self._compute(waiting, batch_size)
            while pending and pending[0].is_complete:
                yield pending.popleft().output()
        if waiting:
            self._compute(waiting, batch_size)
        yield from (sound.output() for sound in pending)

    def iter_frames(self, source: AudioSource, batch_size: int | None = None) -> Iterator[Frames]:
        """Yield the outputs for the patches of one sound, batch by batch, in constant memory.

        Parameters
        ----------
        source : str or os.PathLike or binary file or bytes or (np.ndarray, rate)
            Sound, as `mxnet_audio.audio.load` takes it.
        batch_size : int > 0, optional
            Number of patches in one pass of the network; by default those of half a minute.

        Yields
        ------
        Frames

        Raises
        ------
        AudioError
            If the sound cannot be used; what shows only within the file is raised when it is reached.
        """
        batch_size = self._batch_size(batch_size)
        reading = _Reading(source, self)
        for patches, starts in reading.patches(batch_size):
            spans = reading.spans(starts)
            vectors, scores = self._forward(patches, batch_size)
            yield Frames(vectors, spans / self.sr, scores, silent=~reading.are_audible(spans))

    def encode_frames(self, source: AudioSource) -> Frames:
        """Compute the outputs for the patches of one sound; parameters and errors as in `iter_frames`.

        Returns
        -------
        Frames
        """
        first, *others = self.iter_frames(source)
        return first.joined(*others)

    def _forward(self, patches: np.ndarray, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        """Compute the vectors [shape=(n, dim)] and scores [shape=(n, tags)] of patches [shape=(n, 1, bands, frames)].

        Smaller batches have sizes of powers of two, since MXNet keeps memory for every size that it has met.
        """
        vectors, scores, start = [], [], 0
        with self._lock, autograd.predict_mode():
            while start < len(patches):
                size = min(batch_size, 1 << (len(patches) - start).bit_length() - 1)
                x = nd.array(patches[start : start + size], ctx=self.data_ctx).as_in_context(self.model_ctx)
                logits, layer = self.net.patch_outputs(x)
                vectors.append(layer.asnumpy())
                scores.append(np.empty((size, 0), np.float32) if logits is None else logits.sigmoid().asnumpy())
                start += size
        return np.concatenate(vectors), np.concatenate(scores)

    def _batch_size(self, batch_size: int | None) -> int:
        return self.batch_size if batch_size is None else whole_number("batch_size", batch_size)

    def _patches_of_all(self, sources: AudioSources, batch_size: int) -> Iterator[tuple[PooledSound, _Patches | None]]:
        """Yield the patches of each sound, and None at its end."""
        stream = map_ordered(lambda source: _Reading(source, self).start(), as_list(sources))
        with contextlib.closing(stream):
            for source, reading, error in stream:
                sound = PooledSound(source, Pool(self.net.pool), self.silence, error)
                try:
                    if reading is not None:
                        for patches, starts in reading.patches(batch_size):
                            yield sound, _Patches(sound, patches, reading.are_audible(reading.spans(starts)))
                except AudioError as late:
                    sound.error = without_tracebacks(late)
                yield sound, None

    def _compute(self, waiting: deque[_Patches], batch_size: int) -> None:
        """Compute the first of the waiting patches, one batch, and add the outputs to their sounds."""
        batch: list[_Patches] = []
        left = batch_size
        while waiting and left:
            patches = waiting.popleft()
            if len(patches.x) > left:
                waiting.appendleft(patches.of(slice(left, None)))
            batch.append(patches.of(slice(left)))
            left -= len(batch[-1].x)
        vectors, scores = self._forward(np.concatenate([patches.x for patches in batch]), batch_size)
        start = 0
        for patches in batch:
            part = slice(start, start + len(patches.x))
            patches.sound.add(vectors[part], scores[part], patches.audible)
            start = part.stop


class _Patches(NamedTuple):
    """Patches x [shape=(n, 1, bands, frames)] of a sound; `audible` is False for digital silence."""

    sound: PooledSound
    x: np.ndarray
    audible: np.ndarray

    def of(self, rows: slice) -> _Patches:
        return _Patches(self.sound, self.x[rows], self.audible[rows])


class _Blocks:
    """Samples of one sound in blocks, amplified to the network's lowest level.

    Attributes
    ----------
    samples : int
        Number of samples that were read so far, at the rate of the encoder.
    """

    def __init__(self, source: AudioSource, encoder: PatchEncoder):
        self.source, self.net, self.sr, self.samples = source, encoder.net, encoder.sr, 0
        self._audible = bytearray()  # of each span of STEP samples, whether it is more than digital silence

    def __iter__(self) -> Iterator[np.ndarray]:
        min_level, min_seconds = self.net.min_level, self.net.min_seconds
        gain, blocks = (1.0, self._read(self.source)) if min_level is None else self._levelled(min_level)
        for block in blocks:
            self._note_audible(block)
            self.samples += len(block)
            yield block if gain == 1 else block * np.float32(gain)
        if self.samples < min_seconds * self.sr:
            reason = f"{self.samples / self.sr:.3f} s is too short"
            raise InvalidAudioError(f"{reason}: give at least {min_seconds:g} s", source_name(self.source))

    def _note_audible(self, block: np.ndarray) -> None:
        self._audible.extend(bytes((self.samples + len(block)) // STEP + 1 - len(self._audible)))
        steps = (self.samples + np.flatnonzero(np.abs(block) >= SILENCE_PEAK)) // STEP
        np.frombuffer(self._audible, np.uint8)[steps] = 1

    def is_audible(self, start: int, end: int) -> bool:
        """Return False if samples from `start` to `end` that were read, to some hundred, are digital silence."""
        return any(self._audible[start // STEP : -(-end // STEP)])

    def _levelled(self, min_level: float) -> tuple[float, Iterable[np.ndarray]]:
        """Return the factor that raises the sound to `min_level` [dBFS], 1 for louder sound, and its blocks."""
        source = rereadable(self.source)
        kept: list[np.ndarray] = []
        squares, count, most = 0.0, 0, KEPT_SECONDS * self.sr
        for block in self._read(source):
            squares += float(np.square(block, dtype=np.float64).sum())
            count += len(block)
            if count <= most:
                kept.append(block)
        gain = max(1.0, 10 ** (min_level / 20) / np.sqrt(squares / count))
        return gain, kept if count <= most else self._read(source)

    def _read(self, source: AudioSource) -> Iterator[np.ndarray]:
        return audio.blocks(source, self.sr, allow_silence=False)


class _Reading:
    """Frames of one sound, read as a stream. The file is closed at its end, or once the reading is not used anymore."""

    def __init__(self, source: AudioSource, encoder: PatchEncoder):
        self.blocks = _Blocks(source, encoder)  # does not refer to this object, which would keep the file open
        self._net, self._hop_length = encoder.net, encoder.config.hop_length
        self._patch_samples = encoder.patch_samples
        self._frames = features.frame_blocks(self.blocks, encoder.config)
        self._ahead: list[np.ndarray] = []

    def start(self) -> _Reading:
        """Read the first ten minutes; called in a thread."""
        frames_left = AHEAD_SECONDS * self.blocks.sr / self._hop_length
        for block in self._frames:
            self._ahead.append(block)
            frames_left -= block.shape[1]
            if frames_left <= 0:
                break
        return self

    def patches(self, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield patches [shape=(n, 1, bands, frames)], and the frame that each starts with [shape=(n,)]."""
        frames, n_frames = itertools.chain(self._ahead, self._frames), self._net.patch_shape()[2]
        for patches, starts in features.patches(frames, n_frames, self._net.patch_hop, batch_size=batch_size):
            yield patches[:, np.newaxis], starts

    def spans(self, starts: np.ndarray) -> np.ndarray:
        """Return the samples [shape=(n, 2)] from which to which patches reach, by the frames that they start with."""
        begin = starts * self._hop_length
        return np.stack([begin, np.minimum(begin + self._patch_samples, self.blocks.samples)], axis=1)

    def are_audible(self, spans: np.ndarray) -> np.ndarray:
        """Return False for spans of samples [shape=(n, 2)] that are digital silence."""
        return np.array([self.blocks.is_audible(*span) for span in spans], bool)
