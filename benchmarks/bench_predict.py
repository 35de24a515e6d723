"""Files to labels: `predict_many` beside the plain way, and its peak memory as the number of files grows.

The plain way is what one would write by hand: librosa, file by file, and the same network on one clip at a time.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import librosa
import numpy as np

from mxnet_audio import datasets
from mxnet_audio.datasets.synthetic import synthesise
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier

DATA = Path(os.environ.get("MXNET_AUDIO_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")

MEMORY = """
import itertools, re, sys
from pathlib import Path
from mxnet_audio.datasets import folder
from mxnet_audio.library import load_classifier
classifier = load_classifier(sys.argv[1])
paths = [path for path, _ in folder(sys.argv[2])]
many = itertools.islice(itertools.cycle(paths), int(sys.argv[3]))
count = sum(prediction.error is None for prediction in classifier.predict_many(many))
# Not getrusage: its peak is inherited from the process that started this one.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(count, int(peak[1]) / 1024)
"""


def plain(classifier, paths):
    """Label files one by one with librosa and the network."""
    config, labels = classifier.feature_config, []
    for path in paths:
        y, sr = librosa.load(path, sr=config.sr)
        y = librosa.util.fix_length(y, size=config.n_samples)
        mel = librosa.feature.melspectrogram(
            y=y, sr=sr, n_fft=config.n_fft, hop_length=config.hop_length, n_mels=config.n_mels
        )
        x = librosa.power_to_db(mel)[None, None].astype(np.float32)
        labels.append(classifier.labels[int(classifier.model.forward(x)[0].argmax())])
    return labels


def main():
    """Print the ratio, and the memory for each number of files."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--counts", type=int, nargs="+", default=[200, 1000, 2000])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        synthesise(Path(folder) / "sound", clips_per_class=16, sr=44100, seconds=5.0)
        corpora = {"synthetic WAV, 44.1 kHz": Path(folder) / "sound"}
        if (DATA / "esc10").is_dir():
            corpora["ESC-10 Ogg, 44.1 kHz"] = DATA / "esc10"
        classifier, model = Cifar10AudioClassifier(), Path(folder) / "model"
        pairs = datasets.folder(Path(folder) / "sound")
        classifier.fit(pairs, model, epochs=1, input_shape=(1, 96, 235), nb_classes=None, progress=False)
        for name, corpus in corpora.items():
            paths = [path for path, _ in datasets.folder(corpus)][:160]
            ways = {
                "plain": lambda paths=paths: plain(classifier, paths),
                "predict_many": lambda paths=paths: [p.label for p in classifier.predict_many(paths)],
            }
            answers = {way: function() for way, function in ways.items()}
            same = np.mean([a == b for a, b in zip(answers["plain"], answers["predict_many"])])
            times = {way: [] for way in ways}
            for _ in range(arguments.repeats):
                for way, function in ways.items():
                    start = time.perf_counter()
                    function()
                    times[way].append(time.perf_counter() - start)
            plain_time, ours = (statistics.median(times[way]) for way in ("plain", "predict_many"))
            print(
                f"{name}: plain {1e3 * plain_time / len(paths):.1f} ms a file, predict_many "
                f"{1e3 * ours / len(paths):.1f} ms; plain / predict_many = {plain_time / ours:.2f} "
                f"({100 * same:.0f}% of labels the same)",
                flush=True,
            )
        for count in arguments.counts:
            command = [sys.executable, "-c", MEMORY, str(model), str(Path(folder) / "sound"), str(count)]
            done, megabytes = subprocess.check_output(command, text=True).split()
            print(f"peak memory of predict_many over {done} files: {float(megabytes):.0f} MB", flush=True)


if __name__ == "__main__":
    main()
