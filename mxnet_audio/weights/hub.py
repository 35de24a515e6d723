"""Models of the Hugging Face hub: in its cache on this machine, and their download."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.weights.model_folder import CONFIG, FRONT_ENDS, list_files, main_file
from mxnet_audio.weights.readers import sharded
from mxnet_audio.weights.records import Record

__all__ = ["VARIABLE", "cached", "check_revision", "download", "is_repository", "own_folder", "where_to_copy"]

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*", re.ASCII)
_REVISION = re.compile(r"\w[\w./+-]{0,199}", re.ASCII)
VARIABLE = "MXNET_AUDIO_WEIGHTS"
_INSTALL = "pip install 'huggingface_hub>=1'"


def is_repository(name: str) -> bool:
    """Return whether a text has the form of a name on the hub, ``'owner/name'``."""
    return _REPOSITORY.fullmatch(name) is not None and ".." not in name and "--" not in name and len(name) <= 96


def check_revision(revision: Any) -> None:
    """Raise ParameterError unless an argument can be a branch, a tag or a commit; None is the main branch."""
    if revision is not None and not (
        isinstance(revision, str) and _REVISION.fullmatch(revision) and ".." not in revision
    ):
        raise ParameterError(f"revision must be the name of a branch, a tag or a commit, got {revision!r}")


def own_folder(repository: str, revision: str | None) -> str:
    """Return the name of the folder in ``MXNET_AUDIO_WEIGHTS`` that the user copies a model to.

    Examples
    --------
    >>> own_folder("openai/whisper-small", None), own_folder("openai/whisper-small", "v2")
    ('openai--whisper-small', 'openai--whisper-small@v2')
    """
    return "@".join(filter(None, (repository, revision))).replace("/", "--")


def where_to_copy(name: str) -> str:
    """Return the folder of this name that the user can copy a model to, and the setting that it needs."""
    folder = os.environ.get(VARIABLE)
    return str(Path(folder) / name) if folder else f"FOLDER/{name}, and set {VARIABLE}=FOLDER"


def cached(record: Record, repository: str, revision: str | None, weights: bool = True) -> Path | None:
    """Return the folder of a model in the cache of the hub; None if it is not there completely.

    Parameters
    ----------
    record : Record
    repository : str
    revision : str or None
        Branch, tag or commit.
    weights : bool
        Whether the tensors are needed, too.

    Returns
    -------
    Path or None
    """
    try:
        hub = _huggingface_hub()
        found = hub.try_to_load_from_cache(repository, main_file(record), revision=revision)
        if not isinstance(found, str):
            return None
        folder = Path(found).parent
        list_files(record, folder, weights)
        if record.model_type and not _knows_front_end(hub, repository, folder):
            return None
    except (ImportError, ModelError, OSError, ValueError):
        return None
    return folder


def _knows_front_end(hub: Any, repository: str, folder: Path) -> bool:
    """Return whether a description of the features is in the cache, or it is known that there is none."""
    found = [hub.try_to_load_from_cache(repository, name, revision=folder.name) for name in FRONT_ENDS]
    return any(isinstance(path, str) for path in found) or None not in found


def download(
    record: Record, repository: str, revision: str | None, *, weights: bool = True, progress: bool = True
) -> Path:
    """Download a model to the cache of the hub: the files that are read, and no others.

    Parameters
    ----------
    record, repository, revision, weights
        As of `cached`.
    progress : bool
        Show progress bars on standard error.

    Returns
    -------
    Path
        Its folder in the cache, whose name is the commit.

    Raises
    ------
    ModelError
        If there is no such repository or revision, it must not be read, it is no model of this kind, or there is no
        network: the message says what helps.
    """
    with _named_failures(record, repository, revision, weights):
        hub = _huggingface_hub()
        # The download itself tries for half a minute to reach the hub; this fails at once.
        hub.get_hf_file_metadata(hub.hf_hub_url(repository, main_file(record), revision=revision))
        with _progress_bars(hub, progress):
            folder = Path(hub.hf_hub_download(repository, main_file(record), revision=revision)).parent
            if record.model_type:
                for name in FRONT_ENDS:
                    _get(hub, repository, name, folder)
            if weights:
                _get_weights(hub, record, repository, folder)
    return folder


def _get_weights(hub: Any, record: Record, repository: str, folder: Path) -> None:
    """Download the files with tensors."""
    path = next(filter(None, (_get(hub, repository, name, folder) for name in record.weight_files)), None)
    if path is None:
        raise ModelError(f"has no weights: it needs {' or '.join(record.weight_files)}", repository)
    if path.suffix == ".json":
        for name in sharded.shards(path):
            if _get(hub, repository, name, folder) is None:
                raise ModelError(f"has no file {name}, although {path.name} lists it", repository)


def _get(hub: Any, repository: str, name: str, folder: Path) -> Path | None:
    """Download a file of the commit whose folder is given; None if it has none of this name."""
    found = hub.try_to_load_from_cache(repository, name, revision=folder.name)
    if found is not None:  # a path, or an object for a file that is known to be missing
        return Path(found) if isinstance(found, str) else None
    try:
        return Path(hub.hf_hub_download(repository, name, revision=folder.name))
    except hub.errors.LocalEntryNotFoundError:  # no connection
        raise
    except hub.errors.EntryNotFoundError:
        return None


def _huggingface_hub() -> Any:
    """Import the library, with its telemetry off."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    for name in ("errors", "utils"):
        importlib.import_module(f"huggingface_hub.{name}")
    return importlib.import_module("huggingface_hub")


@contextlib.contextmanager
def _progress_bars(hub: Any, shown: bool) -> Iterator[None]:
    """Hide the library's progress bars within the block, unless they are to be shown."""
    hide = not shown and not hub.utils.are_progress_bars_disabled()
    if hide:
        hub.utils.disable_progress_bars()
    try:
        yield
    finally:
        if hide:
            hub.utils.enable_progress_bars()


@contextlib.contextmanager
def _named_failures(record: Record, repository: str, revision: str | None, weights: bool) -> Iterator[None]:
    """Turn the errors of a download into one ModelError that says what helps."""
    try:
        yield
    except ModelError:
        raise
    except ImportError as error:
        folder = "" if repository == record.repository else "there is no folder of this name, and "
        reason = f"{folder}models of the Hugging Face hub need the package huggingface_hub: {_INSTALL}"
        raise ModelError(f"{reason}; or give a folder as source", repository) from error
    except Exception as error:  # of the library, of two libraries for HTTP, and of sockets
        raise ModelError(_reason(record, repository, revision, weights, error), repository) from error


def _reason(record: Record, repository: str, revision: str | None, weights: bool, error: Exception) -> str:
    """Say why a download failed, and what helps."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "GatedRepoError" in kinds:
        return "the repository is gated: accept its terms on huggingface.co, then log in with `hf auth login`"
    if "RepositoryNotFoundError" in kinds:
        folder = "" if repository == record.repository else "there is no folder of this name, and "
        return (
            f"{folder}there is no such model on the Hugging Face hub, or it is private: check the name, or log in with "
            f"`hf auth login`; by default the model is {record.repository}"
        )
    if "RevisionNotFoundError" in kinds:
        return f"there is no revision {revision!r} of this model: give a branch, a tag or a commit"
    if "EntryNotFoundError" in kinds and "LocalEntryNotFoundError" not in kinds:
        return f"has no {main_file(record)}: it is no model of this kind"
    cause = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
    missing = "not on this machine, neither as a folder nor in the cache of the hub"
    if (others := _revisions(repository)) and (wanted := revision or "main") not in others:
        missing = f"revision {wanted!r} is not on this machine, which has {', '.join(others)}"
    files = "its files" if weights or not record.model_type else f"{CONFIG}, which is enough for random weights,"
    offline = ", without HF_HUB_OFFLINE" if "OfflineModeIsEnabled" in kinds else ""
    return (
        f"{missing}, and it cannot be downloaded ({cause}). Give a folder with {files} as source (source=FOLDER, "
        f"--source FOLDER), or copy it to {where_to_copy(own_folder(repository, revision))}; or try again with a "
        f"network{offline}"
    )


def _revisions(repository: str) -> list[str]:
    """List branches, tags and commits of a model of which files are in the cache of the hub."""
    constants = importlib.import_module("huggingface_hub.constants")
    folder = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    try:
        refs = {path.relative_to(folder / "refs"): path for path in folder.glob("refs/**/*") if path.is_file()}
        named = {path.read_text(): name.as_posix() for name, path in refs.items()}
        return sorted(named.get(path.name, path.name) for path in folder.glob("snapshots/*"))
    except (OSError, ValueError):  # no permission, or damaged
        return []
