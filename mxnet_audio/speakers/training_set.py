"""Training set of a speaker encoder: held-out recordings and speakers, copies at other speeds, features, recipe."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, cast

import numpy as np

from mxnet_audio import audio, training
from mxnet_audio.audio.headers import rates
from mxnet_audio.audio.source import source_name
from mxnet_audio.checks import iterable_argument, whole_number
from mxnet_audio.data.transforms import Repeat
from mxnet_audio.datasets.labels import Label, Pair, Pairs, checked_pairs
from mxnet_audio.datasets.missing import is_missing
from mxnet_audio.errors import DatasetError, FeatureError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.models import MIN_INPUT_SIZE, default_features
from mxnet_audio.speakers.calibration import CALIBRATION_PER_SPEAKER, MAX_CALIBRATION, choose_recordings
from mxnet_audio.speakers.enrollment import canonical_name
from mxnet_audio.speakers.scoring import MIN_NEIGHBORS

__all__ = [
    "MIN_SECONDS",
    "TrainingSet",
    "session_names",
    "speaker_features",
    "speaker_pairs",
    "speaker_recipe",
    "window_size",
]

log = logging.getLogger(__name__)

MIN_SECONDS = 0.1  # shorter sound is too short to recognize a speaker
MAX_DEFAULT_SECONDS = 2.0  # longest window that is chosen if none is given
MAX_SECONDS = 60.0  # longest window
MAX_COHORT = 1000  # recordings in the cohort
# Speakers held out by default: one of so many, at most as many as VoxCeleb1's test has, where there are enough.
SPEAKERS_PER_STRANGER, MAX_STRANGERS, MIN_SPEAKERS = 5, 40, 10


@dataclass(frozen=True)
class TrainingSet:
    """Recordings of speakers, split into those to train on and those to set the threshold by.

    Parameters
    ----------
    pairs : list of (path, speaker)
        The recordings.
    sessions : list of str
        Session of each recording.
    trained, held_out : list of int
        Indices of the recordings to train on, and of others of these speakers.
    strangers : list of int
        Indices of the recordings of other speakers.
    copies : list of (Played, str)
        Recordings to train on at other speeds, each as a recording of another speaker.
    """

    pairs: list[Pair]
    sessions: list[str]
    trained: list[int]
    held_out: list[int]
    strangers: list[int]
    copies: list[Pair]

    @classmethod
    def prepare(
        cls,
        pairs: Pairs,
        groups: Sequence[Hashable] | None,
        speeds: Sequence[float],
        test_size: float,
        random_state: int,
        held_out_speakers: int | None = 0,
    ) -> TrainingSet:
        """Check and split recordings; parameters and errors as for `SpeakerRecognizer.fit`."""
        pairs = speaker_pairs(pairs)
        if np.size(speeds):  # speakers of copies have names, so all must have; and threads cannot share a stream
            pairs = [(_without_stream(sound), str(speaker)) for sound, speaker in pairs]
        sessions = session_names(pairs, groups)
        strangers = _choose_strangers(pairs, sessions, held_out_speakers, random_state)
        others = sorted(set(range(len(pairs))) - set(strangers))
        trained, held_out = (
            [others[position] for position in positions]
            for positions in _hold_out(
                [pairs[index] for index in others], [sessions[index] for index in others], test_size, random_state
            )
        )
        copies = copies_at_speeds([pairs[index] for index in trained], speeds)
        return cls(pairs, sessions, trained, held_out, strangers, copies)

    @property
    def paths(self) -> list:
        """The recordings, without their speakers."""
        return [path for path, _ in self.pairs]

    @property
    def train_pairs(self) -> list[Pair]:
        """Recordings to train on, with their copies."""
        return [*(self.pairs[index] for index in self.trained), *self.copies]

    @property
    def validation_pairs(self) -> list[Pair]:
        """Held-out recordings."""
        return [self.pairs[index] for index in self.held_out]

    @property
    def label_aliases(self) -> dict[Label, Label]:
        """Speaker that each speaker of the copies counts as."""
        originals = cycle(self.pairs[index] for index in self.trained)
        return {copy: speaker for (_, copy), (_, speaker) in zip(self.copies, originals)}

    def check_cohort(self) -> None:
        """Check that the S-norm finds recordings of others to compare with; DatasetError if there are too few.

        Examples
        --------
        >>> pairs = [("a1.wav", "ann"), ("a2.wav", "ann"), ("b1.wav", "bob"), ("b2.wav", "bob")]
        >>> TrainingSet.prepare(pairs, None, (), 0.5, 0).check_cohort()
        Traceback (most recent call last):
        ...
        mxnet_audio.errors.DatasetError: normalize=True needs 2 recordings of others for each speaker, ann has 1: ...
        """
        counts = Counter(str(self.pairs[index][1]) for index in self.choose()[0])
        speaker, count = counts.most_common(1)[0]
        if (others := counts.total() - count) < MIN_NEIGHBORS:
            needed = f"normalize=True needs {MIN_NEIGHBORS} recordings of others for each speaker"
            raise DatasetError(f"{needed}, {speaker} has {others}: add recordings, or leave normalize out")

    def choose(self) -> tuple[list[int], list[int]]:
        """Choose recordings for the cohort, of those trained on, and for the threshold, of those held out.

        If speakers are held out, the threshold is set by theirs.
        """

        def chosen(indices: list[int], limit: int, min_per_speaker: int = 1) -> list[int]:
            speakers = [self.pairs[index][1] for index in indices]
            return [indices[position] for position in choose_recordings(speakers, limit, min_per_speaker)]

        cohort = chosen(self.trained, MAX_COHORT)
        return cohort, chosen(self.strangers or self.held_out, MAX_CALIBRATION, CALIBRATION_PER_SPEAKER)


def speaker_features(network: str, paths: Sequence[str], seconds: float | None = None) -> AudioFeatureConfig:
    """Choose the features of a speaker network for a set of recordings.

    They are the network's default features, at the sampling rate of the recordings if that is lower.

    Parameters
    ----------
    network : str
        Name of the network.
    paths : sequence of str
        The recordings.
    seconds : float > 0, optional
        Length of a window; by default that of a typical recording, at most 2 s.

    Returns
    -------
    AudioFeatureConfig

    Raises
    ------
    FeatureError
        If `seconds` is below 0.1 or above 60.
    ParameterError
        If there is no such network.
    """
    default = default_features(network)
    if seconds is not None and not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise FeatureError(f"seconds must be between {MIN_SECONDS:g} and {MAX_SECONDS:g}, got {seconds}")
    assert default.sr is not None  # every speaker network has one
    sr = min([default.sr, *(rate for rate, _ in rates(paths).most_common(1))])
    if seconds is None:
        typical = audio.typical_length(paths) or MAX_DEFAULT_SECONDS
        seconds = max(min(typical, MAX_DEFAULT_SECONDS), MIN_SECONDS)
    if default.time_axis == -2:
        return default.model_copy(update={"sr": sr, "audio_file_length_limit_in_s": seconds})
    assert default.fmax is not None  # every speaker network with bands has one
    sizes = {
        name: round(getattr(default, name) * sr / default.sr)
        for name in ("n_fft", "win_length", "hop_length", "n_mels")
    }
    config = default.model_copy(update={"sr": sr, **sizes, "fmax": min(default.fmax, sr / 2)})
    return config.model_copy(update={"n_frames": max(config.frames_in(seconds), MIN_INPUT_SIZE)})


def window_size(config: AudioFeatureConfig) -> tuple[int, int]:
    """Return the sampling rate [Hz] and the length of a window [samples]; FeatureError if one of them is not fixed."""
    if config.sr is None or config.n_samples is None:
        raise FeatureError("feature_config must have a sampling rate and a length")
    return config.sr, config.n_samples


def speaker_recipe(
    recipe: training.Recipe | str, loss: str | None, loss_options: Mapping[str, Any] | None, config: AudioFeatureConfig
) -> training.Recipe:
    """Complete a recipe: with another loss if one is named, and short sound is repeated as in `encode_audio`."""
    recipe = training.get_recipe(recipe, "voice")
    loss = recipe.loss if loss is None else loss
    options = {**(recipe.loss_options if loss == recipe.loss else {}), **(loss_options or {})}
    given = cast(Sequence[Callable[[Any], Any]], recipe.sound)  # a recipe makes a tuple of a single step
    sound: list[Callable[[Any], Any]] = [*given, Repeat(window_size(config)[1])]
    return dataclasses.replace(recipe, sound=sound, loss=loss, loss_options=options)


def copies_at_speeds(pairs: Sequence[Pair], speeds: Iterable[float]) -> list[Pair]:
    """List the recordings at other speeds, each as a recording of another speaker, with Kaldi's names.

    Raises
    ------
    ParameterError
        If a speed is not a number between 0.5 and 2, is 1, or occurs twice.

    Examples
    --------
    >>> copies_at_speeds([("ann.wav", "ann")], [0.9])
    [(Played(source='ann.wav', speed=0.9), 'sp0.9-ann')]
    """
    try:
        numbers = sorted(float(speed) for speed in speeds)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"speeds must be numbers, got {speeds!r}") from error
    if len({1, *numbers}) <= len(numbers) or not all(0.5 <= speed <= 2 for speed in numbers):
        raise ParameterError(f"speeds must be between 0.5 and 2, all different, and not 1; got {numbers}")
    return [(audio.Played(path, speed), f"sp{speed}-{speaker}") for speed in numbers for path, speaker in pairs]


def speaker_pairs(pairs: Pairs) -> list[Pair]:
    """Return checked pairs of a recording and its speaker, with names in one spelling.

    Raises
    ------
    DatasetError, ParameterError
        As for `checked_pairs`; DatasetError, too, if the name of a speaker is missing.
    """
    checked = checked_pairs(pairs, multi_label=False)
    for row, (sound, name) in enumerate(checked):
        if is_missing(name):
            raise DatasetError(f"the speaker of {source_name(sound) or 'a recording'} is missing", f"row {row}")
    return [(sound, canonical_name(name) if isinstance(name, str) else name) for sound, name in checked]


def session_names(pairs: Sequence[Pair], groups: Sequence[Hashable] | None) -> list[str]:
    """Return the session of each recording as text; without groups, each recording is its own session.

    Raises
    ------
    DatasetError
        If there is not one group for each recording.
    ParameterError
        If `groups` is not iterable.
    """
    names = [str(group) for group in (range(len(pairs)) if groups is None else iterable_argument("groups", groups))]
    if len(names) != len(pairs):
        raise DatasetError(f"{len(names)} groups for {len(pairs)} recordings: give one for each")
    return names


def _session_counts(pairs: Sequence[Pair], sessions: Sequence[str]) -> Counter[Label]:
    """Count the sessions of each speaker."""
    return Counter(speaker for speaker, _ in {(speaker, session) for (_, speaker), session in zip(pairs, sessions)})


def _choose_strangers(
    pairs: Sequence[Pair], sessions: Sequence[str], count: int | None, random_state: int
) -> list[int]:
    """Draw speakers who are not trained on, and list the indices of their recordings.

    Parameters
    ----------
    pairs, sessions, random_state
        As for `_hold_out`.
    count : int or None
        Number of speakers; None as for `SpeakerRecognizer.fit`.

    Raises
    ------
    DatasetError
        If there are too few speakers with two sessions.
    ParameterError
        If `count` is negative or 1.
    """
    several = sorted((name for name, n in _session_counts(pairs, sessions).items() if n > 1), key=str)
    if count is None:
        count = min(len(several) // SPEAKERS_PER_STRANGER, MAX_STRANGERS) if len(several) >= MIN_SPEAKERS else 0
    if whole_number("held_out_speakers", count, 0) == 1:
        raise ParameterError("held_out_speakers must be 0 or >= 2, for pairs of two speakers, got 1")
    if count and len(several) < count + 2:
        needed = f"{count} speakers held out and two to train on need {count + 2} with two recordings each"
        raise DatasetError(f"{needed} (of two sessions), found {len(several)}")
    drawn = {several[index] for index in np.random.default_rng(random_state).permutation(len(several))[:count]}
    return [index for index, (_, speaker) in enumerate(pairs) if speaker in drawn]


def _hold_out(
    pairs: Sequence[Pair], sessions: Sequence[str], test_size: float, random_state: int
) -> tuple[list[int], list[int]]:
    """Split recordings into those to train on and those to set the threshold by.

    All recordings of a speaker with a single session are trained on. Other recordings of a held-out session are not
    trained on, unless their speaker has no other session.

    Parameters
    ----------
    pairs : sequence of (path, speaker)
        The recordings.
    sessions : sequence of str
        Session of each recording.
    test_size : float in (0, 1)
        Share of each speaker's recordings to hold out.
    random_state : int
        Seed of the split.

    Returns
    -------
    train, held_out : list of int
        Indices of the recordings.

    Raises
    ------
    DatasetError
        If there are fewer than two speakers with two sessions.
    """
    counts = _session_counts(pairs, sessions)
    single = sorted(str(speaker) for speaker, count in counts.items() if count == 1)
    if len(counts) - len(single) < 2:
        found = ", ".join(f"{speaker}: {count}" for speaker, count in sorted(counts.items(), key=str)[:5]) or "none"
        raise DatasetError(
            f"at least two speakers with two recordings each (of two sessions) are needed; found {found}"
        )
    if single:
        log.warning("speakers with one recording or session are trained on and not tested: %s", ", ".join(single))
    several = np.array([index for index, (_, speaker) in enumerate(pairs) if counts[speaker] > 1])
    targets = np.unique([str(pairs[index][1]) for index in several], return_inverse=True)[1]
    groups = [sessions[index] for index in several]
    _, positions = training.split(targets, test_size, random_state, groups if len(set(groups)) < len(groups) else None)
    held_out = several[positions].tolist()
    held_out_sessions = {sessions[index] for index in held_out}
    train = [
        index
        for index, (_, speaker) in enumerate(pairs)
        if sessions[index] not in held_out_sessions or counts[speaker] == 1
    ]
    return train, held_out


def _without_stream(sound: Any) -> Any:
    """Return sound that several threads can read at once: the bytes of a stream, from its beginning."""
    if not hasattr(sound, "read"):
        return sound
    sound.seek(0)
    return sound.read()
