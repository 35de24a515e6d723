"""The whole path on show, on a few clips."""

import json

from matplotlib.image import imread

from mxnet_audio.cli import tour as demo
from mxnet_audio.datasets.synthetic import synthesise


def test_the_whole_path_with_a_file_that_is_no_sound(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    synthesise(tmp_path / "sound", clips_per_class=4, sr=12000, seconds=0.25)  # of fewer frames than networks take
    folder = next(path for path in (tmp_path / "sound").iterdir() if path.is_dir())
    (folder / "broken.wav").write_text("not sound")
    said = []
    figures = demo.run(tmp_path / "out", data=tmp_path / "sound", say=said.append)
    assert figures == json.loads((tmp_path / "out" / "demo.json").read_text())
    assert (figures["clips"], figures["classes"]) == (41, 10)
    assert 0 <= figures["accuracy"] <= 1 and 0 <= figures["precision_at_5"] <= 1
    assert (tmp_path / "out" / "model" / "cifar10.json").exists()
    assert (tmp_path / "out" / "index" / "index.json").exists()
    for picture in ("training", "confusion", "spectrogram", "embedding"):
        assert imread(tmp_path / "out" / f"{picture}.png").std() > 0.01
    story = "\n".join(said)
    for part in ("predict_class", "encode_audio", "query", "recommend", "Done in"):
        assert part in story
