"""Folders of models of the hub: settings in JSON, and tensors in one or several files."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mxnet_audio.atomic import read_json
from mxnet_audio.errors import ModelError
from mxnet_audio.weights.architecture import Architecture, read_architecture
from mxnet_audio.weights.convert import convert
from mxnet_audio.weights.loaded import Loaded
from mxnet_audio.weights.readers import safetensors, sharded, torch
from mxnet_audio.weights.readers.foreign import naming_damage
from mxnet_audio.weights.records import Record
from mxnet_audio.weights.registry import names, record
from mxnet_audio.weights.tags import AUDIOSET

if TYPE_CHECKING:
    from mxnet_audio.features import AudioFeatureConfig

__all__ = [
    "CONFIG",
    "FRONT_ENDS",
    "ModelFolder",
    "list_files",
    "main_file",
    "read_model",
]

logger = logging.getLogger(__name__)

CONFIG = "config.json"
# Descriptions of features; the second one contains them if transformers 5 wrote it for a processor of sound and text.
FRONT_ENDS = ("preprocessor_config.json", "processor_config.json")
_LARGEST_JSON = 16 << 20  # [bytes]
_HEAD = "head."  # of the names of our parameters
_CLASS_BIASES = ("classifier.bias", "classifier.dense.bias")


class ModelFolder(NamedTuple):
    """Folder of a model, the name that the user knows it by, and its commit on the hub.

    For a record whose tensors are one file without settings, `path` may be this file.
    """

    path: Path
    source: str
    revision: str | None = None


class _Labels(BaseModel):
    """Part of ``config.json`` that describes the classes."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id2label: dict[int, str] | None = Field(default=None, max_length=1 << 20)
    problem_type: str | None = None


def main_file(record: Record) -> str:
    """Return the name of the file that a folder of a model has to have."""
    return CONFIG if record.model_type else record.weight_files[0]


def list_files(record: Record, folder: Path, weights: bool = True) -> list[Path]:
    """List the files of a model: settings, and those with tensors, the first of them the one that is read.

    Parameters
    ----------
    record : Record
    folder : Path
        Folder, or the file itself of a record whose tensors are one file without settings.
    weights : bool
        False lists the settings only.

    Returns
    -------
    list of Path

    Raises
    ------
    ModelError
        If a file is missing.
    """
    if not record.model_type and not folder.is_dir():
        return [folder]
    settings = []
    if record.model_type:
        if not (folder / CONFIG).exists():
            raise ModelError(f"no {CONFIG} in this folder: give a complete one, as `save_pretrained` writes it", folder)
        settings = [folder / name for name in (CONFIG, *FRONT_ENDS) if (folder / name).exists()]
    return settings + (_tensor_files(record, folder) if weights else [])


def _tensor_files(record: Record, folder: Path) -> list[Path]:
    """List the file that the tensors are read from, and those that it refers to."""
    path = next((folder / name for name in record.weight_files if (folder / name).exists()), None)
    if path is None:
        raise ModelError(f"no weights in this folder: it needs {' or '.join(record.weight_files)}", folder)
    parts = [path.with_name(name) for name in sharded.shards(path)] if path.suffix == ".json" else []
    for part in parts:
        if not part.exists():
            raise ModelError(f"missing, although {path.name} lists it", part)
    return [path, *parts]


def read_model(record: Record, folder: ModelFolder, weights: bool = True) -> Loaded:
    """Read a model.

    Parameters
    ----------
    record : Record
    folder : ModelFolder
    weights : bool
        False reads the settings only.

    Returns
    -------
    Loaded

    Raises
    ------
    ModelError
        If a file is missing or damaged, the model is of another type, or settings and tensors do not agree.
    """
    list_files(record, folder.path, weights)
    config = _read_settings(folder.path / CONFIG) if record.model_type else {}
    architecture = _read_architecture(record, folder.path / CONFIG, config) if record.model_type else None
    features = _read_front_end(record, folder.path, architecture)
    if not weights:
        return Loaded(record, {}, [], architecture, features, source=folder.source, revision=folder.revision)
    path = folder.path if folder.path.is_file() else _tensor_files(record, folder.path)[0]
    published = (safetensors if ".safetensors" in path.name else torch).read(path)
    with naming_damage(path, "file with tensors"):
        tensors, ignored = convert(record.network, published, architecture)
    if ignored:
        shown = ", ".join(ignored[:5]) + (", …" if len(ignored) > 5 else "")
        logger.debug("%s: tensors that %s does not need: %d (%s)", path, record.name, len(ignored), shown)
    labels: list[str] = []
    several = False
    if any(name.startswith(_HEAD) for name in tensors):
        labels, several = _read_labels(folder.path / CONFIG, config, published)
    return Loaded(record, tensors, labels, architecture, features, several, ignored, folder.source, folder.revision)


def _read_front_end(record: Record, folder: Path, architecture: Architecture | None) -> AudioFeatureConfig | None:
    """Read the features from the files that describe them; where there is none, return those of the network."""
    from mxnet_audio.weights.front_ends import read_features  # imports SciPy, which a search for models does not need

    path, settings = folder, {}
    if record.model_type:
        for path in filter(Path.exists, (folder / name for name in FRONT_ENDS)):
            found = _read_settings(path)
            if path.name == FRONT_ENDS[0]:
                settings = found
            elif isinstance(found.get("feature_extractor"), dict):
                settings = found["feature_extractor"]
    with naming_damage(path, "description of features"):
        return read_features(record, architecture, settings)


def _read_settings(path: Path) -> dict[str, Any]:
    with naming_damage(path, "JSON file of settings"):
        settings = read_json(path, _LARGEST_JSON)
        if not isinstance(settings, dict):
            raise ValueError("no object")
        return settings


def _read_architecture(found: Record, path: Path, config: Mapping[str, Any]) -> Architecture:
    """Read the settings of the network, and check that it is of the record's type."""
    with naming_damage(path, "description of a network"):
        architecture = read_architecture(config)
        if architecture.model_type != found.model_type:
            other = next(name for name in names() if record(name).model_type == architecture.model_type)
            raise ModelError(f"this is a {other} model, not {found.name}: load_encoder({other!r}, …)")
        return architecture


def _read_labels(path: Path, config: Mapping[str, Any], published: Mapping[str, np.ndarray]) -> tuple[list[str], bool]:
    """Return the classes of the published head, and whether a sound can have several of them."""
    classes = next(len(published[name]) for name in _CLASS_BIASES if name in published)
    with naming_damage(path, "description of classes"):
        try:
            described = _Labels.model_validate(config)
        except ValidationError as error:
            first = error.errors()[0]
            raise ModelError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        found = described.id2label or {number: f"LABEL_{number}" for number in range(classes)}
        if found.keys() != set(range(classes)):
            raise ModelError(f"id2label must name the {classes} classes of the head, got {len(found)}")
        if twice := [name for name, count in Counter(found.values()).items() if count > 1]:
            raise ModelError(f"id2label must give each class a name of its own, got {twice[0]!r} twice")
    several = described.problem_type == "multi_label_classification"
    # The published models of AudioSet do not say it.
    several |= described.problem_type is None and classes == len(AUDIOSET)
    return [found[number] for number in range(classes)], several
