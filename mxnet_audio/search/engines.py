"""The engines that find the nearest vectors, by name.

All report the same distances, those of :class:`~mxnet_audio.search.vectors.VectorTable`, nearest first, equal
distances in the order of insertion.
"""

from __future__ import annotations

from mxnet_audio.errors import SearchError
from mxnet_audio.search.approximate import AnnoyEngine, VoyagerEngine
from mxnet_audio.search.exact import Engine, ExactEngine
from mxnet_audio.search.vectors import VectorTable

__all__ = ["ENGINES", "AnnoyEngine", "Engine", "ExactEngine", "VoyagerEngine", "create_engine"]

ENGINES = {engine.name: engine for engine in (ExactEngine, VoyagerEngine, AnnoyEngine)}


def create_engine(name: str, metric: str = "cosine", table: VectorTable | None = None) -> Engine:
    """Make the engine of this name; SearchError when there is none, or its package is not installed."""
    if name not in ENGINES:
        raise SearchError(f"unknown engine {name!r}: choose one of auto, {', '.join(ENGINES)}")
    return ENGINES[name](metric, table)
