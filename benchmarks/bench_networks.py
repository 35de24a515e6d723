"""Training step and inference of each network, beside PyTorch and ONNX Runtime where they are installed.

Each peer runs in a process of its own, undisturbed by the threads and the memory of the others, and in turns, so that
other load on the machine slows all alike. Printed are medians, and the ratio of the best PyTorch to MXNet (above 1:
MXNet is faster). PyTorch runs eagerly, with channels last, and compiled (weights frozen for inference). ``pip install
torch==2.13.0 onnxruntime`` for the comparison; `floor.py` compares MXNet with what the machine can do.
"""

import argparse
import contextlib
import ctypes
import importlib.util
import multiprocessing
import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from mxnet_audio.engine import autograd, cores, gluon, mx, nd
from mxnet_audio.library.export import export_onnx
from mxnet_audio.library.inputs import features_for_shape
from mxnet_audio.library.trained_model import TrainedModel
from mxnet_audio.models import NETWORKS
from mxnet_audio.parallel import usable_cpus

CLASSES = 10
SCRATCH = ("cifar10", "m5", "resnet_v2")  # networks of classifiers without published weights
THREADS = int(os.environ.get("OMP_NUM_THREADS") or cores() or usable_cpus())
WITHOUT_TORCH = {"resnet18", "sincnet"}  # not in torch_networks
TORCH_WAYS = ("eager", "channels_last", "compiled")


def keep_memory():
    """Let glibc keep freed memory; otherwise PyTorch gets its largest maps anew from the system, page by page."""
    with contextlib.suppress(AttributeError):
        for option, value in ((-4, 0), (-1, 2**31 - 1)):  # M_MMAP_MAX, M_TRIM_THRESHOLD
            ctypes.CDLL(None).mallopt(option, value)


def make_model(name, shape):
    """Return a network with labels and features, with random parameters."""
    config, head = features_for_shape(name, shape), NETWORKS[name].heads[0]
    return TrainedModel(
        name, list(range(CLASSES)), config, head=head, model_ctx=mx.cpu(), data_ctx=mx.cpu(), random_state=0
    )


def mxnet_steps(name, x, y):
    """Return functions for one training step and one inference, and the number of parameters."""
    net = make_model(name, x.shape[1:]).net
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

    return {"train": train, "infer": infer}, sum(int(np.prod(p.shape)) for p in learned)


def onnx_steps(name, x, y):
    """Return a function for inference in ONNX Runtime."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read during the import
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = THREADS, 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(make_model(name, x.shape[1:]), path)
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    input_name = session.get_inputs()[0].name
    return {"infer": lambda: session.run(None, {input_name: x})}, None


def torch_steps(name, x, y, way):
    """Return the same as `mxnet_steps`, in PyTorch."""
    import torch
    import torch_networks

    torch.set_num_threads(THREADS)
    train, infer, count = torch_networks.stepper(name, CLASSES, x.shape[1:], x, y, way)
    return {"train": train, "infer": infer}, count


def steps_by(name):
    """Return the functions that make the steps of a network, by peer; peers without the network are left out."""
    makers = {"mxnet": mxnet_steps}
    if importlib.util.find_spec("onnxruntime"):
        makers["onnxruntime"] = onnx_steps
    if importlib.util.find_spec("torch") and name not in WITHOUT_TORCH:
        makers |= {way: partial(torch_steps, way=way) for way in TORCH_WAYS}
    return makers


def timed(function, clock=time.perf_counter):
    """Return the seconds of a call that follows another: threads are awake, and weights are in the cache."""
    function()
    start = clock()
    function()
    return clock() - start


def medians(timers, repeats):
    """Return the median of the seconds that each function returns, called in turns after a first call to warm up."""
    for timer in timers.values():
        timer()
    times = [{name: timer() for name, timer in timers.items()} for _ in range(repeats)]
    return {name: statistics.median(turn[name] for turn in times) for name in timers}


def serve(connection, make, name, x, y, clock, keep):
    """Time steps on request, in a process of its own."""
    if keep:
        keep_memory()
    steps, count = make(name, x, y)
    connection.send((list(steps), count))
    while (kind := connection.recv()) is not None:
        connection.send(timed(steps[kind], clock))


def compare(name, shape, batch, repeats, clock, keep):
    """Return the median seconds of a training step and of an inference of one network, by peer."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(batch, *shape)).astype(np.float32), rng.integers(0, CLASSES, batch)
    context = multiprocessing.get_context("spawn")
    connections, kinds, counts, processes = {}, {}, set(), []
    for peer, make in steps_by(name).items():
        connections[peer], other = context.Pipe()
        arguments = (other, make, name, x, y, clock, keep)
        processes.append(context.Process(target=serve, args=arguments, daemon=True))
        processes[-1].start()
        kinds[peer], count = connections[peer].recv()
        counts |= {count} - {None}
    assert len(counts) == 1, f"the numbers of parameters differ: {counts}"

    def seconds(peer, kind):
        connections[peer].send(kind)
        return connections[peer].recv()

    found = {
        kind: medians({peer: partial(seconds, peer, kind) for peer in connections if kind in kinds[peer]}, repeats)
        for kind in ("train", "infer")
    }
    for connection, process in zip(connections.values(), processes):
        connection.send(None)
        process.join()
    return found


def main():
    """Print a line for each network, input and batch."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("networks", nargs="*", help="all by default")
    parser.add_argument(
        "--cpu", action="store_true", help="measure CPU time, for a busy machine; with OMP_NUM_THREADS=1"
    )
    parser.add_argument("--keep-memory", action="store_true", help="tune glibc's allocator in favor of PyTorch")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--frames", type=int, nargs="+", default=[235, 1366])
    parser.add_argument("--batch", type=int, nargs="+", default=[8])
    arguments = parser.parse_args()
    if arguments.cpu and THREADS > 1:
        parser.error("--cpu counts waiting threads as busy: set OMP_NUM_THREADS=1")
    clock = time.process_time if arguments.cpu else time.perf_counter
    print(f"{THREADS} threads each")
    for name in arguments.networks or SCRATCH:
        shapes = [(1, 1, 32000)] if name == "m5" else [(1, 96, frames) for frames in arguments.frames]
        for shape in shapes:
            for batch in arguments.batch:
                found = compare(name, shape, batch, arguments.repeats, clock, arguments.keep_memory)
                for kind, times in found.items():
                    shown = ", ".join(f"{peer} {1e3 * t:.1f} ms" for peer, t in times.items())
                    others = [times[way] for way in TORCH_WAYS if way in times]
                    ratio = f"; best PyTorch / MXNet = {min(others) / times['mxnet']:.2f}" if others else ""
                    print(f"{name:<10} {shape[2]:>5} wide, batch {batch:>2}, {kind}: {shown}{ratio}", flush=True)


if __name__ == "__main__":
    main()
