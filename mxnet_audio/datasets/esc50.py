"""ESC-50: 2,000 clips of environmental sound in fifty classes and five folds, and its subset ESC-10."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from mxnet_audio.audio import find_audio
from mxnet_audio.datasets.corpus import Clip, Corpus, Remote

__all__ = ["CORPUS", "ESC10", "LABELS"]

#: The classes, in the order of the ``target`` numbers.
LABELS = (
    *("dog", "rooster", "pig", "cow", "frog", "cat", "hen", "insects", "sheep", "crow"),
    *("rain", "sea_waves", "crackling_fire", "crickets", "chirping_birds"),
    *("water_drops", "wind", "pouring_water", "toilet_flush", "thunderstorm"),
    *("crying_baby", "sneezing", "clapping", "breathing", "coughing"),
    *("footsteps", "laughing", "brushing_teeth", "snoring", "drinking_sipping"),
    *("door_wood_knock", "mouse_click", "keyboard_typing", "door_wood_creaks", "can_opening"),
    *("washing_machine", "vacuum_cleaner", "clock_alarm", "clock_tick", "glass_breaking"),
    *("helicopter", "chainsaw", "siren", "car_horn", "engine"),
    *("train", "church_bells", "airplane", "fireworks", "hand_saw"),
)

# Targets of the classes of ESC-10.
_ESC10_TARGETS = (0, 1, 10, 11, 12, 20, 21, 38, 40, 41)
# Label of each class folder of the first edition of ESC-10, in which four classes have other names.
_LABEL_OF_FOLDER = {label: label for label in LABELS} | {
    "baby_cry": "crying_baby",
    "dog_bark": "dog",
    "fire_crackling": "crackling_fire",
    "person_sneeze": "sneezing",
}
_NAME = re.compile(r"([1-5])-(\d+)-[A-Z](?:-(\d+))?")


def _clips(home: Path) -> Iterator[Clip]:
    """List files named ``{fold}-{clip}-{take}-{target}``, and ``{fold}-{clip}-{take}`` in class folders."""
    for path in find_audio(home):
        if not (match := _NAME.fullmatch(Path(path).stem)):
            continue
        fold, source, target = match.groups()
        if target is None:
            label: str | None = _LABEL_OF_FOLDER.get(Path(path).parent.name)
        else:
            label = LABELS[int(target)] if int(target) < len(LABELS) else None
        if label is not None:
            yield Clip(path, label, int(fold), source)


def _esc10_clips(home: Path) -> Iterator[Clip]:
    """List the clips of the ten classes."""
    return (clip for clip in _clips(home) if clip.label in ESC10.labels)


def _names_in_table(home: Path) -> set[str]:
    """Return the names of the clips in the corpus's table; an empty set if the copy has no table."""
    path = home / "meta" / "esc50.csv"
    rows = path.read_text(encoding="utf-8", errors="replace").splitlines()[1:] if path.is_file() else []
    return {row.split(",")[0].removesuffix(".wav") for row in rows}


#: The group of a clip is the recording of freesound.org that it was cut from; its clips are all in one fold.
CORPUS = Corpus(
    name="esc50",
    title="ESC-50: Dataset for Environmental Sound Classification",
    home="ESC-50",
    remote=Remote(
        filename="ESC-50.zip",
        urls=("https://github.com/karolpiczak/ESC-50/archive/33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6.zip",),
        size=645_832_161,
        hash="sha256:661183a6f53ef04f12c9bd618fed0ddc1713280d6c94a5a5431e844ba6f6a21f",
    ),
    licence="CC BY-NC 3.0",
    citation="""@inproceedings{piczak2015dataset,
  title = {{ESC}: {Dataset} for {Environmental Sound Classification}},
  author = {Piczak, Karol J.},
  booktitle = {Proceedings of the 23rd ACM International Conference on Multimedia},
  pages = {1015--1018},
  doi = {10.1145/2733373.2806390},
  year = {2015}
}""",
    labels=LABELS,
    folds=(1, 2, 3, 4, 5),
    n_clips=2000,
    lister=_clips,
    expected=_names_in_table,
)

#: Ten classes of ESC-50, from the same archive, with a more permissive licence.
ESC10 = dataclasses.replace(
    CORPUS,
    name="esc10",
    title="ESC-10: ten classes of ESC-50",
    licence="CC BY 3.0",
    labels=tuple(LABELS[target] for target in _ESC10_TARGETS),
    n_clips=400,
    lister=_esc10_clips,
    expected=lambda home: {name for name in _names_in_table(home) if name.split("-")[-1] in map(str, _ESC10_TARGETS)},
)
