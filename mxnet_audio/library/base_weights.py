"""Published weights below a trained model: parameters that training has not changed are saved once, or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

import numpy as np

from mxnet_audio import model_store
from mxnet_audio.model_store import Entry, Tensors

__all__ = ["BASE", "BaseWeights"]

BASE = "base"  # role of the file of unchanged parameters
_PARAMETERS = ("last", "best")  # roles of the files of parameters


class BaseWeights:
    """Published weights that a model was made from.

    Parameters
    ----------
    tensors : dict of str to np.ndarray
        The weights, by the names of the model's parameters.
    is_saved : bool
        Whether they are saved with the model.
    """

    def __init__(self, tensors: Tensors, *, is_saved: bool = True):
        self.is_saved = is_saved
        self._digests = {name: _digest(tensor) for name, tensor in tensors.items()}
        self._saved: tuple[str, Entry, frozenset[str]] | None = None  # directory, file and names of saved ones

    def unchanged(self, tensors: Tensors) -> Tensors:
        """Return those of a model's parameters that are still the published ones."""
        return {name: tensor for name, tensor in tensors.items() if self._digests.get(name) == _digest(tensor)}

    def save(self, directory: str | os.PathLike, name: str, manifest: dict, files: Mapping[str, Tensors]) -> None:
        """Save a model as `model_store.save_state` does, each published tensor once; a saved one is not written again.

        Parameters
        ----------
        directory, name, manifest
            As for `model_store.save_state`.
        files : dict of str to dict of str to np.ndarray
            Sets of tensors by role.
        """
        base: Tensors = {}
        changed: dict[str, Tensors] = {}
        for role in _PARAMETERS:
            if role in files:
                same = self.unchanged(files[role])
                base |= same
                changed[role] = {key: tensor for key, tensor in files[role].items() if key not in same}
        kept = self._kept(directory, base) if self.is_saved else {}
        if self.is_saved and base and not kept:
            changed[BASE] = base
        entries = model_store.save_state(directory, name, manifest, {**files, **changed}, kept=kept)
        if BASE in changed:
            self._saved = os.path.realpath(directory), entries[BASE], frozenset(base)

    def _kept(self, directory: str | os.PathLike, base: Tensors) -> dict[str, Entry]:
        """Return the file of published tensors that the directory holds, if all of these are in it."""
        if self._saved is None:
            return {}
        saved_in, entry, names = self._saved
        is_valid = saved_in == os.path.realpath(directory) and base.keys() <= names
        return {BASE: entry} if is_valid and model_store.holds(directory, entry) else {}


def _digest(tensor: np.ndarray) -> bytes:
    return hashlib.sha256(f"{tensor.dtype.str} {tensor.shape}".encode() + np.ascontiguousarray(tensor).data).digest()
