"""Registry of the search engines.

All engines report the distances of :class:`~mxnet_audio.search.vectors.VectorTable`, nearest first, equal distances in
the order of insertion.
"""

from __future__ import annotations

from mxnet_audio.errors import ParameterError
from mxnet_audio.search.approximate import AnnoyEngine, VoyagerEngine
from mxnet_audio.search.exact import Engine, ExactEngine
from mxnet_audio.search.vectors import VectorTable

__all__ = ["ENGINES", "AnnoyEngine", "Engine", "ExactEngine", "VoyagerEngine", "create_engine"]

ENGINES: dict[str, type[ExactEngine]] = {engine.name: engine for engine in (ExactEngine, VoyagerEngine, AnnoyEngine)}


def create_engine(name: str, metric: str = "cosine", table: VectorTable | None = None) -> Engine:
    """Create an engine by name.

    Parameters
    ----------
    name : {'exact', 'voyager', 'annoy'}
    metric : {'cosine', 'euclidean'}
    table : VectorTable, optional
        Initial vectors; replaces `metric`.

    Returns
    -------
    Engine

    Raises
    ------
    ParameterError
        If the name or the metric is unknown.
    SearchError
        If the engine's package is not installed.

    Examples
    --------
    >>> create_engine("exact", "euclidean")
    ExactEngine(0 vectors, dim=None, metric='euclidean')
    """
    if name not in ENGINES:
        raise ParameterError(f"engine must be one of auto, {', '.join(ENGINES)}, got {name!r}")
    return ENGINES[name](metric, table)
