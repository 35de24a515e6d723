"""File to log-mel, and samples to log-mel, beside plain librosa in the same run.

    python benchmarks/bench_features.py [--data FOLDER] [--files 40] [--repeats 5]

Both sides take turns, and medians are compared, so that a busy machine disturbs both alike. Only ratios are
worth quoting.
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

import librosa
import numpy as np
import soundfile as sf

from mxnet_audio import audio, features

CONFIG = features.AudioFeatureConfig()
DATA = Path(os.environ.get("MXNET_AUDIO_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def librosa_file(path: str) -> np.ndarray:
    """The plain way from a file to its log-mel spectrogram."""
    return librosa_log_mel(*librosa.load(path, sr=CONFIG.sr), CONFIG)


def librosa_log_mel(y: np.ndarray, sr: int, config: features.AudioFeatureConfig) -> np.ndarray:
    """The plain way from samples."""
    mel = librosa.feature.melspectrogram(
        y=y, sr=sr, n_fft=config.n_fft, hop_length=config.hop_length, n_mels=config.n_mels
    )
    return librosa.power_to_db(mel)


def our_files(paths: list[str], threads: int) -> None:
    """The same by this library."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda path: features.load_features(path, CONFIG), paths))


def compare(name: str, plain: Callable[[], object], ours: Callable[[], object], repeats: int) -> None:
    """Time both in turns and print the medians and their ratio."""
    plain(), ours()  # imports, caches, the disk
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for run, into in zip((plain, ours), times):
            start = time.perf_counter()
            run()
            into.append(time.perf_counter() - start)
    slow, fast = map(statistics.median, times)
    print(f"{name:<52} librosa {slow * 1e3:8.1f} ms   ours {fast * 1e3:8.1f} ms   ratio {slow / fast:5.2f}")


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
                    lambda paths=paths: [librosa_file(path) for path in paths],
                    lambda paths=paths, threads=threads: our_files(paths, threads),
                    args.repeats,
                )

    config = features.AudioFeatureConfig(sr=22050, n_fft=2048, hop_length=512, n_mels=128)
    y = np.random.default_rng(0).standard_normal(30 * 22050).astype(np.float32)
    compare(
        "30 s at 22,050 Hz to log-mel (2048/512/128), 1 thread",
        lambda: librosa_log_mel(y, 22050, config),
        lambda: features.extract(y, 22050, config),
        args.repeats * 5,
    )


if __name__ == "__main__":
    main()
