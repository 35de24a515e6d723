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

from mxnet_audio import datasets  # noqa: E402 - the imports in the functions below load MXNet
from mxnet_audio.errors import AudioError  # noqa: E402
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


ENROLL = """
import sys
import numpy as np
from mxnet_audio.speakers import published_encoder, recognizer
from tests.voices import FakeEncoder
published_encoder.load_encoder = FakeEncoder
voices = recognizer.SpeakerRecognizer("resemblyzer")
number = int(sys.argv[2])
sounds = [(np.random.default_rng([number, take]).normal(0, 0.1, 8000), 8000) for take in range(4)]
voices.enroll(f"speaker {number}", sounds[:3])
voices.enroll("shared", sounds[3:])
voices.save(sys.argv[1])
"""


def enroll(folder: Path, writers: int) -> Outcome:
    """Enroll a speaker by each writer, and one recording of a speaker whom they share."""
    scripts = [ENROLL.replace("sys.argv[2]", repr(str(number))) for number in range(writers)]
    failures = run_at_once(scripts, folder / "voices")
    from mxnet_audio.speakers.state import SpeakerState

    counts = SpeakerState.load(folder / "voices").scorer.enrolled.counts
    return Outcome(4 * writers, sum(counts.values()), failures)


def _content(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None


INDEX = """
import sys
from mxnet_audio.library.recommender import AudioRecommender
from tests.library.fake_classifier import FakeClassifier
number, folder = {number}, sys.argv[1]
FakeClassifier.delay = 0.001
classifier = FakeClassifier()
classifier.load_model("a-model")
recommender = AudioRecommender(classifier=classifier)
own = [f"{{folder}}/{{number}}/{{i}}.wav" for i in range(30)]
recommender.index_many(own + [f"{{folder}}/shared/{{i}}.wav" for i in range(30)], save_dir=f"{{folder}}/index")
recommender.track(own[0])
recommender.remove(own[1])
recommender.save(f"{{folder}}/index")
"""


def index(folder: Path, writers: int) -> Outcome:
    """Index a folder of each writer and one that all share in one index; each tracks one file and removes one."""
    from mxnet_audio.library.recommender import AudioRecommender
    from tests.library.fake_classifier import FakeClassifier

    for part in ("shared", *map(str, range(writers))):
        (folder / part).mkdir()
        for i in range(30):
            (folder / part / f"{i}.wav").write_text(f"{part} {i}")
    failures = run_at_once([INDEX.format(number=number) for number in range(writers)], folder)
    search = AudioRecommender()
    search.load(folder / "index")
    expected = {str(folder / "shared" / f"{i}.wav") for i in range(30)}
    expected |= {str(folder / str(number) / f"{i}.wav") for number in range(writers) for i in range(30) if i != 1}
    plays = {str(folder / str(number) / "0.wav") for number in range(writers)}
    classifier = FakeClassifier()
    classifier.load_model("a-model")
    whole = [path for path in search.paths if (search.index.vector(path) == classifier.encode_audio(path)).all()]
    found = len(expected & {*whole}) + len(plays & {*search.history}) - len({*search.paths} - expected)
    return Outcome(len(expected) + len(plays), found, failures)


TRAIN = """
import sys
from pathlib import Path
import numpy as np
from mxnet_audio.library.cifar10 import Cifar10AudioClassifier
rng = np.random.default_rng(0)
pairs = [((rng.normal(0, 0.1, 4000) * np.arange(4000) ** (i % 2), 8000), i % 2) for i in range(12)]
classifier = Cifar10AudioClassifier()
small = dict(batch_size=4, epochs=8, checkpoint_interval=1, input_shape=(1, 16, 16), cache=False, progress=False)
classifier.fit(pairs, sys.argv[1] + "/model", random_state={seed}, **small)
Path(sys.argv[1], "ids", classifier.model_id).touch()
"""


def train(folder: Path, writers: int) -> Outcome:
    """Train a model by each writer in one folder; the folder holds the whole model of one of them."""
    (folder / "ids").mkdir()
    failures = run_at_once([TRAIN.format(seed=seed) for seed in range(writers)], folder)
    from mxnet_audio.library import load_classifier

    ids = {path.name for path in (folder / "ids").iterdir()}
    try:
        found = load_classifier(folder / "model", "cifar10").model_id in ids
    except AudioError as error:
        failures.append(str(error))
        found = False
    return Outcome(writers + 1, len(ids) + found, failures)


KINDS: dict[str, Callable[[Path, int], Outcome]] = {
    "download": download,
    "index": index,
    "enroll": enroll,
    "train": train,
}


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
