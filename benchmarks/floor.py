"""The least time that each network's step can take on this machine, and how many times that the step takes.

First, two rates are measured: how fast MXNet multiplies (the better of a matrix product and a 3x3 convolution) and how
fast it moves memory (one array read, another written, both larger than the caches). An operator takes at least the time
of its multiplications at the first rate, and of reading its inputs and writing its output once at the second. The
larger of the two, summed over the operators, is the floor. A training step multiplies three times (output, gradient of
the weights, gradient of the input, which the first layer does not need) and moves its output twice and its input three
times. Maps that stay in the cache from one operator to the next may be faster than the floor.
"""

import argparse
import json
import statistics
import time
from functools import partial

import numpy as np
from bench_networks import CLASSES, SCRATCH, THREADS, make_model, medians, mxnet_steps, timed

from mxnet_audio.engine import mx, nd

FREE = {"Reshape", "reshape", "Flatten", "transpose", "Pad"}  # views, or on the input alone


def rate(function, amount, repeats=7):
    """Return the amount a second of a function, from the median of its times."""
    function().wait_to_read()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function().wait_to_read()
        times.append(time.perf_counter() - start)
    return amount / statistics.median(times)


def machine():
    """Measure floating-point operations and bytes a second."""
    n = 1536
    a = nd.random.normal(shape=(n, n))
    x, w = nd.random.normal(shape=(8, 128, 32, 32)), nd.random.normal(shape=(128, 128, 3, 3))
    convolve = {"no_bias": True, "kernel": (3, 3), "pad": (1, 1), "num_filter": 128}
    flops = max(
        rate(lambda: nd.dot(a, a), 2 * n**3),
        rate(lambda: nd.Convolution(x, w, **convolve), 2 * 8 * 32 * 32 * 128 * 128 * 9),
    )
    source, target = nd.ones((1 << 26,)), nd.ones((1 << 26,))
    return flops, rate(lambda: nd.negative(source, out=target), 2 * source.size * 4)


def operators(net, batch):
    """Yield operator, floating-point operations, values read and values written, for one inference."""
    symbol = mx.sym.Group(net(mx.sym.var("data")))
    internals = symbol.get_internals()
    _, shapes, _ = internals.infer_shape(data=(batch, *net.input_shape))
    shapes = dict(zip(internals.list_outputs(), shapes))
    nodes = json.loads(symbol.tojson())["nodes"]

    def shape(node):
        return shapes[node["name"] if node["op"] == "null" else node["name"] + "_output"]

    for node in nodes:
        if node["op"] == "null" or node["op"] in FREE:
            continue
        sources = [nodes[source] for source, *_ in node["inputs"]]
        written = int(np.prod(shape(node)))
        read = sum(int(np.prod(shape(source))) for source in sources)
        taps = 0
        if node["op"] in ("Convolution", "FullyConnected"):
            taps = int(np.prod(shape(sources[1])[1:]))
        yield node["op"], 2 * taps * written, read, written


def floors(net, batch, flops, bandwidth):
    """Return operations, bytes and least seconds of one inference and of one training step."""
    sums = {"train": np.zeros(3), "infer": np.zeros(3)}
    first = True
    for operator, work, read, written in operators(net, batch):
        passes = 3 if not (work and first) else 2
        first = first and not work
        for kind, operations, values in (
            ("infer", work, 0 if operator == "Dropout" else read + written),
            ("train", passes * work, 3 * read + 2 * written),
        ):
            sums[kind] += (operations, 4 * values, max(operations / flops, 4 * values / bandwidth))
    return sums


def main():
    """Print a line for each network and step."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--frames", type=int, default=235)
    parser.add_argument("--batch", type=int, default=8)
    arguments = parser.parse_args()
    flops, bandwidth = machine()
    print(f"{THREADS} threads: {flops / 1e9:.0f} GFLOP/s, {bandwidth / 1e9:.1f} GB/s; batch {arguments.batch}")
    for name in SCRATCH:
        shape = (1, 1, 32000) if name == "m5" else (1, 96, arguments.frames)
        least = floors(make_model(name, shape).net, arguments.batch, flops, bandwidth)
        rng = np.random.default_rng(0)
        x = rng.normal(size=(arguments.batch, *shape)).astype(np.float32)
        steps, _ = mxnet_steps(name, x, rng.integers(0, CLASSES, arguments.batch))
        for kind, step in steps.items():
            seconds = medians({kind: partial(timed, step)}, arguments.repeats)[kind]
            operations, moved, floor = least[kind]
            print(
                f"{name:<9} {kind}: {operations / 1e9:6.2f} GFLOP, {moved / 1e6:6.0f} MB, floor {1e3 * floor:6.1f} ms, "
                f"measured {1e3 * seconds:6.1f} ms = {seconds / floor:.1f} floors",
                flush=True,
            )


if __name__ == "__main__":
    main()
