"""Answers to requests: sounds are decoded in threads, and pass the networks in batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import anyio
import numpy as np
from anyio import from_thread, to_thread

from mxnet_audio.audio.source import naming_errors
from mxnet_audio.events import Event, find_events, label_thresholds
from mxnet_audio.inference import OnnxAudioClassifier, Predictor
from mxnet_audio.inference.missing_packages import naming_missing_packages
from mxnet_audio.inference.results import Identification, Output, Prediction, TimedPrediction
from mxnet_audio.parallel import usable_cpus
from mxnet_audio.serve import sounds
from mxnet_audio.serve.batching import Batcher
from mxnet_audio.serve.live_index import LiveIndex, Match
from mxnet_audio.serve.problems import Busy, NotServed, TimedOut
from mxnet_audio.serve.served import ONNX_PASSES, ServedModels, passes
from mxnet_audio.serve.settings import ServeSettings
from mxnet_audio.serve.sounds import Sound
from mxnet_audio.serve.uploads import Upload

__all__ = ["SoundService", "timed_out"]

Result = TypeVar("Result")

WINDOWS = 16  # of a timeline that are computed between two batches of other requests
MOST_SAMPLES = 256 << 20  # [bytes], of decoded sounds that wait for a network, before further ones are decoded


class SoundService:
    """Answers to requests with the served models, in this process.

    Sounds of concurrent requests pass a network together; timelines of events are computed between these batches.
    Networks are called from one thread; exported ones whose inputs have one length from `ONNX_PASSES` threads.

    Parameters
    ----------
    models : ServedModels
        Models, index and speakers.
    settings : ServeSettings, optional
        Limits.

    Attributes
    ----------
    waiting : int
        Number of requests whose sounds are being decoded, or wait for a network.
    held : int
        Bytes of decoded sounds that wait for a network.
    is_ready : bool
        True between `start` and `close`.
    index : LiveIndex or None
        Index that is served, which a newer one may replace.
    on_batch : callable or None
        Function that is called, in another thread, with the number of sounds of each batch.
    on_sound : callable or None
        Function that is called, in another thread, with each decoded `Sound`.
    """

    def __init__(self, models: ServedModels, settings: ServeSettings | None = None):
        self.models, self.settings = models, settings or ServeSettings()
        self.waiting, self.held, self.is_ready = 0, 0, False
        self._coming = 0  # requests that are being decoded
        self.on_batch: Callable[[int], Any] | None = None
        self.on_sound: Callable[[Sound], Any] | None = None
        self.index = None if models.search is None else LiveIndex(models.search, self.settings.audio_root)

    async def start(self) -> None:
        """Start the threads."""
        cpus = usable_cpus()
        self._decoding = anyio.Semaphore(cpus)  # held while `MOST_SAMPLES` is waited for, too
        self._decoders, self._waiters = anyio.CapacityLimiter(cpus), anyio.CapacityLimiter(cpus)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="networks")
        self._onnx_executor = ThreadPoolExecutor(ONNX_PASSES, thread_name_prefix="exported-networks")
        self._batchers: dict[int, Batcher[Any, Any]] = {}  # by the identity of their model
        for model in (self.models.classifier, self.models.encoder, self.models.index_model):
            if model is None or id(model) in self._batchers:
                continue
            if _has_inputs(model):
                self._batchers[id(model)] = self._batcher(model, partial(_outputs, model))
            else:  # of encoders, `batch_size` is the number of patches in a pass, not that of sounds
                options: dict[str, Any] = (
                    {"batch_size": self.settings.max_batch} if isinstance(model, Predictor) else {}
                )
                self._batchers[id(model)] = self._batcher(model, partial(model.forward_many, **options))
        if (recognizer := self.models.recognizer) is not None:
            self._batchers[id(recognizer)] = self._batcher(
                recognizer, lambda sources: recognizer.identify_many(sources, len(recognizer.speakers))
            )
        self.is_ready = True

    def _batcher(self, model: Any, forward_many: Callable[[list[Any]], Iterable[Any]]) -> Batcher[Any, Any]:
        def forward(sources: list[Any]) -> list[Any]:
            if self.on_batch is not None:
                self.on_batch(len(sources))
            return list(forward_many(sources))

        return Batcher(
            forward,
            self._executor_of(model),
            max_batch=self.settings.max_batch,
            wait=self.settings.batch_wait,
            max_calls=passes(model),
        )

    def _executor_of(self, model: Any) -> ThreadPoolExecutor:
        """Return the threads that call the network of a model."""
        return self._executor if passes(model) == 1 else self._onnx_executor

    async def close(self) -> None:
        """Refuse new requests, finish those that run, and end the threads."""
        self.is_ready = False
        while self.waiting:
            await anyio.sleep(0.01)
        for executor in (self._executor, self._onnx_executor):
            await to_thread.run_sync(executor.shutdown)

    @contextmanager
    def _admitted(self, held: int = 0) -> Iterator[None]:
        """Count a request while it waits or runs, for at most `ServeSettings.timeout`; Busy if there are too many."""
        if not self.is_ready:
            raise Busy("the server is starting or stopping: try again later")
        if self.waiting >= self.settings.queue_size:
            raise Busy(f"{self.waiting} requests are waiting: try again later")
        self.waiting, self.held = self.waiting + 1, self.held + held
        try:
            with _time_limit(self.settings.timeout):
                yield
        finally:
            self.waiting, self.held = self.waiting - 1, self.held - held

    async def decode(self, upload: Upload, channel: str | int = "mix", model: Any = None) -> Sound:
        """Decode the sound of a request, and compute the features that the network of `model` needs of it.

        Errors as of `mxnet_audio.serve.sounds.decode`, InvalidAudioError for silence, Busy and TimedOut.
        """

        def read() -> Sound:
            sound = sounds.decode(upload.file, upload.name, self.settings.max_seconds, channel)
            if self.on_sound is not None:
                self.on_sound(sound)
            from_thread.check_cancelled()
            if model is None or not _has_inputs(model):
                return sound
            return replace(sound, prepared=(model, _inputs(model, sound)))

        with self._admitted():
            self._coming += 1
            try:
                async with self._decoding:
                    while self.held > MOST_SAMPLES:
                        await anyio.sleep(0.01)
                    return await to_thread.run_sync(read, limiter=self._decoders)
            finally:
                self._coming -= 1

    async def predict(self, sound: Sound) -> Prediction:
        """Label a sound with the trained model.

        Raises
        ------
        AudioError
            If the sound cannot be used, such as InvalidAudioError for silence.
        Busy, TimedOut
            If too many requests are waiting, or the answer takes too long.
        NotServed
            If there is no trained model.
        """
        classifier = self.predictor()
        return classifier.postprocess(await self._output(classifier, sound))

    def predictor(self) -> Any:
        """Return the trained model that `predict` calls; NotServed if there is none with labels."""
        classifier = self.models.classifier
        if classifier is None or not classifier.labels:
            raise NotServed("no model that predicts labels is served: start the server with --model-dir")
        return classifier

    async def tags(self, sound: Sound) -> Prediction:
        """Tag a sound with the pretrained encoder; errors as of `predict`."""
        model = self.tagger()
        scores, labels = (await self._output(model, sound)).probabilities, model.labels
        name = model.record.name if hasattr(model, "record") else model.network
        return Prediction(None, labels[int(scores.argmax())], scores, labels=labels, encoder=name)

    def tagger(self) -> Any:
        """Return the encoder that `tags` calls, or the exported one; NotServed if there is none with tags."""
        encoder, classifier = self.models.encoder, self.models.classifier
        if encoder is not None and encoder.labels:
            return encoder
        if classifier is not None and classifier.labels and _is_exported_encoder(classifier):
            return classifier
        raise NotServed("no encoder with tags is served: start the server with --encoder, such as --encoder yamnet")

    async def embed(self, sound: Sound) -> tuple[np.ndarray, str]:
        """Compute the embedding [shape=(dim,)] of a sound, and return it with the identity of its model.

        The model is the encoder or, if there is none, the trained model or that of the index. Errors as of `predict`.
        """
        model = self.embedder()
        return (await self._output(model, sound)).vector, model.model_id

    def embedder(self) -> Any:
        """Return the model that `embed` calls; NotServed if there is none."""
        models = self.models
        model = next((one for one in (models.encoder, models.classifier, models.index_model) if one is not None), None)
        if model is None:
            raise NotServed(
                "no model that computes embeddings is served: start the server with --encoder or --model-dir"
            )
        return model

    async def index_vector(self, sound: Sound) -> np.ndarray:
        """Compute the embedding [shape=(dim,)] of a sound by the model of the index; errors as of `predict`."""
        return (await self._output(self.searcher(), sound)).vector

    def searcher(self) -> Any:
        """Return the model of the index; NotServed if there is none."""
        if self.index is None:
            raise NotServed("no index is served: start the server with --index")
        return self.models.index_model

    async def search(
        self,
        sound: Sound,
        top_k: int = 10,
        *,
        vector: np.ndarray | None = None,
        where: str | None = None,
        own: os.stat_result | None = None,
        parts: bool = False,
    ) -> list[Match]:
        """Find the sounds of the index that are most similar; errors as of `predict` and `LiveIndex.nearest`.

        Parameters `where` and `own` are as of `LiveIndex.nearest`; `parts` asks for the parts of sounds, too. A
        `vector` that is given is that of `index_vector`.
        """
        if vector is None:
            vector = await self.index_vector(sound)
        index, model = self.index, self.models.index_model
        assert index is not None  # else there would be no vector

        def compute(sources: list[Any]) -> list[Any]:
            return self._in_executor(model, lambda: list(model.forward_many(sources)))

        with self._admitted(sound.nbytes):
            found = await to_thread.run_sync(partial(index.nearest, vector, top_k, where=where, own=own))
            if not parts:
                return found
            half = self.settings.timeout / 2
            return await to_thread.run_sync(
                index.with_parts, found, vector, sound.seconds, compute, half, limiter=self._waiters
            )

    async def identify(self, sound: Sound, top_k: int = 5) -> Identification:
        """Find the enrolled speaker of a sound; errors as of `predict`."""
        recognizer = self.models.recognizer
        if recognizer is None:
            raise NotServed("no speakers are served: start the server with --speakers")
        found = await self._output(recognizer, sound)
        return found._replace(ranking=found.ranking[:top_k])

    async def events(
        self,
        sound: Sound,
        *,
        threshold: float | None = None,
        labels: Iterable[str] | None = None,
        min_duration: float = 0.0,
        max_gap: float = 0.0,
        window: float | None = None,
        hop: float | None = None,
    ) -> list[Event]:
        """Find the events of a sound, in the order of their starts; parameters as of `mxnet_audio.events.find_events`.

        The model is the encoder with tags or, if there is none, the trained model. Errors as of `predict`, and:

        Raises
        ------
        ParameterError
            If an argument is out of range, or a label unknown.
        """
        labeller = self.labeller()
        thresholds = label_thresholds(labeller.labels, threshold, labels, getattr(labeller, "thresholds", None))

        def find() -> list[Event]:
            windows = self._windows(labeller, labeller.iter_timeline(sound.source, window, hop))
            return sorted(find_events(windows, thresholds, min_duration=min_duration, max_gap=max_gap))

        with self._admitted(sound.nbytes), naming_errors(sound.name):
            return await to_thread.run_sync(find, limiter=self._waiters)

    def labeller(self) -> Any:
        """Return the model whose timelines `events` reads; NotServed if there is none with labels."""
        encoder, classifier = self.models.encoder, self.models.classifier
        if encoder is not None and encoder.labels:
            from mxnet_audio.library.tagger import AudioTagger

            return AudioTagger(encoder)
        if classifier is None or not classifier.labels:
            raise NotServed("no model that finds events is served: start the server with --encoder or --model-dir")
        return classifier

    def _windows(self, model: Any, timeline: Iterator[TimedPrediction]) -> Iterator[TimedPrediction]:
        """Yield the windows of a timeline; other requests are computed between every few of them."""
        while windows := self._in_executor(model, lambda: list(islice(timeline, WINDOWS))):
            yield from windows

    def _in_executor(self, model: Any, compute: Callable[[], Result]) -> Result:
        """Compute where the network of a model is called, unless the request was cancelled; for other threads."""
        from_thread.check_cancelled()
        return self._executor_of(model).submit(compute).result()

    async def _output(self, model: Any, sound: Sound) -> Any:
        """Return the output of a model for a sound, in a batch with others; raise the error of the sound."""
        with self._admitted(sound.nbytes), naming_errors(sound.name):
            item: Any = sound.source
            if sound.prepared is not None and sound.prepared[0] is model:
                item = sound.prepared[1]
            elif _has_inputs(model):
                item = await to_thread.run_sync(_inputs, model, sound, limiter=self._decoders)
            output = await self._batchers[id(model)].submit(item, is_alone=not self._coming)
            if output.error is not None:
                raise output.error
            return output


def _has_inputs(model: Any) -> bool:
    """Return True for a model that takes inputs of one length, which are prepared for each sound on its own."""
    if isinstance(model, OnnxAudioClassifier):
        return model.description.windows is None
    return isinstance(model, Predictor) and type(model).forward_many is Predictor.forward_many


def _inputs(model: Predictor, sound: Sound) -> np.ndarray:
    with naming_errors(sound.name), naming_missing_packages():
        return model.preprocess(sound.source)


def _outputs(model: Predictor, inputs: list[np.ndarray]) -> Iterator[Output]:
    return (Output(None, probabilities, vector) for probabilities, vector in zip(*model.forward(inputs)))


def _is_exported_encoder(model: Any) -> bool:
    """Return True for an .onnx file of a pretrained encoder, whose classes are its published tags."""
    description = getattr(model, "description", None)
    return description is not None and description.windows is not None and not description.windows.head


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Cancel what takes longer, and raise TimedOut."""
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError:
        raise timed_out(seconds) from None


def timed_out(seconds: float) -> TimedOut:
    """Return the error of an answer that takes too long."""
    return TimedOut(f"not computed within {seconds:g} s: send a shorter sound, or try again later")
