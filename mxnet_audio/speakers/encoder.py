"""What hears voices: a network's usual input for recordings of speakers, and windows of sound as vectors."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from mxnet_audio import audio, training
from mxnet_audio.audio.headers import rates
from mxnet_audio.audio.source import naming_errors, source_name
from mxnet_audio.data.transforms import ExtractFeatures, Load, Repeat, ToImage, Transform
from mxnet_audio.errors import DatasetError, FeatureError, InvalidAudioError, ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference.predictor import as_list
from mxnet_audio.inference.results import Encoding
from mxnet_audio.library.classifier import AudioClassifier
from mxnet_audio.models import MINIMUM, NETWORKS, default_features
from mxnet_audio.models.blocks import SpeakerNet
from mxnet_audio.parallel import map_ordered
from mxnet_audio.speakers.scoring import unit

__all__ = [
    "SPEAKER_NETWORKS",
    "SpeakerEncoder",
    "at_speeds",
    "check_groups",
    "held_out",
    "speaker_features",
    "speaker_recipe",
]

log = logging.getLogger(__name__)

SPEAKER_NETWORKS = sorted(name for name, network in NETWORKS.items() if issubclass(network, SpeakerNet))
LONGEST = 2.0  # seconds that a network hears at once, unless it is told
SHORTEST = 0.1  # seconds: less is no voice
MINUTE = 60.0  # seconds, more than which no network hears at once
MANY = 256  # windows of a sound that are looked at
PASS = 64  # windows to a pass of the network
FAINT = 1e-3  # share of the loudest window's level, below which a window is a pause


def speaker_features(network: str, paths: Sequence, seconds: float | None = None) -> AudioFeatureConfig:
    """What a network is fed with for recordings: its usual features, at their rate if it is lower than the usual.

    Parameters
    ----------
    network : str
    paths : sequence of str
        The recordings.
    seconds : float > 0, optional
        Length of a window; of a typical recording by default, and 2 s at most.

    Returns
    -------
    AudioFeatureConfig

    Raises
    ------
    FeatureError
        If `seconds` is below 0.1 or above 60.
    ModelError
        If there is no such network.
    """
    usual = default_features(network)
    if seconds is not None and not SHORTEST <= seconds <= MINUTE:
        raise FeatureError(f"seconds, the length of a window, is {SHORTEST:g} to {MINUTE:g}, not {seconds}")
    found = rates(paths).most_common(1)
    sr = min([usual.sr, *(rate for rate, _ in found)])
    length = max(min(audio.typical_length(paths) or LONGEST, LONGEST), SHORTEST) if seconds is None else seconds
    if usual.time_axis == -2:
        return usual.model_copy(update={"sr": sr, "audio_file_length_limit_in_s": length})
    lengths = {
        name: round(getattr(usual, name) * sr / usual.sr) for name in ("n_fft", "win_length", "hop_length", "n_mels")
    }
    config = usual.model_copy(update={"sr": sr, **lengths, "fmax": min(usual.fmax, sr / 2)})
    return config.model_copy(update={"n_frames": max(config.frames_in(length), MINIMUM)})


def speaker_recipe(
    recipe: training.Recipe | str, loss: str | None, options: Mapping | None, config: AudioFeatureConfig
) -> training.Recipe:
    """The recipe, with another loss if one is named; short sounds are repeated, as they are when they are embedded."""
    recipe = training.get_recipe(recipe)
    loss = recipe.loss if loss is None else loss
    options = {**(recipe.loss_options if loss == recipe.loss else {}), **(options or {})}
    sound = (*recipe.sound, Repeat(config.n_samples))
    return dataclasses.replace(recipe, sound=sound, loss=loss, loss_options=options)


def at_speeds(pairs: list, speeds: Iterable[float]) -> list:
    """Recordings at other speeds, each as another speaker's, named as Kaldi does; FeatureError if these are no speeds.

    Examples
    --------
    >>> at_speeds([("ann.wav", "ann")], [0.9])
    [(Played(source='ann.wav', speed=0.9), 'sp0.9-ann')]
    """
    try:
        numbers = sorted(float(speed) for speed in speeds)
    except (TypeError, ValueError) as error:
        raise FeatureError(f"speeds are numbers, not {speeds!r}") from error
    if len({1, *numbers}) <= len(numbers) or not all(0.5 <= speed <= 2 for speed in numbers):
        reason = "lie between 0.5 and 2, differ from one another, and from 1, at which all are heard anyway"
        raise FeatureError(f"speeds {reason}; not {numbers}")
    return [(audio.Played(path, speed), f"sp{speed}-{speaker}") for speed in numbers for path, speaker in pairs]


def check_groups(pairs: list, groups: Sequence | None) -> list[str]:
    """Session of each recording, as text; each is one by itself where none are given."""
    if groups is not None and len(groups) != len(pairs):
        raise DatasetError(f"{len(groups)} groups for {len(pairs)} recordings: give one for each")
    return [str(group) for group in (range(len(pairs)) if groups is None else groups)]


def held_out(pairs: list, sessions: list[str], test_size: float, random_state: int) -> tuple[list, list]:
    """Positions to train on, and those to set the threshold by; of a speaker of one session, all is trained on.

    What shares a session with others that are held out is not trained on, unless it is all there is of a speaker.
    """
    counts = Counter(speaker for speaker, _ in {(speaker, group) for (_, speaker), group in zip(pairs, sessions)})
    single = sorted(str(speaker) for speaker, count in counts.items() if count == 1)
    if len(counts) - len(single) < 2:
        found = ", ".join(f"{speaker}: {count}" for speaker, count in sorted(counts.items(), key=str)[:5]) or "none"
        raise DatasetError(
            f"two speakers with two recordings each (of two sessions) are needed, or more; found {found}"
        )
    if single:
        log.warning("of one recording, or session, which is trained on and not tested: %s", ", ".join(single))
    several = np.array([place for place, (_, speaker) in enumerate(pairs) if counts[speaker] > 1])
    codes = np.unique([str(pairs[place][1]) for place in several], return_inverse=True)[1]
    own = [sessions[place] for place in several]
    _, held = training.split(codes, test_size, random_state, own if len(set(own)) < len(own) else None)
    held = several[held].tolist()
    away = {sessions[place] for place in held}
    train = [place for place, (_, speaker) in enumerate(pairs) if sessions[place] not in away or counts[speaker] == 1]
    return train, held


class Voice(Transform):
    """Samples in which a voice can be: neither silent nor shorter than 0.1 s; shorter than `n`, they are repeated.

    Parameters
    ----------
    n : int > 0 [samples]
        Length of a window.
    sr : int > 0 [Hz]
        Their rate.

    Examples
    --------
    >>> Voice(1200, 8000)(np.ones(1000)).shape
    (1200,)
    >>> Voice(1200, 8000)(np.ones(80))
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.InvalidAudioError: 0.010 s are too short to know a voice by
    """

    def __init__(self, n: int, sr: int):
        super().__init__(n=n, sr=sr)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Check, and repeat [shape=(samples,)]; InvalidAudioError if there can be no voice."""
        y = audio.valid_audio(x, allow_silence=False)
        if len(y) < SHORTEST * self.sr:
            raise InvalidAudioError(f"{len(y) / self.sr:.3f} s are too short to know a voice by")
        return audio.repeat_to(y, self.n)


class SpeakerEncoder(AudioClassifier):
    """The network of a recogniser, trained to tell speakers apart. Sound shorter than its input is repeated in it."""

    recipe = "voice"

    def __init__(self, network: str, **contexts):
        if network not in SPEAKER_NETWORKS:
            raise ModelError(f"no network {network!r} for voices; there are {', '.join(SPEAKER_NETWORKS)}")
        super().__init__(**contexts)
        self.network = network

    def _steps(self, config: AudioFeatureConfig) -> list[Transform]:
        return [
            Load(config.sr),
            Voice(config.n_samples, config.sr),
            ExtractFeatures(config),
            ToImage(config.time_axis),
        ]

    def windows(self, source: Any) -> np.ndarray:
        """Inputs [shape=(n, 1, bands, frames)] of a sound: half overlapping windows, without pauses.

        Of a long sound there are 256, evenly spread.
        """
        config = self.feature_config
        n = config.n_samples
        with naming_errors(source_name(source)):
            y = Voice(n, config.sr)(audio.load(source, sr=config.sr)[0])
            y = audio.views(y, n, min(1 + -(-2 * (len(y) - n) // n), MANY))
            level = np.sqrt(np.square(y, dtype=np.float64).mean(axis=1))
            return self._inputs(y[level >= FAINT * level.max()])

    def embed_many(self, paths: Iterable) -> Iterator[Encoding]:
        """Vectors of many recordings, in order; of one that cannot be used, `error` says why."""
        if self._model is None:  # said now, and not by each thread
            raise ModelError("no model yet: call fit or load first")
        stream = map_ordered(self.windows, as_list(paths))
        with contextlib.closing(stream):
            while chunk := list(islice(stream, PASS // 4)):
                counts = [0 if x is None else len(x) for _, x, _ in chunk]
                inputs = [x for _, x, _ in chunk if x is not None]
                vectors = iter(self._vectors(np.concatenate(inputs)) if inputs else ())
                for (path, _, error), count in zip(chunk, counts):
                    mean = unit(unit(np.stack(list(islice(vectors, count)))).mean(axis=0)) if count else None
                    yield Encoding(source_name(path), mean, error)

    def usable(self, paths: Iterable) -> tuple[np.ndarray, list[int]]:
        """Vectors of the recordings that can be used, and their positions; the others are logged and listed."""
        vectors, places, self.skipped = [], [], []
        for place, (path, vector, error) in enumerate(self.embed_many(paths)):
            if error is None:
                vectors.append(vector)
                places.append(place)
            else:
                log.warning("left out: %s", error)
                self.skipped.append((path or f"item {place}", error))
        if not vectors:
            if not self.skipped:
                raise DatasetError("there are no recordings")
            first = self.skipped[0][1]
            raise DatasetError(f"none of the {len(self.skipped)} recordings can be used; the first: {first}")
        return np.stack(vectors), places

    def _vectors(self, x: np.ndarray) -> np.ndarray:
        return np.concatenate([self.model.forward(x[start : start + PASS])[1] for start in range(0, len(x), PASS)])
