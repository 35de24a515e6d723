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
from mxnet_audio.audio.source import naming, source_name
from mxnet_audio.audio.survey import rates
from mxnet_audio.data.threads import map_ordered
from mxnet_audio.data.transforms import FromSamples, Load, Repeat, ToImage, Transform
from mxnet_audio.errors import DatasetError, FeatureError, InvalidAudioError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.library.classifier import AudioClassifier
from mxnet_audio.library.predictor import listed
from mxnet_audio.library.results import Encoding
from mxnet_audio.library.voices import unit
from mxnet_audio.models import MINIMUM, usual_features

__all__ = ["VoiceEncoder", "held_out", "voice_config", "voice_recipe"]

log = logging.getLogger(__name__)

LONGEST = 2.0  # seconds that a network hears at once, unless it is told
SHORTEST = 0.1  # seconds: less is no voice
MINUTE = 60.0  # seconds, more than which no network hears at once
PASS = 64  # windows to a pass of the network
FAINT = 1e-3  # share of the loudest window's level, below which a window is a pause


def voice_config(network: str, paths: Sequence, seconds: float | None = None) -> AudioFeatureConfig:
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
    usual = usual_features(network)
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


def voice_recipe(recipe: training.Recipe | str, loss: str, options: Mapping | None, config: AudioFeatureConfig):
    """The recipe with this loss; short sounds are repeated, as they are when they are embedded."""
    recipe = training.recipe_of(recipe)
    if options is None:
        options = recipe.loss_options if loss == recipe.loss else {}
    sound = (*recipe.sound, Repeat(config.n_samples))
    return dataclasses.replace(recipe, sound=sound, loss=loss, loss_options=dict(options))


def held_out(pairs: list, test_size: float, random_state: int, groups: Sequence | None) -> tuple[list, list]:
    """Positions to train on, and those to set the threshold by; of a speaker of one session, all is trained on."""
    groups = list(range(len(pairs))) if groups is None else list(groups)
    if len(groups) != len(pairs):
        raise DatasetError(f"{len(groups)} groups for {len(pairs)} recordings: give one for each")
    sessions = Counter(speaker for speaker, _ in {(speaker, group) for (_, speaker), group in zip(pairs, groups)})
    single = sorted(str(speaker) for speaker, count in sessions.items() if count == 1)
    if len(sessions) - len(single) < 2:
        found = ", ".join(f"{speaker}: {count}" for speaker, count in sorted(sessions.items(), key=str)[:5]) or "none"
        raise DatasetError(
            f"two speakers with two recordings each (of two sessions) are needed, or more; found {found}"
        )
    if single:
        log.warning("of one recording, or session, which is trained on and not tested: %s", ", ".join(single))
    several = np.array([place for place, (_, speaker) in enumerate(pairs) if sessions[speaker] > 1])
    codes = np.unique([str(pairs[place][1]) for place in several], return_inverse=True)[1]
    own = [groups[place] for place in several]
    _, held = training.split(codes, test_size, random_state, own if len(set(own)) < len(own) else None)
    held = several[held].tolist()
    return sorted(set(range(len(pairs))) - set(held)), held


class VoiceEncoder(AudioClassifier):
    """The network of a recogniser, trained to tell speakers apart. Sound shorter than its input is repeated in it."""

    recipe = "voice"

    def __init__(self, network: str, **contexts):
        usual_features(network)  # says whether there is one
        super().__init__(**contexts)
        self.network = network

    def _steps(self, config: AudioFeatureConfig) -> list[Transform]:
        return [Load(config.sr), Repeat(config.n_samples), FromSamples(config), ToImage(config.time_axis)]

    def windows(self, source: Any) -> np.ndarray:
        """Inputs [shape=(n, 1, bands, frames)] of a sound: half overlapping windows, without pauses."""
        config = self.feature_config
        with naming(source_name(source)):
            y = audio.valid_audio(audio.load(source, sr=config.sr)[0], allow_silence=False)
            if len(y) < SHORTEST * config.sr:
                raise InvalidAudioError(f"{len(y) / config.sr:.3f} s are too short to know a voice by")
            n = config.n_samples
            y = audio.repeat_to(y, n)
            y = audio.views(y, n, 1 + max(0, -(-2 * (len(y) - n) // n)))
            level = np.sqrt(np.square(y, dtype=np.float64).mean(axis=1))
            return self._inputs(y[level >= FAINT * level.max()])

    def embed_many(self, paths: Iterable) -> Iterator[Encoding]:
        """Vectors of many recordings, in order; of one that cannot be used, `error` says why."""
        _ = self.model  # says now, and not in each thread, that there is none
        stream = map_ordered(self.windows, listed(paths))
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
