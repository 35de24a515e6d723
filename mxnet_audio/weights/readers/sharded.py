"""Reader of models whose tensors are divided among several files, which an index lists."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mxnet_audio.atomic import parse_json
from mxnet_audio.errors import ModelError
from mxnet_audio.weights.readers.foreign import contents, naming_damage

__all__ = ["read", "shards"]


def read(index: str | os.PathLike, read_file: Callable[[Path], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Read the tensors of all files that an index lists.

    Parameters
    ----------
    index : str or os.PathLike
        Such as ``model.safetensors.index.json``.
    read_file : callable
        Reader of one file.

    Returns
    -------
    dict of str to np.ndarray

    Raises
    ------
    ModelError
        If a file is missing or damaged, or tensors are not where the index says.
    """
    tensors: dict[str, np.ndarray] = {}
    for file, names in shards(index).items():
        found = read_file(Path(index).with_name(file))
        if different := names ^ found.keys():
            raise ModelError(f"does not agree with {file} on the tensor {min(different)!r}", index)
        tensors |= found
    return tensors


def shards(index: str | os.PathLike) -> dict[str, set[str]]:
    """List the files in an index, sorted, and the names of the tensors in each; errors as of `read`."""
    with naming_damage(index, "index of files with tensors"):
        names: dict[str, set[str]] = {}
        for tensor, file in parse_json(contents(index))["weight_map"].items():
            names.setdefault(file, set()).add(tensor)
        for file in names:
            if not file or Path(file).suffix == ".json" or Path(file).name != file:
                raise ModelError(f"lists {file!r}, which is no file with tensors in its folder")
        return dict(sorted(names.items()))
