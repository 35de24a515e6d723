"""Finished runs of a cross-validation on disk, and the settings that they must share."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

import mxnet_audio
from mxnet_audio.atomic import read_json, write_json
from mxnet_audio.audio.source import source_identity
from mxnet_audio.cross_validation.results import FoldRun
from mxnet_audio.engine import mx
from mxnet_audio.errors import ModelError
from mxnet_audio.locks import locked
from mxnet_audio.models import AudioNet, SequenceNet, get_model
from mxnet_audio.weights.architecture import Architecture

__all__ = ["load_runs", "locked_runs", "run_settings", "save_run", "write_document"]

log = logging.getLogger(__name__)


def run_settings(
    network: str,
    classes: int,
    input_shape: tuple[int, int, int],
    clips: list[tuple],
    options: dict[str, Any],
    architecture: Architecture | None = None,
) -> dict[str, Any]:
    """Return the settings that saved runs must share, JSON-serializable.

    Parameters
    ----------
    network : str
        Name of the network.
    classes : int
        Number of classes.
    input_shape : tuple of int
        Shape of the network's input; with the classes, it determines the network's graph.
    clips : list of (sound, label, fold) or (sound, label, fold, group)
        All clips; several labels are frozensets.
    options : dict
        All arguments of `fit`, including defaults, which may change in later versions.
    architecture : Architecture, optional
        Settings of a network that is built from settings.
    """
    identities = [(sound if isinstance(sound, str) else source_identity(sound), *others) for sound, *others in clips]
    settings = {
        "network": network,
        "graph": _graph_digest(get_model(network, classes, input_shape, architecture=architecture)),
        "mxnet_audio": mxnet_audio.__version__,
        "clips": _digest(identities),
        **options,
    }
    return json.loads(json.dumps(settings, default=_to_json))


@contextmanager
def locked_runs(directory: str | os.PathLike) -> Iterator[None]:
    """Wait until no other process writes runs in a directory, and make others wait: they then find these runs.

    Raises
    ------
    ModelError
        If the directory cannot be written to.
    """
    with ExitStack() as stack:
        try:
            work = f"the cross-validation in {os.fspath(directory)}"
            stack.enter_context(locked(Path(directory) / ".cross_validation.lock", work))
        except OSError as error:
            raise ModelError(f"runs cannot be saved here ({error.strerror or error})", directory) from error
        yield


def load_runs(directory: str | os.PathLike, settings: dict[str, Any]) -> list[FoldRun]:
    """Load the finished runs of a directory; create it, with the settings, if it is missing.

    A damaged run is logged and left out.

    Parameters
    ----------
    directory : str or os.PathLike
        Directory of the cross-validation.
    settings : dict
        Result of `run_settings`.

    Raises
    ------
    ModelError
        If the directory cannot be written to, or holds runs with other settings.
    """
    directory = Path(directory)
    path = directory / "settings.json"
    try:
        (directory / "runs").mkdir(parents=True, exist_ok=True)
        if not path.exists():
            write_json(path, settings)
        saved = dict(read_json(path))
    except OSError as error:
        raise ModelError(f"runs cannot be saved here ({error.strerror})", directory) from error
    except (TypeError, ValueError) as error:
        raise ModelError(f"damaged, not the settings of a cross-validation ({error})", path) from error
    if changed := [name for name in {**saved, **settings} if saved.get(name) != settings.get(name)]:
        reason = f"holds runs with other settings ({', '.join(changed)} changed): choose another directory"
        raise ModelError(reason, directory)
    runs = []
    for file in sorted((directory / "runs").glob("fold-*-seed-*.json")):
        try:
            runs.append(FoldRun.from_dict(read_json(file)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s: damaged (%s), the run is repeated", file, error)
    return runs


def save_run(directory: str | os.PathLike, run: FoldRun) -> None:
    """Save a run in a directory, for `load_runs`; errors as `write_document`."""
    name = f"fold-{quote(str(run.fold), safe='')}-seed-{run.seed}.json"
    write_document(Path(directory) / "runs" / name, run.to_dict())


def write_document(path: Path, document: dict[str, Any]) -> None:
    """Write results as JSON.

    Raises
    ------
    ModelError
        If the file cannot be written, as on a full disk.
    """
    try:
        write_json(path, document)
    except OSError as error:
        raise ModelError(f"cannot be saved ({error.strerror or error})", path) from error


def _graph_digest(net: AudioNet) -> str:
    """Compute a digest of the operators of a network, their arguments and their inputs."""
    inputs = [mx.sym.var("x"), *([mx.sym.var("lengths")] if isinstance(net, SequenceNet) else [])]
    nodes = json.loads(mx.sym.Group(list(net(*inputs))).tojson())["nodes"]
    # Names are left out, with the attributes that hold them: they count the networks made so far.
    plain = [{key: value for key, value in node.get("attrs", {}).items() if key[:2] != "__"} for node in nodes]
    return _digest([(node["op"], attributes, node["inputs"]) for node, attributes in zip(nodes, plain)])


def _digest(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, default=sorted).encode()).hexdigest()[:16]  # sets become sorted lists


def _to_json(value: Any) -> Any:
    """Convert an option that `json` cannot write."""
    if hasattr(value, "identity"):  # feature configurations and recipes
        return value.identity()
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)
