"""Directory of a declarative run: checkpoints of its training, and the trained model."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from mxnet_audio import model_store, weights
from mxnet_audio.audio.source import source_identity
from mxnet_audio.declarative.columns import Columns
from mxnet_audio.declarative.config import RunConfig
from mxnet_audio.declarative.fitted import FittedRun
from mxnet_audio.declarative.outputs import Output
from mxnet_audio.declarative.progress import Progress, Statistics
from mxnet_audio.declarative.published import describe_encoder, load_encoders, stored_weights
from mxnet_audio.declarative.results import read_part, without_nan
from mxnet_audio.declarative.splits import Split
from mxnet_audio.declarative.table import Table
from mxnet_audio.engine import mx
from mxnet_audio.errors import AudioError, DatasetError, ModelError, ParameterError
from mxnet_audio.library.base_weights import BASE
from mxnet_audio.model_store import AUDIO_MODEL
from mxnet_audio.models.pretrained import load_again
from mxnet_audio.training.state import get_parameters, set_parameters, versions

__all__ = ["has_run", "load_run", "part_of_table", "resume_run", "run_identity", "run_lock", "save_run"]

LENGTH = ("epochs", "train_steps", "early_stop")  # keys of the trainer that may change when a run is resumed


def run_lock(directory: str | os.PathLike) -> AbstractContextManager[None]:
    """Wait until no other process writes the run of a directory, and make others wait; ModelError if that fails."""
    return model_store.lock(directory, AUDIO_MODEL, "the training")


def has_run(directory: str | os.PathLike) -> bool:
    """Return whether a directory holds a run, finished or not."""
    return AUDIO_MODEL in model_store.stored_models(directory)


def run_identity(config: RunConfig, table: Table, split: Split) -> dict[str, str]:
    """Return digests of what must be the same for a run to be resumed: settings but for its length, and the rows."""
    columns = {feature.column: feature.type for feature in (*config.input_features, *config.output_features)}
    values = {
        name: list(map(_sound_name, table.rows_of(name)) if kind == "audio" else map(repr, table.column(name)))
        for name, kind in columns.items()
    }
    rows = {
        part: [[column[row] for column in values.values()] for row in rows] for part, rows in split._asdict().items()
    }
    return {
        "settings": _digest(_fixed_settings(config.to_dict())),
        **{f"{part} rows": _digest(found) for part, found in rows.items()},
    }


def _fixed_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a configuration that must be the same for a run to be resumed."""
    trainer = {key: value for key, value in settings["trainer"].items() if key not in LENGTH}
    return {key: value for key, value in settings.items() if key != "backend"} | {"trainer": trainer}


def _changed_keys(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of keys with other values; of a section of another type, that of its type alone."""
    if isinstance(before, dict) and isinstance(now, dict):
        dot = "." if path else ""
        for key in ["type"] if before.get("type") != now.get("type") else before | now:
            yield from _changed_keys(before.get(key), now.get(key), f"{path}{dot}{key}")
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, pair in enumerate(zip(before, now)):
            yield from _changed_keys(*pair, f"{path}[{index}]")
    elif before != now:
        yield path


def _sound_name(sound: Any) -> str | None:
    """Return a path as it is given, or a digest of another sound."""
    if sound is None or isinstance(sound, str | float):
        return None if sound is None else str(sound)
    try:
        return source_identity(sound)
    except (OSError, ValueError, AudioError):
        return None


def _digest(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def save_run(
    run: FittedRun,
    directory: str | os.PathLike,
    notes: Mapping[str, Any],
    progress: Progress | None = None,
) -> None:
    """Save a run, as a checkpoint if there is a progress; hold its `run_lock` meanwhile.

    Parameters
    ----------
    run : FittedRun
    directory : str or os.PathLike
        Directory; created if missing. A run in it is replaced.
    notes : mapping
        Further entries of the manifest, JSON-serializable but for NaN.
    progress : Progress, optional
        State of the training. Without it, the training cannot be resumed from there.

    Raises
    ------
    ModelError
        If a file cannot be written.
    """
    parameters = get_parameters(run.network)
    files = {"best": parameters}
    if progress is not None:
        files = {"best": progress.best, "last": parameters, "optimizer": progress.optimizer}
    manifest = {
        "config": run.config.to_dict(),
        "columns": run.columns.to_json(),
        "thresholds": {output.name: output.thresholds for output in run.outputs},
        "encoders": {
            name: describe_encoder(encoder) | {"prefix": run.prefix(name)} for name, encoder in run.encoders.items()
        },
        "steps": [] if progress is None else progress.steps,
        "statistics": {} if progress is None else progress.statistics,
        "versions": versions(),
        **notes,
    }
    if run.base is None:
        model_store.save_state(directory, AUDIO_MODEL, without_nan(manifest), files)
    else:  # with the weights of frozen encoders, which are not parameters of the network
        parts = {role: run.published() | tensors for role, tensors in files.items() if role != "optimizer"}
        run.base.save(directory, AUDIO_MODEL, without_nan(manifest), files | parts)


def load_run(
    directory: str | os.PathLike, source: Any = None, *, model_ctx: mx.Context, data_ctx: mx.Context
) -> tuple[FittedRun, dict[str, Any]]:
    """Load the run of a directory, with the parameters of its best round.

    Parameters
    ----------
    directory : str or os.PathLike
    source : str, os.PathLike or mapping of str to these, optional
        Source of published weights that are not saved with the run, for all inputs or by the name of the input.
    model_ctx, data_ctx : mxnet.Context

    Returns
    -------
    run : FittedRun
    manifest : dict
        Its description, with NaN in place of None among the statistics.

    Raises
    ------
    ModelError
        If there is no run, it is damaged, or the published weights that it needs cannot be loaded or are others.
    """
    read = partial(_read, directory, source, {"model_ctx": model_ctx, "data_ctx": data_ctx})
    return model_store.read_state(directory, AUDIO_MODEL, read)


def _read(
    directory: str | os.PathLike, source: Any, devices: dict[str, mx.Context], manifest: dict
) -> tuple[FittedRun, dict[str, Any]]:
    """Read the files of a manifest, and make the run."""
    best = model_store.read_tensors(directory, manifest, "best")
    base = model_store.read_tensors(directory, manifest, BASE) if BASE in manifest["files"] else None
    try:
        config, entries = RunConfig.read(manifest["config"]), manifest["encoders"]
        columns = Columns.from_json(manifest["columns"])

        def stored(name: str) -> weights.Loaded:
            if base is None:
                other = source.get(name) if isinstance(source, Mapping) else source
                return load_again(entries[name]["name"], entries[name], other)
            prefix, tensors = entries[name]["prefix"], {**base, **best}
            names = [key for key in tensors if key.startswith(prefix)]
            return stored_weights(entries[name], {key.removeprefix(prefix): tensors[key] for key in names})

        encoders = load_encoders(config, stored, **devices)
        run = FittedRun(config, columns, encoders, tensors={**(base or {}), **best}, **devices)
        for output in run.outputs:
            output.thresholds = _thresholds(manifest["thresholds"][output.name], output)
        return run, {**manifest, "statistics": _from_json(manifest["statistics"])}
    except (ModelError, ParameterError) as error:
        raise ModelError(error.reason, directory) from error
    except (AttributeError, KeyError, TypeError, ValueError, mx.MXNetError) as error:
        raise ModelError(f"damaged: missing or invalid in its description: {error}", directory) from error


def part_of_table(directory: Path, table: Table, part: str) -> Table:
    """Return the rows of a table that were in a part of the split of a run: ``train``, ``validation`` or ``test``.

    Raises
    ------
    DatasetError
        If it is not the table that the run was trained on, or its rows have changed.
    ModelError
        If the directory holds no run, or no list of the rows.
    """
    manifest = model_store.read_manifest(directory, AUDIO_MODEL)
    rows = read_part(directory, part)
    if min(rows) >= 0 and max(rows) < len(table):
        split = Split(*(rows if name == part else [] for name in Split._fields))
        try:
            name, trained = f"{part} rows", manifest["training"]
            if run_identity(RunConfig.read(manifest["config"]), table, split)[name] == trained[name]:
                return table.take(rows)
        except (KeyError, TypeError, ParameterError) as error:
            raise ModelError(f"damaged: missing or invalid in its description: {error}", directory) from error
    reason = f"these are not the rows that {directory} was trained and tested on: leave --split out, or give that table"
    raise DatasetError(reason, table.path)


def resume_run(run: FittedRun, directory: str | os.PathLike, identity: Mapping[str, str]) -> Progress:
    """Load the parameters of the last checkpoint in a directory into a run.

    Parameters
    ----------
    run : FittedRun
        Run before its first step.
    directory : str or os.PathLike
    identity : mapping
        Result of `run_identity` for it.

    Returns
    -------
    Progress
        State of the training at the checkpoint.

    Raises
    ------
    ModelError
        If the checkpoint is damaged, or of a run with other settings or rows.
    """
    manifest = model_store.read_manifest(directory, AUDIO_MODEL)
    roles = ("last", "best", "optimizer")
    last, best, optimizer = (model_store.read_tensors(directory, manifest, role) for role in roles)
    try:
        before, steps = dict(manifest["training"]), [int(step) for step in manifest["steps"]]
        keys = list(_changed_keys(_fixed_settings(manifest["config"]), _fixed_settings(run.config.to_dict())))
        statistics = _from_json(manifest["statistics"])
        lengths = {len(v) for outputs in statistics.values() for one in outputs.values() for v in one.values()}
        if lengths - {len(steps)}:
            raise ValueError(f"statistics of {sorted(lengths)} rounds, not of {len(steps)}")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"damaged: missing or invalid in its description: {error}", directory) from error
    if changed := [name for name in identity if before.get(name) != identity[name]]:
        if "settings" in changed:
            changed.remove("settings")
            changed[:0] = keys or ["settings"]
        reason = f"the checkpoint is of another run: {', '.join(changed)} changed; start again with overwrite"
        raise ModelError(f"{reason} (--overwrite of the command)", directory)
    published = run.published()
    parameters = published.keys() & get_parameters(run.network).keys()
    unchanged = {name: published[name] for name in parameters}
    set_parameters(run.network, {**unchanged, **last})
    return Progress(steps, statistics, {**unchanged, **best}, optimizer)


def _thresholds(values: Any, output: Output) -> list[float] | None:
    """Return the thresholds of an output in a manifest; ValueError if they are not such."""
    if output.thresholds is None and values is None:
        return None
    thresholds = [float(value) for value in values]
    if len(thresholds) != output.units or not all(0 <= value <= 1 for value in thresholds):
        raise ValueError(f"thresholds of {output.name!r}")
    return thresholds


def _from_json(statistics: Any) -> Statistics:
    """Return the statistics of a manifest, with NaN in place of None."""
    return {
        part: {
            output: {
                name: [math.nan if value is None else float(value) for value in values]
                for name, values in measures.items()
            }
            for output, measures in outputs.items()
        }
        for part, outputs in statistics.items()
    }
