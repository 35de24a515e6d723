"""`mxnet-audio serve` under load: requests a second, their times and the server's memory, beside a server by hand.

Clients in a process of their own send a sound as a form's file, wait for the answer, and send the next, each on one
connection that is kept open. Three servers run at once and are under load in turns, since the speed of a shared
machine changes from minute to minute:

``hand-written``        the plainest FastAPI app: an endpoint that takes an upload and calls `predict`
``serve``               ``mxnet-audio serve --no-page``
``serve, max_batch 1``  the same, one sound at a time in the network

for the exported cifar10, cifar10 with MXNet, and tags of yamnet, with clips of 1 and 5 s. The figures are printed, and
appended to ``--output`` as lines of JSON; ratios are medians of those of the rounds. A request is lost if it has no
answer, or another status than 200 and 429; those of status 429 are counted apart, and sent again after the time that
the answer names.

    python benchmarks/bench_serve.py --output results.jsonl
    python benchmarks/bench_serve.py --models onnx --clips 1 --clients 4 --seconds 3

It takes 20 minutes, on a machine that does nothing else. Servers listen on 127.0.0.1 only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import soundfile as sf
import uvicorn
from fastapi import FastAPI, UploadFile

from mxnet_audio import weights

ESC10 = Path(__file__).resolve().parents[1] / "demo" / "models" / "esc10"
SERVED = {
    "onnx": ["--model-dir", str(ESC10 / "cifar10.onnx")],
    "mxnet": ["--model-dir", str(ESC10), "--network", "cifar10"],
    "yamnet": ["--encoder", "yamnet"],
}
SERVERS = {"hand-written": None, "serve": [], "serve, max_batch 1": ["--max-batch", "1"]}
SOUNDS = 8  # different ones
RATE = 44100
WARM_UP = 3.0  # [s]
SPAWN = multiprocessing.get_context("spawn")


def hand_written(model: str) -> None:
    """Serve a model as a first program would, on a free port."""
    if model == "yamnet":
        from mxnet_audio import AudioTagger

        predictor: Any = AudioTagger("yamnet")
    elif model == "mxnet":
        from mxnet_audio import load_classifier

        predictor = load_classifier(ESC10, "cifar10")
    else:
        from mxnet_audio import OnnxAudioClassifier

        predictor = OnnxAudioClassifier(ESC10 / "cifar10.onnx")
    app = FastAPI()

    @app.post("/predict")
    def predict(file: UploadFile) -> dict:
        prediction = predictor.predict(file.file)
        return {"label": prediction.label, "top": prediction.top(5)}

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as uvicorn does where it opens the socket
        print(f"serving at http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        server = uvicorn.Server(uvicorn.Config(app, http="h11", log_config=None, access_log=False))
        server.run(sockets=[listener])


@contextlib.contextmanager
def running(server: str, model: str) -> Iterator[tuple[int, int]]:
    """Start a server, and yield its process id and port."""
    options = SERVERS[server]
    if options is None:
        command = [__file__, "--hand-written", model]
    else:
        command = ["-m", "mxnet_audio", "serve", *SERVED[model], *options, "--no-page", "--port", "0"]
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = re.search(r":(\d+)$", process.stdout.readline().strip())
        if address is None:
            sys.exit(f"{server}, {model}: does not start")
        yield process.pid, int(address[1])
    finally:
        process.terminate()
        process.wait()


def sounds(seconds: float) -> list[bytes]:
    """Return WAV files of noise with a tone."""
    rng, t = np.random.default_rng(0), np.arange(round(RATE * seconds)) / RATE
    files = []
    for number in range(SOUNDS):
        y = 0.3 * np.sin(2 * np.pi * 200 * (number + 1) * t) + rng.normal(0, 0.05, len(t))
        sf.write(file := io.BytesIO(), y, RATE, format="WAV")
        files.append(file.getvalue())
    return files


def requests(route: str, files: list[bytes]) -> list[bytes]:
    """Return requests, as bytes, that send files as browsers do."""
    made = []
    for file in files:
        start = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="clip.wav"\r\n\r\n'
        body = start + file + b"\r\n--edge--\r\n"
        head = f"POST {route} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=edge\r\n"
        made.append(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return made


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[int, str]:
    """Send a request; return the status of the answer and its Retry-After."""
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = re.search(r"^content-length: (\d+)", head, re.MULTILINE | re.IGNORECASE)
    answer = await reader.readexactly(int(length[1]) if length else 0)
    status = int(head.split(None, 2)[1])
    if status == 200 and not any(key in json.loads(answer) for key in ("label", "tags")):
        raise ValueError(f"no answer: {answer[:200]!r}")
    after = re.search(r"^retry-after: (\d+)", head, re.MULTILINE | re.IGNORECASE)
    return status, after[1] if after else "1"


async def client(number: int, port: int, made: list[bytes], until: float, times: list[float], counts: dict) -> None:
    """Send one request after another until a time, and finish the last."""
    writer = None
    while time.perf_counter() < until:
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
            start, number = time.perf_counter(), number + 1
            status, after = await exchange(reader, writer, made[number % len(made)])
        except (OSError, EOFError, ValueError) as error:
            counts["lost"] += 1
            print(f"lost: {error!r}", file=sys.stderr)
            if writer is not None:
                writer.close()
            writer = None
            await asyncio.sleep(0.1)
            continue
        if status == 200:
            times.append(time.perf_counter() - start)
        elif status == 429:
            counts["429"] += 1
            await asyncio.sleep(float(after))
        else:
            counts["lost"] += 1
            print(f"lost: status {status}", file=sys.stderr)
    if writer is not None:
        writer.close()


def load(port: int, made: list[bytes], clients: int, seconds: float, results: Any) -> None:
    """Run clients in this process, and send the times of their requests, counts, the seconds and the CPU time."""

    async def run() -> tuple:
        times: list[float] = []
        counts = {"lost": 0, "429": 0}
        start, used = time.perf_counter(), time.process_time()
        until = start + seconds
        await asyncio.gather(*(client(number, port, made, until, times, counts) for number in range(clients)))
        return times, counts, time.perf_counter() - start, time.process_time() - used

    results.put(asyncio.run(run()))


def under_load(port: int, made: list[bytes], clients: int, seconds: float) -> tuple:
    """Return what `load` sends from a process of its own."""
    results = SPAWN.Queue()
    process = SPAWN.Process(target=load, args=(port, made, clients, seconds, results))
    process.start()
    found = results.get(timeout=seconds + 300)
    process.join()
    return found


def resident(pid: int) -> float:
    """Return the resident memory of a process [MB]."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process [s]."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def batch_size(port: int) -> float:
    """Return the mean number of sounds in a pass of the network."""
    text = urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    total, passes = (
        float(re.search(rf"^mxnet_audio_batch_size_{name} (\S+)", text, re.MULTILINE)[1])  # type: ignore[index]
        for name in ("sum", "count")
    )
    return total / passes


def report(output: Path | None, settings: dict, case: str, server: str, figures: dict[str, Any]) -> None:
    """Print the figures of a server, and append them to a file as a line of JSON."""
    for figure, value in figures.items():
        print(
            f"{case:<12} {server:<20} {figure:<34} {value if isinstance(value, list) else f'{value:.4g}'}", flush=True
        )
    if output is not None:
        line = {"date": time.strftime("%F %T"), "case": case, "server": server, **figures, "settings": settings}
        with output.open("a") as file:
            file.write(json.dumps(line) + "\n")


class Measured:
    """Figures of a server over several rounds of load."""

    def __init__(self, server: str, model: str, pid: int, port: int):
        self.server, self._pid, self._port = server, pid, port
        self._route = (
            "/predict" if SERVERS[server] is None else "/v1/tags?top_k=5" if model == "yamnet" else "/v1/predict"
        )
        self.rates: list[float] = []  # requests a second of each round
        self._times: list[float] = []
        self._counts = {"lost": 0, "429": 0}
        self._memory: list[float] = []
        self._cpu = self._used = self._wall = 0.0

    def round(self, files: list[bytes], clients: int, seconds: float, *, is_warm_up: bool = False) -> None:
        """Put load on the server for some seconds."""
        before = cpu_seconds(self._pid)
        times, counts, wall, used = under_load(self._port, requests(self._route, files), clients, seconds)
        self._memory.append(resident(self._pid))
        if is_warm_up:
            return
        self._cpu, self._used, self._wall = (
            self._cpu + cpu_seconds(self._pid) - before,
            self._used + used,
            self._wall + wall,
        )
        self._times += times
        self._counts = {name: count + counts[name] for name, count in self._counts.items()}
        self.rates.append(len(times) / wall)

    def figures(self, others: list[Measured]) -> dict[str, Any]:
        """Return the figures of all rounds, and the median of the rounds' ratios to other servers."""
        figures: dict[str, Any] = {"requests a second": len(self._times) / self._wall}
        for other in others:
            ratios = np.divide(self.rates, other.rates)
            figures[f"ratio to {other.server}"] = float(np.median(ratios))
            figures[f"ratios to {other.server}"] = ratios.round(2).tolist()
        if self._times:
            figures |= {f"time, p{p} [ms]": float(np.percentile(self._times, p)) * 1e3 for p in (50, 95, 99)}
            figures["CPU time of a request [ms]"] = self._cpu / len(self._times) * 1e3
        figures |= {"lost": self._counts["lost"], "status 429": self._counts["429"]}
        figures["memory after each round [MB]"] = [round(size) for size in self._memory]
        if SERVERS[self.server] is not None:
            figures["sounds in a pass, mean"] = batch_size(self._port)
        figures["CPUs that the clients use"] = self._used / self._wall
        return figures


def measure(model: str, seconds: float, arguments: argparse.Namespace, settings: dict) -> None:
    """Report the figures of the servers for a model and clips of a length."""
    files = sounds(seconds)
    with contextlib.ExitStack() as stack:
        servers = [Measured(name, model, *stack.enter_context(running(name, model))) for name in arguments.servers]
        for each in servers:
            each.round(files, arguments.clients, min(WARM_UP, arguments.seconds), is_warm_up=True)
        for number in range(arguments.rounds):
            for each in servers if number % 2 == 0 else servers[::-1]:
                each.round(files, arguments.clients, arguments.seconds / arguments.rounds)
        for number, each in enumerate(servers):
            report(arguments.output, settings, f"{model}, {seconds:g} s", each.server, each.figures(servers[:number]))


def main() -> None:
    """Measure the servers, and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=SERVED, default=list(SERVED))
    parser.add_argument("--clips", nargs="+", type=float, default=[1.0, 5.0], help="lengths of the clips [s]")
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=list(SERVERS))
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0, help="time that each server is under load")
    parser.add_argument("--rounds", type=int, default=3, help="parts of this time, in which the servers take turns")
    parser.add_argument("--output", type=Path, help="file of JSON lines to which the figures are appended")
    parser.add_argument("--hand-written", choices=SERVED, help=argparse.SUPPRESS)  # the process of that server
    arguments = parser.parse_args()
    if arguments.hand_written:
        hand_written(arguments.hand_written)
        return
    if not 1 <= arguments.clients <= 500 or not 0 < arguments.seconds <= 3600 or min(arguments.clips) <= 0:
        parser.error("--clients must be from 1 to 500, --seconds up to 3600, and --clips above 0")
    if arguments.rounds < 1:
        parser.error("--rounds must be >= 1")
    settings = {name: getattr(arguments, name) for name in ("clients", "seconds", "rounds")}
    settings |= {name: os.environ.get(name) for name in ("OMP_NUM_THREADS",)}
    for model in arguments.models:
        if model == "yamnet" and not weights.available(model):
            print("yamnet: left out, since its weights are not on this machine")
            continue
        for seconds in arguments.clips:
            measure(model, seconds, arguments, settings)


if __name__ == "__main__":
    main()
