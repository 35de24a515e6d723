"""Saved state of a speaker recognizer beside its network: enrolled speakers, cohort, threshold. Needs no MXNet."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass

from mxnet_audio import model_store
from mxnet_audio.errors import ModelError
from mxnet_audio.speakers.calibration import ErrorRates
from mxnet_audio.speakers.enrollment import EnrolledSpeakers
from mxnet_audio.speakers.scoring import Cohort, SpeakerScorer

__all__ = ["PUBLISHED_ENCODERS", "SPEAKER_NETWORKS", "SpeakerState", "check_kind", "check_resumed", "lock"]

NAME = "speaker"
SPEAKER_NETWORKS = ("ecapa_tdnn", "resnet18", "sincnet")  # those to train
PUBLISHED_ENCODERS = ("resemblyzer", "ecapa")  # those with published weights


@dataclass
class SpeakerState:
    """Content of ``speaker.json`` and its files: everything of a `SpeakerRecognizer` except its network.

    Parameters
    ----------
    network : str
        Name of the network or of the published encoder.
    model_id : str
        Identity of the network's embeddings.
    scorer : SpeakerScorer
        Enrolled speakers, cohort and threshold.
    source, revision : str, optional
        File or folder of published weights, if one was given, or their name on the hub; and their commit there.
    """

    network: str
    model_id: str
    scorer: SpeakerScorer
    source: str | None = None
    revision: str | None = None

    def save(self, directory: str | os.PathLike) -> None:
        """Save the state in a directory; an existing one is replaced.

        Raises
        ------
        ModelError
            If the directory cannot be written to, or there is no threshold yet.
        """
        enrolled, cohort = self.scorer.enrolled, self.scorer.cohort
        manifest = {
            "network": self.network,
            "model_id": self.model_id,
            "threshold": self.scorer.threshold,
            "normalize": self.scorer.normalize,
            "centered": self.scorer.centered,
            "rates": None if self.scorer.rates is None else asdict(self.scorer.rates),
            "speakers": enrolled.names,
            "cohort": cohort.speakers,
            **{name: value for name in ("source", "revision") if (value := getattr(self, name)) is not None},
        }
        # By index: not every name of a speaker can be the name of a tensor.
        vectors = {str(index): vectors for index, vectors in enumerate(enrolled.vectors.values())}
        with lock(directory):
            model_store.save_state(directory, NAME, manifest, {"cohort": {"cohort": cohort.vectors}, "voices": vectors})

    def add_saved(self, directory: str | os.PathLike, before: SpeakerScorer, *, replace: bool) -> None:
        """Add what others have saved in a directory, except what was changed here since `before`; hold its lock.

        With `replace`, another network without enrolled speakers is ignored, and may be replaced.

        Raises
        ------
        ModelError
            If the state there is damaged, or that of another network.
        """
        if NAME not in model_store.stored_models(directory):
            return
        stored = SpeakerState.load(directory)
        if replace and stored.model_id != self.model_id and not stored.scorer.enrolled.names:
            return
        stored.check_model(self.model_id, directory)
        self.scorer = stored.scorer.with_changes(before, self.scorer)

    @classmethod
    def load(cls, directory: str | os.PathLike) -> SpeakerState:
        """Load the state from a directory.

        Raises
        ------
        ModelError
            If there is none, it is damaged or of a newer version, or the training there is unfinished.
        """
        stored = model_store.stored_models(directory)
        if NAME not in stored and (unfinished := [name for name in stored if name in SPEAKER_NETWORKS]):
            raise ModelError(f"the training of {unfinished[0]} is unfinished: finish it with resume", directory)
        return model_store.read_state(directory, NAME, lambda manifest: cls._read(directory, manifest))

    @classmethod
    def _read(cls, directory: str | os.PathLike, manifest: dict) -> SpeakerState:
        """Read the files of a manifest and make the state."""
        try:
            vectors = model_store.read_tensors(directory, manifest, "voices")
            cohort = model_store.read_tensors(directory, manifest, "cohort")["cohort"]
            enrolled = {name: vectors[str(index)] for index, name in enumerate(list(manifest["speakers"]))}
            if manifest["network"] not in (*SPEAKER_NETWORKS, *PUBLISHED_ENCODERS):
                raise ValueError(f"network: {manifest['network']!r}")
            switches = {name: manifest.get(name, False) for name in ("normalize", "centered")}
            for name, value in switches.items():
                if not isinstance(value, bool):
                    raise TypeError(f"{name}: {value!r}")
            if switches["centered"] and not len(cohort):
                raise ValueError("centered: the cohort is empty")
            scorer = SpeakerScorer(
                EnrolledSpeakers(enrolled),
                Cohort(cohort, manifest["cohort"]),
                float(manifest["threshold"]),
                **switches,
                rates=None if manifest.get("rates") is None else ErrorRates.from_dict(manifest["rates"]),
            )
            places = [manifest.get(name) for name in ("source", "revision")]
            if not all(isinstance(place, str | None) for place in places):
                raise TypeError(f"source or revision: {places!r}")
            return cls(manifest["network"], manifest["model_id"], scorer, *places)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"damaged: its description lacks or misstates {error}", directory) from error

    def check_model(self, model_id: str, directory: str | os.PathLike) -> None:
        """Check that the embeddings are those of a network; ModelError, with the directory, if they are not."""
        if model_id == self.model_id:
            return
        if self.network in PUBLISHED_ENCODERS:
            found = f"{self.network} {self.model_id}, not {model_id}"
            reason = f"its speakers were enrolled with {found}: enroll them again, in another folder"
        else:
            reason = "its network has been trained again since: finish that training (resume), then enroll again"
        raise ModelError(reason, directory)

    @classmethod
    def enrolled_in(cls, directory: str | os.PathLike) -> list[str]:
        """List the speakers enrolled in a directory; none if it holds no state, or a damaged one."""
        try:
            return cls.load(directory).scorer.enrolled.names
        except ModelError:
            return []


def check_kind(directory: str | os.PathLike, network: str) -> None:
    """Check that a recognizer can be saved in a directory without loss of one of the other kind.

    ModelError is raised if the directory, which need not exist yet, holds speakers enrolled with a published encoder
    and `network` is to be trained, or a trained network and `network` is a published encoder.
    """
    stored = model_store.stored_models(directory)
    found = [name for name in stored if name in SPEAKER_NETWORKS]
    if NAME in stored and not found:
        found = [SpeakerState.load(directory).network]
    if found and (found[0] in PUBLISHED_ENCODERS) != (network in PUBLISHED_ENCODERS):
        raise ModelError(f"a recognizer with {found[0]} is here, not with {network}: choose another folder", directory)


def check_resumed(directory: str | os.PathLike, network: str, strangers: set[str]) -> None:
    """Check that the run to resume was not trained on speakers who are held out now; ModelError if it was.

    Earlier versions held out nobody, where some speakers are held out by default now.
    """
    if network not in model_store.stored_models(directory):
        return
    labels = model_store.read_manifest(directory, network).get("labels")
    if isinstance(labels, list) and strangers.intersection(map(str, labels)):
        mend = "if nobody was held out before, resume with held_out_speakers=0 (--held-out-speakers 0)"
        raise ModelError(f"the checkpoint was trained on speakers who are held out now: {mend}", directory)


def lock(directory: str | os.PathLike) -> AbstractContextManager[None]:
    """Wait for others who change the recognizer of a directory, and make others wait.

    The directory is created if missing. The thread that holds the lock can take it again.

    Raises
    ------
    ModelError
        If the directory cannot be written to.
    """
    return model_store.lock(directory, NAME, "the change of the speakers")
