"""Nearest-neighbour search: an index of files and their vectors, three engines, and a crash-safe store."""

from mxnet_audio.search.contents import Neighbour
from mxnet_audio.search.engines import AnnoyEngine, Engine, ExactEngine, VoyagerEngine
from mxnet_audio.search.index import VectorIndex

__all__ = ["AnnoyEngine", "Engine", "ExactEngine", "Neighbour", "VectorIndex", "VoyagerEngine"]
