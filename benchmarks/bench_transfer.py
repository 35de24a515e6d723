"""Pretrained encoders: their speed beside other runtimes, and the time from a folder to a classifier and to an answer.

``encoding``    seconds of sound that each encoder encodes in a second of CPU time, with one thread: from Ogg files,
                from samples at 16 kHz, and by the network alone; beside LiteRT, PyTorch and TensorFlow where installed
``classifier``  from 240 clips of ESC-10 to a classifier tested on the other 80, in wall seconds; with ``--scratch``
                also by cifar10 without pretraining, which takes minutes
``search``      from 240 clips to an answered query, in wall seconds

The peers run in this interpreter, or in that of ``--peer-python``, since today's need NumPy 2: ``pip install
ai-edge-litert torch tensorflow-cpu librosa``, and ``pip install --no-deps musicnn==0.1.0 Resemblyzer==0.1.4``.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import soundfile as sf
from bench_networks import medians
from encoder_runtimes import RUNTIMES, SR

from mxnet_audio import audio, features, weights
from mxnet_audio.errors import ModelError
from mxnet_audio.features.pretrained import yamnet_filters
from mxnet_audio.models import NETWORKS
from mxnet_audio.parallel import usable_cpus

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("MXNET_AUDIO_DATA") or HERE.parents[1] / "shared" / "data")
STEPS = {"files": "from Ogg files", "samples": "from samples", "network": "the network"}
CLIPS = 24  # of 5 s each, all of one length; the peers hold all their patches in memory
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}


# Programs that a user would write, run in a process of their own, so that the imports count. Arguments: a folder of
# clips to learn or to index, one of other clips, and a folder to write to.
SEARCH = """
import sys
from mxnet_audio import AudioSearch, datasets
search = AudioSearch(encoder="yamnet")
search.index_many([path for path, _ in datasets.folder(sys.argv[1])], save_dir=sys.argv[3])
queries = datasets.folder(sys.argv[2])
print(len(search), "clips, of which the nearest to", queries[0][0], "is", search.query(queries[0][0], top_k=1)[0].path)
"""
CLASSIFIER = """
import sys
from mxnet_audio import PretrainedAudioClassifier, datasets
classifier = PretrainedAudioClassifier("yamnet")
classifier.fit(datasets.folder(sys.argv[1]), sys.argv[3], test_size=0)
print("accuracy", classifier.evaluate(datasets.folder(sys.argv[2])).accuracy)
"""
SCRATCH = """
import sys
from mxnet_audio import Cifar10AudioClassifier, datasets
classifier, held_out = Cifar10AudioClassifier(), datasets.folder(sys.argv[2])
options = {"epochs": 80, "batch_size": 8, "input_shape": (1, 96, 235), "nb_classes": None}
classifier.fit(datasets.folder(sys.argv[1]), sys.argv[3], validation_pairs=held_out, **options)
print("accuracy", classifier.evaluate(held_out).accuracy)
"""


class Runtime:
    """Process that runs steps on request, such as `encoder_runtimes.py`."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(
            command,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
        )
        answer = self.answer()
        self.steps, self.missing = answer.get("steps", ()), answer.get("missing")

    def answer(self):
        """Read one line."""
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"missing": "the process ended"}

    def seconds(self, step):
        """Return the CPU time of a step."""
        print(step, file=self.process.stdin)
        answer = self.answer()
        if "seconds" not in answer:
            raise RuntimeError(f"{self.process.args}: {answer}")
        return answer["seconds"]

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def write_inputs(encoder, paths, folder):
    """Write what the runtimes need, and return the seconds of sound."""
    config, hop = (getattr(NETWORKS[weights.record(encoder).network], name) for name in ("features", "patch_hop"))
    loaded = weights.load(encoder, download=False)
    sounds = [audio.load(path, sr=SR)[0] for path in paths]
    patches = [
        batch[:, np.newaxis]
        for y in sounds
        for batch, _ in features.patches(features.frame_blocks([y], config), config.n_frames, hop)
    ]
    np.savez(
        Path(folder) / "inputs.npz",
        paths=[str(path) for path in paths],
        sounds=np.stack(sounds),
        patches=np.concatenate(patches),
        filters=yamnet_filters(),
        published=str(published_file(encoder) or ""),
        silence=loaded.labels.index("Silence") if "Silence" in loaded.labels else -1,
        **{f"@{name}": tensor for name, tensor in loaded.tensors.items()},
    )
    return sum(map(len, sounds)) / SR


def published_file(encoder):
    """Return the published file with the weights; None if only the converted ones are on this machine."""
    try:
        return weights.find(encoder, download=False)[0]
    except ModelError:
        return None


def encoding(arguments):
    """Print a line for each encoder and step."""
    lengths = {path: sf.info(path).frames for path in sorted((DATA / "esc10").glob("*/*.ogg"))}
    paths = [path for path, frames in lengths.items() if frames == statistics.mode(lengths.values())]
    paths = paths[:: len(paths) // CLIPS][:CLIPS]
    for encoder in arguments.encoders:
        if not weights.available(encoder):
            print(f"{encoder}: no weights here (mxnet-audio models info {encoder})", flush=True)
            continue
        with tempfile.TemporaryDirectory() as folder:
            seconds = write_inputs(encoder, paths, folder)
            runtimes = {
                name: Runtime(
                    [
                        sys.executable if name == "mxnet" else arguments.peer_python,
                        str(HERE / "encoder_runtimes.py"),
                        name,
                        encoder,
                        folder,
                    ],
                    ONE_THREAD,
                )
                for name in RUNTIMES[encoder]
            }
            for name, runtime in runtimes.items():
                if runtime.missing:
                    print(f"{encoder}: {name} is not compared: {runtime.missing}", flush=True)
            for step, description in STEPS.items():
                timers = {
                    name: partial(runtime.seconds, step) for name, runtime in runtimes.items() if step in runtime.steps
                }
                rates = {name: seconds / cpu for name, cpu in medians(timers, arguments.repeats).items()}
                shown = ", ".join(f"{name} {rate:.0f}{agreement(folder, name, step)}" for name, rate in rates.items())
                others = [rate for name, rate in rates.items() if name != "mxnet"]
                ratio = f"; mxnet / best other = {rates['mxnet'] / max(others):.2f}" if others else ""
                print(f"{encoder}, {description}, seconds of sound a CPU second: {shown}{ratio}", flush=True)
            for runtime in runtimes.values():
                runtime.close()


def agreement(folder, runtime, step):
    """Return the mean correlation of a peer's outputs with ours, as text."""
    if runtime == "mxnet":
        return ""
    ours, theirs = (np.load(Path(folder) / f"{name}-{step}.npy") for name in ("mxnet", runtime))
    return f" (outputs correlate by {np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(ours, theirs)]):.3f})"


def classifier(arguments):
    """Print the time to a tested classifier."""
    with folders() as (folder, environment):
        from_folder("classifier of yamnet", CLASSIFIER, folder, environment)
        if arguments.scratch:
            from_folder("cifar10 from scratch", SCRATCH, folder, environment, ("cold",))


def search(arguments):
    """Print the time to an answered query."""
    with folders() as (folder, environment):
        from_folder("search with yamnet", SEARCH, folder, environment)


@contextlib.contextmanager
def folders():
    """Make a folder with the clips of folds 1 to 3 and of fold 4, and the environment with a cache there."""
    with tempfile.TemporaryDirectory() as folder:
        for path in (DATA / "esc10").glob("*/*.ogg"):
            part = Path(folder) / ("test" if path.name[0] == "4" else "train") / path.parent.name
            part.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, part)
        source = weights.find("yamnet", download=False)[0].parent  # the cache of the programs has no download
        yield Path(folder), os.environ | {"MXNET_AUDIO_WEIGHTS": str(source), "XDG_CACHE_HOME": f"{folder}/cache"}


def from_folder(description, program, folder, environment, states=("cold", "warm")):
    """Run a program with an empty cache and again with what it has left there, and print the seconds."""
    for state in states:
        start = time.perf_counter()
        paths = (str(folder / name) for name in ("train", "test", f"{description} {state}"))
        command = [sys.executable, "-c", program, *paths]
        answer = subprocess.check_output(command, env=environment, stderr=subprocess.DEVNULL, text=True)
        seconds = time.perf_counter() - start
        print(f"{description}, {state} cache: {seconds:.1f} s ({answer.strip()})", flush=True)


PARTS = {"encoding": encoding, "classifier": classifier, "search": search}


def main():
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--encoders", nargs="+", default=list(RUNTIMES), choices=list(RUNTIMES), help="of encoding")
    parser.add_argument("--peer-python", default=sys.executable, metavar="PYTHON", help="interpreter of the peers")
    parser.add_argument("--scratch", action="store_true", help="train cifar10 without pretraining as well: minutes")
    arguments = parser.parse_args()
    if not (DATA / "esc10").is_dir():
        parser.exit(message=f"no ESC-10 in {DATA}: set MXNET_AUDIO_DATA\n")
    print(f"{usable_cpus()} CPUs")
    for name in arguments.parts:
        try:
            PARTS[name](arguments)
        except ModelError as error:
            print(f"{name}: {error}", flush=True)


if __name__ == "__main__":
    main()
