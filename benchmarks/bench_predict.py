"""Files to labels: `predict_many` beside the plain way, and its peak memory as the number of files grows.

The plain way is what one would write by hand: librosa, file by file, and the same network on one clip at a time.
With PyTorch installed, also a pipeline of its own: a `DataLoader` whose processes, one to a CPU and started before,
compute librosa's features, and the same network with the same parameters, channels last, 16 clips at a time.
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

from mxnet_audio import datasets, training
from mxnet_audio.data.threads import USABLE_CPUS
from mxnet_audio.datasets.synthetic import synthesise
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier

try:
    import torch
    import torch_networks
except ImportError:
    torch = None

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


def librosa_input(path, config):
    """Input of the network for one file [shape=(1, bands, frames)], by librosa."""
    y, sr = librosa.load(path, sr=config.sr)
    y = librosa.util.fix_length(y, size=config.n_samples)
    mel = librosa.feature.melspectrogram(
        y=y, sr=sr, n_fft=config.n_fft, hop_length=config.hop_length, n_mels=config.n_mels
    )
    return librosa.power_to_db(mel)[None].astype(np.float32)


def plain(classifier, paths):
    """Label files one by one with librosa and the network."""
    inputs = (librosa_input(path, classifier.feature_config) for path in paths)
    return [classifier.labels[int(classifier.model.forward(x[None])[0].argmax())] for x in inputs]


class Files:
    """A dataset for PyTorch: files as librosa's inputs of the network."""

    def __init__(self, paths, config):
        self.paths, self.config = paths, config

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, position):
        return librosa_input(self.paths[position], self.config)


def torch_pipeline(classifier, paths):
    """Function that labels files with librosa and PyTorch."""
    values = training.get_parameters(classifier.model.net)
    mean, std = values.pop("standardize.mean"), values.pop("standardize.std")
    net = torch_networks.Cifar10(len(classifier.labels), classifier.model.net.input_shape).eval()
    names = [name for name in net.state_dict() if not name.endswith("num_batches_tracked")]  # else in the same order
    arrays = {name: torch.from_numpy(value) for name, value in zip(names, values.values(), strict=True)}
    net.load_state_dict(arrays, strict=False)
    net = net.to(memory_format=torch.channels_last)
    loader = torch.utils.data.DataLoader(
        Files(paths, classifier.feature_config),
        batch_size=16,
        num_workers=USABLE_CPUS,
        multiprocessing_context="spawn",
        persistent_workers=True,
    )

    def label():
        answers = []
        with torch.inference_mode():
            for x in loader:
                x = (x - float(mean[0])) / float(std[0])
                answers += net(x.to(memory_format=torch.channels_last))[0].argmax(1).tolist()
        return [classifier.labels[answer] for answer in answers]

    return label


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
            if torch is not None:
                ways["PyTorch"] = torch_pipeline(classifier, paths)
            answers = {way: function() for way, function in ways.items()}
            times = {way: [] for way in ways}
            for _ in range(arguments.repeats):
                for way, function in ways.items():
                    start = time.perf_counter()
                    function()
                    times[way].append(time.perf_counter() - start)
            each = {way: 1e3 * statistics.median(values) / len(paths) for way, values in times.items()}
            print(f"{name}: predict_many {each['predict_many']:.1f} ms a file", flush=True)
            for way in (way for way in ways if way != "predict_many"):
                same = np.mean([a == b for a, b in zip(answers[way], answers["predict_many"])])
                print(
                    f"  {way}: {each[way]:.1f} ms, {each[way] / each['predict_many']:.2f} times as long "
                    f"({100 * same:.0f}% of labels the same)",
                    flush=True,
                )
        for count in arguments.counts:
            command = [sys.executable, "-c", MEMORY, str(model), str(Path(folder) / "sound"), str(count)]
            done, megabytes = subprocess.check_output(command, text=True).split()
            print(f"peak memory of predict_many over {done} files: {float(megabytes):.0f} MB", flush=True)


if __name__ == "__main__":
    main()
