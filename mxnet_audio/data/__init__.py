"""From files to batches: threads read ahead while the network works."""

from mxnet_audio.data.loader import batches, map_ordered

__all__ = ["batches", "map_ordered"]
