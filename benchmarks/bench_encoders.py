"""Encoders of the hub, base size with random weights: their speed beside PyTorch and inference runtimes, and memory.

``time``    seconds for the embeddings of sounds of 10 s (Whisper pads them to 30 s), with one and four in a batch;
            beside transformers in PyTorch, eager and compiled, and the exported network in ONNX Runtime and OpenVINO
``memory``  peak memory while clips of a thousand different lengths, 0.5 to 4 s, are encoded

Every runtime is a process of its own; they take turns, and medians are compared. The peers are looked for in this
interpreter, or in that of ``--peer-python``: ``pip install torch==2.13.0 transformers onnxruntime openvino``.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from bench_networks import medians
from bench_transfer import Runtime
from hub_runtimes import RUNTIMES

HERE = Path(__file__).resolve().parent
SECONDS = 10.0
BATCHES = (1, 4)
RATE = 16000
ENCODERS = ("wav2vec2", "whisper")
MEMORY = """
import resource
import sys
import numpy as np
from mxnet_audio import load_encoder
encoder = load_encoder(sys.argv[1], use_pretrained=False)
rng = np.random.default_rng(0)
lengths = rng.permutation(np.linspace(0.5, 4, int(sys.argv[2])) * 16000).astype(int)
sounds = ((rng.normal(0, 0.1, length).astype(np.float32), 16000) for length in lengths)
for count, _ in enumerate(encoder.encode_many(sounds), 1):
    if count in (50, len(lengths) // 2, len(lengths)):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"  after {count} clips {peak:.0f} MB", flush=True)
"""


def write_model(encoder, folder):
    """Write the inputs of an encoder, and the network as ONNX."""
    from mxnet_audio import features
    from mxnet_audio.library.export import export_onnx
    from mxnet_audio.pretrained import load_encoder

    rng = np.random.default_rng(0)
    loaded = load_encoder(encoder, use_pretrained=False)
    inputs = {}
    for batch in BATCHES:
        sounds = rng.normal(0, 0.1, (batch, int(SECONDS * RATE))).astype(np.float32)
        arrays = [features.extract(y, RATE, loaded.feature_config) for y in sounds]
        inputs[f"batch of {batch}"] = features.as_image(np.stack(arrays), loaded.feature_config.time_axis)
    np.savez(Path(folder) / "inputs.npz", **inputs)
    export_onnx(loaded, Path(folder) / "model.onnx")


def measure_time(arguments):
    """Print a line for each encoder and batch."""
    for encoder in arguments.encoders:
        with tempfile.TemporaryDirectory() as folder:
            # A process of its own: the exporter's memory would slow the runtimes.
            program = "import sys; from bench_encoders import write_model; write_model(*sys.argv[1:])"
            subprocess.run([sys.executable, "-c", program, encoder, folder], check=True, cwd=HERE)
            runtimes = {}
            for name in RUNTIMES:
                python = sys.executable if name == "mxnet" else arguments.peer_python
                script = str(HERE / "hub_runtimes.py")
                command = [python, script, name, encoder, folder, str(arguments.threads)]
                runtime = Runtime(command, {"OMP_NUM_THREADS": str(arguments.threads)})
                if runtime.missing:
                    print(f"{encoder}: without {name}: {runtime.missing}")
                else:
                    runtimes[name] = runtime
            for batch in BATCHES:
                step = f"batch of {batch}"
                timers = {name: partial(runtime.seconds, step) for name, runtime in runtimes.items()}
                seconds = medians(timers, arguments.repeats)
                print(f"{encoder}, {step}, {arguments.threads} threads:")
                best = min((seconds[name] for name in seconds if name.startswith("PyTorch")), default=None)
                for name, value in seconds.items():
                    ratio = "" if best is None else f"  {value / best:.2f} of the best PyTorch"
                    print(f"  {name:<18}{value:8.3f} s{ratio}", flush=True)
            for runtime in runtimes.values():
                runtime.close()


def measure_memory(arguments):
    """Print the peak memory while many clips of different lengths are encoded."""
    for encoder in arguments.encoders:
        print(f"{encoder}, {arguments.clips} clips of different lengths:", flush=True)
        environment = os.environ | {"OMP_NUM_THREADS": str(arguments.threads)}
        subprocess.run([sys.executable, "-c", MEMORY, encoder, str(arguments.clips)], check=True, env=environment)


def main():
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[[], "time", "memory"], default=["time", "memory"])
    parser.add_argument("--encoders", nargs="+", choices=ENCODERS, default=ENCODERS)
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter with the peers")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--clips", type=int, default=1000)
    arguments = parser.parse_args()
    for what, measure in (("time", measure_time), ("memory", measure_memory)):
        if what in arguments.what:
            measure(arguments)


if __name__ == "__main__":
    main()
