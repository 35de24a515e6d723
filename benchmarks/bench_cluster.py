"""Vectors of many files in this process, and on a local Dask cluster: wall time, speed-up, overhead for each file.

All ways load the model, read the files and compute their vectors; the clusters also write Parquet. They take turns, and
medians are printed. ``first`` is the time of a run with a single file: starting tasks, loading the model and releasing
it. The overhead for each file is the rest of the time of one worker, beyond that of this process. Set
``OMP_NUM_THREADS`` to give all processes as many threads; by default, those of a cluster share the CPUs.

    python benchmarks/bench_cluster.py --files 400 --rounds 3
    python benchmarks/bench_cluster.py --model-dir demo/models/esc10/m5.onnx --seconds 1
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile as sf

RATE = 16000


def write_sounds(folder, count, seconds):
    """Write files of noise, each with a level of its own."""
    rng = np.random.default_rng(0)
    for number in range(count):
        noise = rng.normal(0, rng.uniform(0.01, 0.2), int(RATE * seconds)).astype(np.float32)
        sf.write(folder / f"{number:05}.wav", np.clip(noise, -1, 1), RATE)


def load(job):
    """Load the model of a job in this process, as a worker does."""
    from mxnet_audio.cluster.models import _load

    return _load(job, None)


def in_process(job, paths):
    """Return the seconds to load the model and to compute the vectors of all files, here."""
    begin = time.perf_counter()
    model = load(job)
    failed = sum(encoding.error is not None for encoding in model.encode_many(paths))
    assert not failed
    return time.perf_counter() - begin


def on_cluster(job, paths, client):
    """Return the seconds of a run, and its number of partitions."""
    from mxnet_audio.cluster import find_sounds, run

    with tempfile.TemporaryDirectory() as output:
        begin = time.perf_counter()
        report = run(job, find_sounds(paths), output, client, progress=False)
        seconds = time.perf_counter() - begin
    assert report.done == len(paths), report
    return seconds, report.partitions


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--encoder", default="yamnet")
    parser.add_argument("--model-dir", help="folder of a trained model, or an .onnx file, in place of an encoder")
    options = parser.parse_args()
    if min(options.files, options.rounds) < 1:
        parser.error("--files and --rounds must be >= 1")

    from mxnet_audio.cluster import EmbedJob, connect

    model = {"encoder": options.encoder} if options.model_dir is None else {"model_dir": options.model_dir}
    job = EmbedJob(**model)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_sounds(folder, options.files, options.seconds)
        paths = sorted(map(str, folder.iterdir()))
        in_process(job, paths[:1])  # imports
        firsts = {"this process": in_process(job, paths[:1])}
        clients, times = {}, {"this process": []}
        for count in options.workers:
            begin = time.perf_counter()
            name = f"{count} workers" if count > 1 else "1 worker"
            clients[name] = stack.enter_context(connect(workers=count))
            print(f"{name}: started in {time.perf_counter() - begin:.1f} s")
            on_cluster(job, paths, clients[name])  # every worker imports
            firsts[name], times[name] = on_cluster(job, paths[:1], clients[name])[0], []
        for _ in range(options.rounds):
            times["this process"].append(in_process(job, paths))
            for name, client in clients.items():
                seconds, partitions = on_cluster(job, paths, client)
                times[name].append(seconds)
    here = statistics.median(times["this process"])
    print(f"{options.files} files of {options.seconds:g} s in {partitions} partitions, {job.model_name}")
    print(f"{'':14}{'median':>9}{'fastest':>9}{'first':>8}{'speed-up':>10}{'files/s':>9}")
    for name, seconds in times.items():
        median = statistics.median(seconds)
        rates = f"{here / median:9.2f}x{options.files / median:9.1f}"
        print(f"{name:14}{median:8.2f}s{min(seconds):8.2f}s{firsts[name]:7.2f}s{rates}")
    if "1 worker" in times:
        beyond = statistics.median(times["1 worker"]) - firsts["1 worker"] - (here - firsts["this process"])
        print(f"overhead of one worker for each file: {1000 * beyond / max(1, options.files - 1):.2f} ms")


if __name__ == "__main__":
    main()
