"""Milvus and voyager on many vectors: time to build, memory, disk, recall at 10, and time of queries.

``engines``  one engine after another, each in a process of its own, with figures and their ratios to voyager's
``writers``  vectors that one process inserts in a second, and that two insert at once
``kill``     the server is killed (SIGKILL) in the middle of insertions and started again, and what it had
             acknowledged is counted

The server is that of the package ``milvus`` (``pip install --no-deps milvus==2.3.5``), started in a temporary folder,
or the one at ``--uri``, whose memory and disk are not measured. The vectors are random, in clusters, after a softrelu,
like a network's embeddings; they are made in blocks and not kept. Each figure is printed when it is known, and appended
to ``--output`` as a line of JSON: a run with other engines continues from there.

    python benchmarks/bench_milvus.py engines --output results.jsonl
    python benchmarks/bench_milvus.py engines --output results.jsonl --engines milvus --index-type IVF_PQ

A million vectors of 512 need 24 GB of memory and 30 GB of disk.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mxnet_audio.errors import SearchError
from mxnet_audio.search import VectorIndex
from mxnet_audio.search.milvus import MilvusIndex

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the server is started as the tests do

COLLECTION = "bench"
BLOCK = 10_000
TOP = 10
INDEX_TYPES = ("HNSW", "IVF_FLAT", "IVF_PQ")
SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Vectors:
    """Positive vectors in clusters, made from a seed in blocks.

    Within a cluster they vary in all directions, as in `bench_search.py`, or with `rank` in as many only, the same in
    all clusters: embeddings of sounds have far fewer degrees of freedom than numbers.
    """

    count: int
    dim: int
    rank: int = 0

    def __post_init__(self) -> None:
        rng = np.random.default_rng(0)
        object.__setattr__(self, "centres", rng.normal(size=(100, self.dim)).astype(np.float32))
        basis = rng.normal(size=(self.rank, self.dim)) / np.sqrt(max(1, self.rank))
        object.__setattr__(self, "basis", basis.astype(np.float32))

    def made(self, seed: int, count: int) -> np.ndarray:
        """Return `count` vectors [shape=(count, dim), float32]."""
        rng = np.random.default_rng([1, seed])
        points = self.centres[rng.integers(len(self.centres), size=count)]
        noise = rng.standard_normal((count, self.rank or self.dim), dtype=np.float32)
        return np.logaddexp(np.float32(0), points + 0.5 * (noise @ self.basis if self.rank else noise))

    def blocks(self, first: int = 0, last: int | None = None) -> Iterator[tuple[list[str], np.ndarray]]:
        """Yield names and vectors; `first` is a multiple of the size of a block."""
        last = self.count if last is None else last
        for start in range(first, last, BLOCK):
            stop = min(last, start + BLOCK)
            yield [f"/sounds/{number:09d}.wav" for number in range(start, stop)], self.made(start, stop - start)

    def queries(self, count: int) -> np.ndarray:
        """Return vectors that are in no block."""
        return self.made(2**40, count)


def exact(vectors: Vectors, queries: np.ndarray) -> np.ndarray:
    """Return the numbers of the nearest vectors by cosine, by brute force [shape=(queries, 10)]."""
    queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    best = np.full((len(queries), TOP), -np.inf, np.float32)
    numbers = np.zeros((len(queries), TOP), np.int64)
    for block, (_, points) in enumerate(vectors.blocks()):
        cosines = queries @ (points / np.linalg.norm(points, axis=1, keepdims=True)).T
        near = np.argpartition(-cosines, min(TOP, len(points)) - 1, axis=1)[:, :TOP]
        values = np.concatenate([best, np.take_along_axis(cosines, near, axis=1)], axis=1)
        labels = np.concatenate([numbers, near + block * BLOCK], axis=1)
        order = np.argsort(-values, axis=1)[:, :TOP]
        best, numbers = np.take_along_axis(values, order, axis=1), np.take_along_axis(labels, order, axis=1)
    return numbers


class Report:
    """Figures: printed, appended to a file, and divided by those of voyager in the file."""

    def __init__(self, output: Path, settings: dict):
        self._output, self._settings = output, settings

    def add(self, engine: str, figure: str, value: float) -> None:
        """Report a figure."""
        known = [json.loads(line) for line in self._output.read_text().splitlines()] if self._output.exists() else []
        peers = [
            line["value"]
            for line in known
            if (line["engine"], line["figure"]) == ("voyager", figure) and line["settings"] == self._settings
        ]
        ratio = f"   {value / peers[-1]:8.3g} of voyager" if peers and engine != "voyager" else ""
        print(f"{engine:<16} {figure:<40} {value:12.5g}{ratio}", flush=True)
        line = {"date": time.strftime("%F %T"), "engine": engine, "figure": figure, "value": value}
        with self._output.open("a") as file:
            file.write(json.dumps({**line, "settings": self._settings}) + "\n")


def processes(pid: int) -> list[Path]:
    """Return the folders in /proc of a process and those that it started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    pids = {pid}
    while more := {child for child, parent in parents.items() if parent in pids} - pids:
        pids |= more
    return [Path(f"/proc/{process}") for process in pids]


def memory(folders: list[Path]) -> tuple[float, float]:
    """Return the resident and the peak memory of processes, by their folders in /proc [GB]."""
    text = "".join((folder / "status").read_text() for folder in folders)
    resident, peak = (
        sum(map(int, re.findall(rf"{name}:\s+(\d+) kB", text))) * 1024 / 1e9 for name in ("VmRSS", "VmHWM")
    )
    return resident, peak


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and those that it started [s]."""
    times = [(folder / "stat").read_text().rpartition(")")[2].split()[11:13] for folder in processes(pid)]
    return sum(int(user) + int(system) for user, system in times) / os.sysconf("SC_CLK_TCK")


def size(folder: Path) -> float:
    """Return the size of the files in a folder [GB]."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # deleted meanwhile
            total += path.stat().st_blocks * 512 if path.is_file() else 0
    return total / 1e9


@contextlib.contextmanager
def server(arguments: argparse.Namespace) -> Iterator[tuple[str, str | None, Any]]:
    """Yield the address and the token of the server; one that is started here is the third, and removed afterwards."""
    if arguments.uri:
        yield arguments.uri, arguments.token, None
        return
    from tests.milvus_server import MilvusServer

    with tempfile.TemporaryDirectory(dir=arguments.folder, ignore_cleanup_errors=True) as folder:
        running = MilvusServer(Path(folder), settings={"LOG_LEVEL": "error"})  # Milvus's own, not those of the tests
        running.start()
        try:
            yield running.uri, running.token, running
        finally:
            running.kill()


class Voyager:
    """Engine of this package in the memory of this process."""

    name = "voyager"
    pid: int | None = None  # of a server

    def __init__(self, arguments: argparse.Namespace):
        self.index = VectorIndex("voyager")
        self._folder = Path(tempfile.mkdtemp(dir=arguments.folder))

    def add(self, paths: list[str], vectors: np.ndarray) -> None:
        for path, vector in zip(paths, vectors):
            self.index.add(path, vector)

    def complete(self) -> None:
        self.index.query(self.index.vector(self.index.paths[0]), 1)  # builds the graph

    def settle(self) -> None:
        """Do nothing: a graph does not change."""

    def figures(self) -> dict[str, float]:
        resident, peak = memory([Path("/proc/self")])
        start = time.perf_counter()
        self.index.save(self._folder)
        seconds = time.perf_counter() - start
        return {
            "resident memory [GB]": resident, "peak memory [GB]": peak, "disk [GB]": size(self._folder),
            "save [s]": seconds,
        }  # fmt: skip

    def close(self) -> None:
        shutil.rmtree(self._folder)


class Milvus:
    """Server, and a client in this process."""

    pid: int | None = None

    def __init__(self, arguments: argparse.Namespace):
        from pymilvus import MilvusClient

        self.name = f"milvus {arguments.index_type}"
        self._stack = contextlib.ExitStack()
        uri, token, self._server = self._stack.enter_context(server(arguments))
        if self._server is not None:
            self.pid = int((self._server.folder / "pid").read_text())
        self.index = MilvusIndex(
            uri, COLLECTION, index_type=arguments.index_type, index_params=json.loads(arguments.index_params) or None,
            search_params=json.loads(arguments.search_params) or None, token=token, timeout=600,
        )  # fmt: skip
        self._client = MilvusClient(uri, token=token or "")
        self._count = 0
        if self._client.has_collection(COLLECTION):
            sys.exit(f"{uri} has a collection {COLLECTION}: drop it")

    def add(self, paths: list[str], vectors: np.ndarray) -> None:
        self.index.add_many(paths, vectors)
        self._count += len(paths)

    def complete(self) -> None:
        """Wait until all vectors are in segments that have an index, which the server answers from."""
        self._client.flush(COLLECTION, timeout=3600)
        while not self._segments():
            time.sleep(0.5)

    def settle(self) -> None:
        """Wait until the server has merged its segments, which it looks for once a minute."""
        segments, since = self._segments(), time.monotonic()
        while not segments or time.monotonic() < since + 90:
            time.sleep(1)
            if (now := self._segments()) != segments:
                segments, since = now, time.monotonic()

    def _segments(self) -> set[int]:
        """Return the segments that the server answers from, if all vectors are in some with an index."""
        segments = [each for each in self._client.list_loaded_segments(COLLECTION) if each.num_rows]
        whole = sum(each.num_rows for each in segments) >= self._count and all(each.index_name for each in segments)
        return {each.segment_id for each in segments} if whole else set()

    def figures(self) -> dict[str, float]:
        found = {"segments": float(len(self._segments()))}
        if self._server is not None:
            found["resident memory [GB]"], found["peak memory [GB]"] = memory(processes(self.pid))
            found["disk [GB]"] = size(self._server.folder)
        found["peak memory of the client [GB]"] = memory([Path("/proc/self")])[1]
        return found

    def close(self) -> None:
        if self._server is None:
            self.index.drop()
        self._stack.close()


def measure(name: str, arguments: argparse.Namespace, queries: np.ndarray, truth: np.ndarray, report: Report) -> None:
    """Report the figures of an engine."""
    vectors = Vectors(arguments.n, arguments.dim, arguments.rank)
    engine = {"voyager": Voyager, "milvus": Milvus}[name](arguments)
    try:
        served = cpu_seconds(engine.pid) if engine.pid else 0.0
        inserted = used = shown = 0.0
        for done, (paths, points) in enumerate(vectors.blocks(), 1):
            start, cpu = time.perf_counter(), time.process_time()
            engine.add(paths, points)
            inserted += time.perf_counter() - start
            used += time.process_time() - cpu
            if time.monotonic() > shown + 60:
                shown = time.monotonic()
                print(f"  {engine.name}: {min(arguments.n, done * BLOCK)} in {inserted:.0f} s", flush=True)
        report.add(engine.name, "insert [s]", inserted)
        start, cpu = time.perf_counter(), time.process_time()
        engine.complete()
        built = time.perf_counter() - start
        used += time.process_time() - cpu
        report.add(engine.name, "build after the last insert [s]", built)
        report.add(engine.name, "insert and build [s]", inserted + built)
        served = cpu_seconds(engine.pid) - served if engine.pid else 0.0
        report.add(engine.name, "insert and build, CPU time [s]", used + served)
        engine.settle()
        print(f"  {engine.name}: queries", flush=True)
        measure_queries(engine, queries, truth, report)
        for figure, value in engine.figures().items():
            report.add(engine.name, figure, value)
    finally:
        engine.close()


def measure_queries(engine: Voyager | Milvus, queries: np.ndarray, truth: np.ndarray, report: Report) -> None:
    """Report the recall of an engine, and the time of its queries."""
    for query in queries[:20]:
        engine.index.query(query, TOP)
    seconds, found = [], []
    used = cpu_seconds(engine.pid) if engine.pid else 0.0
    cpu = time.process_time()
    for query in queries:
        start = time.perf_counter()
        neighbours = engine.index.query(query, TOP)
        seconds.append(time.perf_counter() - start)
        found.append({int(Path(neighbour.path).stem) for neighbour in neighbours})
    used = (cpu_seconds(engine.pid) - used if engine.pid else 0.0) + time.process_time() - cpu
    recall = np.mean([len(near & set(best.tolist())) / len(best) for near, best in zip(found, truth)])
    report.add(engine.name, "recall at 10", float(recall))
    for percent in (50, 99):
        report.add(engine.name, f"query, p{percent} [ms]", float(np.percentile(seconds, percent)) * 1e3)
    report.add(engine.name, "query, CPU time [ms]", used / len(queries) * 1e3)
    with ThreadPoolExecutor(4) as pool:
        start = time.perf_counter()
        list(pool.map(lambda query: engine.index.query(query, TOP), queries))
        report.add(engine.name, "queries a second, 4 threads", len(queries) / (time.perf_counter() - start))


def engines(arguments: argparse.Namespace, report: Report) -> None:
    """Measure one engine after another, each in a process of its own."""
    vectors = Vectors(arguments.n, arguments.dim, arguments.rank)
    queries = vectors.queries(arguments.queries)
    start = time.perf_counter()
    truth = exact(vectors, queries)
    report.add("brute force", "vectors made and compared [s]", time.perf_counter() - start)
    for name in arguments.engines:
        process = SPAWN.Process(target=measure, args=(name, arguments, queries, truth, report))
        process.start()
        process.join()
        if process.exitcode:
            sys.exit(f"{name}: failed")


def write(index: MilvusIndex, vectors: Vectors, first: int, last: int, barrier: Any, spans: Any) -> None:
    """Insert vectors, and send when this began and ended."""
    blocks = list(vectors.blocks(first, last))
    barrier.wait()
    start = time.time()
    for paths, points in blocks:
        index.add_many(paths, points)
    spans.put((start, time.time()))


def writers(arguments: argparse.Namespace, report: Report) -> None:
    """Measure the rate of one process that inserts, and of two at once."""
    half = arguments.n // 2 // BLOCK * BLOCK
    if not half:
        sys.exit(f"-n must be at least {2 * BLOCK}")
    vectors = Vectors(2 * half, arguments.dim, arguments.rank)
    with server(arguments) as (uri, token, _):
        for count in (1, 2):
            index = MilvusIndex(uri, f"{COLLECTION}_{count}", token=token, timeout=600)
            barrier, spans = SPAWN.Barrier(count), SPAWN.Queue()
            parts = [(part * half, (part + 1) * half) for part in range(count)]
            processes = [SPAWN.Process(target=write, args=(index, vectors, *part, barrier, spans)) for part in parts]
            for process in processes:
                process.start()
            times = [spans.get(timeout=3600) for _ in processes]
            for process in processes:
                process.join()
            seconds = max(end for _, end in times) - min(start for start, _ in times)
            report.add("milvus", f"vectors a second, writers: {count}", count * half / seconds)
            report.add("milvus", f"vectors of {count * half} in the index", len(index))
            index.drop()


def kill(arguments: argparse.Namespace, report: Report) -> None:
    """Kill the server in the middle of insertions, start it again, and count what it had acknowledged."""
    vectors = Vectors(arguments.n, arguments.dim, arguments.rank)
    rng = np.random.default_rng(0)
    sent: dict[str, np.ndarray] = {}
    acknowledged: list[str] = []
    blocks = (
        (paths[i : i + 500], points[i : i + 500]) for paths, points in vectors.blocks() for i in range(0, BLOCK, 500)
    )

    with server(arguments) as (uri, token, running):

        def insert() -> None:
            with contextlib.suppress(SearchError):
                index = MilvusIndex(uri, COLLECTION, token=token, timeout=10)
                for paths, points in blocks:
                    sent.update(zip(paths, points))
                    index.add_many(paths, points)
                    acknowledged.extend(paths)

        for number in range(1, arguments.kills + 1):
            before, thread = len(acknowledged), threading.Thread(target=insert)
            thread.start()
            while thread.is_alive() and len(acknowledged) < before + 2000:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 2))
            running.kill()
            thread.join()
            start = time.perf_counter()
            running.start()
            index = MilvusIndex(uri, COLLECTION, token=token, timeout=600)
            found = {entry.path: vector for entries, block in index.batches() for entry, vector in zip(entries, block)}
            report.add("milvus", f"kill {number}: start and read all [s]", time.perf_counter() - start)
            report.add("milvus", f"kill {number}: sent", len(sent))
            report.add("milvus", f"kill {number}: acknowledged", len(acknowledged))
            report.add("milvus", f"kill {number}: in the index", len(found))
            lost = [path for path in acknowledged if not np.array_equal(found.get(path), sent[path])]
            report.add("milvus", f"kill {number}: acknowledged and lost", len(lost))


def main() -> None:
    """Measure a part, and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["engines", "writers", "kill"])
    parser.add_argument("-n", type=int, default=1_000_000, help="vectors")
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--rank", type=int, default=0, help="directions in which a cluster varies; 0: all")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--engines", nargs="+", choices=["voyager", "milvus"], default=["voyager", "milvus"])
    parser.add_argument("--index-type", choices=INDEX_TYPES, default="HNSW")
    parser.add_argument("--index-params", default="{}", help="of Milvus, as JSON; M=16, efConstruction=200 by default")
    parser.add_argument("--search-params", default="{}", help="of Milvus, as JSON; ef=200 or nprobe=64 by default")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--uri", help="a server that is running")
    parser.add_argument("--token", help="of that server")
    parser.add_argument("--folder", help="for temporary files, in place of the system's")
    parser.add_argument("--output", type=Path, help="file of JSON lines to which the figures are appended")
    arguments = parser.parse_args()
    if arguments.part == "kill" and arguments.uri:
        parser.error("kill needs a server of its own, not --uri")
    with tempfile.TemporaryDirectory() as folder:
        output = arguments.output or Path(folder) / "figures.jsonl"
        settings = {name: getattr(arguments, name) for name in ("part", "n", "dim", "rank", "queries")}
        {"engines": engines, "writers": writers, "kill": kill}[arguments.part](arguments, Report(output, settings))


if __name__ == "__main__":
    main()
