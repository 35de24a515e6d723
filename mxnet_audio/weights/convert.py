"""Conversion of published tensors to the parameters of our networks."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import numpy as np

from mxnet_audio.model_store import check_finite
from mxnet_audio.weights.architecture import Architecture

__all__ = ["convert", "is_cached"]

# Modules of `layouts` by the name of the network, or of the first part of it.
_LAYOUTS = {
    "yamnet": "patches",
    "musicnn": "patches",
    "ge2e": "patches",
    "wav2vec2": "wav2vec2",
    "whisper": "whisper",
    "ast": "ast",
    "panns": "panns",
    "ecapa": "ecapa",
}


def _layout(network: str) -> str:
    return _LAYOUTS[network.partition("_")[0]]


def is_cached(network: str) -> bool:
    """Return whether converted tensors are kept in the cache: those that are slow to read; others are copies only."""
    return _layout(network) == "patches"


def convert(
    network: str, tensors: Mapping[str, np.ndarray], architecture: Architecture | None = None
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Convert published tensors to the parameters of a network.

    Parameters
    ----------
    network : str
        Name of the network.
    tensors : mapping of str to np.ndarray
        Tensors by their published names.
    architecture : Architecture, optional
        Settings of a network that is built from settings.

    Returns
    -------
    parameters : dict of str to np.ndarray
        float32 arrays, read-only, by the names of the network's parameters.
    ignored : list of str
        Published tensors that are not part of the network.

    Raises
    ------
    ModelError
        If a tensor is missing, has another shape, is not known, or holds NaN or infinity: it is named.
    """
    name = _layout(network)
    layout = importlib.import_module(f"mxnet_audio.weights.layouts.{name}")
    families = {"network": network} if name in ("patches", "panns") else {}
    with np.errstate(all="ignore"):  # numbers that are out of the range of float32 are found below
        parameters, ignored = layout.convert(tensors, architecture, **families)
    check_finite(parameters)
    return parameters, ignored
