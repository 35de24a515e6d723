"""The configuration: validated, immutable, to JSON and back."""

import json
import subprocess
import sys

import pydantic
import pytest

from mxnet_audio.errors import FeatureError
from mxnet_audio.features import AudioFeatureConfig


@pytest.mark.parametrize(
    "wrong, named",
    [
        ({"fmax": 6001}, "fmax"),
        ({"fmin": 6000}, "fmin"),
        ({"fmin": -1}, "fmin"),
        ({"fmin": 200, "fmax": 100}, "fmin"),
        ({"n_frames": 0}, "n_frames"),
        ({"hop_length": 0}, "hop_length"),
        ({"n_fft": 1}, "n_fft"),
        ({"win_length": 513}, "win_length"),
        ({"win_length": 0}, "win_length"),
        ({"window": "nonsense"}, "window"),
        ({"window": "kaiser"}, "window"),
        ({"n_mels": 0}, "n_mels"),
        ({"sr": 0}, "sr"),
        ({"sr": 12000.5}, "sr"),
        ({"norm": "l2"}, "norm"),
        ({"power": 0}, "power"),
        ({"amin": 0}, "amin"),
        ({"ref": float("nan")}, "ref"),
        ({"top_db": -3}, "top_db"),
        ({"type": "mfcc"}, "type"),
        ({"n_mel": 96}, "n_mel: unknown key"),
    ],
)
def test_what_does_not_hold_together_is_named(wrong, named):
    for make in (lambda: AudioFeatureConfig(**wrong), lambda: AudioFeatureConfig.model_validate(wrong)):
        with pytest.raises(FeatureError, match=f"feature configuration: {named}") as caught:
            make()
        assert "\n" not in str(caught.value)


def test_json_and_back():
    config = AudioFeatureConfig(n_frames=235, fmax=5000, norm=None, top_db=None)
    text = json.dumps(config.model_dump(mode="json"))
    assert AudioFeatureConfig.model_validate(json.loads(text)) == config
    assert AudioFeatureConfig.model_validate_json(text).key() == config.key()


def test_immutable():
    with pytest.raises(pydantic.ValidationError):
        AudioFeatureConfig().sr = 8000


def test_every_field_changes_the_key_and_every_process_agrees():
    changes = {
        "sr": 16000, "n_fft": 1024, "hop_length": 128, "win_length": 256, "window": "hamming",
        "center": False, "n_mels": 64, "fmin": 20.0, "fmax": 5000.0, "htk": True, "norm": None, "power": 1.0,
        "amin": 1e-5, "ref": 2.0, "top_db": None, "n_frames": 10,
    }  # fmt: skip
    assert set(changes) == set(AudioFeatureConfig.model_fields) - {"type"}
    keys = {AudioFeatureConfig(**{name: value}).key() for name, value in changes.items()}
    keys.add(AudioFeatureConfig().key())
    assert len(keys) == len(changes) + 1
    code = "from mxnet_audio.features import AudioFeatureConfig as C; print(C().key())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == AudioFeatureConfig().key()


def test_default_length():
    assert AudioFeatureConfig().n_samples is None
    assert AudioFeatureConfig(n_frames=1366).n_samples == 349440
