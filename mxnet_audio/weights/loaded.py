"""Published weights as they were loaded: parameters of a network, its settings and its features."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mxnet_audio.model_store import fingerprint
from mxnet_audio.weights.architecture import Architecture
from mxnet_audio.weights.records import Record

if TYPE_CHECKING:
    from mxnet_audio.features import AudioFeatureConfig

__all__ = ["Loaded"]


@dataclass(frozen=True)
class Loaded:
    """Published weights as parameters of one of our networks.

    Attributes
    ----------
    record : Record
    tensors : dict of str to np.ndarray
        float32 arrays, read-only, by the names of the network's parameters; empty if only the description was loaded.
    labels : list of str
        Classes of the last layer; empty if there is none.
    architecture : Architecture or None
        Settings of a network that is built from settings.
    features : AudioFeatureConfig or None
        Features that the network takes; None for those of the network's class.
    multi_label : bool
        Whether a sound can have several of the classes: scores are then sigmoids, otherwise a softmax.
    ignored : list of str
        Published tensors that are not part of the network, such as those that only training needs.
    source : str or None
        Folder, file or name on the hub that `load` read, and can read again; None for the usual places.
    revision : str or None
        Commit on the hub; None for others.
    """

    record: Record
    tensors: dict[str, np.ndarray] = field(repr=False)
    labels: list[str] = field(repr=False)
    architecture: Architecture | None = None
    features: AudioFeatureConfig | None = None
    multi_label: bool = True
    ignored: list[str] = field(default_factory=list, repr=False)
    source: str | None = None
    revision: str | None = None

    @cached_property
    def identity(self) -> str:
        """SHA-256 [hex] of names, shapes and values of the tensors."""
        return fingerprint(self.tensors)
