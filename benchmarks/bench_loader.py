"""5,435 clips to MFCC to a small MLP: transformed up front, in every epoch, or once and cached on disk.

    python benchmarks/bench_loader.py [--clips 5435] [--epochs 4] [--sample 300] [--folder DIR]

The three modes of `AudioLoader` are compared with the plain way: `librosa.load` and `librosa.feature.mfcc` in
`gluon.data.DataLoader`, timed on a sample of the clips and scaled. The clips are noise of up to 4 s, most of them
stereo at 44.1 kHz, like UrbanSound8K's. Each mode runs in a process of its own, for the sake of its peak memory.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import librosa
import numpy as np
import soundfile as sf
import soxr

from mxnet_audio.data import AudioDataset, AudioLoader
from mxnet_audio.data.transforms import Features, Load
from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.parallel import usable_cpus

CLASSES, BATCH = 10, 32
CONFIG = AudioFeatureConfig(
    type="mfcc", sr=22050, n_fft=2048, hop_length=512, n_mels=128, n_mfcc=40, n_frames=1 + 4 * 22050 // 512
)
RATES = (44100, 44100, 44100, 44100, 44100, 44100, 44100, 48000, 48000, 96000, 22050, 16000, 8000)


def synthesise(folder: Path, count: int) -> list[str]:
    """Write clips of mixed rates, channels and lengths; existing ones are kept."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(count):
        sr = RATES[rng.integers(len(RATES))]
        seconds = 4.0 if rng.random() < 0.8 else rng.uniform(0.3, 4.0)
        channels = 2 if rng.random() < 0.9 else 1
        path = folder / f"{index}.wav"
        if not path.exists():
            sf.write(path, 0.1 * rng.standard_normal((int(seconds * sr), channels), dtype=np.float32), sr)
        paths.append(str(path))
    return paths


def network() -> gluon.Block:
    """Return two Dense layers of 256, and one for the scores."""
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(256, activation="relu"), gluon.nn.Dense(256, activation="relu"), gluon.nn.Dense(CLASSES))
    net.initialize(mx.init.Xavier())
    net.hybridize(static_alloc=True)
    return net


class Training:
    """The MLP and its trainer."""

    def __init__(self):
        self.net = network()
        self.trainer = gluon.Trainer(self.net.collect_params(), "adam", {"learning_rate": 1e-4}, kvstore=None)
        self.criterion = gluon.loss.SoftmaxCrossEntropyLoss()

    def epoch(self, batches) -> tuple[float, float]:
        """Return the seconds to the first batch, and of the epoch."""
        start, first = time.perf_counter(), None
        for x, y in batches:
            first = first or time.perf_counter() - start
            x, y = x.as_in_context(mx.cpu()), y.as_in_context(mx.cpu())  # from the shared memory of Gluon's workers
            with autograd.record():
                loss = self.criterion(self.net(x), y)
            loss.backward()
            self.trainer.step(len(x))
        nd.waitall()
        return first, time.perf_counter() - start


def labels(paths: list[str]) -> list[int]:
    """Return a class for each path, in turns."""
    return [index % CLASSES for index in range(len(paths))]


def memory() -> dict[str, float]:
    """Return the peak resident set, and the part of the present one that is not pages of files, in MiB."""
    status = Path("/proc/self/status").read_text()
    return {name: int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) / 1024 for name in ("VmHWM", "RssAnon")}


def time_mode(mode: str, paths: list[str], epochs: int, cache_dir: str) -> dict:
    """Time the epochs of one mode of the loader."""
    training = Training()
    training.epoch([(nd.zeros((BATCH, 40, 173)), nd.zeros(BATCH))])  # warms up MXNet
    start = time.perf_counter()
    dataset = AudioDataset(paths, labels(paths), transforms=[Features(CONFIG)])
    loader = AudioLoader(dataset, BATCH, mode, shuffle=True, cache_dir=cache_dir)
    made = time.perf_counter() - start
    times = [training.epoch(loader) for _ in range(epochs)]
    return {
        "load": made,
        "first_batch": made + times[0][0],
        "first_epoch": made + times[0][1],
        "later": float(np.median([total for _, total in times[1:]])),
        **memory(),
    }


def later_epochs(paths: list[str], cache_dir: str) -> dict:
    """Time epochs from memory and from the cache in turns, in one process, with the network and without."""
    dataset, training = AudioDataset(paths, labels(paths), transforms=[Features(CONFIG)]), Training()
    loaders = {
        mode: AudioLoader(dataset, BATCH, mode, shuffle=True, cache_dir=cache_dir) for mode in ("eager", "lazy_cached")
    }
    found = {}
    for run, name in ((training.epoch, "with"), (loader_epoch, "without")):
        times: dict[str, list[float]] = {mode: [] for mode in loaders}
        for loader in loaders.values():
            run(loader)
        for _ in range(9):
            for mode, loader in loaders.items():
                times[mode].append(run(loader)[1])
        found |= {f"{mode}, {name}": float(np.median(seconds)) for mode, seconds in times.items()}
    return found


def loader_epoch(loader: AudioLoader) -> tuple[float, float]:
    """Return the same as `Training.epoch`, of the loader alone."""
    start, first = time.perf_counter(), None
    for x, _ in loader:
        x.wait_to_read()
        first = first or time.perf_counter() - start
    return first, time.perf_counter() - start


def memmap_epoch(paths: list[str]) -> float:
    """Time an epoch of reading one array of all features batch by batch, in a shuffled order."""
    shape = (len(paths), *CONFIG.shape)
    with tempfile.TemporaryDirectory() as folder:
        written = np.memmap(Path(folder) / "all", np.float32, "w+", shape=shape)
        written[:] = 1
        written.flush()
        mapped = np.asarray(np.memmap(Path(folder) / "all", np.float32, "r", shape=shape))
        times = []
        for _ in range(5):
            order = np.random.default_rng(0).permutation(len(paths))
            start = time.perf_counter()
            for first in range(0, len(order), BATCH):
                nd.array(mapped[order[first : first + BATCH]]).wait_to_read()
            times.append(time.perf_counter() - start)
    return float(np.median(times))


def plain_mfcc(path: str) -> np.ndarray:
    """Compute the MFCC of one clip with librosa."""
    y, sr = librosa.load(path, sr=CONFIG.sr)
    y = librosa.util.fix_length(y, size=CONFIG.n_samples)
    return librosa.feature.mfcc(y=y, sr=sr, n_mfcc=40, n_fft=2048, hop_length=512, n_mels=128)


class PlainDataset(gluon.data.Dataset):
    """Paths and labels, for `transform_first`."""

    def __init__(self, paths):
        self.pairs = list(zip(paths, labels(paths)))

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        return self.pairs[index]


def time_plain(paths: list[str]) -> dict:
    """Time the plain way: up front; and in every epoch, alone and with two of Gluon's worker threads."""
    training = Training()
    plain_mfcc(paths[0])
    start = time.perf_counter()
    up_front = PlainDataset(paths).transform_first(plain_mfcc, lazy=False)
    load = time.perf_counter() - start
    _, later = training.epoch(gluon.data.DataLoader(up_front, BATCH, shuffle=True))
    dataset = PlainDataset(paths).transform_first(plain_mfcc)
    lazy = {
        workers: training.epoch(
            gluon.data.DataLoader(dataset, BATCH, shuffle=True, num_workers=workers, thread_pool=True)
        )[1]
        for workers in (0, 2)
    }
    return {"load": load, "later": later, "lazy": lazy[0], "lazy, 2 threads": lazy[2], **memory()}


def decode(path: str) -> np.ndarray:
    """Decode and resample one file, and nothing else."""
    y, sr = sf.read(path, dtype="float32", always_2d=True)
    mono = y[:, 0] if y.shape[1] == 1 else 0.5 * (y[:, 0] + y[:, 1])  # `mean` would take longer than all the rest
    return soxr.resample(np.ascontiguousarray(mono), sr, CONFIG.sr, quality="HQ")


def threaded(function: Callable, paths: list[str]) -> float:
    """Return the seconds for all files, on as many threads as the loader has."""
    start = time.perf_counter()
    with ThreadPoolExecutor(usable_cpus()) as pool:
        for _ in pool.map(function, paths):
            pass
    return time.perf_counter() - start


def child(*arguments: str) -> dict:
    """Return the result of a part of this program, run in a process of its own."""
    done = subprocess.run([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    """Run all parts, and print their results side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=5435)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--sample", type=int, default=300, help="number of clips that the plain way is timed on")
    parser.add_argument("--folder", type=Path, help="folder of the clips (4 GB); default: a temporary one")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch) / "clips"
        paths = synthesise(folder, args.clips)
        if args.part:
            mode, _, cache = args.part.partition(":")
            if mode == "plain":
                result = time_plain(paths)
            elif mode == "later":
                result = later_epochs(paths, cache)
            else:
                result = time_mode(mode, paths, args.epochs, cache)
            print(json.dumps(result))
            return
        report(args, folder, paths, scratch)


def report(args: argparse.Namespace, folder: Path, paths: list[str], scratch: str) -> None:
    """Run the parts, and print times and ratios."""
    for path in paths:  # all parts start with the files in the system's memory
        Path(path).read_bytes()
    common = ["--folder", str(folder), "--epochs", str(args.epochs)]
    scale = args.clips / args.sample
    plain_way = child("--part", "plain", "--clips", str(args.sample), *common)
    plain_way = {name: value * (1 if name in ("VmHWM", "RssAnon") else scale) for name, value in plain_way.items()}
    decoding, loading = threaded(decode, paths), threaded(Load(sr=CONFIG.sr), paths)
    print(f"{args.clips} clips; the plain way on {args.sample}, scaled; seconds; {usable_cpus()} threads")
    print(f"plain: up front {plain_way['load']:.1f}, later epochs {plain_way['later']:.2f}")
    print(f"plain: every epoch {plain_way['lazy']:.1f}, with 2 worker threads {plain_way['lazy, 2 threads']:.1f}")
    print(f"decoding and resampling alone: soundfile and soxr {decoding:.1f}, audio.load {loading:.1f}")
    modes = {}
    for mode in ("eager", "lazy", "lazy_cached", "lazy_cached again"):
        part = f"{mode.split()[0]}:{scratch}/cache"
        modes[mode] = found = child("--part", part, "--clips", str(args.clips), *common)
        few = child("--part", f"{mode.split()[0]}:{scratch}/few", "--clips", str(args.clips // 4), *common)
        print(
            f"{mode:<18} first batch {found['first_batch']:6.2f}, first epoch {found['first_epoch']:6.1f}, later "
            f"{found['later']:6.2f}; peak {found['VmHWM']:.0f} MiB ({few['VmHWM']:.0f} with a quarter of the "
            f"clips), of it not files' {found['RssAnon']:.0f} ({few['RssAnon']:.0f})"
        )
    eager, lazy, cached = modes["eager"], modes["lazy"], modes["lazy_cached"]
    mapped = memmap_epoch(paths)
    later = child("--part", f"later:{scratch}/cache", "--clips", str(args.clips), *common)
    print("later epochs in turns: " + ", ".join(f"{name} the network {value:.3f}" for name, value in later.items()))
    best_plain = min(plain_way["lazy"], plain_way["lazy, 2 threads"])
    thirty = cached["first_epoch"] + 29 * cached["later"]
    for name, ratio in (
        ("eager load / plain up front", eager["load"] / plain_way["load"]),
        ("eager load / decoding and resampling alone", eager["load"] / decoding),
        ("eager load / audio.load alone", eager["load"] / loading),
        ("30 epochs, lazy_cached / plain, every epoch", thirty / (30 * best_plain)),
        ("lazy's first epoch / eager's load", lazy["first_epoch"] / eager["load"]),
        ("later epochs, lazy_cached / eager", later["lazy_cached, with"] / later["eager, with"]),
        ("the same without the network", later["lazy_cached, without"] / later["eager, without"]),
        ("lazy_cached without the network / memmap alone", later["lazy_cached, without"] / mapped),
    ):
        print(f"{name:<50} {ratio:.3f}")


if __name__ == "__main__":
    main()
