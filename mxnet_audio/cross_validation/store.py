"""The finished runs of a cross-validation on disk, and what must be the same for them to belong together."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

import mxnet_audio
from mxnet_audio.atomic import write_json
from mxnet_audio.audio.source import source_identity
from mxnet_audio.cross_validation.results import FoldRun
from mxnet_audio.engine import mx
from mxnet_audio.errors import ModelError
from mxnet_audio.models import get_model

__all__ = ["finished_runs", "keep_run", "settings_of"]

log = logging.getLogger(__name__)


def settings_of(
    network: str, classes: int, input_shape: tuple[int, int, int], clips: list[tuple], options: dict[str, Any]
) -> dict[str, Any]:
    """What must be the same for kept runs to belong together, in terms of JSON.

    Parameters
    ----------
    network : str
        Name of the network.
    classes : int
        How many it tells apart.
    input_shape : tuple of int
        Of the network; with it, and them, its graph is known.
    clips : list of (sound, label, fold)
    options : dict
        All that `fit` goes by, defaults too: they may be others tomorrow.
    """
    named = [(s if isinstance(s, str) else source_identity(s), label, fold) for s, label, fold in clips]
    settings = {
        "network": network,
        "graph": _graph(network, classes, input_shape),
        "mxnet_audio": mxnet_audio.__version__,
        "clips": _digest(named),
        **options,
    }
    return json.loads(json.dumps(settings, default=_told))


def finished_runs(directory: str | os.PathLike, settings: dict[str, Any]) -> list[FoldRun]:
    """Runs that are kept in a directory, which is made ready for more.

    Raises
    ------
    ModelError
        If it cannot be, or holds runs of other settings.
    """
    directory = Path(directory)
    path = directory / "settings.json"
    try:
        (directory / "runs").mkdir(parents=True, exist_ok=True)
        if not path.exists():
            write_json(path, settings)
        before = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"runs cannot be kept here ({error.strerror})", directory) from error
    except ValueError as error:
        raise ModelError(f"damaged, not the settings of a cross-validation ({error})", path) from error
    if changed := [name for name in {**before, **settings} if before.get(name) != settings.get(name)]:
        reason = f"holds runs of other settings ({', '.join(changed)} changed since): choose another directory"
        raise ModelError(reason, directory)
    runs = []
    for file in sorted((directory / "runs").glob("fold-*-seed-*.json")):
        try:
            runs.append(FoldRun.from_dict(json.loads(file.read_text(encoding="utf-8"))))
        except (ValueError, KeyError, TypeError) as error:
            log.warning("%s: damaged (%s), the run is done again", file, error)
    return runs


def keep_run(directory: str | os.PathLike, run: FoldRun) -> None:
    """Keep a run where `finished_runs` finds it."""
    write_json(Path(directory) / "runs" / f"fold-{quote(str(run.fold), safe='')}-seed-{run.seed}.json", run.to_dict())


def _graph(network: str, classes: int, input_shape: tuple[int, int, int]) -> str:
    """Digest of what the network computes: its operators, their arguments, and what goes into each."""
    net = get_model(network, classes=classes, input_shape=input_shape)
    nodes = json.loads(mx.sym.Group(list(net(mx.sym.var("x")))).tojson())["nodes"]
    # Without names, which count the networks made so far, and what goes by them.
    plain = [{key: value for key, value in node.get("attrs", {}).items() if key[:2] != "__"} for node in nodes]
    return _digest([(node["op"], attributes, node["inputs"]) for node, attributes in zip(nodes, plain)])


def _digest(document: Any) -> str:
    return hashlib.sha256(json.dumps(document).encode()).hexdigest()[:16]


def _told(value: Any) -> Any:
    """What stands for an option that JSON has no word for."""
    if hasattr(value, "identity"):  # feature configurations and recipes
        return value.identity()
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)
