"""The demo, on a few clips."""

import json
import re

import pytest
from matplotlib.image import imread

from mxnet_audio.cli import tour
from mxnet_audio.datasets.synthetic import synthesise


@pytest.mark.slow
def test_demo_with_a_broken_file(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tour, "TRAINING_BUDGET", 0)
    synthesise(tmp_path / "sound", clips_per_class=4, sr=12000, seconds=0.25)  # fewer frames than networks take
    folder = next(path for path in (tmp_path / "sound").iterdir() if path.is_dir())
    (folder / "broken.wav").write_text("not sound")
    lines = []
    figures = tour.run(tmp_path / "out", data=tmp_path / "sound", echo=lines.append, progress=False)
    assert figures == json.loads((tmp_path / "out" / "demo.json").read_text())
    assert (figures["clips"], figures["classes"], figures["epochs"]) == (41, 10, 5)
    assert 0 <= figures["accuracy"] <= 1 and 0 <= figures["precision_at_5"] <= 1
    assert (tmp_path / "out" / "model" / "cifar10.json").exists()
    assert (tmp_path / "out" / "index" / "index.json").exists()
    for picture in ("training", "confusion", "spectrogram", "embedding"):
        assert imread(tmp_path / "out" / f"{picture}.png").std() > 0.01
    text = "\n".join(lines)
    assert re.search(r"The 5 of \d\d training clips", text)
    for part in ("predict_class", "encode_audio", "query", "recommend", "ESC-10", str(tmp_path / "out")):
        assert part in text
