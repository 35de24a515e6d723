"""Published weights as parameters of our networks, kept in the cache once they are converted."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from mxnet_audio.atomic import parse_json, replacing
from mxnet_audio.errors import ModelError
from mxnet_audio.model_store import check_finite, fingerprint
from mxnet_audio.weights.architecture import Architecture
from mxnet_audio.weights.convert import convert
from mxnet_audio.weights.find import cache_folder, find, published_files
from mxnet_audio.weights.readers import tensorflow, tflite, torch
from mxnet_audio.weights.readers.safetensors import read_with_metadata
from mxnet_audio.weights.registry import Record, record

__all__ = ["Loaded", "available", "load", "location"]

logger = logging.getLogger(__name__)

_FORMAT = 1  # of the converted files; another layout of a network's parameters needs another one
_READERS = {".tflite": tflite.read, ".index": tensorflow.read, ".pt": torch.read}


@dataclass(frozen=True)
class Loaded:
    """Published weights as parameters of one of our networks.

    Attributes
    ----------
    record : Record
    tensors : dict of str to np.ndarray
        float32 arrays, read-only, by the names of the network's parameters.
    labels : list of str
        Classes of the last layer; empty if there is none.
    architecture : Architecture or None
        Settings of a network that is built from settings.
    """

    record: Record
    tensors: dict[str, np.ndarray] = field(repr=False)
    labels: list[str] = field(repr=False)
    architecture: Architecture | None = None


def load(name: str, source: str | os.PathLike | None = None, *, download: bool = True, progress: bool = True) -> Loaded:
    """Load published weights.

    The first time they are found or downloaded, compared with their SHA-256, read without executing anything in them,
    and converted. The result is kept in the cache, such as ``~/.cache/mxnet-audio/weights``, under their hash.

    Parameters
    ----------
    name : str
        One of `names`.
    source, download, progress
        See `find`.

    Returns
    -------
    Loaded

    Raises
    ------
    ModelError
        If the weights are not found, or not the published ones.
    ParameterError
        If there are no such weights, or `source` is not a path.

    Examples
    --------
    >>> load("musicnn").tensors["head.weight"].shape  # doctest: +SKIP
    (50, 200)
    """
    found = record(name)
    paths = None if source is None else find(name, source)
    loaded = _read_cache(found)
    if loaded is None:
        paths = paths or find(name, download=download, progress=progress)
        loaded = _read_published(found, paths)
        _write_cache(loaded)
    return loaded


def available(name: str) -> bool:
    """Return True if published weights can be loaded without a download; parameters and errors as in `location`."""
    return location(name) is not None


def location(name: str) -> Path | None:
    """Return the folder from which published weights are loaded without a download.

    It holds the published files, or, in the cache, the converted ones. Their content is not read.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    Path or None
        None if there is no such folder.

    Raises
    ------
    ParameterError
        If there are no such weights.
    """
    found = record(name)
    with contextlib.suppress(ModelError, OSError):
        if paths := published_files(found):
            return paths[0].parent
    with contextlib.suppress(OSError):
        if _cached(found).is_file():
            return _cached(found).parent
    return None


def _read_published(found: Record, paths: list[Path]) -> Loaded:
    """Read and convert published files."""
    path = paths[0]
    read = next(reader for suffix, reader in _READERS.items() if found.files[0].name.endswith(suffix))
    try:
        tensors = convert(found.network, read(path))
        check_finite(tensors)
    except ModelError as error:
        raise error if error.path is not None else ModelError(error.reason, path) from error
    labels = tflite.read_labels(path, found.tag_list) if found.tag_list else list(found.tags)
    if len(labels) != found.n_tags:
        raise ModelError(f"lists {len(labels)} classes instead of {found.n_tags}", path)
    return Loaded(found, tensors, labels)


def _cached(found: Record) -> Path:
    """Return the path of converted weights."""
    hashes = " ".join(file.sha256 for file in found.files)
    key = hashlib.sha256(f"{_FORMAT} {hashes}".encode()).hexdigest()[:16]
    return cache_folder() / f"{found.name}-{key}.safetensors"


def _checksum(tensors: dict[str, np.ndarray], labels: str) -> str:
    return hashlib.sha256(f"{fingerprint(tensors)} {labels}".encode()).hexdigest()


def _read_cache(found: Record) -> Loaded | None:
    """Return converted weights from the cache; None if they are missing or damaged."""
    path = _cached(found)
    try:
        if not path.is_file():
            return None
        tensors, metadata = read_with_metadata(path)
        if metadata["sha256"] != _checksum(tensors, metadata["labels"]):
            raise ModelError("its SHA-256 has changed", path)
        check_finite(tensors, path)
        labels = parse_json(metadata["labels"])
        if len(labels) != found.n_tags:
            raise ModelError(f"lists {len(labels)} classes instead of {found.n_tags}", path)
        return Loaded(found, tensors, labels)
    except (ModelError, OSError, KeyError, TypeError, ValueError) as error:
        logger.warning("converted weights cannot be read, and are made again: %s", error)
        return None


def _write_cache(loaded: Loaded) -> None:
    """Keep converted weights in the cache; if it cannot be written, they are converted again the next time."""
    path = _cached(loaded.record)
    labels = json.dumps(loaded.labels)
    metadata = {"labels": labels, "sha256": _checksum(loaded.tensors, labels)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            save_file(loaded.tensors, temporary, metadata)
    except (OSError, SafetensorError) as error:
        logger.warning("converted weights are not kept in %s: %s", path.parent, error)
