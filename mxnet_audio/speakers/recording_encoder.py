"""Base of the encoders of speakers: embeddings of many recordings, some of which cannot be used. Needs no MXNet."""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mxnet_audio.errors import AudioError, DatasetError, ParameterError
from mxnet_audio.inference.predictor import AudioSources
from mxnet_audio.inference.results import Encoding

__all__ = ["RecordingEncoder"]

log = logging.getLogger(__name__)


class RecordingEncoder(ABC):
    """Encoder of recordings, each to an embedding of length 1.

    Attributes
    ----------
    network : str
        Name of the network, or of the published encoder.
    skipped : list of (path, AudioError)
        Recordings that could not be used in the last call.
    """

    network: str
    skipped: list[tuple[str, AudioError]]

    @abstractmethod
    def encode_many(self, paths: AudioSources, batch_size: int = 16) -> Iterator[Encoding]:
        """Compute the embeddings of many recordings, in order; `error` is set where one cannot be used."""

    def encode_usable(self, paths: AudioSources) -> tuple[np.ndarray, list[int]]:
        """Compute the embeddings of the recordings that can be used; log the others and list them in `skipped`.

        Returns
        -------
        vectors : np.ndarray [shape=(usable, dim)]
        indices : list of int
            Index of each usable recording.

        Raises
        ------
        DatasetError
            If no recording can be used.
        """
        vectors, indices, self.skipped = [], [], []
        for index, (path, vector, error) in enumerate(self.encode_many(paths)):
            if vector is not None:
                vectors.append(vector)
                indices.append(index)
            elif error is not None:
                log.warning("left out: %s", error)
                self.skipped.append((path or f"item {index}", error))
        if not vectors:
            if not self.skipped:
                raise DatasetError("no recordings are given")
            first = self.skipped[0][1]
            raise DatasetError(f"none of the {len(self.skipped)} recordings can be used; the first: {first}")
        return np.stack(vectors), indices

    def encode_trials(self, trials: Sequence[tuple]) -> tuple[np.ndarray, list[tuple[int | None, int | None]]]:
        """Compute the embeddings of the recordings of trials (label, first, second), each recording once.

        Returns
        -------
        vectors : np.ndarray [shape=(usable, dim)]
        rows : list of (int or None, int or None)
            Rows of the two recordings of each trial in `vectors`; None if a recording cannot be used.

        Raises
        ------
        DatasetError
            If no recording can be used.
        ParameterError
            If a trial is not a sequence of three.
        """
        if wrong := [trial for trial in trials if not (isinstance(trial, Sequence) and len(trial) == 3)]:
            raise ParameterError(f"trials must be (label, first, second), got {wrong[0]!r}")

        def key(sound: Any) -> Any:
            return os.fspath(sound) if isinstance(sound, (str, os.PathLike)) else id(sound)

        sounds = {key(sound): sound for _, *both in trials for sound in both}
        vectors, usable = self.encode_usable(sounds.values())
        keys = list(sounds)
        rows = {keys[index]: row for row, index in enumerate(usable)}
        return vectors, [(rows.get(key(first)), rows.get(key(second))) for _, first, second in trials]
