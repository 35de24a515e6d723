"""A folder of small synthesised recordings, with a trained model, for the code blocks of the documentation."""

import csv
import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mxnet_audio import Cifar10AudioClassifier, datasets
from mxnet_audio.datasets.synthetic import render
from tests.docs.blocks import ROOT
from tests.voices import speak, synthesise_voices

GENRES = {"classical": "bell", "jazz": "plucked_string", "rock": "engine"}
SONGS, HELD_OUT = 16, 4  # of each genre
RATE = 12000


def fill(folder: Path) -> None:
    """Write the recordings and lists that the pages use, and train a model."""
    for genre, sound in GENRES.items():
        for index in range(SONGS + HELD_OUT):
            path = folder / ("songs" if index < SONGS else "held-out") / genre / f"{index:02d}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            sf.write(path, render(sound, index, sr=RATE, seconds=1.0), RATE)
    sf.write(folder / "clip.wav", render(GENRES["jazz"], SONGS + HELD_OUT, sr=RATE, seconds=1.0), RATE)
    parts = [sf.read(folder / "held-out" / genre / f"{SONGS}.wav")[0] for genre in GENRES for _ in range(3)]
    sf.write(folder / "long.wav", np.concatenate(parts), RATE)
    pairs = datasets.folder(folder / "songs")
    with (folder / "clips.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "group"])
        rows.writerows([Path(path).relative_to(folder), label, f"artist {Path(path).stem[0]}"] for path, label in pairs)

    synthesise_voices(folder / "people", takes=12)
    synthesise_voices(folder / "others", takes=10, speakers=("dan", "cem"))
    (folder / "others" / "cem").rename(folder / "others" / "eva")
    for name, take in (("call", 10), ("other-call", 11)):
        (folder / "people" / "ann" / f"{take}.wav").rename(folder / f"{name}.wav")
    rng = np.random.default_rng(1)
    sides = [speak(rng, speaker) for speaker in ("ann", "bob")]
    length = min(map(len, sides))
    sf.write(folder / "stereo-call.wav", np.stack([y[:length] for y in sides], axis=1), 8000)
    clips = [f"{speaker}/{take}.wav" for speaker in ("ann", "bob", "cem") for take in (8, 9)]
    trials = [f"{int(one[:3] == two[:3])} {one} {two}\n" for one, two in itertools.combinations(clips, 2)]
    (folder / "trials.txt").write_text("".join(trials))

    for name in ("whisper", "ast"):  # tiny models with random weights, for the page of the hub
        model = ROOT / "tests" / "models" / "hub" / f"{name}_classifier"
        shutil.copytree(model, folder / f"my-{name}", ignore=shutil.ignore_patterns("*.npz"))
    shutil.copytree(ROOT / "demo", folder / "demo", ignore=shutil.ignore_patterns("output", "models", "very_*"))
    (folder / "demo" / "models").mkdir()
    classifier = Cifar10AudioClassifier()
    options = {"batch_size": 8, "input_shape": (1, 96, 47), "nb_classes": None}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # so that the paths are those of the pages, which can then resume this run
        classifier.fit(datasets.folder("songs"), "models", cache=False, progress=False, **options)


@pytest.fixture
def workspace(make_once, tmp_path, monkeypatch):
    """A copy of the folder, as the current one."""
    shutil.copytree(make_once("docs", fill), tmp_path / "docs")
    monkeypatch.chdir(tmp_path / "docs")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("mxnet_audio.cross_validation.jobs.usable_cpus", lambda: 1)  # starting processes takes longest
