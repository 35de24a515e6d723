"""GTZAN: 1,000 clips of music in ten genres.

The original host (opihi.cs.uvic.ca) has been unreachable since 2022, so a mirror at Hugging Face is tried first and the
original host second; the SHA-256 hash of the archive is verified. Only the genre collection is offered, not GTZAN's
music/speech collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mxnet_audio.audio import find_audio
from mxnet_audio.datasets.corpus import Clip, Corpus, Remote
from mxnet_audio.errors import DatasetError

__all__ = ["CORPUS", "FOLDS", "LABELS"]

FOLDS = ("train", "valid", "test")
LABELS = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")

_NAME = re.compile(rf"({'|'.join(LABELS)})\.(\d{{5}})")
# The lists are in the installed package, or in data/lists of a checkout.
_LIST_FOLDERS = (Path(__file__).parent / "lists", Path(__file__).parents[2] / "data" / "lists")


def _split() -> dict[str, str]:
    """Return the fold of each clip in the fault-filtered split."""
    folds: dict[str, str] = {}
    for fold in FOLDS:
        paths = [folder / f"gtzan_filtered_{fold}.txt" for folder in _LIST_FOLDERS]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            raise DatasetError("the list of the fault-filtered split is missing: reinstall mxnet-audio", paths[0])
        folds.update(dict.fromkeys(path.read_text(encoding="ascii").split(), fold))
    return folds


def _clips(home: Path) -> Iterator[Clip]:
    """List files named ``{genre}.{number}``."""
    split, seen = _split(), set()
    for path in find_audio(home):
        name = Path(path).stem
        # Some copies hold a clip both as .au and as .wav; it is listed once.
        if (match := _NAME.fullmatch(name)) and name not in seen:
            seen.add(name)
            yield Clip(path, match[1], split.get(name), name)


#: The artists are unknown, so each clip is a group of its own, and a random split has the same artists, even the same
#: recordings, in both sets. Use the folds of the fault-filtered split (443, 197 and 290 clips): they contain no
#: repetitions and no distorted clips, and each artist is in one fold only. The other 70 clips are in no fold.
CORPUS = Corpus(
    name="gtzan",
    title="GTZAN Genre Collection",
    home="genres",
    remote=Remote(
        filename="genres.tar.gz",
        urls=(
            "https://huggingface.co/datasets/marsyas/gtzan/resolve/main/data/genres.tar.gz",
            "http://opihi.cs.uvic.ca/sound/genres.tar.gz",
        ),
        size=1_225_571_541,
        hash="sha256:24347e0223d2ba798e0a558c4c172d9d4a19c00bb7963fe055d183dadb4ef2c6",
    ),
    licence="none stated: for research, not to be redistributed",
    citation="""@article{tzanetakis2002musical,
  title = {Musical genre classification of audio signals},
  author = {Tzanetakis, George and Cook, Perry},
  journal = {IEEE Transactions on Speech and Audio Processing},
  volume = {10},
  number = {5},
  pages = {293--302},
  year = {2002}
}""",
    labels=LABELS,
    folds=FOLDS,
    n_clips=1000,
    lister=_clips,
    expected=lambda home: {f"{genre}.{index:05d}" for genre in LABELS for index in range(100)},
    suspects=("jazz.00054",),
)
