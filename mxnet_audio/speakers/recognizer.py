"""Speaker recognition: train on voices, enrol them, verify and identify."""

from __future__ import annotations

import logging
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from mxnet_audio import model_store, training
from mxnet_audio.datasets.labels import checked_pairs
from mxnet_audio.engine import mx
from mxnet_audio.errors import AudioError, DatasetError, ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference.predictor import as_list
from mxnet_audio.inference.results import Encoding, Identification, Verification
from mxnet_audio.library.trained_model import TrainedModel
from mxnet_audio.metrics import VerificationReport, verification_report
from mxnet_audio.speakers.calibration import spread, threshold_of, trials_of
from mxnet_audio.speakers.encoder import (
    SPEAKER_NETWORKS,
    SpeakerEncoder,
    at_speeds,
    check_groups,
    held_out,
    speaker_features,
    speaker_recipe,
)
from mxnet_audio.speakers.scoring import Cohort, EnrolledSpeakers
from mxnet_audio.speakers.state import SpeakerState

__all__ = ["SpeakerRecognizer"]

log = logging.getLogger(__name__)

MOST = 1000  # recordings for the cohort, and to set the threshold by


class SpeakerRecognizer:
    """Train on voices; then enrol some, verify that two recordings are of one speaker, and identify who speaks.

    Speakers are known by vectors, the network's embedding, and compared by their cosine. What is kept of an enrolled
    voice is its vectors, not its sound.

    Parameters
    ----------
    network : str
        'ecapa_tdnn', 'resnet18' or 'sincnet'.
    normalize : bool
        Compare scores with those against the voices that were trained on (adaptive S-norm), in place of bare cosines.
    model_ctx, data_ctx : mxnet.Context, optional
        Where the network computes, and where batches are put first; the CPU by default.

    Raises
    ------
    ModelError
        If there is no such network, or this machine, or this build of MXNet, has no such GPU.

    Attributes
    ----------
    threshold : float
        Score from which on two voices count as one speaker's.

    Examples
    --------
    >>> recognizer = SpeakerRecognizer('resnet18')
    >>> recognizer.fit(pairs, 'models/voices')                       # doctest: +SKIP
    >>> recognizer.enroll('ann', ['ann1.wav', 'ann2.wav'])           # doctest: +SKIP
    2
    >>> recognizer.identify('who.wav').speaker                       # doctest: +SKIP
    'ann'
    """

    def __init__(
        self,
        network: str = "ecapa_tdnn",
        *,
        normalize: bool = False,
        model_ctx: mx.Context | None = None,
        data_ctx: mx.Context | None = None,
    ):
        self._encoder = SpeakerEncoder(network, model_ctx=model_ctx, data_ctx=data_ctx)
        self._normalize = normalize
        self._voices, self._cohort = EnrolledSpeakers(), Cohort(np.empty((0, 0)))
        self._threshold: float | None = None
        self._place: Path | None = None

    @property
    def network(self) -> str:
        """Name of the network."""
        return self._encoder.network

    @property
    def skipped(self) -> list[tuple[str, AudioError]]:
        """Files that the last `fit`, `enroll`, `calibrate` or `evaluate` could not use, and why."""
        return self._encoder.skipped

    @property
    def model(self) -> TrainedModel:
        """The trained network with its labels and features; ModelError if there is none yet."""
        return self._encoder.model

    @property
    def threshold(self) -> float:
        """Score from which on two voices count as one speaker's; ModelError if there is no model yet."""
        if self._threshold is None:
            raise ModelError("no model yet: call fit or load first")
        return self._threshold

    @property
    def normalize(self) -> bool:
        """Whether scores are brought to one scale; it is settled at the start, as the threshold goes by it."""
        return self._normalize

    @property
    def speakers(self) -> dict[str, int]:
        """Who is enrolled, and by how many utterances."""
        return {name: len(vectors) for name, vectors in self._voices.vectors.items()}

    def fit(
        self,
        pairs: training.Pairs,
        model_dir_path: str | os.PathLike,
        *,
        epochs: int = 20,
        batch_size: int = 32,
        test_size: float = 0.2,
        groups: Sequence[Hashable] | None = None,
        learning_rate: float = 0.001,
        loss: str | None = None,
        loss_options: Mapping[str, Any] | None = None,
        seconds: float | None = None,
        speeds: Sequence[float] = (),
        feature_config: AudioFeatureConfig | None = None,
        recipe: training.Recipe | str = "voice",
        random_state: int = 42,
        checkpoint_interval: int = 1,
        resume: bool = False,
        cache: bool | str | os.PathLike = False,
        progress: bool = True,
        callbacks: Sequence[training.Callback] = (),
    ) -> dict[str, list[float]]:
        """Train on recordings of speakers, and keep what was learned in a directory.

        Recordings that were held out say from which score on two voices count as one speaker's: where, among all pairs
        of them, as many impostors are let in as speakers are turned away. These speakers were trained on, so the scores
        of strangers spread wider: `calibrate` on others, if you have them.

        Parameters
        ----------
        pairs : iterable of (path, speaker)
            Recordings. Of a speaker with a single one, all is trained on.
        model_dir_path : str or os.PathLike
            Where the model is kept; made if it is not there.
        epochs, batch_size, learning_rate, random_state, checkpoint_interval, resume, progress, callbacks
            As for `AudioClassifier.fit`.
        cache : bool or str or os.PathLike
            Also as there, but False by default: speech can be made of its features again.
        test_size : float in (0, 1)
            Share of each speaker's recordings that is held out.
        groups : sequence of hashable, optional
            Session of each recording: those of one are held out together.
        loss : str, optional
            One of `mxnet_audio.nn.loss_names`, in place of the recipe's: 'arc'.
        loss_options : mapping, optional
            Its arguments; the others are the recipe's, if it is the recipe's loss.
        seconds : float > 0, optional
            Length of a window; by default that of a typical recording, and 2 s at most. Of a longer recording another
            piece is heard in each epoch, and a shorter one is repeated.
        speeds : sequence of float, 0.5 to 2
            Each recording is trained on at these speeds, too, as that of another speaker: (0.9, 1.1) makes three of
            one (H. Yamamoto et al., Interspeech 2019), and an epoch three times as long. Of few speakers it makes
            strangers easier to tell apart.
        feature_config : AudioFeatureConfig, optional
            Other features than `speaker_features` gives; takes the place of `seconds`.
        recipe : training.Recipe or str
            How to train.

        Returns
        -------
        dict of str to list of float
            ``loss_train, loss_test, acc_train, acc_test``, one value an epoch: how well the trained speakers are told
            apart.

        Raises
        ------
        DatasetError
            If there are fewer than two speakers with two recordings, or no file can be used.
        FeatureError, ModelError
            As for `AudioClassifier.fit`.
        """
        pairs = checked_pairs(pairs)
        if np.size(speeds):  # whose speakers have names; and no two threads can read one stream
            pairs = [(_own(sound), str(speaker)) for sound, speaker in pairs]
        sessions = check_groups(pairs, groups)
        if batch_size == 1:  # the last norm would make zeros of all embeddings
            raise ModelError("batch_size is 2 or more, for voices")
        train, held = held_out(pairs, sessions, test_size, random_state)
        paths = [path for path, _ in pairs]
        if feature_config is None:
            config = speaker_features(self.network, paths, seconds)
        else:
            config = training.complete_config(paths, feature_config)
        spoken = [pairs[place] for place in train]
        played = at_speeds(spoken, speeds)
        self._encoder.label_aliases = {copy: speaker for (_, copy), (_, speaker) in zip(played, cycle(spoken))}
        history = self._encoder.fit(
            [*spoken, *played],
            model_dir_path,
            batch_size,
            epochs,
            random_state=random_state,
            nb_classes=None,
            learning_rate=learning_rate,
            checkpoint_interval=checkpoint_interval,
            validation_pairs=[pairs[place] for place in held],
            resume=resume,
            feature_config=config,
            cache=cache,
            progress=progress,
            recipe=speaker_recipe(recipe, loss, loss_options, config),
            callbacks=callbacks,
        )
        self._encoder.skipped = list({path: (path, error) for path, error in self.skipped}.values())  # at all speeds
        if self._restored(model_dir_path):
            return history
        # Whatever fails from here on, nothing of another network stays beside this one.
        self._voices, self._threshold, self._place = EnrolledSpeakers(), None, None
        if lost := _enrolled(model_dir_path):
            log.warning("%s: the network is another one now: enroll %s anew", model_dir_path, ", ".join(lost))
        chosen, judged = (
            [side[place] for place in spread([pairs[place][1] for place in side], MOST, least)]
            for side, least in ((train, 1), (held, 4))
        )
        heard = zip(self.embed_many(paths[place] for place in chosen + judged), chosen + judged)
        vectors, places = map(np.array, zip(*((one.vector, place) for one, place in heard if one.error is None)))
        speakers = np.array([str(pairs[place][1]) for place in places])
        sessions = np.array([sessions[place] for place in places])
        apart = np.isin(places, judged)
        self._cohort = Cohort(vectors[~apart], speakers[~apart].tolist())
        self._set_threshold(vectors, speakers, *trials_of(speakers, sessions, apart))
        self._place = Path(model_dir_path).resolve()
        self.save(model_dir_path)
        return history

    def calibrate(
        self, pairs: training.Pairs, far: float | None = None, *, groups: Sequence[Hashable] | None = None
    ) -> VerificationReport:
        """Set the threshold by recordings whose speakers are known to you, and best not to the model.

        Parameters
        ----------
        pairs : iterable of (path, speaker)
            Two speakers with two recordings, or more; all pairs of recordings are compared, of 1,000 at most, as many
            of one speaker as of another.
        far : float in (0, 1), optional
            Share of impostors that may be let in; by default as many are as speakers are turned away.
        groups : sequence of hashable, optional
            Session of each recording: those of one are not compared with one another.

        Returns
        -------
        VerificationReport
            What the model is worth on these recordings; the threshold was chosen by them.

        Raises
        ------
        DatasetError
            If there are no pairs of one speaker, or none of two; or `far` is no share.
        ModelError
            If there is no model yet.
        """
        pairs = checked_pairs(pairs)
        sessions = check_groups(pairs, groups)
        if trained := {str(speaker) for _, speaker in pairs} & {str(label) for label in self.model.labels}:
            log.warning("%d of these speakers were trained on: strangers are told apart less well", len(trained))
        chosen = spread([speaker for _, speaker in pairs], MOST, least=4)
        vectors, places = self._encoder.usable([pairs[place][0] for place in chosen])
        places = [chosen[place] for place in places]
        speakers = np.array([str(pairs[place][1]) for place in places])
        trials = trials_of(speakers, np.array([sessions[place] for place in places]))
        labels, scores = self._set_threshold(vectors, speakers, *trials, far)
        return verification_report(labels, scores, skipped=self.skipped, threshold=self.threshold)

    def embed(self, path) -> np.ndarray:
        """Vector of one recording, of length 1: float32 [shape=(dim,)], the mean over its windows.

        Parameters
        ----------
        path : str or os.PathLike or binary file or (np.ndarray, rate)
            What `mxnet_audio.audio.load` takes.

        Raises
        ------
        AudioDecodeError, InvalidAudioError
            If the file cannot be used; silence has no voice in it.
        ModelError
            If there is no model yet.
        """
        (found,) = self.embed_many([path])
        if found.error is not None:
            raise found.error
        return found.vector

    def embed_many(self, paths: Iterable) -> Iterator[Encoding]:
        """Vectors of many recordings, in order; of one that cannot be used, `error` says why."""
        return self._encoder.embed_many(paths)

    def verify(self, first, second) -> Verification:
        """Compare two recordings: are they of one speaker?

        Parameters
        ----------
        first, second
            As for `embed`.

        Returns
        -------
        Verification
            ``(score, same, threshold)``.

        Raises
        ------
        AudioError
            As `embed`.
        """
        return self._verification(self.embed(first), self.embed(second))

    def verify_as(self, name: str, path) -> Verification:
        """Compare a recording with an enrolled voice; errors as `embed`, and ModelError if he is not enrolled."""
        return self._verification(self._voices.centre(name), self.embed(path))

    def enroll(self, name: str, paths: Iterable, *, replace: bool = False) -> int:
        """Get to know a speaker. `save` keeps it.

        Parameters
        ----------
        name : str
            Who speaks. If he is enrolled already, the recordings are added to what he is known by.
        paths : iterable
            Recordings, each as for `embed`. Those that cannot be used are logged and listed in `skipped`. How many
            another speaker is known by already is logged, too.
        replace : bool
            Forget what he was known by.

        Returns
        -------
        int
            Utterances that he is known by now.

        Raises
        ------
        DatasetError
            If none of the recordings can be used, such as silent ones. He stays as he was.
        ModelError
            If there is no model yet, or the name is empty.
        """
        vectors = self._encoder.usable(as_list(paths))[0]
        count = self._voices.add(name, vectors, replace)
        for other, known in self._voices.known(vectors, name).items():
            log.warning("%s: %d of these recordings are known as %s's, too", name, known, other)
        return count

    def forget(self, name: str) -> None:
        """Forget an enrolled speaker; ModelError if he is not enrolled."""
        self._voices.remove(name)

    def identify(self, path, top_k: int = 5) -> Identification:
        """Tell who of those enrolled speaks in a recording.

        A stranger has as many chances to be taken for somebody as there are enrolled: where one impostor in 100 passes
        for one speaker, about N in 100 do for one of N.

        Parameters
        ----------
        path
            As for `embed`.
        top_k : int > 0
            How many of the most alike to name.

        Returns
        -------
        Identification
            ``(path, speaker, ranking, error)``; `speaker` is None for somebody unknown.

        Raises
        ------
        AudioError
            As `embed`.
        ModelError
            If nobody is enrolled.
        """
        (answer,) = self.identify_many([path], top_k)
        if answer.error is not None:
            raise answer.error
        return answer

    def identify_many(self, paths: Iterable, top_k: int = 5) -> Iterator[Identification]:
        """Tell for many recordings, in order; of one that cannot be used, `error` says why."""
        if top_k < 1:
            raise ModelError(f"top_k is 1 or more, not {top_k}")
        threshold, names, centres = self.threshold, self._voices.names, self._voices.centres()
        levels = self._scale.levels(centres)
        for path, vector, error in self.embed_many(paths):
            if error is not None:
                yield Identification(path, None, [], error)
                continue
            scores = self._scale.scores(vector[None], centres, levels)[0]
            ranking = [(names[place], float(scores[place])) for place in np.argsort(-scores, kind="stable")]
            best, score = ranking[0]
            yield Identification(path, best if score >= threshold else None, ranking[:top_k])

    def evaluate(self, trials: Iterable[tuple[int, Any, Any]], speakers: Sequence | None = None) -> VerificationReport:
        """Measure verification on trials, such as VoxCeleb's lists; each recording is read once.

        Parameters
        ----------
        trials : iterable of (label, first, second)
            1 for one speaker, 0 for two; see `mxnet_audio.datasets.speakers.read_trials`.
        speakers : sequence of (str, str), optional
            Who speaks in each trial, for intervals.

        Returns
        -------
        VerificationReport
            With the errors at `threshold`, too. Trials with a recording that cannot be used are left out, and those
            recordings listed.

        Raises
        ------
        DatasetError
            If there are no trials of either kind left, or a label is neither 0 nor 1.
        """
        trials = [tuple(trial) for trial in trials]
        if speakers is not None and len(speakers) != len(trials):
            raise DatasetError(f"speakers of {len(speakers)} trials are given, for {len(trials)}")
        sounds = {_key(sound): sound for _, *both in trials for sound in both}
        vectors, places = self._encoder.usable(sounds.values())
        keys = list(sounds)
        row = {keys[place]: row for row, place in enumerate(places)}
        rows = [(label, row.get(_key(first)), row.get(_key(second))) for label, first, second in trials]
        kept = [place for place, (_, first, second) in enumerate(rows) if first is not None and second is not None]
        if not kept:
            raise DatasetError("there is no trial whose recordings can both be used")
        labels, first, second = zip(*(rows[place] for place in kept))
        known = None if speakers is None else [speakers[place] for place in kept]
        scores = self._scale.trials(vectors, first, second)
        return verification_report(labels, scores, known, self._encoder.skipped, self.threshold)

    def save(self, model_dir_path: str | os.PathLike) -> None:
        """Keep network, threshold, cohort and enrolled voices in a directory; `load` reads them.

        Parameters
        ----------
        model_dir_path : str or os.PathLike
            Made if it is not there. In the one that the model is from, what `fit` needs to go on stays.

        Raises
        ------
        ModelError
            If there is no model yet, or the directory cannot be written to.
        """
        model_store.check_writable(model_dir_path)
        if Path(model_dir_path).resolve() != self._place:
            self._encoder.save_model(model_dir_path)
        SpeakerState(
            self.network, self._encoder.model_id, self.threshold, self.normalize, self._voices, self._cohort
        ).save(model_dir_path)

    @classmethod
    def load(
        cls,
        model_dir_path: str | os.PathLike,
        *,
        model_ctx: mx.Context | None = None,
        data_ctx: mx.Context | None = None,
    ) -> SpeakerRecognizer:
        """Load what `fit` or `save` kept in a directory.

        Parameters
        ----------
        model_dir_path : str or os.PathLike
        model_ctx, data_ctx : mxnet.Context, optional
            As for `SpeakerRecognizer`.

        Raises
        ------
        ModelError
            If there is no speaker recogniser, it is damaged, of a newer version, or its network was trained anew since.
        """
        begun = [name for name in model_store.stored_models(model_dir_path) if name in SPEAKER_NETWORKS]
        if begun and not SpeakerState.kept_in(model_dir_path):
            raise ModelError(f"the training of {begun[0]} is not finished: go on with it (resume)", model_dir_path)
        state = SpeakerState.load(model_dir_path)
        recognizer = cls(state.network, normalize=state.normalize, model_ctx=model_ctx, data_ctx=data_ctx)
        recognizer._encoder.load_model(model_dir_path)
        if recognizer._encoder.model_id != state.model_id:
            reason = "its network was trained anew since: end that training (resume), then enroll voices anew"
            raise ModelError(reason, model_dir_path)
        recognizer._threshold, recognizer._cohort, recognizer._voices = state.threshold, state.cohort, state.voices
        recognizer._place = Path(model_dir_path).resolve()
        return recognizer

    def export_onnx(self, path: str | os.PathLike, *, front_end: bool = False) -> None:
        """Write the network as one file that runs without MXNet; see `mxnet_audio.library.export.export_onnx`.

        The file takes one window. To have the vector of `embed`, repeat shorter sound, cut longer sound into half
        overlapping windows, and take the mean of their vectors, each brought to length 1.
        """
        self._encoder.export_onnx(path, front_end=front_end)

    @property
    def _scale(self) -> Cohort:
        """What scores are brought to one scale by, if they are."""
        return self._cohort if self.normalize else Cohort(np.empty((0, 0)))

    def _set_threshold(
        self, vectors: np.ndarray, speakers: np.ndarray, first: np.ndarray, second: np.ndarray, far: float | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Set the threshold by trials of some recordings, by their positions; gives labels and scores."""
        labels = (speakers[first] == speakers[second]).astype(int)
        scores = self._scale.trials(vectors, first, second, speakers)
        self._threshold = threshold_of(labels, scores, far)
        return labels, scores

    def _restored(self, directory: str | os.PathLike) -> bool:
        """Take over what is kept beside this very network, if anything is: after a run that was done already."""
        try:
            kept = self.load(directory, **self._encoder._contexts)
        except ModelError:
            return False
        same = kept.normalize == self.normalize
        if same:
            self._voices, self._cohort, self._threshold = kept._voices, kept._cohort, kept._threshold
            self._place = kept._place
        return same

    def _verification(self, first: np.ndarray, second: np.ndarray) -> Verification:
        score = float(self._scale.scores(first[None], second[None])[0, 0])
        return Verification(score, score >= self.threshold, self.threshold)


def _enrolled(directory: str | os.PathLike) -> list[str]:
    """Who is enrolled in a directory, whatever its network."""
    try:
        return SpeakerState.load(directory).voices.names
    except ModelError:
        return []


def _own(sound: Any) -> Any:
    """A sound that several can read at once: of a stream its bytes, from the beginning."""
    if not hasattr(sound, "read"):
        return sound
    sound.seek(0)
    return sound.read()


def _key(sound: Any) -> Any:
    """What a recording is known by among those of trials."""
    return os.fspath(sound) if isinstance(sound, (str, os.PathLike)) else id(sound)
