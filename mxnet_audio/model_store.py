"""A trained network on disk: one JSON manifest that describes it, and the files of numbers that it names.

``<directory>/<name>.json`` says everything (network, labels, features, history, versions) and names its
safetensors files with their SHA-256. A new state is written as new files; replacing the manifest makes it valid,
and only then are the old files removed: whenever the run is killed, the directory holds one whole state.
Nothing in it needs MXNet to be read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np
from safetensors.numpy import load as parse_tensors
from safetensors.numpy import save as format_tensors

from mxnet_audio.atomic import replacing, write_json
from mxnet_audio.errors import ModelError

__all__ = ["FORMAT", "check_writable", "fingerprint", "read_manifest", "read_tensors", "save_state", "stored_models"]

FORMAT = 2  # 1 was that of 0.1's first networks, which normalised before they pooled
Tensors = dict[str, np.ndarray]


def fingerprint(tensors: Tensors) -> str:
    """SHA-256 [hex] of names, shapes and values: the identity of a set of parameters."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = np.ascontiguousarray(tensors[name])
        digest.update(f"{name} {value.dtype.str} {value.shape}\n".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def check_writable(directory: str | os.PathLike) -> None:
    """Say that nothing can be written to a directory before hours are spent on what is to be kept there.

    Raises
    ------
    ModelError
        If it cannot be written to, or cannot be made.
    """
    place = Path(directory).absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise ModelError("a model cannot be kept here: this is a file", place)
    if not os.access(place, os.W_OK | os.X_OK):
        raise ModelError("a model cannot be kept here: no permission to write", place)


def save_state(directory: str | os.PathLike, name: str, manifest: dict, files: dict[str, Tensors]) -> None:
    """Make `manifest` and its `files` the state of model `name`.

    Parameters
    ----------
    directory : str or os.PathLike
        Made if it is not there.
    name : str
        Name of the model: several may share a directory.
    manifest : dict
        What describes the model, JSON-able; ``format`` and ``files`` are added.
    files : dict of str to dict of str to np.ndarray
        Sets of tensors by role, such as ``last`` and ``best``.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    listed = {}
    for role, tensors in files.items():
        data = format_tensors({key: np.ascontiguousarray(value) for key, value in tensors.items()})
        digest = hashlib.sha256(data).hexdigest()
        path = directory / f"{name}-{role}-{digest[:12]}.safetensors"
        # Also where there is one of this name: it may be damaged, and the same run over again would not mend it.
        with replacing(path) as temporary:
            temporary.write_bytes(data)
        listed[role] = {"file": path.name, "sha256": digest}
    write_json(directory / f"{name}.json", {"format": FORMAT, **manifest, "files": listed})
    current = {entry["file"] for entry in listed.values()}
    file = rf"{re.escape(name)}-[a-z]+-[0-9a-f]{{12}}\.safetensors"
    begun = rf"\.({re.escape(name)}\.json|{file})\..*\.tmp"  # what a killed run was writing
    for path in directory.iterdir():
        if path.name not in current and re.fullmatch(f"{file}|{begun}", path.name):
            path.unlink(missing_ok=True)


def stored_models(directory: str | os.PathLike) -> list[str]:
    """Names of the models in a directory, by its JSON files: an index kept there too looks like one."""
    return sorted(path.stem for path in Path(directory).glob("*.json"))


def read_manifest(directory: str | os.PathLike, name: str) -> dict:
    """Read and check what describes model `name`.

    Raises
    ------
    ModelError
        If the directory or the model is not there, or its manifest is damaged or of a newer version.
    """
    path = Path(directory) / f"{name}.json"
    if not path.is_file():
        others = ", ".join(stored_models(directory))
        raise ModelError(f"no {name} model here" + (f", but there is: {others}" if others else ""), directory)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["format"]
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", path) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"damaged, not a model's description ({error})", path) from error
    if version != FORMAT:
        mend = "train it anew" if version in range(FORMAT) else "upgrade mxnet-audio"
        raise ModelError(f"written in format {version}, and this version of mxnet-audio reads {FORMAT}: {mend}", path)
    return manifest


def read_tensors(directory: str | os.PathLike, manifest: dict, role: str) -> Tensors:
    """Read one of the files that a manifest names, and check it against its SHA-256.

    Raises
    ------
    ModelError
        If the manifest names no such file, or the file is missing or damaged.
    """
    try:
        entry = manifest["files"][role]
        path = Path(directory) / entry["file"]
        expected = entry["sha256"]
    except (KeyError, TypeError) as error:
        raise ModelError(
            f"the model was saved without {role!r} parameters, which only fit's own folder has", directory
        ) from error
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", path) from error
    if hashlib.sha256(data).hexdigest() != expected:
        raise ModelError("damaged: its SHA-256 is not the one that the model's description names", path)
    return parse_tensors(data)
