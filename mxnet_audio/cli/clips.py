"""Labelled clips of the argument DATA."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import typer

from mxnet_audio.cli.output import print_message
from mxnet_audio.errors import DatasetError

if TYPE_CHECKING:
    from mxnet_audio.datasets import Clip
    from mxnet_audio.datasets.speakers import Utterance

__all__ = ["TrainingSets", "clip_groups", "list_clips", "list_folds", "list_pairs", "list_training_sets", "of_split"]

Pairs = list[tuple[str, Any]]
Item = TypeVar("Item", "Clip", "Utterance")


class TrainingSets(NamedTuple):
    """Pairs to train on, the group of each if there are groups, and pairs to validate on if these are given."""

    pairs: Pairs
    groups: list[str] | None
    validation: Pairs | None


def list_clips(
    data: Path,
    corpus: str | None = None,
    folds: str | None = None,
    columns: str | None = None,
    separator: str | None = None,
    label_separator: str | None = None,
) -> list[Clip]:
    """List the clips of a folder, a table or a named corpus.

    Parameters
    ----------
    data : Path
        Folder of class folders, table, or folder of the corpus.
    corpus : str, optional
        Name of the corpus.
    folds : str, optional
        Folds to list, separated by commas; all by default.
    columns : str, optional
        Columns of a table: ``path=…,label=…``.
    separator : str, optional
        Separator of a table; "tab" is a tab.
    label_separator : str, optional
        Text between the labels in a cell; the labels of all clips are then frozensets.

    Raises
    ------
    DatasetError
        If there is no such folder, file, corpus or fold, or no clip.
    """
    from mxnet_audio import datasets
    from mxnet_audio.datasets.splits import of_folds

    if not os.path.exists(data):  # noqa: PTH110 - Path.exists raises for names that are too long
        raise DatasetError("no such folder or table", data)
    table_options = {"--columns": columns, "--separator": separator, "--label-separator": label_separator}
    for option, value in table_options.items():
        if value is not None and (corpus is not None or data.is_dir()):
            raise typer.BadParameter("needs a table as DATA", param_hint=option)
    requested = None if folds is None else [fold.strip() for fold in folds.split(",")]
    if corpus is not None:
        return datasets.get(corpus).clips(data, requested)
    clips = datasets.clips(
        data,
        columns=_parse_columns(columns),
        separator=_parse_separator(separator),
        label_separator=label_separator,
    )
    if requested is None:
        return clips
    if data.is_dir() and all(clip.fold is None for clip in clips):
        raise typer.BadParameter(
            "needs --corpus, folders such as train and test, or a table with a column fold", param_hint="--folds"
        )
    return of_folds(clips, requested, data)


def list_pairs(
    data: Path,
    corpus: str | None = None,
    folds: str | None = None,
    columns: str | None = None,
    separator: str | None = None,
    label_separator: str | None = None,
) -> Pairs:
    """List (path, label) pairs to measure a classifier on: of several splits, the test set (see `list_clips`)."""
    clips = list_clips(data, corpus, folds, columns, separator, label_separator)
    return _pairs(clips if folds is not None else of_split(clips, ("test", "validation"), data))


def list_training_sets(
    data: Path,
    validation: Path | None = None,
    corpus: str | None = None,
    folds: str | None = None,
    columns: str | None = None,
    separator: str | None = None,
    label_separator: str | None = None,
) -> TrainingSets:
    """List what to train and to validate on; see `list_clips`.

    Of several splits, the training set is trained on; the validation set is used if `validation` names no other, and
    the test set is left out.
    """
    from mxnet_audio.datasets.splits import by_split

    clips = list_clips(data, corpus, folds, columns, separator, label_separator)
    chosen, held_out = of_split(clips, ("train",), data), None
    if validation is not None:
        table_options = () if os.path.isdir(validation) else (columns, separator, label_separator)  # noqa: PTH112
        held_out = of_split(list_clips(validation, None, None, *table_options), ("validation", "test"), validation)
    elif len(parts := by_split(clips)) > 1 and "validation" in parts:
        held_out = of_split(clips, ("validation",), data)
    return TrainingSets(_pairs(chosen), clip_groups(chosen), None if held_out is None else _pairs(held_out))


def list_folds(
    data: Path,
    corpus: str | None = None,
    folds: str | None = None,
    columns: str | None = None,
    separator: str | None = None,
    label_separator: str | None = None,
) -> list[Clip]:
    """List clips for cross-validation: splits are no folds, and the test set is left out; see `list_clips`."""
    from mxnet_audio.datasets.splits import by_split

    clips = list_clips(data, corpus, folds, columns, separator, label_separator)
    if folds is not None or len(parts := by_split(clips)) < 2:
        return clips
    chosen = [clip._replace(fold=None) for split in ("train", "validation") for clip in parts.get(split, ())]
    if not chosen:
        raise DatasetError(f"has no clips to train on, only {', '.join(parts)}", data)
    print_message(f"{data}: {len(chosen)} clips of the training and the validation set")
    return chosen


def clip_groups(clips: list[Clip]) -> list[str] | None:
    """Return the group of each clip, which a split must not separate; None if each clip is a group of its own."""
    return [clip.group for clip in clips] if any(clip.group != clip.path for clip in clips) else None


def _pairs(clips: list[Clip]) -> Pairs:
    return [(clip.path, clip.label) for clip in clips]


def of_split(clips: list[Item], preferred: Sequence[str], data: Path) -> list[Item]:
    """Return the clips of the first of the preferred splits that occurs, and say so; all if there are no splits."""
    from mxnet_audio.datasets.splits import by_split

    parts = by_split(clips)
    if len(parts) < 2:
        return clips
    split = next((split for split in preferred if split in parts), None)
    if split is None:
        raise DatasetError(f"has no {preferred[0]} set, only {' and '.join(parts)}: choose by --folds", data)
    print_message(f"{data}: {len(parts[split])} clips of the {split} set")
    return parts[split]


def _parse_columns(columns: str | None) -> dict[str, str] | None:
    if columns is None:
        return None
    items = columns.split(",")
    chosen = {key.strip(): name.strip() for key, _, name in (item.partition("=") for item in items)}
    if not all(chosen.values()) or len(chosen) < len(items):
        raise typer.BadParameter(
            f"expected names such as path=filename,label=class, got {columns!r}", param_hint="--columns"
        )
    return chosen


def _parse_separator(separator: str | None) -> str | None:
    return "\t" if separator in ("tab", "\\t") else separator
