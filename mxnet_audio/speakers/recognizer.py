"""Speaker recognition: enroll speakers, verify and identify recordings, with a published or a trained encoder."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mxnet_audio import audio, training
from mxnet_audio.checks import iterable_argument, one_of, path_argument
from mxnet_audio.engine import mx
from mxnet_audio.errors import AudioError, DatasetError, ModelError, ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.inference.predictor import AudioSource, AudioSources, as_list
from mxnet_audio.inference.results import Encoding, Identification, Verification
from mxnet_audio.library.trained_model import TrainedModel
from mxnet_audio.metrics import VerificationReport, verification_report
from mxnet_audio.pretrained.encoder import stored_source
from mxnet_audio.speakers.calibration import CALIBRATION_PER_SPEAKER, MAX_CALIBRATION, check_far, choose_recordings
from mxnet_audio.speakers.default_thresholds import default_scorer
from mxnet_audio.speakers.encoder import SpeakerEncoder
from mxnet_audio.speakers.enrollment import shared_recordings
from mxnet_audio.speakers.published_encoder import PublishedEncoder
from mxnet_audio.speakers.scoring import SpeakerScorer
from mxnet_audio.speakers.state import PUBLISHED_ENCODERS, SPEAKER_NETWORKS, SpeakerState, check_kind, lock
from mxnet_audio.speakers.training_set import TrainingSet, session_names, speaker_pairs

__all__ = ["SpeakerRecognizer"]

log = logging.getLogger(__name__)

_LOCK = threading.RLock()  # of the scorers of all recognizers, which can then be copied and pickled


class SpeakerRecognizer:
    """Recognizer of speakers: it verifies and identifies speakers, once they are enrolled.

    Speakers are represented by embeddings of their recordings, which are compared by their cosine. Only embeddings are
    stored, not audio. 'resemblyzer' and 'ecapa' (SpeechBrain's, from the Hugging Face hub) have published weights, and
    need no training. The threshold of 'resemblyzer' was measured on words of 0.5 s (FSDD), so `calibrate` on your own
    recordings where you have some; 'ecapa' has none until then. The other networks are trained by `fit`.

    Parameters
    ----------
    network : str
        'resemblyzer', 'ecapa', or the network to train: 'ecapa_tdnn', 'resnet18' or 'sincnet'.
    normalize : bool
        Normalize scores by those against recordings of the training set, or of `set_background` (adaptive S-norm), in
        place of plain cosines. With published weights, call `set_background` and `calibrate` first.
    source, revision : optional
        Published weights, and their commit on the hub, as for `mxnet_audio.pretrained.load_encoder`.
    model_ctx, data_ctx : mxnet.Context, optional
        Device that the network computes on, and device that batches are put on first; the CPU by default.

    Raises
    ------
    ParameterError
        If there is no such network, or this machine, or this build of MXNet, has no such GPU.
    ModelError
        If published weights are missing or damaged.

    Attributes
    ----------
    scorer : SpeakerScorer
        Enrolled speakers, cohort and threshold; compares embeddings.

    Examples
    --------
    >>> recognizer = SpeakerRecognizer('resemblyzer')                # doctest: +SKIP
    >>> recognizer.enroll('ann', ['ann1.wav', 'ann2.wav'])           # doctest: +SKIP
    2
    >>> recognizer.identify('unknown.wav').speaker                   # doctest: +SKIP
    'ann'
    """

    def __init__(
        self,
        network: str = "ecapa_tdnn",
        *,
        normalize: bool = False,
        source: str | os.PathLike | None = None,
        revision: str | None = None,
        model_ctx: mx.Context | None = None,
        data_ctx: mx.Context | None = None,
    ):
        self._encoder: SpeakerEncoder | PublishedEncoder
        if one_of("network", network, (*SPEAKER_NETWORKS, *PUBLISHED_ENCODERS)) in PUBLISHED_ENCODERS:
            options = {"source": source, "revision": revision, "model_ctx": model_ctx, "data_ctx": data_ctx}
            self._encoder = PublishedEncoder(network, **options)
            self.scorer = default_scorer(network, normalize=normalize)
        elif source is not None or revision is not None:
            raise ParameterError(f"source and revision must be None for {network}, which is trained")
        else:
            self._encoder = SpeakerEncoder(network, model_ctx=model_ctx, data_ctx=data_ctx)
            self.scorer = SpeakerScorer(normalize=normalize)
        self._model_dir: Path | None = None
        self._initial = self._saved = self.scorer.copy()
        self._saved_dir: Path | None = None  # directory that `_saved` was loaded from or saved in

    def __repr__(self) -> str:
        try:
            status = f"{len(self.speakers)} speakers enrolled, threshold {self.threshold:.3f}"
            if self.scorer.rates is not None:
                status += f" with {self.scorer.rates.far:.1%} false accepts: {self.scorer.rates.source}"
        except ModelError:
            status = "not calibrated" if self.network in PUBLISHED_ENCODERS else "not trained"
        return f"{type(self).__name__}({self.network!r}, {status})"

    @property
    def network(self) -> str:
        """Name of the network, or of the encoder with published weights."""
        return self._encoder.network

    @property
    def skipped(self) -> list[tuple[str, AudioError]]:
        """Files that the last call of `fit`, `enroll`, … could not use, with the reasons."""
        return self._encoder.skipped

    @property
    def model(self) -> TrainedModel:
        """The trained network with its labels and features; ModelError if none was trained."""
        return self._encoder.model

    @property
    def threshold(self) -> float:
        """Score from which two recordings count as one speaker's; ModelError if none is set yet.

        ``scorer.rates`` are its error rates, and the recordings that they were measured on.
        """
        return self.scorer.threshold

    @property
    def normalize(self) -> bool:
        """True if scores are normalized by the cohort; fixed at construction, since the threshold depends on it."""
        return self.scorer.normalize

    @property
    def speakers(self) -> dict[str, int]:
        """Enrolled speakers, with the number of recordings of each."""
        return self.scorer.enrolled.counts

    def fit(
        self,
        pairs: training.Pairs,
        model_dir_path: str | os.PathLike,
        *,
        epochs: int = 20,
        batch_size: int = 32,
        test_size: float = 0.2,
        held_out_speakers: int | None = 0,
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
        """Train on recordings of speakers, and save the model in a directory.

        The threshold is set by the pairs of held-out recordings, where false accept and false reject rate are equal.
        Scores of people outside the training set spread wider: hold out some speakers, too, or `calibrate` on others.

        Parameters
        ----------
        pairs : iterable of (path, speaker)
            Recordings. A single recording of a speaker is trained on and not held out.
        model_dir_path : str or os.PathLike
            Directory of the model; created if missing.
        epochs, batch_size, learning_rate, recipe, random_state, checkpoint_interval, resume, progress, callbacks
            As for `AudioClassifier.fit`.
        test_size : float in (0, 1)
            Share of each speaker's recordings that is held out.
        held_out_speakers : int, optional
            Number of speakers that are not trained on, 0 or at least 2, drawn from those with two recordings; they set
            the threshold. None holds out a fifth of 10 or more speakers, at most 40, and nobody of fewer.
        groups : sequence of hashable, optional
            Session of each recording; recordings of one session are held out together.
        loss : str, optional
            One of `mxnet_audio.nn.loss_names`; the recipe's loss, 'arc', by default.
        loss_options : mapping, optional
            Arguments of the loss, beside those of the recipe if it is the recipe's loss.
        seconds : float > 0, optional
            Length of a window; by default that of a typical recording, at most 2 s. Longer recordings are cropped at
            random in each epoch, shorter ones are repeated.
        speeds : sequence of float, 0.5 to 2
            Each recording is also trained on at these speeds, as a recording of another speaker: (0.9, 1.1) gives three
            times as many speakers, and epochs three times as long. This helps with few speakers (H. Yamamoto et al.,
            "Speaker augmentation and bandwidth extension for deep speaker embedding", Interspeech 2019).
        feature_config : AudioFeatureConfig, optional
            Features in place of those that `speaker_features` chooses; `seconds` is then ignored.
        cache : bool or str or os.PathLike
            As for `AudioClassifier.fit`, but False by default: speech could be reconstructed from cached features.

        Returns
        -------
        dict of str to list of float
            ``loss_train, loss_test, acc_train, acc_test``, one value per epoch. The accuracy is that of classifying the
            speakers of the training set.

        Raises
        ------
        DatasetError
            If there are fewer than two speakers with two recordings, or too few for ``normalize=True``, or no file can
            be used.
        ParameterError, FeatureError, ModelError
            As for `AudioClassifier.fit`; a published encoder is not trained, and its directory not overwritten.
        """
        encoder = self._encoder
        if isinstance(encoder, PublishedEncoder):
            choices = ", ".join(SPEAKER_NETWORKS)
            raise ParameterError(f"network must be one of {choices}, to be trained; got {self.network!r}")
        check_kind(path_argument("model_dir_path", model_dir_path), self.network)
        clips = TrainingSet.prepare(pairs, groups, speeds, test_size, random_state, held_out_speakers)
        if self.normalize:
            clips.check_cohort()
        history = encoder.fit_speakers(
            clips,
            model_dir_path,
            seconds=seconds,
            feature_config=feature_config,
            recipe=recipe,
            loss=loss,
            loss_options=loss_options,
            resume=resume,
            batch_size=batch_size,
            epochs=epochs,
            random_state=random_state,
            learning_rate=learning_rate,
            checkpoint_interval=checkpoint_interval,
            cache=cache,
            progress=progress,
            callbacks=callbacks,
        )
        if not self._restore(model_dir_path, encoder):
            # From here on, a failure must not leave the threshold and speakers of another network.
            self.scorer, self._model_dir = SpeakerScorer(normalize=self.normalize), None
            if enrolled := SpeakerState.enrolled_in(model_dir_path):
                log.warning("%s: the network has changed: enroll again: %s", model_dir_path, ", ".join(enrolled))
            self.scorer = encoder.new_scorer(clips, self.normalize)
            self._model_dir = Path(model_dir_path).resolve()
            SpeakerState(self.network, encoder.model_id, self.scorer).save(model_dir_path)
            self._saved, self._saved_dir = self.scorer.copy(), self._model_dir
        return history

    def set_background(self, paths: AudioSources) -> int:
        """Center embeddings by recordings of other people: half of their mean is subtracted from every embedding.

        What all voices have in common then counts less: sound, microphone, language. The more of this the recordings
        share with those to compare, the more it helps. Enrolled speakers stay enrolled; the threshold is the default
        for centered embeddings, so `calibrate` after this. With ``normalize=True``, the recordings are the cohort of
        the S-norm, and nothing is subtracted. Call `save` to keep the background.

        Parameters
        ----------
        paths : iterable
            Recordings, each as for `encode_audio`, 10 or more that can be used, of several people who will not be
            compared; of more than 1,000, 1,000 are chosen, evenly. They replace those of an earlier call, and a
            recording that occurs twice counts once.

        Returns
        -------
        int
            Number of recordings in the background.

        Raises
        ------
        DatasetError
            If fewer than 10 different recordings can be used. Nothing changes.
        ParameterError
            If the network was trained here: its training speakers are its cohort.
        """
        if isinstance(self._encoder, SpeakerEncoder):
            choices = ", ".join(PUBLISHED_ENCODERS)
            raise ParameterError(f"network must be {choices} for another background, got {self.network!r}")
        self.scorer = self._encoder.scorer_with_background(paths, self.scorer)
        return len(self.scorer.cohort.vectors)

    def calibrate(
        self,
        pairs: training.Pairs,
        far: float | None = None,
        *,
        groups: Sequence[Hashable] | None = None,
        force: bool = False,
    ) -> VerificationReport:
        """Set the threshold by recordings of known speakers, who are not in the training set or the background.

        Parameters
        ----------
        pairs : iterable of (path, speaker)
            At least two recordings each of two speakers. All pairs are compared; of more than 1,000 recordings, 1,000
            are chosen, evenly over the speakers.
        far : float in (0, 1), optional
            Highest false accept rate; by default, false accept and false reject rate are equal.
        groups : sequence of hashable, optional
            Session of each recording; recordings of one speaker and session are not compared.
        force : bool
            Set the threshold even if the equal error rate is above 0.35.

        Returns
        -------
        VerificationReport
            Measures on these recordings, which the threshold was chosen by.

        Raises
        ------
        DatasetError
            If there are no pairs of one speaker, or none of two, or too few for `far`; or if the equal error rate is
            above 0.35, so that no threshold separates these speakers. The present threshold stays.
        ParameterError
            If `far` is not between 0 and 1.
        """
        check_far(far)
        pairs = speaker_pairs(pairs)
        sessions = session_names(pairs, groups)
        chosen = choose_recordings([speaker for _, speaker in pairs], MAX_CALIBRATION, CALIBRATION_PER_SPEAKER)
        vectors, usable = self._encoder.encode_usable([pairs[index][0] for index in chosen])
        if trained := {str(speaker) for _, speaker in pairs} & {str(label) for label in self._encoder.labels}:
            log.warning("%d of these speakers are in the training set: expect more errors for others", len(trained))
        elif shared := shared_recordings(vectors, self.scorer.cohort.vectors):
            log.warning("%d of these recordings are in the background: expect more errors for others", shared)
        indices = [chosen[index] for index in usable]
        speakers = np.array([str(pairs[index][1]) for index in indices])
        labels, scores = self.scorer.calibrate(
            vectors, speakers, np.array([sessions[i] for i in indices]), far=far, force=force
        )
        return verification_report(labels, scores, skipped=self.skipped, threshold=self.threshold)

    def encode_audio(self, path: AudioSource, *, channel: str | int = "mix") -> np.ndarray:
        """Compute the embedding of one recording: float32 [shape=(dim,)], of length 1. Also named `embed`.

        It is the mean over the pieces of the recording, which is anything that `mxnet_audio.audio.load` takes.
        `channel` chooses one of its channels: 'left', 'right' or an index, such as one side of a call.
        AudioDecodeError or InvalidAudioError is raised if the recording cannot be used, or is silent.
        """
        return self._encoder.encode_audio(audio.Channel(path, channel))

    def encode_many(
        self, paths: AudioSources, batch_size: int = 16, *, channel: str | int = "mix"
    ) -> Iterator[Encoding]:
        """Compute the embeddings of many recordings, in order; `error` is set where one cannot be used.

        Also named `embed_many`; `batch_size` recordings, or pieces with published weights, are encoded at a time.
        With `channel` 'each', every channel is a recording of its own, named ``call.wav [left]``, ``call.wav [right]``.
        """
        return self._encoder.encode_many(audio.channel_sources(as_list(paths), channel), batch_size)

    embed, embed_many = encode_audio, encode_many

    def verify(self, first: AudioSource, second: AudioSource, *, channel: str | int = "mix") -> Verification:
        """Compare two recordings, each as for `encode_audio`: ``(score, same, threshold)``.

        `channel` chooses one of both: 'left', 'right' or an index. For two sides of one call, give two `audio.Channel`.
        """
        return self.scorer.verify(*(self.encode_audio(recording, channel=channel) for recording in (first, second)))

    def verify_as(self, name: str, path: AudioSource, *, channel: str | int = "mix") -> Verification:
        """Compare a recording, or a channel, with an enrolled speaker; ModelError if no such speaker is enrolled."""
        return self.scorer.verify_as(name, self.encode_audio(path, channel=channel))

    def enroll(self, name: str, paths: AudioSources, *, replace: bool = False, channel: str | int = "mix") -> int:
        """Enroll a speaker, or add recordings to an enrolled one. Call `save` to keep them.

        Parameters
        ----------
        name : str
            Name of the speaker.
        paths : iterable
            Recordings, each as for `encode_audio`. Those that cannot be used are logged and listed in `skipped`.
            Recordings that another speaker is enrolled with are logged, too.
        replace : bool
            Remove the embeddings that the speaker was enrolled with before.
        channel : {'mix', 'left', 'right', 'each'} or int >= 0
            Channel of the recordings, such as the speaker's side of calls; 'each' enrolls each as a recording.

        Returns
        -------
        int
            Number of recordings that the speaker is enrolled with now.

        Raises
        ------
        DatasetError
            If none of the recordings can be used, such as silent ones. Nothing changes.
        ParameterError
            If the name is empty or not printable.
        """
        vectors, _ = self._encoder.encode_usable(audio.channel_sources(as_list(paths), channel))
        with _LOCK:
            count = self.scorer.enrolled.add(name, vectors, replace)
        for other, shared in self.scorer.enrolled.duplicates(vectors, name).items():
            log.warning("%s: %d of these recordings are enrolled as %s's, too", name, shared, other)
        return count

    def forget(self, name: str) -> None:
        """Remove an enrolled speaker; ModelError if no speaker of this name is enrolled."""
        with _LOCK:
            self.scorer.enrolled.remove(name)

    def identify(self, path: AudioSource, top_k: int = 5, *, channel: str | int = "mix") -> Identification:
        """Find the enrolled speaker of a recording; `speaker` of the result is None if no score reaches the threshold.

        The false accept rate grows with the number of enrolled speakers: where one impostor in 100 is accepted as a
        given speaker, about N in 100 are accepted as one of N. Further parameters and errors as for
        `SpeakerScorer.identify`.
        """
        (result,) = self.identify_many([audio.Channel(path, channel)], top_k)
        if result.error is not None:
            raise result.error
        return result

    def identify_many(
        self, paths: AudioSources, top_k: int = 5, *, channel: str | int = "mix"
    ) -> Iterator[Identification]:
        """Identify many recordings, in order; `error` is set for those that cannot be used. See `identify`.

        `channel` is as for `encode_many`.
        """
        return self.scorer.identify(self.encode_many(paths, channel=channel), top_k)

    def evaluate(
        self, trials: Iterable[tuple[int, AudioSource, AudioSource]], speakers: Sequence[tuple[str, str]] | None = None
    ) -> VerificationReport:
        """Measure verification on a list of trials, such as VoxCeleb's. Each recording is read once.

        Parameters
        ----------
        trials : iterable of (label, first, second)
            1 for one speaker, 0 for two; see `mxnet_audio.datasets.speakers.read_trials`.
        speakers : sequence of (str, str), optional
            Speakers of each trial, for confidence intervals.

        Returns
        -------
        VerificationReport
            Measures, and the error rates at `threshold`, if one is set. Recordings that cannot be used are listed, and
            their trials left out.

        Raises
        ------
        DatasetError
            If no trials of one kind are left, or a label is neither 0 nor 1.
        ParameterError
            If `trials` or `speakers` is not iterable, or a trial is not a sequence of three.
        """
        trials = list(iterable_argument("trials", trials, "(label, first, second)"))
        if speakers is not None and len(speakers := list(iterable_argument("speakers", speakers))) != len(trials):
            raise DatasetError(f"speakers of {len(speakers)} trials for {len(trials)} trials: give one pair for each")
        vectors, rows = self._encoder.encode_trials(trials)
        complete = [index for index, row in enumerate(rows) if None not in row]
        if not complete:
            raise DatasetError("there is no trial whose recordings can both be used")
        labels, first, second = zip(*((trials[index][0], *rows[index]) for index in complete))
        pairs = None if speakers is None else [speakers[index] for index in complete]
        scores = self.scorer.trial_scores(vectors, first, second)
        threshold = self.threshold if self.scorer.has_threshold else None
        return verification_report(labels, scores, pairs, self.skipped, threshold)

    def save(self, model_dir_path: str | os.PathLike) -> None:
        """Save network, threshold, cohort and enrolled speakers in a directory, for `load`.

        The directory is created if missing. In the directory that the model is from, training can still be resumed. Of
        an encoder with published weights, the name and the place are saved. Several processes may enroll speakers in
        one directory: those that others have saved there since `load` are kept, and are then enrolled here, too.

        Raises
        ------
        ModelError
            If there is no model or threshold yet, the directory cannot be written to, it holds speakers enrolled with
            another network, or the network that was loaded from there has been trained again since.
        ParameterError
            If `model_dir_path` is not a path.
        """
        directory = path_argument("model_dir_path", model_dir_path).resolve()
        self.threshold  # noqa: B018 - raises ModelError before anything is written
        with lock(directory):
            check_kind(directory, self.network)
            mine = self.scorer.copy()
            origin = self._encoder.origin if isinstance(self._encoder, PublishedEncoder) else (None, None)
            state = SpeakerState(self.network, self._encoder.model_id, mine, *origin)
            before = self._saved if directory == self._saved_dir else self._initial
            state.add_saved(directory, before, replace=directory != self._model_dir)
            if directory != self._model_dir:
                self._encoder.save_model(directory)
            state.save(directory)
            with _LOCK:  # other threads may have changed the scorer since
                self.scorer = state.scorer.with_changes(mine, self.scorer)
                self._saved, self._saved_dir = state.scorer, directory

    @classmethod
    def load(
        cls,
        model_dir_path: str | os.PathLike,
        *,
        source: str | os.PathLike | None = None,
        revision: str | None = None,
        model_ctx: mx.Context | None = None,
        data_ctx: mx.Context | None = None,
    ) -> SpeakerRecognizer:
        """Load the recognizer that `fit` or `save` wrote to a directory; devices as for `SpeakerRecognizer`.

        `source` and `revision` are the new place of published weights, if they were moved since.

        Raises
        ------
        ModelError
            If there is no speaker recognizer, it is damaged or of a newer version, its network has been trained again
            since, or published weights are missing or others.
        ParameterError
            If `model_dir_path` is not a path.
        """
        state = SpeakerState.load(path_argument("model_dir_path", model_dir_path))
        if source is None and state.source is not None:
            mend = "give its new place as source= of SpeakerRecognizer.load (--source of the commands)"
            source = stored_source(state.network, state.source, state.revision, mend)
            revision = state.revision if revision is None else revision
        options: dict[str, Any] = {"source": source, "revision": revision}
        options |= {"normalize": state.scorer.normalize, "model_ctx": model_ctx, "data_ctx": data_ctx}
        recognizer = cls(state.network, **options)
        recognizer._encoder.load_model(model_dir_path)
        state.check_model(recognizer._encoder.model_id, model_dir_path)
        recognizer.scorer, recognizer._model_dir = state.scorer, Path(model_dir_path).resolve()
        recognizer._saved, recognizer._saved_dir = state.scorer.copy(), recognizer._model_dir
        return recognizer

    def export_onnx(self, path: str | os.PathLike, *, front_end: bool = False) -> None:
        """Write a trained network as one file that runs without MXNet; see `mxnet_audio.library.export.export_onnx`.

        The file takes one window. To compute an embedding with it, repeat shorter sound, cut longer sound into windows
        that overlap by half, scale their vectors to length 1 and take the mean. ModelError is raised for an encoder
        with published weights.
        """
        from mxnet_audio.library.export import export_onnx  # needs packages that not every user has

        export_onnx(self.model, path, front_end=front_end)

    def _restore(self, directory: str | os.PathLike, encoder: SpeakerEncoder) -> bool:
        """Load threshold and speakers of this very network, if it was trained before; return True if they exist."""
        try:
            saved = self.load(directory, model_ctx=encoder.model_ctx, data_ctx=encoder.data_ctx)
        except ModelError:
            return False
        if (saved.network, saved.normalize) != (self.network, self.normalize):
            return False
        self.scorer, self._model_dir = saved.scorer, saved._model_dir
        self._saved, self._saved_dir = saved._saved, saved._saved_dir
        return True
