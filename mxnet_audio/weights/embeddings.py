"""Names of the embeddings of networks that compute sequences of vectors: a layer, and a reduction over time."""

from __future__ import annotations

import re
import reprlib

from mxnet_audio.errors import ParameterError

__all__ = ["LAST_LAYER", "REDUCTIONS", "WEIGHTED", "split_embedding"]

REDUCTIONS = ("mean", "max", "sum", "last", "cls_pooled", "concat")
LAST_LAYER = -1
WEIGHTED = "weighted"  # in place of the number of a layer: the learned sum of all


def split_embedding(
    name: str, reductions: tuple[str, ...] = REDUCTIONS, argument: str = "embedding"
) -> tuple[int | str, str]:
    """Split the name of an embedding into its layer and its reduction over time.

    Parameters
    ----------
    name : str
        A reduction, such as 'mean', of the last layer; or a layer and a reduction, such as '6:mean' or
        'weighted:mean'. Layer 0 is the input of the first transformer layer.
    reductions : tuple of str
        Possible reductions.
    argument : str
        Name of the argument, for the message.

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
    if reduction in reductions and not colon:
        return LAST_LAYER, reduction
    if reduction in reductions and layer == WEIGHTED:
        return WEIGHTED, reduction
    if reduction in reductions and re.fullmatch("[0-9]{1,3}", layer):
        return int(layer), reduction
    raise ParameterError(
        f"{argument} must be REDUCTION, LAYER:REDUCTION or weighted:REDUCTION, with the number of a layer and one of "
        f"{', '.join(reductions)}; got {reprlib.repr(name)}"
    )
