"""Speaker recognition on the Free Spoken Digit Dataset: equal error rate and identification, by network and loss.

``python benchmarks/speakers.py strangers``  train on three speakers; trials are all pairs of different digits, of the
                                             fourth with himself and with the three; all four ways
``python benchmarks/speakers.py known``      train on five digits of all four speakers; trials are all pairs of
                                             different digits among the other five; both ways
``python benchmarks/speakers.py readers``    train on all; halves of three readers' recordings against one another

Enrolment: each of the four is enrolled by takes 0 to 4 of five digits (0 to 4, of strangers; those trained on, of
known speakers). All recordings of the other five are compared with the four voices (of strangers: those trials that he
is in), and identified among them (of strangers: his own). His impostors are speakers that were trained on.
Intervals are of 95%: speakers are drawn with replacement. Runs are two at a time, one thread each; with ``--output
DIR`` finished ones are kept there.
"""

import argparse
import itertools
import os
import re
import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed, parallel_config

from mxnet_audio import audio
from mxnet_audio.metrics import bootstrap, eer, min_dcf
from mxnet_audio.speakers.recognizer import SpeakerRecognizer
from mxnet_audio.speakers.scoring import Cohort

DATA = Path(os.environ.get("MXNET_AUDIO_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
NETWORKS = ("ecapa_tdnn", "resnet18", "sincnet")
LOSSES = ("softmax", "norm_softmax", "am_softmax", "arc", "ring", "ge2e")
ENROLLED = 5  # takes of each digit


class Clip(NamedTuple):
    """A recording of the corpus."""

    path: str
    digit: int
    speaker: str
    take: int


def clips() -> list[Clip]:
    """All recordings."""
    found = (re.fullmatch(r"(\d)_(\w+)_(\d+)", path.stem) for path in sorted((DATA / "fsdd").glob("*.wav")))
    return [Clip(str(DATA / "fsdd" / f"{m[0]}.wav"), int(m[1]), m[2], int(m[3])) for m in found]


def trained(network: str, loss: str, train: list[Clip], seed: int, options: dict, place: Path) -> SpeakerRecognizer:
    """A recogniser, from its folder if it is there."""
    options = dict(options)
    if (place / "speaker.json").exists():
        return SpeakerRecognizer.load(place)
    recognizer, takes = SpeakerRecognizer(network), options.pop("takes")
    pairs = [(clip.path, clip.speaker) for clip in train if clip.take < takes]
    settings = {"checkpoint_interval": 100, "progress": False, "cache": False}  # runs are short
    recognizer.fit(pairs, place, loss=loss, random_state=seed, **settings, **options)
    return recognizer


def measured(recognizer: SpeakerRecognizer, judged: list[Clip], enrolled: list[Clip], target: str | None) -> dict:
    """Trials (labels, scores, speakers) of clips and of enrolled voices, with `target` in each if there is one."""
    vectors = np.stack([found.vector for found in recognizer.embed_many(clip.path for clip in judged)])
    digits, speakers = (np.array([getattr(clip, name) for clip in judged]) for name in ("digit", "speaker"))
    first, second = np.triu_indices(len(judged), 1)
    kept = digits[first] != digits[second]
    if target is not None:
        kept &= (speakers[first] == target) | (speakers[second] == target)
    first, second = first[kept], second[kept]
    labels, pairs = (speakers[first] == speakers[second]).astype(int), np.stack([speakers[first], speakers[second]], 1)
    scales = {"cosine": Cohort(vectors[:0]), "s-norm": recognizer._cohort}
    trials = {name: (labels, scale.trials(vectors, first, second, speakers), pairs) for name, scale in scales.items()}

    names = sorted(set(speakers))
    for name in names:
        recognizer.enroll(name, [clip.path for clip in enrolled if clip.speaker == name], replace=True)
    asked = [clip for clip in judged if clip.digit not in {clip.digit for clip in enrolled}]
    answers = recognizer.identify_many([clip.path for clip in asked], top_k=len(names))
    right, scores = {name: [] for name in names}, []
    for clip, answer in zip(asked, answers):
        right[clip.speaker].append(answer.ranking[0][0] == clip.speaker)
        scores += [
            (score, clip.speaker, name) for name, score in answer.ranking if target in (None, clip.speaker, name)
        ]
    scores, *pairs = map(np.array, zip(*scores))
    trials["enrolled"] = ((pairs[0] == pairs[1]).astype(int), scores, np.stack(pairs, axis=1))
    rates = [statistics.mean(hits) for name, hits in right.items() if target in (None, name)]
    return {"trials": trials, "right": statistics.mean(rates)}


def strangers(network: str, loss: str, seed: int, options: dict, place: Path, target: str) -> dict:
    """Train without one speaker, and judge by his trials."""
    every = clips()
    train = [clip for clip in every if clip.speaker != target]
    recognizer = trained(network, loss, train, seed, options, place / f"without-{target}-{seed}")
    return measured(recognizer, every, [c for c in every if c.digit < 5 and c.take < ENROLLED], target)


def known(network: str, loss: str, seed: int, options: dict, place: Path, digits: str) -> dict:
    """Train on some digits, and judge by the others."""
    every = clips()
    train = [clip for clip in every if str(clip.digit) in digits]
    recognizer = trained(network, loss, train, seed, options, place / f"digits-{digits}-{seed}")
    judged = [clip for clip in every if str(clip.digit) not in digits]
    return measured(recognizer, judged, [clip for clip in train if clip.take < ENROLLED], None)


def readers(network: str, loss: str, seed: int, options: dict, place: Path) -> str:
    """Train on all digits and speakers, and compare halves of what others read aloud."""
    recognizer = trained(network, loss, clips(), seed, options, place / f"all-{seed}")
    halves = {}
    for path in sorted((DATA / "music").glob("libri_*.ogg")):
        y, sr = audio.load(path, sr=None)
        halves |= {(path.stem, side): (part, sr) for side, part in enumerate(np.array_split(y, 2))}
    scores = {True: [], False: []}
    for (one, first), (other, second) in itertools.combinations(halves.items(), 2):
        scores[one[0] == other[0]].append(recognizer.verify(first, second).score)
    return (
        f"same reader {min(scores[True]):.3f} to {max(scores[True]):.3f} ({len(scores[True])} pairs), "
        f"others {min(scores[False]):.3f} to {max(scores[False]):.3f} ({len(scores[False])})"
    )


def table(network: str, loss: str, runs: list[list[dict]], by_speaker: bool) -> str:
    """One line: the mean over runs [shape=(seeds, ways)], its interval, and each way's mean over seeds."""
    lines = []
    for kind in runs[0][0]["trials"]:
        rates = np.array([[eer(*run["trials"][kind][:2])[0] for run in ways] for ways in runs]).mean(axis=0)
        if by_speaker:  # one speaker's trials to a way
            drawn = np.random.default_rng(0).choice(rates, (2000, len(rates))).mean(axis=1)
            low, high = np.quantile(drawn, [0.025, 0.975])
        else:
            every = [run["trials"][kind] for ways in runs for run in ways]
            bounds = [bootstrap(lambda *a: eer(*a)[0], *trials, n_resamples=100) for trials in every]
            low, high = np.mean(bounds, axis=0)
        each = ", ".join(f"{100 * rate:.1f}" for rate in rates)
        lines.append(f"EER {kind} {100 * np.mean(rates):.2f}% ({100 * low:.1f} to {100 * high:.1f}; {each})")
    right = np.array([[run["right"] for run in ways] for ways in runs]).mean(axis=0)
    cost = np.mean([[min_dcf(*run["trials"]["cosine"][:2])[0] for run in ways] for ways in runs])
    lines.append(f"minDCF {cost:.3f}")
    lines.append(f"identified {100 * right.mean():.2f}% ({', '.join(f'{100 * one:.1f}' for one in right)})")
    return f"{network:10s} {loss:12s} " + "; ".join(lines)


def main() -> None:
    """Print a line for each network and loss."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=("strangers", "known", "readers"))
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--losses", nargs="+", default=LOSSES, choices=LOSSES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seconds", type=float, help="a window; by default, that of a typical digit")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--takes", type=int, default=50, help="of each digit and speaker, so many are trained on")
    parser.add_argument("--speeds", nargs="*", type=float, default=[], help="to train at, too, as other speakers")
    parser.add_argument("--jobs", type=int, default=-1)
    parser.add_argument("--output", type=Path, help="keep finished runs here")
    arguments = parser.parse_args()
    options = {name: getattr(arguments, name) for name in ("epochs", "batch_size", "seconds", "takes", "speeds")}
    print(f"{arguments.task}, {options}, seeds {arguments.seeds}", flush=True)
    judge = {"strangers": strangers, "known": known, "readers": readers}[arguments.task]
    ways = {"strangers": sorted({clip.speaker for clip in clips()}), "known": ["01234", "56789"], "readers": [None]}
    ways = [(way,) if way else () for way in ways[arguments.task]]
    for network, loss in itertools.product(arguments.networks, arguments.losses):
        with (
            tempfile.TemporaryDirectory() as folder,
            parallel_config("loky", n_jobs=arguments.jobs, inner_max_num_threads=1),
        ):
            told = "-".join(f"{name}={value}" for name, value in options.items())  # another run if it is another
            place = (arguments.output or Path(folder)) / f"{network}-{loss}-{told}"
            runs = Parallel()(
                delayed(judge)(network, loss, seed, options, place, *way) for seed in arguments.seeds for way in ways
            )
        if arguments.task == "readers":
            print(f"{network:10s} {loss:12s} {'; '.join(runs)}", flush=True)
        else:
            runs = [runs[start : start + len(ways)] for start in range(0, len(runs), len(ways))]
            print(table(network, loss, runs, arguments.task == "strangers"), flush=True)


if __name__ == "__main__":
    main()
