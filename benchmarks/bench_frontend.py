"""Log-mel in the network's graph, beside features.log_mel offline, in the same run, on the CPU.

    python benchmarks/bench_frontend.py [--batch 8] [--seconds 5] [--repeats 9]

Both sides take turns, and medians are compared, so that a busy machine slows both alike. Quote only ratios. MXNet uses
all cores, SciPy one; `OMP_NUM_THREADS=1` gives MXNet one as well.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from mxnet_audio import features, nn
from mxnet_audio.engine import autograd, gluon, nd

SETTINGS = {12000: {"n_fft": 512, "hop_length": 256, "n_mels": 96}, 22050: {"n_fft": 2048, "hop_length": 512}}


def compare(name: str, offline: Callable[[], object], ours: Callable[[], object], repeats: int) -> None:
    """Time both in turns, and print the medians and their ratio."""
    offline(), ours()  # plans, caches
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for run, into in zip((offline, ours), times):
            start = time.perf_counter()
            run()
            into.append(time.perf_counter() - start)
    fast, slow = map(statistics.median, times)
    print(f"{name:<44} offline {fast * 1e3:8.1f} ms   in graph {slow * 1e3:8.1f} ms   ratio {slow / fast:5.2f}")


def main() -> None:
    """Run all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()

    for sr, settings in SETTINGS.items():
        samples = int(args.seconds * sr)
        y = np.random.default_rng(0).standard_normal((args.batch, samples)).astype(np.float32)
        net = gluon.nn.HybridSequential()
        net.add(nn.MelSpectrogram(samples, sr, **settings), nn.PowerToDB())
        net.initialize()
        net.hybridize(static_alloc=True)
        x = nd.array(y)
        x.attach_grad()

        def backward(net=net, x=x):
            with autograd.record():
                out = net(x)
            out.backward()
            x.grad.wait_to_read()

        def offline(y=y, sr=sr, settings=settings):
            return features.log_mel(y, sr, **settings)

        name = f"{args.batch} x {args.seconds:g} s at {sr} Hz to log-mel"
        compare(name, offline, lambda net=net, x=x: net(x).wait_to_read(), args.repeats)
        compare(f"{name}, with gradient", offline, backward, args.repeats)


if __name__ == "__main__":
    main()
