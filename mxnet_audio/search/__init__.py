"""Nearest-neighbour search: an index of files and their vectors, three engines, a crash-safe store, and Milvus."""

from mxnet_audio.search.contents import Neighbour
from mxnet_audio.search.engines import AnnoyEngine, Engine, ExactEngine, VoyagerEngine
from mxnet_audio.search.index import VectorIndex
from mxnet_audio.search.milvus import MilvusIndex

__all__ = ["AnnoyEngine", "Engine", "ExactEngine", "MilvusIndex", "Neighbour", "VectorIndex", "VoyagerEngine"]
