"""The demo, on a few clips."""

import json
import re

import pytest
from matplotlib.image import imread

from mxnet_audio import weights
from mxnet_audio.cli import tour
from mxnet_audio.datasets.synthetic import synthesise


@pytest.fixture
def only(monkeypatch):
    """Function that lets only some published weights be on this machine."""

    def restrict(*names):
        monkeypatch.setattr(weights, "available", names.__contains__)

    return restrict


@pytest.fixture
def sounds(tmp_path, monkeypatch):
    """Ten classes of short clips, and one file that is not sound."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    synthesise(tmp_path / "sound", clips_per_class=4, sr=12000, seconds=0.25)  # fewer frames than networks take
    folder = next(path for path in (tmp_path / "sound").iterdir() if path.is_dir())
    (folder / "broken.wav").write_text("not sound")
    return tmp_path / "sound"


@pytest.mark.slow
def test_demo_without_encoders(tmp_path, monkeypatch, sounds, only):
    only()
    monkeypatch.setattr(tour, "TRAINING_BUDGET", 0)
    lines = []
    figures = tour.run(tmp_path / "out", data=sounds, echo=lines.append, progress=False)
    assert figures == json.loads((tmp_path / "out" / "demo.json").read_text())
    assert (figures["clips"], figures["classes"], figures["epochs"]) == (41, 10, 5)
    assert 0 <= figures["accuracy"] <= 1 and 0 <= figures["precision_at_5"] <= 1 and "encoder" not in figures
    assert (tmp_path / "out" / "model" / "cifar10.json").exists()
    assert (tmp_path / "out" / "index" / "index.json").exists()
    for picture in ("training", "confusion", "spectrogram", "embedding"):
        assert imread(tmp_path / "out" / f"{picture}.png").std() > 0.01
    text = "\n".join(lines)
    assert re.search(r"The 5 of \d\d training clips", text)
    parts = ("models download yamnet", "predict_class", "encode_audio", "query", "recommend", "ESC-10")
    for part in (*parts, "trained from scratch", str(tmp_path / "out")):
        assert part in text


@pytest.mark.slow
def test_demo_with_an_encoder(tmp_path, monkeypatch, sounds, only, published):
    only(published("yamnet"))
    monkeypatch.setattr(tour, "TRAINING_BUDGET", 0)
    for name in ("history", "confusion", "spectrogram", "embedding"):  # the last test has them drawn
        monkeypatch.setattr(tour.viz, f"plot_{name}", lambda *_: None)
    lines = []
    figures = tour.run(tmp_path / "out", data=sounds, echo=lines.append, progress=False)
    assert figures == json.loads((tmp_path / "out" / "demo.json").read_text())
    assert figures["encoder"] == "yamnet"
    assert 0.2 < figures["encoder_accuracy"] <= 1 and 0.1 < figures["encoder_precision_at_5"] <= 1  # 0.1 is chance
    assert (tmp_path / "out" / "head" / "yamnet.json").exists()
    text = "\n".join(lines)
    for part in ("AudioTagger", "AudioSearch", "PretrainedAudioClassifier", "yamnet, head trained"):
        assert part in text


@pytest.mark.parametrize(
    ("here", "chosen"),
    [(["musicnn", "yamnet"], "yamnet"), (["musicnn", "resemblyzer"], "musicnn"), (["resemblyzer"], None)],
)
def test_the_encoder_of_the_demo(monkeypatch, only, here, chosen):
    only(*here)
    monkeypatch.setattr(tour, "load_encoder", str)
    lines = []
    assert tour._find_encoder(lines.append) == chosen
    assert ("models download yamnet" in "\n".join(lines)) == (chosen != "yamnet")
