"""File to log-mel, and samples to log-mel and MFCC, beside plain librosa, and torchaudio if it is installed.

    python benchmarks/bench_features.py [--data FOLDER] [--files 40] [--repeats 5]

All sides take turns in one run, and medians are compared, so that a busy machine slows all alike. Quote only ratios.
Samples are transformed with one thread, BLAS included.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy

import librosa
import numpy as np
import soundfile as sf

from mxnet_audio import audio, features

try:
    import torch
    import torchaudio
except ImportError:
    torchaudio = None

CONFIG = features.AudioFeatureConfig()
DATA = Path(os.environ.get("MXNET_AUDIO_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def librosa_file(path: str) -> np.ndarray:
    """Compute the log-mel spectrogram of a file with librosa."""
    return librosa_log_mel(*librosa.load(path, sr=CONFIG.sr), CONFIG)


def librosa_log_mel(y: np.ndarray, sr: int, config: features.AudioFeatureConfig) -> np.ndarray:
    """Compute the log-mel spectrogram of samples with librosa."""
    mel = librosa.feature.melspectrogram(
        y=y, sr=sr, n_fft=config.n_fft, hop_length=config.hop_length, n_mels=config.n_mels
    )
    return librosa.power_to_db(mel)


def librosa_mfcc(y: np.ndarray, sr: int, config: features.AudioFeatureConfig) -> np.ndarray:
    """Compute the MFCC of samples with librosa."""
    kwargs = {"n_fft": config.n_fft, "hop_length": config.hop_length, "n_mels": config.n_mels}
    return librosa.feature.mfcc(y=y, sr=sr, n_mfcc=config.n_mfcc, **kwargs)


def torch_transform(config: features.AudioFeatureConfig) -> Callable[[np.ndarray], np.ndarray]:
    """Return torchaudio's transform with the same parameters, from array to array."""
    torch.set_num_threads(1)
    kwargs = {"n_fft": config.n_fft, "hop_length": config.hop_length, "n_mels": config.n_mels}
    kwargs |= {"norm": config.norm, "mel_scale": "slaney", "pad_mode": "constant"}
    if config.type == "mfcc":
        transform = torchaudio.transforms.MFCC(config.sr, config.n_mfcc, melkwargs=kwargs)
    else:
        transform = torch.nn.Sequential(
            torchaudio.transforms.MelSpectrogram(config.sr, **kwargs),
            torchaudio.transforms.AmplitudeToDB("power", config.top_db),
        )

    def run(y: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return transform(torch.from_numpy(y)).numpy()

    return run


def load_files(paths: list[str], threads: int) -> None:
    """Compute the features of files with this package, in threads."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda path: features.load_features(path, CONFIG), paths))


def compare(name: str, ways: dict[str, Callable[[], object]], repeats: int) -> None:
    """Time all ways in turns, and print the medians and their ratios to this package (the last)."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    for repeat in range(repeats + 1):
        for way, run in ways.items():
            start = time.perf_counter()
            run()
            if repeat:  # the first call fills caches and reads the disk
                times[way].append(time.perf_counter() - start)
    medians = {way: statistics.median(taken) for way, taken in times.items()}
    ours = medians["ours"]
    figures = "   ".join(f"{way} {median * 1e3:7.2f} ms ({median / ours:.2f})" for way, median in medians.items())
    print(f"{name:<52} {figures}")


def compare_samples(seconds: int, repeats: int) -> None:
    """Compare log-mel and MFCC of samples at 22,050 Hz, after a check that all ways agree."""
    kwargs = {"sr": 22050, "n_fft": 2048, "hop_length": 512, "n_mels": 128}
    y = np.random.default_rng(0).standard_normal(seconds * 22050).astype(np.float32)
    for kind, plain in (("log_mel", librosa_log_mel), ("mfcc", librosa_mfcc)):
        config = features.AudioFeatureConfig(type=kind, **kwargs)
        ways = {"librosa": lambda plain=plain, config=config: plain(y, 22050, config)}
        if torchaudio is not None:
            transform = torch_transform(config)
            ways["torchaudio"] = lambda transform=transform: transform(y)
        ways["ours"] = lambda config=config: features.extract(y, 22050, config)
        for run in ways.values():
            np.testing.assert_allclose(run(), ways["ours"](), rtol=1e-3, atol=1e-2)
        compare(f"{seconds} s at 22,050 Hz to {kind} (2048/512/128), 1 thread", ways, repeats)


def write_stereo(folder: Path, count: int) -> list[str]:
    """Synthesise stereo WAVs of 10 s at 44.1 kHz."""
    rng = np.random.default_rng(0)
    for index in range(count):
        sf.write(folder / f"{index}.wav", 0.1 * rng.standard_normal((441_000, 2)), 44100)
    return audio.find_audio(folder)


def main() -> None:
    """Run all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA / "esc10", help="folder of recordings")
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        corpora = {"stereo WAV 44.1 kHz, 10 s": write_stereo(Path(folder), args.files // 2)}
        if args.data.is_dir():
            found = audio.find_audio(args.data)
            step = max(1, len(found) // args.files)
            corpora[f"recordings in {args.data.name}"] = found[::step][: args.files]
        else:
            print(f"no recordings at {args.data}: give --data")
        for name, paths in corpora.items():
            for threads in (1, 2):
                compare(
                    f"{len(paths)} files, {name}, {threads} thread{'s' * (threads > 1)}",
                    {
                        "librosa": lambda paths=paths: [librosa_file(path) for path in paths],
                        "ours": lambda paths=paths, threads=threads: load_files(paths, threads),
                    },
                    args.repeats,
                )

    if torchaudio is None:
        print("torchaudio is not compared with: it is not installed")
    for seconds in (4, 30):
        compare_samples(seconds, args.repeats * 5)


if __name__ == "__main__":
    main()
