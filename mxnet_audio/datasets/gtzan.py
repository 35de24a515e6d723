"""GTZAN: 1,000 clips of music, ten genres."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mxnet_audio.audio import find_audio
from mxnet_audio.datasets.corpus import Clip, Corpus, Remote
from mxnet_audio.errors import DatasetError

__all__ = ["CORPUS", "LABELS"]

LABELS = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")

_NAME = re.compile(rf"({'|'.join(LABELS)})\.(\d{{5}})")
# An installed package carries the lists inside; a checkout has them in one place, data/lists.
_LISTS = (Path(__file__).parent / "lists", Path(__file__).parents[2] / "data" / "lists")


def _split() -> dict[str, str]:
    """Fold of each clip in the fault-filtered split."""
    folds = {}
    for fold in CORPUS.folds:
        paths = [folder / f"gtzan_filtered_{fold}.txt" for folder in _LISTS]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            raise DatasetError("the list of the fault-filtered split is missing: install again", paths[0])
        folds.update(dict.fromkeys(path.read_text(encoding="ascii").split(), fold))
    return folds


def _clips(home: Path) -> Iterator[Clip]:
    split, seen = _split(), set()
    for path in find_audio(home):
        name = Path(path).stem
        # Some copies hold a clip as .au and as .wav: once is enough.
        if (match := _NAME.fullmatch(name)) and name not in seen:
            seen.add(name)
            yield Clip(path, match[1], split.get(name), name)


#: The artists are not given, so each clip is a group of its own and a random split has one artist, even one
#: recording, on both sides. The honest folds are those of the fault-filtered split (443, 197 and 290 clips):
#: repetitions and distortions are taken out and artists kept on one side. The other 70 clips are in no fold.
CORPUS = Corpus(
    name="gtzan",
    title="GTZAN Genre Collection",
    home="genres",
    remote=Remote(
        filename="genres.tar.gz",
        # The first host has been dead since 2022. It stays for the record, behind the mirror that answers.
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
    folds=("train", "valid", "test"),
    n_clips=1000,
    lister=_clips,
    expected=lambda home: {f"{genre}.{index:05d}" for genre in LABELS for index in range(100)},
    suspects=("jazz.00054",),
)
