"""Published weights as parameters of our networks, kept in the cache once they are converted."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from mxnet_audio.atomic import parse_json, replacing
from mxnet_audio.checks import path_argument
from mxnet_audio.errors import ModelError
from mxnet_audio.model_store import check_finite, fingerprint
from mxnet_audio.weights.architecture import read_architecture
from mxnet_audio.weights.convert import convert, is_cached
from mxnet_audio.weights.find_model import check_no_revision, find_model, model_at_hand
from mxnet_audio.weights.finding import cache_folder, find, published_files
from mxnet_audio.weights.loaded import Loaded
from mxnet_audio.weights.model_folder import list_files, read_model
from mxnet_audio.weights.readers import tensorflow, tflite, torch
from mxnet_audio.weights.readers.safetensors import read_with_metadata
from mxnet_audio.weights.records import Record
from mxnet_audio.weights.registry import record

__all__ = ["available", "load", "location"]

logger = logging.getLogger(__name__)

_FORMAT = 1  # of the converted files; another layout of a network's parameters needs another one
_READERS = {".tflite": tflite.read, ".index": tensorflow.read, ".pt": torch.read, ".pth": torch.read}


def load(
    name: str,
    source: str | os.PathLike | None = None,
    *,
    revision: str | None = None,
    tensors: bool = True,
    download: bool = True,
    progress: bool = True,
) -> Loaded:
    """Load published weights.

    The first time they are found or downloaded, compared with their SHA-256, read without executing anything in them,
    and converted. The result is kept in the cache, such as ``~/.cache/mxnet-audio/weights``, under their hash. Models
    of the Hugging Face hub and PANNs are read where they are, each time.

    Parameters
    ----------
    name : str
        One of `names`.
    source, revision, download, progress
        See `find`.
    tensors : bool, optional
        False loads the description only: settings and features of the network, for one that is trained from scratch.
        Without `source` they are those of the record's own `repository`, and no file is needed.

    Returns
    -------
    Loaded

    Raises
    ------
    ModelError
        If the weights are not found, or not the published ones; of a model of the hub, if it is of another type, its
        files are damaged, or they do not agree with each other.
    ParameterError
        If there are no such weights, `source` is not a path, or `revision` is given of what has no revisions.

    Examples
    --------
    >>> load("musicnn").tensors["head.weight"].shape  # doctest: +SKIP
    (50, 200)
    >>> load("whisper", tensors=False).architecture.encoder_layers
    6
    """
    found = record(name)
    if found.repository and not (source is None and not tensors):
        folder = find_model(found, source, revision, download, progress, tensors)
        return read_model(found, folder, tensors)
    check_no_revision(found, revision)
    if not tensors:
        return _described(found)
    paths = None if source is None else find(name, source)
    loaded = _read_cache(found) if is_cached(found.network) else None
    if loaded is None:
        paths = paths or find(name, download=download, progress=progress)
        loaded = _read_published(found, paths)
        if is_cached(found.network):
            _write_cache(loaded)
    if source is None:
        return loaded
    return dataclasses.replace(loaded, source=str(path_argument("source", source).absolute()))


def _described(found: Record) -> Loaded:
    """Return a record without tensors, with the settings and features of its network."""
    from mxnet_audio.weights.front_ends import read_features

    architecture = read_architecture({"model_type": found.model_type}) if found.model_type else None
    return Loaded(found, {}, [], architecture, read_features(found, architecture, {}))


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
    if found.repository:
        with contextlib.suppress(ModelError):
            if folder := model_at_hand(found, found.repository):
                list_files(found, folder.path)
                return folder.path
        return None
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
        tensors, ignored = convert(found.network, read(path))
    except ModelError as error:
        raise error if error.path is not None else ModelError(error.reason, path) from error
    labels = tflite.read_labels(path, found.tag_list) if found.tag_list else list(found.tags)
    if len(labels) != found.n_tags:
        raise ModelError(f"lists {len(labels)} classes instead of {found.n_tags}", path)
    if is_cached(found.network):
        ignored = []  # as from the cache, which does not hold their names
    return dataclasses.replace(_described(found), tensors=tensors, labels=labels, ignored=ignored)


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
