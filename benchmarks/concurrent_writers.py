"""Several processes write to one folder at the same time: nothing is lost.

    python benchmarks/concurrent_writers.py [download ...] [--rounds 20] [--writers 3]

Each round has a new folder. The program prints a table of what was expected and what is there, and ends with 1 if
something was lost or a writer failed. A new kind of writer is a function like `download`, listed in `KINDS`.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mxnet_audio import datasets  # noqa: E402
from tests.http_host import Host  # noqa: E402


class Outcome(NamedTuple):
    """Result of one round: number of items that should be there and that are there, and messages of failed writers."""

    expected: int
    found: int
    failures: list[str]


def run_at_once(scripts: Sequence[str], *arguments: object) -> list[str]:
    """Run Python scripts in processes of their own at the same time; return the last lines of those that failed."""
    words = [str(argument) for argument in arguments]
    options = {"stderr": subprocess.PIPE, "text": True, "cwd": ROOT, "env": os.environ | {"NO_PROXY": "127.0.0.1"}}
    processes = [subprocess.Popen([sys.executable, "-c", script, *words], **options) for script in scripts]
    errors = [process.communicate()[1] for process in processes]
    return [(error.strip() or "no message").splitlines()[-1] for error, p in zip(errors, processes) if p.returncode]


DOWNLOAD = """
import sys
from mxnet_audio import datasets
datasets.get("fsdd").download(sys.argv[1], url=sys.argv[2], progress=False)
"""


def download(folder: Path, writers: int) -> Outcome:
    """Download a corpus of 600 files to one folder."""
    names = [f"{i % 10}_{speaker}_{i // 10}.wav" for speaker in ("george", "theo") for i in range(300)]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(f"fsdd/recordings/{name}")
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    with Host() as host:
        failures = run_at_once([DOWNLOAD] * writers, folder, host.put("/fsdd.tar.gz", packed.getvalue()))
    recordings = folder / datasets.get("fsdd").home / "recordings"
    whole = [name for name in names if _content(recordings / name) == name]
    return Outcome(len(names), len(whole), failures)


def _content(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None


KINDS: dict[str, Callable[[Path, int], Outcome]] = {"download": download}


def main() -> int:
    """Run the rounds and print the table; return 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []], help="kinds of writers; all by default")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--writers", type=int, default=3)
    arguments = parser.parse_args()
    lost = False
    print(f"{'kind':<10} {'rounds':>6} {'expected':>8} {'found':>8} {'failed':>6} {'seconds':>8}")
    for kind in arguments.kinds or KINDS:
        started, outcomes = time.monotonic(), []
        for _ in range(arguments.rounds):
            with tempfile.TemporaryDirectory() as folder:
                outcomes.append(KINDS[kind](Path(folder), arguments.writers))
        expected, found = (sum(getattr(outcome, name) for outcome in outcomes) for name in ("expected", "found"))
        failures = [failure for outcome in outcomes for failure in outcome.failures]
        seconds = time.monotonic() - started
        print(f"{kind:<10} {len(outcomes):6d} {expected:8d} {found:8d} {len(failures):6d} {seconds:8.1f}")
        for failure in dict.fromkeys(failures):
            print(f"  {failure}")
        lost = lost or found < expected or bool(failures)
    return int(lost)


if __name__ == "__main__":
    sys.exit(main())
