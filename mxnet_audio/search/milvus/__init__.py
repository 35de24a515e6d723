"""Nearest-neighbour search in Milvus: an index in the collection of a server, or in a file of Milvus Lite."""

from mxnet_audio.search.milvus.index import MilvusIndex

__all__ = ["MilvusIndex"]
