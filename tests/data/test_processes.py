"""Several processes: equal keys, a clean end with live batches, a cache that survives a killed process."""

import json
import subprocess
import sys

import numpy as np
import pytest

from mxnet_audio.data import AudioDataset, AudioLoader
from mxnet_audio.data.transforms import *  # noqa: F403 - all transforms, for KEYED
from mxnet_audio.data.transforms import Features
from mxnet_audio.features import AudioFeatureConfig

CONFIG = AudioFeatureConfig(sr=8000, n_fft=256, hop_length=128, n_mels=16, n_frames=20)

KEYED = """[
    Load(), Load(sr=8000), Load(mono=False), Resample(8000, 4000), Resample(4000, 8000), Stereo2Mono(), Scale(),
    Scale(2), PadTrim(5), PadTrim(5, 1), MEL(), MEL(16000), MEL(n_mels=20), MFCC(), MFCC(n_mfcc=13), MuLawEncoding(),
    MuLawEncoding(16), MuLawDecoding(), Features(AudioFeatureConfig()), Features(AudioFeatureConfig(n_mels=20)),
    Compose([]), Compose([Scale(2)]), Compose([Scale(2), PadTrim(5)]), Compose([PadTrim(5), Scale(2)]),
]"""


@pytest.fixture(scope="module")
def other_process():
    """Process that printed the keys of `KEYED`, and ended while batches were alive and a thread was making more."""
    program = (
        "import json, sys, threading, time, numpy as np\n"
        "from mxnet_audio.data.batchify import Stack\n"
        "from mxnet_audio.data.transforms import *\n"
        "from mxnet_audio.features import AudioFeatureConfig\n"
        f"json.dump([step.key for step in {KEYED}], sys.stdout)\n"
        "rows = [np.ones(1000, np.float32)] * 64\n"
        "def work():\n    while True: Stack()(rows) + 1\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "batches = [Stack()(rows) for _ in range(50)]; time.sleep(0.1)"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)


def test_batches_that_are_alive_do_not_disturb_the_end_of_the_process(other_process):
    assert (other_process.returncode, other_process.stderr) == (0, "")


def test_keys_are_equal_in_another_process_and_differ_by_class_and_parameters(other_process):
    keys = [step.key for step in eval(KEYED)]
    assert len(set(keys)) == len(keys) and all(isinstance(key, str) for key in keys)
    assert json.loads(other_process.stdout) == keys


def test_a_killed_first_epoch_leaves_nothing_half_valid(tmp_path, write_tone, monkeypatch):
    paths = [str(write_tone(tmp_path / f"{i}.wav", 200 + 100 * i, seconds=0.2 + 0.05 * i, sr=8000)) for i in range(7)]
    script = (
        "import os, sys\n"
        "from mxnet_audio.data import AudioDataset, AudioLoader\n"
        "from mxnet_audio.data.transforms import Features\n"
        "from mxnet_audio.features import AudioFeatureConfig, cache\n"
        "cache._SHARD_BYTES = 2000\n"
        f"config = AudioFeatureConfig(**{CONFIG.model_dump(mode='json')!r})\n"
        "dataset = AudioDataset(sys.argv[2:], transforms=[Features(config)])\n"
        "for number, _ in enumerate(AudioLoader(dataset, 1, 'lazy_cached', cache_dir=sys.argv[1])):\n"
        "    if number == 3:\n"
        "        os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "cache"), *paths], check=False)
    assert killed.returncode == -9
    decoded, original = [], Features.forward
    monkeypatch.setattr(Features, "forward", lambda self, source: decoded.append(source) or original(self, source))
    dataset = AudioDataset(paths, list(range(7)), transforms=[Features(CONFIG)])
    ((x, y),) = AudioLoader(dataset, 7, "lazy_cached", cache_dir=tmp_path / "cache")
    assert len(decoded) < 7  # what was written before the kill is complete
    ((expected, labels),) = AudioLoader(dataset, 7, "eager")
    np.testing.assert_array_equal(x.asnumpy(), expected.asnumpy())
    np.testing.assert_array_equal(y.asnumpy(), labels.asnumpy())
