"""Names of the embeddings of networks that compute sequences of vectors: a layer, and a reduction over time."""

from __future__ import annotations

import re

from mxnet_audio.checks import one_of
from mxnet_audio.errors import ParameterError

__all__ = ["LAST_LAYER", "REDUCTIONS", "WEIGHTED", "split_embedding"]

REDUCTIONS = ("mean", "max", "sum", "last", "cls_pooled", "concat")
LAST_LAYER = -1
WEIGHTED = "weighted"  # in place of the number of a layer: the learned sum of all


def split_embedding(name: str, reductions: tuple[str, ...] = REDUCTIONS) -> tuple[int | str, str]:
    """Split the name of an embedding into its layer and its reduction over time.

    Parameters
    ----------
    name : str
        A reduction, such as 'mean', of the last layer; or a layer and a reduction, such as '6:mean' or
        'weighted:mean'. Layer 0 is the input of the first transformer layer.
    reductions : tuple of str
        Possible reductions.

    Returns
    -------
    layer : int or 'weighted'
        -1 for the last layer.
    reduction : str

    Raises
    ------
    ParameterError
        If the name is of another form.

    Examples
    --------
    >>> split_embedding("mean"), split_embedding("6:max"), split_embedding("weighted:mean")
    ((-1, 'mean'), (6, 'max'), ('weighted', 'mean'))
    """
    layer, colon, reduction = name.rpartition(":") if isinstance(name, str) else ("", "", name)
    one_of("reduction of embedding", reduction, reductions)
    if not colon:
        return LAST_LAYER, reduction
    if layer == WEIGHTED:
        return WEIGHTED, reduction
    if not re.fullmatch("[0-9]{1,3}", layer):
        raise ParameterError(f"embedding must be REDUCTION, LAYER:REDUCTION or weighted:REDUCTION, got {name!r}")
    return int(layer), reduction
