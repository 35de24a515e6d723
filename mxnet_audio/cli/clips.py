"""Labelled clips of the argument DATA."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mxnet_audio.errors import DatasetError

if TYPE_CHECKING:
    from mxnet_audio.datasets import Clip

__all__ = ["clip_groups", "list_clips", "list_pairs"]


def list_clips(data: Path, corpus: str | None = None, folds: str | None = None) -> list[Clip]:
    """List the clips of a folder, a CSV file or a named corpus.

    Parameters
    ----------
    data : Path
        Folder of class folders, CSV file, or folder of the corpus.
    corpus : str, optional
        Name of the corpus.
    folds : str, optional
        Folds to list, separated by commas; all by default.

    Raises
    ------
    DatasetError
        If there is no such folder, file, corpus or fold, or no clip.
    """
    if folds is not None and corpus is None and not data.is_file():
        raise typer.BadParameter("needs --corpus, or a CSV file with a column fold", param_hint="--folds")
    from mxnet_audio import datasets

    if not data.exists():
        raise DatasetError("no such folder or CSV file", data)
    requested = None if folds is None else [fold.strip() for fold in folds.split(",")]
    if corpus is not None:
        named = datasets.get(corpus)
        folds_by_name = {str(fold): fold for fold in named.folds}  # numbers or names
        return named.clips(data, requested and [folds_by_name.get(fold, fold) for fold in requested])
    clips = datasets.clips(data)
    if requested is None:
        return clips
    if missing := set(requested) - {clip.fold for clip in clips}:
        raise DatasetError(f"no clip is in fold {min(missing)!r} of the column fold", data)
    return [clip for clip in clips if clip.fold in requested]


def list_pairs(
    data: Path, corpus: str | None = None, folds: str | None = None
) -> tuple[list[tuple[str, int | str]], list[str] | None]:
    """List (path, label) pairs, and the group of each if there are groups; parameters as for `list_clips`."""
    clips = list_clips(data, corpus, folds)
    return [(clip.path, clip.label) for clip in clips], clip_groups(clips)


def clip_groups(clips: list[Clip]) -> list[str] | None:
    """Return the group of each clip, which a split must not separate; None if each clip is a group of its own."""
    return [clip.group for clip in clips] if any(clip.group != clip.path for clip in clips) else None
