"""Search for models of the Hugging Face hub on this machine, and their download."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mxnet_audio.checks import path_argument
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.weights import hub
from mxnet_audio.weights.model_folder import CONFIG, ModelFolder
from mxnet_audio.weights.records import Record

__all__ = ["check_no_revision", "find_model", "model_at_hand"]

_ADDRESS = re.compile(r"(?:https?:/+)?(?:www\.)?(?:huggingface\.co|hf\.co)/([\w.-]+/[\w.-]+)", re.ASCII)


def check_no_revision(record: Record, revision: str | None) -> None:
    """Raise ParameterError if a revision is given of weights that are not on the hub."""
    if revision is not None:
        raise ParameterError(f"revision must be left out for {record.name}, which has only one, got {revision!r}")


def find_model(
    record: Record,
    source: str | os.PathLike | None,
    revision: str | None = None,
    download: bool = True,
    progress: bool = True,
    weights: bool = True,
) -> ModelFolder:
    """Find a model of the hub, or download it; see `find`.

    Parameters
    ----------
    record : Record
        One with a `repository`.
    source, revision, download, progress
        As of `find`.
    weights : bool
        Whether the tensors are needed, too.

    Returns
    -------
    ModelFolder
        Its files are complete if it is from the hub.

    Raises
    ------
    ModelError, ParameterError
        As of `find`.
    """
    hub.check_revision(revision)
    repository = record.repository
    if source is not None:
        path = path_argument("source", source)
        if _exists(path):
            if revision is not None:
                raise ParameterError(f"revision must be left out for a folder, got {revision!r}")
            return ModelFolder(_model_path(record, path), str(path.absolute()))
        if url := _ADDRESS.match(str(source)):
            raise ParameterError(f"source must be a folder or OWNER/NAME, got {source!r}: give {url[1]!r}")
        if not isinstance(source, str) or not hub.is_repository(source):
            raise ModelError("no such folder; the name of a model on the Hugging Face hub is OWNER/NAME", path)
        repository = source
    found = model_at_hand(record, repository, revision, weights, by_name=source is None)
    if found is None and not download:
        options = f" --source {repository}" if repository != record.repository else ""
        options += f" --revision {revision}" if revision is not None else ""
        raise ModelError(f"the weights of {record.name} are not on this machine: {record.command}{options}", repository)
    if found is None:
        path = hub.download(record, repository, revision, weights=weights, progress=progress)
        found = ModelFolder(path, repository, path.name)
    return found


def model_at_hand(
    record: Record, repository: str, revision: str | None = None, weights: bool = True, by_name: bool = True
) -> ModelFolder | None:
    """Return the folder of a model on this machine; None if there is none.

    Parameters
    ----------
    record : Record
    repository : str
        Its name on the hub.
    revision : str, optional
    weights : bool
        Whether the tensors are needed, too.
    by_name : bool
        Whether a folder in ``MXNET_AUDIO_WEIGHTS`` may have the name of the record.
    """
    folder = os.environ.get(hub.VARIABLE)
    if folder:
        names = [record.name] if by_name and revision is None else []
        for name in (*names, hub.own_folder(repository, revision)):
            if (path := Path(folder) / name).is_dir():
                return ModelFolder(path, str(path.absolute()))
    path = hub.cached(record, repository, revision, weights)
    return None if path is None else ModelFolder(path, repository, path.name)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:  # no permission, or too long a name
        raise ModelError(f"cannot be read ({error.strerror or error})", path) from error


def _model_path(record: Record, path: Path) -> Path:
    """Return the folder of a model, given it or one of its files."""
    if path.is_dir() or not record.model_type:
        return path
    if path.name not in (CONFIG, *record.weight_files):
        raise ModelError(f"a model is a folder with {CONFIG} and one of {', '.join(record.weight_files)}", path)
    return path.parent
