"""Named corpora, and the user's own folders and tables, as pairs of path and label."""

from mxnet_audio.datasets import speakers, voxceleb
from mxnet_audio.datasets.corpus import Clip, Corpus, Remote, Validation
from mxnet_audio.datasets.local import clips, csv, folder
from mxnet_audio.datasets.registry import get, names

__all__ = [
    "Clip",
    "Corpus",
    "Remote",
    "Validation",
    "clips",
    "csv",
    "folder",
    "get",
    "names",
    "speakers",
    "voxceleb",
]
