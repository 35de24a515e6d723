"""Encoder of recordings with published weights, which needs no training."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from mxnet_audio.errors import AudioError, DatasetError, ModelError
from mxnet_audio.inference.predictor import AudioSource, AudioSources, as_list
from mxnet_audio.inference.results import Encoding
from mxnet_audio.pretrained import load_encoder
from mxnet_audio.speakers.default_thresholds import DEFAULT_THRESHOLDS, default_scorer
from mxnet_audio.speakers.enrollment import distinct_recordings
from mxnet_audio.speakers.recording_encoder import RecordingEncoder
from mxnet_audio.speakers.scoring import Cohort, SpeakerScorer

__all__ = ["PublishedEncoder"]

log = logging.getLogger(__name__)

MAX_BACKGROUND = 1000  # recordings of a background
# With 5 words of two speakers of FSDD, the equal error rate for one threshold is 16.6%, in place of 15.3% with all 500;
# with 10 words 15.2%.
MIN_BACKGROUND = 10


class PublishedEncoder(RecordingEncoder):
    """Encoder with published weights.

    Parameters
    ----------
    network : str
        Name of the encoder, one of `PUBLISHED_ENCODERS`.
    **options
        As for `mxnet_audio.pretrained.load_encoder`.

    Raises
    ------
    ModelError
        If the weights cannot be loaded.
    """

    def __init__(self, network: str, **options: Any):
        self.network = network
        self.skipped: list[tuple[str, AudioError]] = []
        self._encoder = load_encoder(network, **options)

    @property
    def model_id(self) -> str:
        """Identity of the embeddings."""
        return self._encoder.model_id

    @property
    def origin(self) -> tuple[str | None, str | None]:
        """File or folder of the weights, if one was given, or name on the hub; and their commit there."""
        return self._encoder.origin

    @property
    def model(self) -> NoReturn:
        """ModelError: there is no network that was trained."""
        raise ModelError(f"{self.network} has published weights: only trained networks can be inspected and exported")

    @property
    def labels(self) -> list[int | str]:
        """Speakers of the training set, as far as their names are known: none."""
        return []

    def encode_audio(self, path: AudioSource) -> np.ndarray:
        """Compute the embedding of one recording: float32 [shape=(dim,)], of length 1."""
        return _unit(self._encoder.encode_audio(path))

    def encode_many(self, paths: AudioSources, batch_size: int = 16) -> Iterator[Encoding]:
        """Compute the embeddings of many recordings; `batch_size` pieces of them pass the network at a time."""
        for path, vector, error in self._encoder.encode_many(paths, batch_size):
            yield Encoding(path, None if vector is None else _unit(vector), error)

    def scorer_with_background(self, paths: AudioSources, before: SpeakerScorer) -> SpeakerScorer:
        """Make a scorer of the same speakers with recordings of other people as its cohort, and default threshold.

        Recordings and errors are as in `SpeakerRecognizer.set_background`.
        """
        sounds = list(as_list(paths))
        chosen = np.linspace(0, len(sounds) - 1, min(len(sounds), MAX_BACKGROUND)).round().astype(int)
        vectors, _ = self.encode_usable([sounds[index] for index in chosen])
        vectors = distinct_recordings(vectors)
        if len(vectors) < MIN_BACKGROUND:
            needed = f"a background needs {MIN_BACKGROUND} different recordings or more, of several people"
            raise DatasetError(f"{needed}, got {len(vectors)}")
        for name, shared in before.enrolled.duplicates(vectors).items():
            log.warning("%d recordings of the background are enrolled as %s's: give those of others", shared, name)
        if before.rates not in (None, *(rates for _, rates in DEFAULT_THRESHOLDS.get(self.network, {}).values())):
            log.warning("the calibrated threshold does not hold with this background: calibrate again")
        return default_scorer(self.network, before.enrolled, Cohort(vectors), normalize=before.normalize)

    def save_model(self, model_dir_path: str | os.PathLike) -> None:
        """Do nothing: the weights stay where they are."""

    def load_model(self, model_dir_path: str | os.PathLike) -> None:
        """Do nothing: the weights are loaded already."""


def _unit(vector: np.ndarray) -> np.ndarray:
    """Return a vector at length 1: not all published encoders do."""
    return vector / max(np.linalg.norm(vector), np.finfo(np.float32).tiny)
