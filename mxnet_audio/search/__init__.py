"""Vectors become neighbours: one index, three engines behind a protocol, a store that survives a crash."""

from mxnet_audio.search.engines import AnnoyEngine, Engine, ExactEngine, VoyagerEngine
from mxnet_audio.search.index import Neighbour, VectorIndex

__all__ = ["AnnoyEngine", "Engine", "ExactEngine", "Neighbour", "VectorIndex", "VoyagerEngine"]
