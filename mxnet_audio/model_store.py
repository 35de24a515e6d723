"""Model directories: one JSON manifest that describes a trained network, and the safetensors files that it lists.

``<directory>/<name>.json`` holds the network, labels, features, history and versions, and lists the safetensors files
with their SHA-256. A new state is written to new files; replacing the manifest makes it valid, and the old files are
removed after that. Whenever a run is killed, the directory holds one complete state. Reading it does not need MXNet.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors.numpy import load as parse_tensors
from safetensors.numpy import save as format_tensors

from mxnet_audio.atomic import contents, read_json, replacing, write_json
from mxnet_audio.errors import ModelError
from mxnet_audio.locks import locked

__all__ = [
    "AUDIO_MODEL",
    "FORMAT",
    "Entry",
    "Tensors",
    "check_finite",
    "check_free",
    "check_writable",
    "encoder_name",
    "fingerprint",
    "holds",
    "lock",
    "read_manifest",
    "read_state",
    "read_tensors",
    "save_state",
    "stored_models",
]

FORMAT = 2  # format 1: the first networks of version 0.1, which normalised before pooling
AUDIO_MODEL = "audio_model"  # name of the model of a whole run, see `mxnet_audio.declarative`
Tensors = dict[str, np.ndarray]
Entry = dict[str, str]  # of a file in a manifest: its name and its SHA-256
State = TypeVar("State")
_LARGEST = 16 << 30  # [bytes], of a file of tensors


def fingerprint(tensors: Tensors) -> str:
    """Compute the SHA-256 [hex] of names, shapes and values, which identifies a set of parameters."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = np.ascontiguousarray(tensors[name])
        digest.update(f"{name} {value.dtype.str} {value.shape}\n".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def check_finite(tensors: Tensors, path: str | os.PathLike | None = None) -> None:
    """Check that tensors are numbers: a network with NaN or infinity among its parameters answers nonsense.

    Parameters
    ----------
    tensors : dict of str to np.ndarray
    path : str or os.PathLike, optional
        File to name in the error.

    Raises
    ------
    ModelError
        If a tensor holds NaN or infinity; it is named.
    """
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise ModelError(f"unusable: the tensor {name!r} holds NaN or infinity; train or get the model again", path)


def check_writable(directory: str | os.PathLike) -> None:
    """Check that a model can be saved in a directory, before hours are spent on training it.

    Parameters
    ----------
    directory : str or os.PathLike
        The directory, which need not exist yet. Nothing is created.

    Raises
    ------
    ModelError
        If the directory cannot be written to or created.
    """
    path = Path(directory).absolute()
    while not os.path.lexists(path):
        path = path.parent
    if not path.is_dir():
        raise ModelError("a model cannot be saved here: this is a file", path)
    if not os.access(path, os.W_OK | os.X_OK):
        raise ModelError("a model cannot be saved here: no permission to write", path)


def check_free(directory: str | os.PathLike, name: str) -> None:
    """Check that a directory, which need not exist, does not hold the model `name`, finished or not.

    Raises
    ------
    ModelError
        If it does.
    """
    if name in stored_models(directory):
        kind = f"an {name}" if name[0] in "aeiou" else f"a {name}"
        mends = "overwrite it, resume its training, or choose another folder"
        raise ModelError(f"holds {kind} model already: {mends}", directory)


@contextmanager
def lock(directory: str | os.PathLike, name: str, work: str) -> Iterator[None]:
    """Wait until no other process writes the model `name` in a directory, and make others wait.

    The directory is created if missing. The thread that holds the lock can take it again.

    Parameters
    ----------
    directory : str or os.PathLike
        Directory of the model.
    name : str
        Name of the model.
    work : str
        Work that others wait for, for their message.

    Raises
    ------
    ModelError
        If the directory cannot be written to.
    """
    check_writable(directory)
    with ExitStack() as stack:
        try:
            path = Path(directory).resolve() / f".{name}.lock"
            stack.enter_context(locked(path, f"{work} in {os.fspath(directory)}"))
        except OSError as error:
            raise ModelError(f"a model cannot be saved here ({error.strerror or error})", directory) from error
        yield


def save_state(
    directory: str | os.PathLike,
    name: str,
    manifest: dict,
    files: dict[str, Tensors],
    *,
    kept: Mapping[str, Entry] | None = None,
) -> dict[str, Entry]:
    """Save the state of a model: its manifest and its tensors.

    Hold its `lock` meanwhile: files that the manifest does not list are removed, also those of another writer.

    Parameters
    ----------
    directory : str or os.PathLike
        Model directory; created if missing.
    name : str
        Name of the model. Several models may share a directory.
    manifest : dict
        Description of the model, JSON-serializable; ``format`` and ``files`` are added.
    files : dict of str to dict of str to np.ndarray
        Sets of tensors by role, such as ``last`` and ``best``.
    kept : dict of str to entry, optional
        By role, files that the directory `holds` already, and that stay as they are.

    Returns
    -------
    dict of str to entry
        Files of the model by role, as the manifest lists them.

    Raises
    ------
    ModelError
        If a file cannot be written, as on a full disk; then the former state remains.
    """
    try:
        return _save_state(Path(directory), name, manifest, files, dict(kept or {}))
    except OSError as error:
        raise ModelError(f"cannot be saved ({error.strerror or error})", error.filename or directory) from error


def _save_state(
    directory: Path, name: str, manifest: dict, files: dict[str, Tensors], entries: dict[str, Entry]
) -> dict[str, Entry]:
    """Write the files, and add them to the entries of those that are kept."""
    directory.mkdir(parents=True, exist_ok=True)
    for role, tensors in files.items():
        data = format_tensors({key: np.ascontiguousarray(value) for key, value in tensors.items()})
        digest = hashlib.sha256(data).hexdigest()
        path = directory / f"{name}-{role}-{digest[:12]}.safetensors"
        # Written even if a file of this name exists: that one may be damaged, and a repeated run must repair it.
        with replacing(path) as temporary:
            temporary.write_bytes(data)
        entries[role] = {"file": path.name, "sha256": digest}
    write_json(directory / f"{name}.json", {"format": FORMAT, **manifest, "files": entries})
    current = {entry["file"] for entry in entries.values()}
    file = rf"{re.escape(name)}-[a-z]+-[0-9a-f]{{12}}\.safetensors"
    # Left behind by a killed run; the temporary name of a file has the beginning of its name.
    unfinished = rf"\.{re.escape(name)}(\.json|-[a-z]+-[0-9a-f]{{12}}).*\.tmp"
    for path in directory.iterdir():
        if path.name not in current and re.fullmatch(f"{file}|{unfinished}", path.name):
            path.unlink(missing_ok=True)
    return entries


def holds(directory: str | os.PathLike, entry: Entry) -> bool:
    """Return whether a directory holds a file that `save_state` wrote; its content is not read."""
    return (Path(directory) / entry["file"]).is_file()


def stored_models(directory: str | os.PathLike) -> list[str]:
    """List the names of the models in a directory: those of its JSON files, also of others such as an index."""
    return sorted(path.stem for path in Path(directory).glob("*.json"))


def read_manifest(directory: str | os.PathLike, name: str) -> dict:
    """Read and check the manifest of a model.

    Parameters
    ----------
    directory : str or os.PathLike
        Model directory.
    name : str
        Name of the model.

    Returns
    -------
    dict
        The manifest as `save_state` wrote it.

    Raises
    ------
    ModelError
        If the directory or the model is missing, or the manifest is damaged or of a newer version, or lists no files or
        files elsewhere.
    """
    path = Path(directory) / f"{name}.json"
    try:
        manifest = read_json(path)
        version = manifest["format"]
    except (FileNotFoundError, NotADirectoryError) as error:
        # A folder of results holds further JSON files.
        others = ", ".join(stored for stored in stored_models(directory) if not stored.endswith("_statistics"))
        raise ModelError(f"no {name} model here" + (f"; found: {others}" if others else ""), directory) from error
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", path) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"damaged: not the description of a model ({error})", path) from error
    if version != FORMAT:
        mend = "train the model again" if version in range(FORMAT) else "upgrade mxnet-audio"
        raise ModelError(
            f"written in format {version}, but this version of mxnet-audio reads format {FORMAT}: {mend}", path
        )
    _check_files(manifest.get("files"), path)
    return manifest


def read_state(directory: str | os.PathLike, name: str, read: Callable[[dict], State]) -> State:
    """Read the state of a model that another process may replace meanwhile, whose old files are removed then.

    Parameters
    ----------
    directory : str or os.PathLike
        Model directory.
    name : str
        Name of the model.
    read : callable
        Function of the manifest that reads the files and returns the state. If it fails, and the manifest has changed
        meanwhile, it is called again with the new one.

    Raises
    ------
    ModelError
        As `read_manifest` and the function.
    """
    manifest = read_manifest(directory, name)
    while True:
        try:
            return read(manifest)
        except ModelError:
            before, manifest = manifest, read_manifest(directory, name)
            if manifest == before:
                raise


def _check_files(files: Any, path: Path) -> None:
    """Check that the files of a manifest are in its directory, and that each has a checksum."""
    if not isinstance(files, dict) or not files:
        raise ModelError("damaged: it lists no files, so nothing could be checked", path)
    for role, entry in files.items():
        file, digest = (entry.get("file"), entry.get("sha256")) if isinstance(entry, dict) else (None, None)
        if not isinstance(file, str) or not re.fullmatch(r"[^/\\:\0]+\.safetensors", file):
            raise ModelError(f"refused: its file {role!r} is not a safetensors file beside it: {file!r}", path)
        if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
            raise ModelError(f"damaged: the SHA-256 of its file {role!r} is missing", path)


def encoder_name(manifest: dict) -> str | None:
    """Return the name of the pretrained encoder of a model, given its manifest; None if there is none."""
    encoder = manifest.get("encoder")
    return encoder.get("name") if isinstance(encoder, dict) else None


def read_tensors(directory: str | os.PathLike, manifest: dict, role: str) -> Tensors:
    """Read one of the tensor files that a manifest lists, and check it against its SHA-256.

    Parameters
    ----------
    directory : str or os.PathLike
        Model directory.
    manifest : dict
        Manifest as `read_manifest` returns it.
    role : str
        Set of tensors, such as ``last`` or ``best``.

    Raises
    ------
    ModelError
        If the manifest lists no such file, the file is missing or damaged, or a tensor holds NaN or infinity.
    """
    entry = manifest["files"].get(role)
    if entry is None:
        raise ModelError(f"no {role!r} parameters: only the directory given to fit holds them", directory)
    path = Path(directory) / entry["file"]
    try:
        data = contents(path, _LARGEST)
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", path) from error
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise ModelError("damaged: its SHA-256 differs from the one in the model's description", path)
    try:
        tensors = parse_tensors(data)
    except Exception as error:  # of many types
        raise ModelError(f"damaged, or no safetensors file ({error})", path) from error
    check_finite(tensors, path)
    return tensors
