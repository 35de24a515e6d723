"""Files to labels: `predict_many` of each network beside a plain loop, and its peak memory over numbers of files.

The plain loop uses librosa, file by file, and the same network on one clip at a time. Where PyTorch is installed, its
own pipeline is compared as well: a `DataLoader` whose processes, one for each CPU and started before, compute librosa's
features, and the same network with the same parameters, channels last (except for m5), 16 clips at a time.
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
from bench_networks import SCRATCH

from mxnet_audio import datasets, training
from mxnet_audio.datasets.synthetic import synthesise
from mxnet_audio.library import classifiers
from mxnet_audio.parallel import usable_cpus

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
classifier = load_classifier(sys.argv[1], sys.argv[2])
paths = [path for path, _ in folder(sys.argv[3])]
many = itertools.islice(itertools.cycle(paths), int(sys.argv[4]))
count = sum(prediction.error is None for prediction in classifier.predict_many(many))
# Not getrusage, whose peak is inherited from the parent process.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(count, int(peak[1]) / 1024)
"""


def librosa_input(path, config):
    """Compute the input of the network for one file [shape=(1, bands, frames), or (1, 1, samples)], by librosa."""
    y, sr = librosa.load(path, sr=config.sr)
    y = librosa.util.fix_length(y[max(0, len(y) - config.n_samples) // 2 :], size=config.n_samples)  # the middle
    if config.type == "raw":
        return y[None, None]
    mel = librosa.feature.melspectrogram(
        y=y, sr=sr, n_fft=config.n_fft, hop_length=config.hop_length, n_mels=config.n_mels
    )
    return librosa.power_to_db(mel)[None].astype(np.float32)


def plain(classifier, paths):
    """Label files one by one with librosa and the network."""
    inputs = (librosa_input(path, classifier.feature_config) for path in paths)
    return [classifier.labels[int(classifier.model.forward(x[None])[0].argmax())] for x in inputs]


class Files:
    """Dataset for PyTorch: files as inputs of the network, computed with librosa."""

    def __init__(self, paths, config):
        self.paths, self.config = paths, config

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, position):
        return librosa_input(self.paths[position], self.config)


def torch_pipeline(classifier, paths):
    """Return a function that labels files with librosa and PyTorch."""
    model = classifier.model
    values = training.get_parameters(model.net)
    mean, std = values.pop("standardize.mean"), values.pop("standardize.std")
    net = torch_networks.NETWORKS[model.network](len(classifier.labels), model.net.input_shape).eval()
    torch_networks.set_parameters(net, values)
    layout = torch_networks.layout(model.network, "channels_last")
    net = net.to(memory_format=layout)
    loader = torch.utils.data.DataLoader(
        Files(paths, classifier.feature_config),
        batch_size=16,
        num_workers=usable_cpus(),
        multiprocessing_context="spawn",
        persistent_workers=True,
    )

    def label():
        labels = []
        with torch.inference_mode():
            for x in loader:
                x = (x - float(mean[0])) / float(std[0])
                labels += net(x.to(memory_format=layout))[0].argmax(1).tolist()
        return [classifier.labels[label] for label in labels]

    return label


def main():
    """Print the ratios, and the peak memory for each number of files."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("networks", nargs="*", help="all by default")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--counts", type=int, nargs="*", default=[200, 1000, 2000], help="files, to measure memory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound"
        synthesise(sound, clips_per_class=16, sr=44100, seconds=5.0)
        corpora = {"synthetic WAV, 44.1 kHz": sound}
        if (DATA / "esc10").is_dir():
            corpora["ESC-10 Ogg, 44.1 kHz"] = DATA / "esc10"
        for network in arguments.networks or SCRATCH:
            classifier, shape = classifiers()[network](), (1, 1, 40000) if network == "m5" else (1, 96, 235)
            pairs = datasets.folder(sound)
            classifier.fit(pairs, folder, epochs=1, input_shape=shape, nb_classes=None, progress=False)
            for name, corpus in corpora.items():
                print(f"{network}, {name}: ", end="", flush=True)
                compare(classifier, [path for path, _ in datasets.folder(corpus)][:160], arguments.repeats)
        for count in arguments.counts:
            command = [sys.executable, "-c", MEMORY, folder, network, str(sound), str(count)]
            done, megabytes = subprocess.check_output(command, text=True).split()
            print(f"peak memory of predict_many ({network}) over {done} files: {float(megabytes):.0f} MB", flush=True)


def compare(classifier, paths, repeats):
    """Print the time that each way takes to label files, and the share of equal labels."""
    ways = {
        "plain": lambda: plain(classifier, paths),
        "predict_many": lambda: [p.label for p in classifier.predict_many(paths)],
    }
    if torch is not None:
        ways["PyTorch"] = torch_pipeline(classifier, paths)
    answers = {way: function() for way, function in ways.items()}
    times = {way: [] for way in ways}
    for _ in range(repeats):
        for way, function in ways.items():
            start = time.perf_counter()
            function()
            times[way].append(time.perf_counter() - start)
    each = {way: 1e3 * statistics.median(values) / len(paths) for way, values in times.items()}
    ours = each.pop("predict_many")
    print(f"predict_many {ours:.1f} ms a file", flush=True)
    for way, theirs in each.items():
        same = np.mean([a == b for a, b in zip(answers[way], answers["predict_many"])])
        print(
            f"  {way}: {theirs:.1f} ms, {theirs / ours:.2f} times as long ({100 * same:.0f}% of labels the same)",
            flush=True,
        )


if __name__ == "__main__":
    main()
