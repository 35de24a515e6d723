"""The speaker scripts, on a folder of speakers and on recordings named as FSDD's."""

import json
import re

import numpy as np
import pytest
import soundfile as sf

from tests.demo_scripts import copy_demo, run_script
from tests.voices import speak, synthesise_voices


@pytest.mark.usefixtures("narrow_resnet18")
@pytest.mark.parametrize("folder", [True, False], ids=["folder", "fsdd"])
def test_train_and_verify(folder, tmp_path, monkeypatch):
    if folder:
        # Three sessions of two takes; the last session is held out.
        synthesise_voices(tmp_path / "people", takes=6, sessions=True, speakers=("ann", "bob", "cem"))
        (tmp_path / "people" / "ann" / "talk 0" / "a text.wav").write_text("not sound")
        arguments = ("--data", tmp_path / "people", "--models", tmp_path / "m")
    else:
        rng = np.random.default_rng(0)
        (tmp_path / "fsdd").mkdir()
        for digit, speaker, take in ((d, s, t) for d in "0179" for s in ("ann", "bob") for t in range(3)):
            sf.write(tmp_path / "fsdd" / f"{digit}_{speaker}_{take}.wav", speak(rng, speaker), 8000)
        monkeypatch.setenv("MXNET_AUDIO_DATA", str(tmp_path))
        arguments = ("--models", tmp_path / "m")
    output = run_script("speaker_train.py", *arguments, "--epochs", 1, "--seconds", 0.4)
    # Pairs of two held-out recordings of each of three speakers, or of six of each of two.
    same, different = (3, 12) if folder else (30, 36)
    assert re.search(rf"\b{same} .*\b{different} ", output)
    for name in ("roc", "det", "accuracy"):
        assert (tmp_path / "m" / "speakers" / f"{name}.png").stat().st_size > 1000
    output = run_script("speaker_verify.py", *arguments)
    assert "enrolled bob with" in output
    assert output.count("threshold") == 2 and f"actual {'cem' if folder else 'bob'}" in output
    manifest = json.loads((tmp_path / "m" / "speakers" / "speaker.json").read_text())
    assert manifest["speakers"] == (["ann", "bob", "cem"] if folder else ["ann", "bob"])


def test_missing_recordings(tmp_path, monkeypatch):
    monkeypatch.delenv("MXNET_AUDIO_DATA", raising=False)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # no server there
    with pytest.raises(SystemExit, match=r"(?s)fsdd.*--data DIR"):
        run_script("speaker_train.py", demo=copy_demo(tmp_path))
