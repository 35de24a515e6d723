"""What a recogniser of speakers keeps beside its network: who is enrolled, the threshold, the cohort."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mxnet_audio import model_store
from mxnet_audio.errors import ModelError
from mxnet_audio.speakers.scoring import Cohort, EnrolledSpeakers

__all__ = ["SpeakerState"]

NAME = "speaker"


@dataclass
class SpeakerState:
    """All of a recogniser but its network.

    Parameters
    ----------
    network, model_id : str
        Name of the network, and identity of its vectors.
    threshold : float
        Score from which on two voices count as one speaker's.
    normalize : bool
        Whether scores are normalised by the cohort.
    voices : EnrolledSpeakers
    cohort : Cohort
    """

    network: str
    model_id: str
    threshold: float
    normalize: bool
    voices: EnrolledSpeakers
    cohort: Cohort

    @staticmethod
    def kept_in(directory: str | os.PathLike) -> bool:
        """Whether there is one in a directory."""
        return NAME in model_store.stored_models(directory)

    def save(self, directory: str | os.PathLike) -> None:
        """Keep it in a directory; the one that is there is replaced."""
        manifest = {
            "network": self.network,
            "model_id": self.model_id,
            "threshold": self.threshold,
            "normalize": self.normalize,
            "speakers": self.voices.names,
            "cohort": self.cohort.speakers,
        }
        # By number: a name may be one that no file of tensors can have.
        vectors = {str(place): vectors for place, vectors in enumerate(self.voices.vectors.values())}
        model_store.save_state(
            directory, NAME, manifest, {"cohort": {"cohort": self.cohort.vectors}, "voices": vectors}
        )

    @classmethod
    def load(cls, directory: str | os.PathLike) -> SpeakerState:
        """Read what `save` kept; ModelError if there is nothing, or it is damaged, or of a newer version."""
        manifest = model_store.read_manifest(directory, NAME)
        try:
            voices = model_store.read_tensors(directory, manifest, "voices")
            cohort = model_store.read_tensors(directory, manifest, "cohort")["cohort"]
            state = cls(
                str(manifest["network"]),
                manifest["model_id"],
                float(manifest["threshold"]),
                manifest["normalize"],
                EnrolledSpeakers({name: voices[str(place)] for place, name in enumerate(list(manifest["speakers"]))}),
                Cohort(cohort, manifest["cohort"]),
            )
            if not isinstance(state.normalize, bool):
                raise TypeError(f"normalize: {state.normalize!r}")
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"damaged: its description lacks or misstates {error}", directory) from error
        return state
