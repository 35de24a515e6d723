"""FSDD: 2,500 spoken digits of five speakers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mxnet_audio.audio import find_audio
from mxnet_audio.datasets.corpus import Clip, Corpus, Remote

__all__ = ["CORPUS", "LABELS", "SPEAKERS"]

LABELS = tuple("0123456789")
SPEAKERS = ("george", "jackson", "nicolas", "theo", "yweweler")

_NAME = re.compile(r"(\d)_([a-z]+)_(\d+)")


def _clips(home: Path) -> Iterator[Clip]:
    """List files named ``{digit}_{speaker}_{take}``."""
    for path in find_audio(home):
        if match := _NAME.fullmatch(Path(path).stem):
            digit, speaker, take = match.groups()
            yield Clip(path, digit, "test" if int(take) < 5 else "train", speaker)


#: The group of a clip is its speaker. The official folds (takes 0 to 4 are the test set) measure the accuracy for known
#: speakers, as all speakers are in both sets. Split by group to measure it for unknown speakers.
CORPUS = Corpus(
    name="fsdd",
    title="Free Spoken Digit Dataset v1.0.9",
    home="free-spoken-digit-dataset",
    remote=Remote(
        filename="free-spoken-digit-dataset-1.0.9.tar.gz",
        urls=(
            "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.9.tar.gz",
            "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.9.tar.gz",
        ),
        size=11_975_353,
        hash="sha256:8bc44cde129d505cbbb6b365c09f80c663f2aa77578afc634e6141a2f87100c0",
        certain=False,
    ),
    licence="CC BY-SA 4.0",
    citation="""@misc{jackson2018fsdd,
  title = {Free Spoken Digit Dataset (FSDD), v1.0.9},
  author = {Jackson, Zohar and others},
  howpublished = {https://github.com/Jakobovski/free-spoken-digit-dataset},
  year = {2018}
}""",
    labels=LABELS,
    folds=("train", "test"),
    n_clips=2500,
    lister=_clips,
    expected=lambda home: {f"{d}_{speaker}_{take}" for d in LABELS for speaker in SPEAKERS for take in range(50)},
)
