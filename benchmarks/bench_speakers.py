"""Seconds of speech that each speaker network encodes in a second, beside ECAPA-TDNN in PyTorch.

Measured are the networks alone, on windows of 2 s, 8 at a time, in turns as in `bench_networks.py`; and
`SpeakerRecognizer.encode_many` from files, with decoding and features. ``pip install torch==2.13.0 onnxruntime`` for
the comparison.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile as sf
from bench_networks import THREADS, TORCH_WAYS, compare

from mxnet_audio.speakers.recognizer import SpeakerRecognizer

DATA = Path(os.environ.get("MXNET_AUDIO_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
SECONDS, BATCH = 2.0, 8
SHAPES = {"ecapa_tdnn": (1, 80, 201), "resnet18": (1, 80, 201), "sincnet": (1, 1, 32000)}


def from_files(network, folder, repeats):
    """Return the seconds of speech that `encode_many` encodes in a second, from recordings of 14 s."""
    rng = np.random.default_rng(0)
    pairs = []
    for index in range(8):  # noise: what the network learns makes no difference to its speed
        path = Path(folder) / f"{index}.wav"
        sf.write(path, rng.normal(0, 0.1, 3 * 16000), 16000)
        pairs.append((str(path), str(index % 2)))
    recognizer = SpeakerRecognizer(network)
    recognizer.fit(pairs, Path(folder) / network, epochs=1, test_size=0.5, seconds=SECONDS, cache=False, progress=False)
    files = sorted((DATA / "music").glob("libri_*.ogg")) * 4
    seconds = sum(sf.info(path).duration for path in files)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        assert all(encoding.error is None for encoding in recognizer.encode_many(files))
        times.append(time.perf_counter() - start)
    return seconds / statistics.median(times[1:])


def main():
    """Print a line for each network."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("networks", nargs="*", help="all by default")
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    print(f"{THREADS} threads each, {BATCH} windows of {SECONDS:g} s")
    for name in arguments.networks or SHAPES:
        times = compare(name, SHAPES[name], BATCH, arguments.repeats, time.perf_counter, keep=False)["infer"]
        rates = {peer: BATCH * SECONDS / seconds for peer, seconds in times.items()}
        shown = ", ".join(f"{peer} {rate:.0f}" for peer, rate in rates.items())
        others = [rates[way] for way in TORCH_WAYS if way in rates]
        ratio = f"; MXNet / best PyTorch = {rates['mxnet'] / max(others):.2f}" if others else ""
        print(f"{name:<10} seconds of speech a second, the network: {shown}{ratio}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            rate = from_files(name, folder, arguments.repeats // 2)
        print(f"{name:<10} seconds of speech a second, from files (windows overlap by half): {rate:.0f}", flush=True)


if __name__ == "__main__":
    main()
