"""Training step and inference of each network, beside the same network in PyTorch when it is installed.

Both in one process, turn by turn, so that whatever else the machine does falls on both alike; medians, and the ratio
PyTorch over MXNet (above 1: MXNet is ahead). ``pip install torch==2.13.0`` for the comparison.
"""

import argparse
import statistics
import time

import numpy as np

from mxnet_audio.data.threads import USABLE_CPUS
from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.models import get_model, model_names
from mxnet_audio.training import initialize

try:
    import torch
    from torch_networks import stepper as torch_stepper
except ImportError:
    torch = None

CLASSES = 10


def mxnet_stepper(name, input_shape, x, y):
    """Functions that take one training step and one inference, and the number of parameters."""
    net = get_model(name, classes=CLASSES, input_shape=input_shape)
    initialize(net, 0, mx.cpu())
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


def medians(functions, repeats):
    """Median seconds of each function, called turn by turn."""
    for function in functions.values():
        function()
        function()
    times = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def main():
    """Print a line for each network, input and batch."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--frames", type=int, nargs="+", default=[235, 1366])
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 16])
    arguments = parser.parse_args()
    if torch is None:
        print("PyTorch is not installed: no comparison")
    else:
        torch.set_num_threads(USABLE_CPUS)
        print(f"MXNet {mx.__version__}, PyTorch {torch.__version__}, {USABLE_CPUS} threads each")
    rng = np.random.default_rng(0)
    for name in model_names():
        for frames in arguments.frames:
            for batch in arguments.batch:
                shape = (1, 96, frames)
                x = rng.normal(size=(batch, *shape)).astype(np.float32)
                y = rng.integers(0, CLASSES, batch)
                train, infer, count = mxnet_stepper(name, shape, x, y)
                steps = {"train": {"mxnet": train}, "infer": {"mxnet": infer}}
                if torch is not None:
                    for layout in ("eager", "channels_last"):
                        train, infer, others = torch_stepper(name, CLASSES, shape, x, y, layout != "eager")
                        assert count == others, f"{count} parameters here, {others} there"
                        steps["train"][layout], steps["infer"][layout] = train, infer
                for kind, functions in steps.items():
                    times = medians(functions, arguments.repeats)
                    shown = ", ".join(f"{who} {1e3 * t:.1f} ms" for who, t in times.items())
                    others = [t for who, t in times.items() if who != "mxnet"]
                    ratio = f"; best PyTorch / MXNet = {min(others) / times['mxnet']:.2f}" if others else ""
                    print(f"{name:<10} {frames:>5} frames, batch {batch:>2}, {kind}: {shown}{ratio}", flush=True)


if __name__ == "__main__":
    main()
