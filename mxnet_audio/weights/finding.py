"""Search for published weights on this machine, and their download."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from mxnet_audio.checks import path_argument
from mxnet_audio.errors import DatasetError, ModelError
from mxnet_audio.locks import locked
from mxnet_audio.weights.find_model import check_no_revision, find_model
from mxnet_audio.weights.hub import VARIABLE, where_to_copy
from mxnet_audio.weights.model_folder import list_files
from mxnet_audio.weights.records import PublishedFile, Record
from mxnet_audio.weights.registry import names
from mxnet_audio.weights.registry import record as find_record

__all__ = ["cache_folder", "find", "published_files"]


def cache_folder() -> Path:
    """Return the folder of downloaded and converted weights, such as ``~/.cache/mxnet-audio/weights``."""
    return platformdirs.user_cache_path("mxnet-audio") / "weights"


def find(
    name: str,
    source: str | os.PathLike | None = None,
    *,
    revision: str | None = None,
    download: bool = True,
    progress: bool = True,
) -> list[Path]:
    """Find the files of published weights, or download them, and compare their SHA-256.

    They are searched for in the folder that the environment variable ``MXNET_AUDIO_WEIGHTS`` names, in the installed
    package that holds them, and in the cache. In a folder, they may be in a folder of the record's name.

    Models of the Hugging Face hub are searched for in the folder ``NAME`` (of the record) or ``OWNER--MODEL`` in
    ``MXNET_AUDIO_WEIGHTS``, for a revision in ``OWNER--MODEL@REVISION``; and in the hub's own cache. No network is
    needed once they are there. The hub has no hashes that could be compared.

    Parameters
    ----------
    name : str
        One of `names`.
    source : str or os.PathLike, optional
        The file, or a folder that holds it; then nothing else is searched. Of models of the hub also a name on the hub,
        such as ``'openai/whisper-small'``, unless there is a folder of this name.
    revision : str, optional
        Branch, tag or commit on the hub. Default: the main branch, as it was when it was downloaded.
    download : bool, optional
        False raises an error instead of a download.
    progress : bool, optional
        Show a progress bar of the download on standard error.

    Returns
    -------
    list of Path
        In the order of the record's ``files``; of models of the hub, the settings and the files with tensors.

    Raises
    ------
    ModelError
        If a file is damaged or another one, or none was found: then the message says how to get it.
    ParameterError
        If there are no such weights, `source` is not a path, or `revision` is given of what has no revisions.
    """
    record = find_record(name)
    if record.repository:
        return list_files(record, find_model(record, source, revision, download, progress).path)
    check_no_revision(record, revision)
    try:
        if source is not None:
            return _verified(record, _in_source(record, path_argument("source", source)), "give another source")
        paths = published_files(record)
        if paths is not None:
            force = " --force-reinstall" if record.package else ""
            return _verified(record, paths, f"delete it, then {record.command}{force}")
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror or error})", error.filename) from error
    if not download or not all(file.urls for file in record.files):
        raise ModelError(f"{_missing(record)}. {_remedy(record)}")
    return [_download(record, file, progress) for file in record.files]


def published_files(record: Record) -> list[Path] | None:
    """Return the files in the first folder on this machine that has them; None if there is none.

    Raises
    ------
    ModelError
        If the package that holds them is installed in another version, or without them.
    """
    folder = os.environ.get(VARIABLE)
    return (
        (_in_folder(record, Path(folder)) if folder else None)
        or _in_package(record)
        or _in_folder(record, cache_folder())
    )


def _in_source(record: Record, source: Path) -> list[Path]:
    """Return the files in `source`, or beside it if it is one of several files."""
    if source.is_dir():
        paths = _in_folder(record, source)
        if paths is None:
            raise ModelError(f"the weights of {record.name} are not here: {_file_names(record)}", source)
        return paths
    if len(record.files) == 1 or not source.is_file():
        return [source]
    return [source.with_name(file.name) for file in record.files]


def _in_package(record: Record) -> list[Path] | None:
    """Return the files in the installed package; None if it is not installed."""
    package = record.package
    if package is None:
        return None
    try:
        distribution = importlib.metadata.distribution(package.distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
    if distribution.version != package.version:
        raise ModelError(
            f"{package.distribution} {distribution.version} is installed, but the weights of {record.name} are read "
            f"from version {package.version}: {package.command}"
        )
    paths = [Path(str(distribution.locate_file(f"{package.folder}/{file.name}"))) for file in record.files]
    for path in paths:
        if not path.is_file():
            raise ModelError(
                f"missing, although {package.distribution} is installed: {package.command} --force-reinstall", path
            )
    return paths


def _in_folder(record: Record, folder: Path) -> list[Path] | None:
    """Return the files in a folder, or in its folder of the record's or the package's name; None if one is missing."""
    inner = [record.name] + ([Path(record.package.folder).name] if record.package else [])
    for place in (*(folder / name for name in inner), folder):
        paths = [place / file.name for file in record.files]
        if all(path.is_file() for path in paths):
            return paths
    return None


def _verified(record: Record, paths: Sequence[Path], mend: str) -> list[Path]:
    """Return the paths, if their bytes are the published ones; `mend` says what helps against damaged ones."""
    for path, file in zip(paths, record.files):
        if not path.is_file():  # a pipe or a device would block, or never end
            raise ModelError("not a regular file" if path.exists() else "no such file", path)
        if file.hash is None:
            continue
        algorithm, _, expected = file.hash.partition(":")
        found = _digest(path, algorithm)
        if found != expected:
            other = _identity(f"{algorithm}:{found}")
            title = "SHA-256" if algorithm == "sha256" else "MD5, known from other projects that use this file,"
            raise ModelError(
                f"{f'this is {other}' if other else 'damaged or changed'}, not the published {file.name} of "
                f"{record.name} ({title} expected {expected}, got {found}): {mend}",
                path,
            )
    return list(paths)


def _identity(hash_: str) -> str | None:
    """Return the published file with this hash."""
    for name in names():
        for file in find_record(name).files:
            if file.hash == hash_:
                return f"{file.name} of {name}"
    return None


def _digest(path: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _download(record: Record, file: PublishedFile, progress: bool) -> Path:
    """Download a file to the cache, unless another process has done it meanwhile."""
    from mxnet_audio.datasets.fetch import Remote, fetch

    folder = cache_folder()
    remote = Remote(file.name, file.urls, file.size, file.hash)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / f".{file.name}.lock", f"the download of {file.name} to {folder}"):
            if (folder / file.name).is_file():
                return folder / file.name
            return fetch(remote, folder, progress=progress)
    except DatasetError as error:
        cause, _, failures = error.reason.partition("\n")
        remedy = f"Try again with a network, or {_own_folder(record)}"
        raise ModelError(f"{_missing(record)}, and {cause}. {remedy}\n{failures}") from error
    except OSError as error:
        raise ModelError(
            f"the weights of {record.name} cannot be stored ({error.strerror or error})", folder
        ) from error


def _file_names(record: Record) -> str:
    return " and ".join(file.name for file in record.files)


def _missing(record: Record) -> str:
    """Say that the files are missing; if a folder was searched for them in vain, which."""
    folder = os.environ.get(VARIABLE)
    searched = ""
    if folder:
        searched = f" ({VARIABLE}={folder} {'has none' if os.path.isdir(folder) else 'is no folder'})"  # noqa: PTH112
    return f"the weights of {record.name} are not on this machine{searched}"


def _remedy(record: Record) -> str:
    """Say how to get the files."""
    where = "With a network" if record.package else "On a machine with a network"
    return f"{where}: {record.command}. On one without: {_own_folder(record)}"


def _own_folder(record: Record) -> str:
    """Say where files that the user copies are found."""
    files = _file_names(record)
    source = "as source (source=FOLDER, --source FOLDER)"
    return f"give a folder with {files} {source}, or copy it to {where_to_copy(record.name)}"
