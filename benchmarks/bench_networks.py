"""Training step and inference of each network, beside the same network in PyTorch and in ONNX Runtime where they are.

All in one process, turn by turn, so that whatever else the machine does falls on all alike; medians, and the ratio
best PyTorch over MXNet (above 1: MXNet is ahead). PyTorch runs eagerly, with channels last, and compiled (weights
frozen for inference). ``pip install torch==2.13.0 onnxruntime`` for the comparison; how near MXNet is to what the
machine can do, `floor.py` says.
"""

import argparse
import contextlib
import ctypes
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from mxnet_audio.data.threads import USABLE_CPUS
from mxnet_audio.engine import autograd, cores, gluon, mx, nd
from mxnet_audio.library.export import export_onnx
from mxnet_audio.library.model import Model, config_of
from mxnet_audio.models import model_names

try:
    import torch
    import torch_networks
except ImportError:
    torch = None
try:
    import onnxruntime
except ImportError:
    onnxruntime = None

CLASSES = 10
THREADS = int(os.environ.get("OMP_NUM_THREADS") or cores() or USABLE_CPUS)


def keep_memory():
    """Let glibc keep what is freed: PyTorch's largest maps else come anew from the system, page by page."""
    with contextlib.suppress(AttributeError):
        for option, value in ((-4, 0), (-1, 2**31 - 1)):  # M_MMAP_MAX, M_TRIM_THRESHOLD
            ctypes.CDLL(None).mallopt(option, value)


def made(name, shape):
    """A network with labels and features, its parameters random."""
    config = config_of(name, shape)
    return Model(name, list(range(CLASSES)), config, model_ctx=mx.cpu(), data_ctx=mx.cpu(), random_state=0)


def mxnet_stepper(net, x, y):
    """Functions that take one training step and one inference, and the number of parameters."""
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 1e-3}, kvstore=None)
    criterion = gluon.loss.SoftmaxCrossEntropyLoss()
    x, y = nd.array(x), nd.array(y)
    learned = [p for p in net.collect_params().values() if p.grad_req != "null"]

    def train():
        with autograd.record():
            loss = criterion(net(x)[0], y)
        loss.backward()
        trainer.step(len(x))
        nd.waitall()
        return float(loss.mean().asscalar())

    def infer():
        return net(x)[0].asnumpy()

    return train, infer, sum(int(np.prod(p.shape)) for p in learned)


def onnx_infer(model, x):
    """Function that infers with ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(model, path)
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: x})


def medians(functions, repeats, clock=time.perf_counter):
    """Median seconds of each function, called turn by turn."""
    for function in functions.values():
        for _ in range(3):
            function()
    times = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            time.sleep(0.01)  # threads that the one before left waiting for more have gone to sleep
            function()  # and its own are awake, its weights in the cache
            start = clock()
            function()
            times[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def steps_of(name, shape, batch):
    """Training steps and inferences of one network by who takes them."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(batch, *shape)).astype(np.float32), rng.integers(0, CLASSES, batch)
    model = made(name, shape)
    train, infer, count = mxnet_stepper(model.net, x, y)
    steps = {"train": {"mxnet": train}, "infer": {"mxnet": infer}}
    if onnxruntime is not None:
        steps["infer"]["onnxruntime"] = onnx_infer(model, x)
    if torch is not None:
        for way in torch_networks.WAYS:
            train, infer, others = torch_networks.stepper(name, CLASSES, shape, x, y, way)
            assert count == others, f"{count} parameters here, {others} there"
            steps["train"][way], steps["infer"][way] = train, infer
    return steps


def main():
    """Print a line for each network, input and batch."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("networks", nargs="*", help="all by default")
    parser.add_argument(
        "--cpu", action="store_true", help="count the processor's time, for a busy machine; with OMP_NUM_THREADS=1"
    )
    parser.add_argument("--keep-memory", action="store_true", help="tune glibc's allocator, for PyTorch's good")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--frames", type=int, nargs="+", default=[235, 1366])
    parser.add_argument("--batch", type=int, nargs="+", default=[8])
    arguments = parser.parse_args()
    if arguments.cpu and THREADS > 1:
        parser.error("--cpu counts waiting threads as busy: set OMP_NUM_THREADS=1")
    if arguments.keep_memory:
        keep_memory()
    clock = time.process_time if arguments.cpu else time.perf_counter
    if torch is None:
        print("PyTorch is not installed: no comparison")
    else:
        torch.set_num_threads(THREADS)
        print(f"MXNet {mx.__version__}, PyTorch {torch.__version__}, {THREADS} threads each")
    for name in arguments.networks or model_names():
        shapes = [(1, 1, 32000)] if name == "m5" else [(1, 96, frames) for frames in arguments.frames]
        for shape in shapes:
            for batch in arguments.batch:
                for kind, functions in steps_of(name, shape, batch).items():
                    times = medians(functions, arguments.repeats, clock)
                    shown = ", ".join(f"{who} {1e3 * t:.1f} ms" for who, t in times.items())
                    others = [times[way] for way in times if way not in ("mxnet", "onnxruntime")]
                    ratio = f"; best PyTorch / MXNet = {min(others) / times['mxnet']:.2f}" if others else ""
                    print(f"{name:<10} {shape[2]:>5} wide, batch {batch:>2}, {kind}: {shown}{ratio}", flush=True)


if __name__ == "__main__":
    main()
