"""UrbanSound8K: 8,732 clips of street sounds in ten classes and ten folds.

The ``UrbanSoundDataset(csv, path, folderList)`` of the M5 tutorial is
``AudioDataset.from_corpus("urbansound8k", root, folds=folderList)`` here.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator
from pathlib import Path

from mxnet_audio.atomic import contents
from mxnet_audio.datasets.corpus import Clip, Corpus, Remote
from mxnet_audio.errors import DatasetError

__all__ = ["CORPUS", "LABELS"]

logger = logging.getLogger(__name__)

#: The classes, in the order of ``classID``.
LABELS = (
    "air_conditioner",
    "car_horn",
    "children_playing",
    "dog_bark",
    "drilling",
    "engine_idling",
    "gun_shot",
    "jackhammer",
    "siren",
    "street_music",
)


def _rows(home: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of the corpus's table, checked."""
    path = home / "metadata" / "UrbanSound8K.csv"
    try:
        table = csv.DictReader(contents(path).decode("utf-8-sig").splitlines())
        if missing := {"slice_file_name", "fsID", "fold", "class"} - set(table.fieldnames or ()):
            raise DatasetError(f"the table has no column {', '.join(sorted(missing))}", path)
        for row in table:
            if row["class"] not in LABELS or row["fold"] not in map(str, range(1, 11)):
                raise DatasetError(
                    f"line {table.line_num}: unknown class {row['class']!r} or fold {row['fold']!r}", path
                )
            yield row
    except FileNotFoundError:
        raise DatasetError("the table of clips is missing", path) from None
    except OSError as error:
        raise DatasetError(f"the table of clips cannot be read: {error.strerror}", path) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"the table of clips is damaged: {error}", path) from error


def _clips(home: Path) -> Iterator[Clip]:
    """List the clips of the table; warn of missing files."""
    missing = 0
    for row in _rows(home):
        path = home / "audio" / f"fold{row['fold']}" / Path(row["slice_file_name"]).name
        if path.is_file():
            yield Clip(str(path), row["class"], int(row["fold"]), row["fsID"])
        else:
            missing += 1
    if missing:
        logger.warning("%s: %d clips of the table are missing", home, missing)


CORPUS = Corpus(
    name="urbansound8k",
    title="UrbanSound8K",
    home="UrbanSound8K",
    remote=Remote(
        filename="UrbanSound8K.tar.gz",
        urls=(
            "https://zenodo.org/record/1203745/files/UrbanSound8K.tar.gz",
            "https://zenodo.org/records/1203745/files/UrbanSound8K.tar.gz?download=1",
        ),
        size=6_023_741_708,
        hash="md5:9aa69802bbf37fb986f71ec1483a196e",
    ),
    licence="CC BY-NC 4.0",
    citation="""@inproceedings{salamon2014dataset,
  title = {A Dataset and Taxonomy for Urban Sound Research},
  author = {Salamon, Justin and Jacoby, Christopher and Bello, Juan Pablo},
  booktitle = {Proceedings of the 22nd ACM International Conference on Multimedia},
  pages = {1041--1044},
  year = {2014}
}""",
    labels=LABELS,
    folds=tuple(range(1, 11)),
    n_clips=8732,
    lister=_clips,
    expected=lambda home: {Path(row["slice_file_name"]).stem for row in _rows(home)},
)
