"""Saved state of a speaker recognizer beside its network: enrolled speakers, cohort, threshold. Needs no MXNet."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mxnet_audio import model_store
from mxnet_audio.errors import ModelError
from mxnet_audio.speakers.enrollment import EnrolledSpeakers
from mxnet_audio.speakers.scoring import Cohort, SpeakerScorer

__all__ = ["SPEAKER_NETWORKS", "SpeakerState"]

NAME = "speaker"
SPEAKER_NETWORKS = ("ecapa_tdnn", "resnet18", "sincnet")


@dataclass
class SpeakerState:
    """Content of ``speaker.json`` and its files: everything of a `SpeakerRecognizer` except its network.

    Parameters
    ----------
    network : str
        Name of the network.
    model_id : str
        Identity of the network's embeddings.
    scorer : SpeakerScorer
        Enrolled speakers, cohort and threshold.
    """

    network: str
    model_id: str
    scorer: SpeakerScorer

    def save(self, directory: str | os.PathLike) -> None:
        """Save the state in a directory; an existing one is replaced.

        Raises
        ------
        ModelError
            If the directory cannot be written to, or there is no threshold yet.
        """
        model_store.check_writable(directory)
        enrolled, cohort = self.scorer.enrolled, self.scorer.cohort
        manifest = {
            "network": self.network,
            "model_id": self.model_id,
            "threshold": self.scorer.threshold,
            "normalize": self.scorer.normalize,
            "speakers": enrolled.names,
            "cohort": cohort.speakers,
        }
        # By index: not every name of a speaker can be the name of a tensor.
        vectors = {str(index): vectors for index, vectors in enumerate(enrolled.vectors.values())}
        model_store.save_state(directory, NAME, manifest, {"cohort": {"cohort": cohort.vectors}, "voices": vectors})

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
        manifest = model_store.read_manifest(directory, NAME)
        try:
            vectors = model_store.read_tensors(directory, manifest, "voices")
            cohort = model_store.read_tensors(directory, manifest, "cohort")["cohort"]
            enrolled = {name: vectors[str(index)] for index, name in enumerate(list(manifest["speakers"]))}
            threshold, normalize = float(manifest["threshold"]), manifest["normalize"]
            if manifest["network"] not in SPEAKER_NETWORKS:
                raise ValueError(f"network: {manifest['network']!r}")
            if not isinstance(normalize, bool):
                raise TypeError(f"normalize: {normalize!r}")
            scorer = SpeakerScorer(EnrolledSpeakers(enrolled), Cohort(cohort, manifest["cohort"]), threshold, normalize)
            return cls(manifest["network"], manifest["model_id"], scorer)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"damaged: its description lacks or misstates {error}", directory) from error

    @classmethod
    def enrolled_in(cls, directory: str | os.PathLike) -> list[str]:
        """List the speakers enrolled in a directory; none if it holds no state, or a damaged one."""
        try:
            return cls.load(directory).scorer.enrolled.names
        except ModelError:
            return []
