"""Encoder of recordings: a network that turns windows of speech into embeddings of the speaker."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from mxnet_audio import audio, training
from mxnet_audio.audio.opened import rereadable
from mxnet_audio.audio.source import naming_errors, source_name
from mxnet_audio.audio.spans import SpanReader, span_starts
from mxnet_audio.checks import whole_number
from mxnet_audio.data.transforms import ExtractFeatures, Load, ToImage, Transform
from mxnet_audio.errors import InvalidAudioError, ModelError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference.predictor import AudioSource, AudioSources, as_list
from mxnet_audio.inference.results import Encoding
from mxnet_audio.library.classifier import AudioClassifier
from mxnet_audio.parallel import map_ordered
from mxnet_audio.speakers.calibration import MAX_EER
from mxnet_audio.speakers.enrollment import unit_length
from mxnet_audio.speakers.recording_encoder import RecordingEncoder
from mxnet_audio.speakers.scoring import Cohort, SpeakerScorer
from mxnet_audio.speakers.state import SPEAKER_NETWORKS, check_resumed
from mxnet_audio.speakers.training_set import (
    MIN_SECONDS,
    TrainingSet,
    speaker_features,
    speaker_recipe,
    window_size,
)

__all__ = ["SpeakerEncoder", "Voice"]

log = logging.getLogger(__name__)

MAX_WINDOWS = 256  # windows of one recording
WINDOWS_PER_PASS = 64  # windows that the network computes at a time
PAUSE_LEVEL = 1e-3  # level of a pause, at most, as a share of the loudest window's level


class Voice(Transform):
    """Check of samples for speech: not silent, and at least 0.1 s; sound shorter than `n` samples is repeated.

    The name of the class is part of the keys of cached features.

    Parameters
    ----------
    n : int > 0
        Length of a window [samples].
    sr : int > 0
        Sampling rate [Hz].

    Examples
    --------
    >>> Voice(1200, 8000)(np.ones(1000)).shape
    (1200,)
    >>> Voice(1200, 8000)(np.ones(80))
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.InvalidAudioError: 0.010 s is too short to recognize a speaker: give at least 0.1 s
    """

    def __init__(self, n: int, sr: int):
        super().__init__(n=n, sr=sr)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Check samples [shape=(samples,)] and repeat short ones; InvalidAudioError if they cannot be speech."""
        y = audio.valid_audio(x, allow_silence=False)
        if len(y) < MIN_SECONDS * self.sr:
            reason = f"{len(y) / self.sr:.3f} s is too short to recognize a speaker: give at least {MIN_SECONDS:g} s"
            raise InvalidAudioError(reason)
        return audio.repeat_to(y, self.n)


class SpeakerEncoder(RecordingEncoder, AudioClassifier):
    """Network of a recognizer, trained to classify speakers. Sound shorter than its input is repeated.

    Parameters
    ----------
    network : str
        'ecapa_tdnn', 'resnet18' or 'sincnet'.
    **contexts
        As for `AudioClassifier`.

    Raises
    ------
    ParameterError
        If there is no such speaker network.
    """

    recipe = "voice"

    def __init__(self, network: str, **contexts: Any):
        if network not in SPEAKER_NETWORKS:
            raise ParameterError(f"network must be one of {', '.join(SPEAKER_NETWORKS)}; got {network!r}")
        super().__init__(**contexts)
        self.network = network

    def input_transforms(self, config: AudioFeatureConfig) -> list[Transform]:
        sr, n = window_size(config)
        return [
            Load(sr),
            Voice(n, sr),
            ExtractFeatures(config),
            ToImage(config.time_axis),
        ]

    def fit_speakers(
        self,
        clips: TrainingSet,
        model_dir_path: str | os.PathLike,
        *,
        seconds: float | None,
        feature_config: AudioFeatureConfig | None,
        recipe: training.Recipe | str,
        loss: str | None,
        loss_options: Mapping[str, Any] | None,
        batch_size: int,
        resume: bool,
        **options: Any,
    ) -> dict[str, list[float]]:
        """Train on a training set; arguments, result and errors as for `SpeakerRecognizer.fit`."""
        if batch_size == 1:  # the last norm would make all embeddings zero
            raise ParameterError("batch_size must be >= 2, got 1")
        if resume:
            check_resumed(model_dir_path, self.network, {str(clips.pairs[index][1]) for index in clips.strangers})
        if feature_config is None:
            config = speaker_features(self.network, clips.paths, seconds)
        else:
            config = training.complete_config(clips.paths, feature_config)
        self.label_aliases = clips.label_aliases
        history = self.fit(
            clips.train_pairs,
            model_dir_path,
            nb_classes=None,
            validation_pairs=clips.validation_pairs,
            feature_config=config,
            recipe=speaker_recipe(recipe, loss, loss_options, config),
            batch_size=batch_size,
            resume=resume,
            **options,
        )
        self.skipped = list({path: (path, error) for path, error in self.skipped}.values())  # once, not once a speed
        return history

    def new_scorer(self, clips: TrainingSet, normalize: bool) -> SpeakerScorer:
        """Make a scorer: its cohort are recordings that were trained on, its threshold is set by those held out."""
        cohort, held_out = clips.choose()
        indices = cohort + held_out
        usable = []
        for index, (path, vector, error) in zip(indices, self.encode_many(clips.paths[index] for index in indices)):
            if error is None:
                usable.append((index, vector))
            elif index in clips.strangers:  # the others have been reported
                log.warning("left out: %s", error)
                self.skipped.append((path or f"item {index}", error))
        indices, vectors = [index for index, _ in usable], np.array([vector for _, vector in usable])
        speakers = np.array([str(clips.pairs[index][1]) for index in indices])
        sessions = np.array([clips.sessions[index] for index in indices])
        compared = np.isin(indices, held_out)
        scorer = SpeakerScorer(cohort=Cohort(vectors[~compared], speakers[~compared].tolist()), normalize=normalize)
        source = "held-out recordings of speakers who were trained on"
        if clips.strangers:
            source = f"{len(set(speakers[compared]))} speakers who were not trained on"
        scorer.calibrate(vectors, speakers, sessions, held_out=compared, source=source, force=True)
        if scorer.rates is not None and scorer.rates.eer > MAX_EER:
            log.warning("the threshold separates nothing: equal error rate %.3f (%s)", scorer.rates.eer, source)
        return scorer

    def windows(self, source: AudioSource) -> np.ndarray:
        """Compute the network's inputs [shape=(n, 1, bands, frames)] of a recording.

        Windows overlap by half, and pauses are left out. Of a long recording, 256 windows are taken, evenly spread.
        """
        sr, n = window_size(self.feature_config)
        with naming_errors(source_name(source)):
            source = rereadable(source)
            reader = SpanReader(source, sr)
            if 2 * (reader.length - n) > n * MAX_WINDOWS:  # a long recording is not held in memory
                starts = span_starts(reader.length, n, MAX_WINDOWS)
                y = np.stack([audio.fit_length(span, n) for span in reader.read(starts, n)])
                audio.valid_audio(y, allow_silence=False)
            else:
                y = Voice(n, sr)(audio.load(source, sr=sr)[0])
                y = audio.views(y, n, 1 + -(-2 * (len(y) - n) // n))
            level = np.sqrt(np.square(y, dtype=np.float64).mean(axis=1))
            return self._inputs(y[level >= PAUSE_LEVEL * level.max()])

    def encode_many(
        self, paths: AudioSources, batch_size: int = 16, *, channel: str | int = "mix"
    ) -> Iterator[Encoding]:
        """Compute the embeddings of many recordings: of length 1, the mean over the windows of each.

        Parameters
        ----------
        paths : iterable
            Recordings, each as in `predict_class`.
        batch_size : int > 0
            Recordings to encode at a time.
        channel : {'mix', 'left', 'right', 'each'} or int >= 0
            Channel of each recording to use, as for `mxnet_audio.audio.channel_sources`.

        Yields
        ------
        Encoding
            One for each recording, in order; `error` is set if it cannot be used.

        Raises
        ------
        ModelError
            If there is no model yet.
        """
        if self._model is None:  # once, not in each thread
            raise ModelError("no model yet: call fit or load first")
        batch_size = whole_number("batch_size", batch_size)
        stream = map_ordered(self.windows, audio.channel_sources(as_list(paths), channel))
        with contextlib.closing(stream):
            while chunk := list(islice(stream, batch_size)):
                counts = [0 if x is None else len(x) for _, x, _ in chunk]
                inputs = [x for _, x, _ in chunk if x is not None]
                vectors = iter(self._vectors(np.concatenate(inputs)) if inputs else ())
                for (path, _, error), count in zip(chunk, counts):
                    vector = None
                    if count:
                        vector = unit_length(unit_length(np.stack(list(islice(vectors, count)))).mean(axis=0))
                    yield Encoding(source_name(path), vector, error)

    def _vectors(self, x: np.ndarray) -> np.ndarray:
        starts = range(0, len(x), WINDOWS_PER_PASS)
        return np.concatenate([self.model.forward(x[start : start + WINDOWS_PER_PASS])[1] for start in starts])
