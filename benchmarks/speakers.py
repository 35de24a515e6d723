"""Speaker recognition on the Free Spoken Digit Dataset: equal error rate and identification, by network and loss.

``python benchmarks/speakers.py strangers``  train on three speakers; trials are all pairs of different digits, of the
                                             fourth with itself and with the three; all four ways
``python benchmarks/speakers.py known``      train on five digits of all four speakers; trials are all pairs of
                                             different digits among the other five; both ways
``python benchmarks/speakers.py readers``    train on all; compare halves of the recordings of three readers
``python benchmarks/speakers.py pretrained`` no training: the published encoder resemblyzer, to which all are strangers

Each of the four speakers is enrolled with takes 0 to 4 of five digits: with strangers, digits 0 to 4; with known
speakers, those trained on. All recordings of the other five digits are compared with the four enrolled speakers, and
identified among them. With strangers, only trials that include the fourth speaker count, and only its own recordings
are identified; its impostors are speakers of the training set. Intervals are of 95%, by drawing speakers with
replacement. Two runs at a time, one thread each; with ``--output DIR``, finished runs are kept there.

With the pretrained encoder, pairs are all pairs of different digits among takes below ``--takes``: EER as mean over the
ways, by digits as mean and deviation over the 45 pairs of digits, and with one threshold for all ways. Enrolled
speakers and identification are mean and deviation over all 252 halves of the digits: each speaker is enrolled with
takes 0 to 4 of five digits, and all words of the other five are compared with the enrolled speakers. With a background,
half of the mean of other people's words is subtracted:

- of two speakers; only the other two are compared, and identified between two; six ways. Those compared have no part in
  the mean;
- of three speakers; all four are enrolled, and only trials with the fourth count; four ways. Impostors have a part in
  the mean, as in ``strangers``;
- of the three readers, cut to the length of the words, at their sampling rate: another corpus.
"""

import argparse
import itertools
import os
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed, parallel_config

from mxnet_audio import audio
from mxnet_audio.metrics import bootstrap, eer, min_dcf
from mxnet_audio.speakers import scoring
from mxnet_audio.speakers.calibration import ErrorRates, find_threshold
from mxnet_audio.speakers.default_thresholds import DEFAULT_THRESHOLDS
from mxnet_audio.speakers.enrollment import EnrolledSpeakers
from mxnet_audio.speakers.recognizer import SpeakerRecognizer
from mxnet_audio.speakers.scoring import Cohort, SpeakerScorer

DATA = Path(os.environ.get("MXNET_AUDIO_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
NETWORKS = ("ecapa_tdnn", "resnet18", "sincnet")
LOSSES = ("softmax", "norm_softmax", "am_softmax", "arc", "ring", "ge2e")
ENROLL_TAKES = 5  # of each digit


class Clip(NamedTuple):
    """A recording of the corpus."""

    path: str
    digit: int
    speaker: str
    take: int


def clips() -> list[Clip]:
    """List all recordings."""
    found = (re.fullmatch(r"(\d)_(\w+)_(\d+)", path.stem) for path in sorted((DATA / "fsdd").glob("*.wav")))
    return [Clip(str(DATA / "fsdd" / f"{m[0]}.wav"), int(m[1]), m[2], int(m[3])) for m in found]


def trained(network: str, loss: str, train: list[Clip], seed: int, options: dict, folder: Path) -> SpeakerRecognizer:
    """Return a trained recognizer, from its folder if it was trained before."""
    options = dict(options)
    if (folder / "speaker.json").exists():
        return SpeakerRecognizer.load(folder)
    recognizer, takes = SpeakerRecognizer(network), options.pop("takes")
    pairs = [(clip.path, clip.speaker) for clip in train if clip.take < takes]
    settings = {"checkpoint_interval": 100, "progress": False, "cache": False}  # runs are short
    recognizer.fit(pairs, folder, loss=loss, random_state=seed, **settings, **options)
    return recognizer


def measure(recognizer: SpeakerRecognizer, judged: list[Clip], enrolled: list[Clip], target: str | None) -> dict:
    """Return trials (labels, scores, speakers) of clips and of enrolled speakers; `target`, if given, is in each."""
    vectors = np.stack([found.vector for found in recognizer.embed_many(clip.path for clip in judged)])
    digits, speakers = (np.array([getattr(clip, name) for clip in judged]) for name in ("digit", "speaker"))
    first, second = np.triu_indices(len(judged), 1)
    kept = digits[first] != digits[second]
    if target is not None:
        kept &= (speakers[first] == target) | (speakers[second] == target)
    first, second = first[kept], second[kept]
    labels, pairs = (speakers[first] == speakers[second]).astype(int), np.stack([speakers[first], speakers[second]], 1)
    scales = {"cosine": Cohort(vectors[:0]), "s-norm": recognizer.scorer.cohort}
    trials = {
        name: (labels, scale.trial_scores(vectors, first, second, speakers), pairs) for name, scale in scales.items()
    }

    names = sorted(set(speakers))
    for name in names:
        recognizer.enroll(name, [clip.path for clip in enrolled if clip.speaker == name], replace=True)
    queries = [clip for clip in judged if clip.digit not in {clip.digit for clip in enrolled}]
    answers = recognizer.identify_many([clip.path for clip in queries], top_k=len(names))
    hits_of, scores = {name: [] for name in names}, []
    for clip, answer in zip(queries, answers):
        hits_of[clip.speaker].append(answer.ranking[0][0] == clip.speaker)
        scores += [
            (score, clip.speaker, name) for name, score in answer.ranking if target in (None, clip.speaker, name)
        ]
    scores, *pairs = map(np.array, zip(*scores))
    trials["enrolled"] = ((pairs[0] == pairs[1]).astype(int), scores, np.stack(pairs, axis=1))
    rates = [statistics.mean(hits) for name, hits in hits_of.items() if target in (None, name)]
    return {"trials": trials, "identified": statistics.mean(rates)}


def strangers(network: str, loss: str, seed: int, options: dict, folder: Path, target: str) -> dict:
    """Train without one speaker, and measure on its trials."""
    every = clips()
    train = [clip for clip in every if clip.speaker != target]
    recognizer = trained(network, loss, train, seed, options, folder / f"without-{target}-{seed}")
    return measure(recognizer, every, [c for c in every if c.digit < 5 and c.take < ENROLL_TAKES], target)


def known(network: str, loss: str, seed: int, options: dict, folder: Path, digits: str) -> dict:
    """Train on some digits, and measure on the others."""
    every = clips()
    train = [clip for clip in every if str(clip.digit) in digits]
    recognizer = trained(network, loss, train, seed, options, folder / f"digits-{digits}-{seed}")
    judged = [clip for clip in every if str(clip.digit) not in digits]
    return measure(recognizer, judged, [clip for clip in train if clip.take < ENROLL_TAKES], None)


def readers(network: str, loss: str, seed: int, options: dict, folder: Path) -> str:
    """Train on all digits and speakers, and compare halves of recordings of other readers."""
    recognizer = trained(network, loss, clips(), seed, options, folder / f"all-{seed}")
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
    """Return a line: the mean over runs [shape=(seeds, ways)], its interval, and each way's mean over seeds."""
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
    identified = np.array([[run["identified"] for run in ways] for ways in runs]).mean(axis=0)
    cost = np.mean([[min_dcf(*run["trials"]["cosine"][:2])[0] for run in ways] for ways in runs])
    lines.append(f"minDCF {cost:.3f}")
    lines.append(f"identified {100 * identified.mean():.2f}% ({', '.join(f'{100 * rate:.1f}' for rate in identified)})")
    return f"{network:10s} {loss:12s} " + "; ".join(lines)


class Words(NamedTuple):
    """Vectors of words, with their digits, speakers and takes."""

    vectors: np.ndarray
    digits: np.ndarray
    speakers: np.ndarray
    takes: np.ndarray

    def of(self, *names: str) -> "Words":
        """Return the words of these speakers."""
        kept = np.isin(self.speakers, names)
        return Words(*(column[kept] for column in self))


def encode(recognizer: SpeakerRecognizer, sounds: list) -> np.ndarray:
    """Return the vectors of sounds [shape=(n, dim)]."""
    return np.stack([found.vector for found in recognizer.encode_many(sounds)])


def word_pairs(scorer: SpeakerScorer, words: Words, target: str | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels and scores of all pairs of different digits, and the pair of digits [shape=(trials,)]."""
    first, second = np.triu_indices(len(words.digits), 1)
    kept = words.digits[first] != words.digits[second]
    if target is not None:
        kept &= (words.speakers[first] == target) | (words.speakers[second] == target)
    first, second = first[kept], second[kept]
    digits = np.sort([words.digits[first], words.digits[second]], axis=0)
    labels = (words.speakers[first] == words.speakers[second]).astype(int)
    return labels, scorer.trial_scores(words.vectors, first, second), 10 * digits[0] + digits[1]


def enrolled_words(scorer: SpeakerScorer, words: Words, target: str | None, digits: tuple) -> tuple:
    """Enroll all speakers by some digits; return labels, scores and hits of the words of the other digits."""
    names = sorted(set(words.speakers))
    known = np.isin(words.digits, digits)
    enrolled = EnrolledSpeakers()
    for name in names:
        enrolled.add(name, words.vectors[known & (words.takes < ENROLL_TAKES) & (words.speakers == name)])
    scores, speakers = scorer.scores(words.vectors[~known], enrolled.centroids()), words.speakers[~known]
    labels = (speakers[:, None] == names).astype(int)
    hits = np.array(names)[scores.argmax(axis=1)] == speakers
    if target is None:
        return labels.ravel(), scores.ravel(), hits
    kept = (speakers[:, None] == target) | (np.array(names) == target)
    return labels[kept], scores[kept], hits[speakers == target]


def pretrained_table(title: str, ways: list[tuple[SpeakerScorer, Words, str | None]]) -> dict:
    """Print a row: mean over the ways, deviation over digits; return the trials of all ways together."""
    pairs, halves = [word_pairs(*way) for way in ways], list(itertools.combinations(range(10), 5))
    enrolled = [[enrolled_words(*way, half) for half in halves] for way in ways]
    by_digits = np.array(
        [[eer(labels[kind == k], scores[kind == k])[0] for k in np.unique(kind)] for labels, scores, kind in pairs]
    )
    pooled = {
        "pairs": [np.concatenate(column) for column in zip(*(trials[:2] for trials in pairs))],
        "enrolled": [np.concatenate(column) for column in zip(*(trials[:2] for way in enrolled for trials in way))],
    }
    of_enrolled = np.array([[eer(labels, scores)[0] for labels, scores, _ in way] for way in enrolled]).mean(axis=0)
    identified = np.array([[hits.mean() for *_, hits in way] for way in enrolled]).mean(axis=0)
    each = ", ".join(f"{100 * eer(labels, scores)[0]:.1f}" for labels, scores, _ in pairs)
    print(
        f"{title:42s} pairs {100 * np.mean([eer(*trials[:2])[0] for trials in pairs]):.1f}% ({each}; "
        f"by digits {100 * by_digits.mean():.1f} ± {100 * by_digits.mean(axis=0).std():.1f}; one threshold "
        f"{100 * eer(*pooled['pairs'])[0]:.1f}); "
        f"enrolled {100 * of_enrolled.mean():.1f} ± {100 * of_enrolled.std():.1f}% "
        f"(by digits 0 to 4: {100 * of_enrolled[0]:.1f}, by 5 to 9: {100 * of_enrolled[-1]:.1f}); "
        f"identified {100 * identified.mean():.1f} ± {100 * identified.std():.1f}% "
        f"({100 * identified[0]:.1f}, {100 * identified[-1]:.1f})",
        flush=True,
    )
    return pooled


def reader_pieces(seconds: float, sr: int) -> list[tuple[tuple[np.ndarray, int], str]]:
    """Cut the readers' recordings into pieces, without the pauses; return sound and reader of each."""
    pieces = []
    for path in sorted((DATA / "music").glob("libri_*.ogg")):
        y, _ = audio.load(path, sr=sr)
        views = audio.views(y, int(sr * seconds), int(len(y) / (sr * seconds)))
        pieces += [((view, sr), path.stem) for view in views if np.std(view) > 0.3 * np.std(y)]
    return pieces


def pretrained(takes: int) -> None:
    """Measure the published encoder without and with a background, and its default thresholds."""
    recognizer = SpeakerRecognizer("resemblyzer")
    every = [clip for clip in clips() if clip.take < takes]
    started = time.monotonic()
    columns = [np.array([getattr(clip, name) for clip in every]) for name in ("digit", "speaker", "take")]
    words = Words(encode(recognizer, [clip.path for clip in every]), *columns)
    seconds = time.monotonic() - started
    length = sum(audio.info(clip.path).duration for clip in every)
    print(f"resemblyzer: {len(every)} words of {length / len(every):.2f} s encoded in {seconds:.1f} s", flush=True)
    names = sorted(set(words.speakers))
    couples = list(itertools.combinations(names, 2))

    def background(*others: str, **options) -> SpeakerScorer:
        return SpeakerScorer(cohort=Cohort(words.of(*others).vectors), **options)

    def others(*these: str) -> list[str]:
        return [name for name in names if name not in these]

    trials = {False: pretrained_table("no background", [(SpeakerScorer(), words, None)])}
    pretrained_table("no background, two speakers", [(SpeakerScorer(), words.of(*two), None) for two in couples])
    trials[True] = pretrained_table(
        "the other two", [(background(*others(*two), centered=True), words.of(*two), None) for two in couples]
    )
    pretrained_table("no background, trials of one", [(SpeakerScorer(), words, name) for name in names])
    pretrained_table("the other three", [(background(*others(name), centered=True), words, name) for name in names])
    readers = {}
    for seconds, sr in ((length / len(every), 8000), (3.0, 16000)):
        pieces = reader_pieces(seconds, sr)
        readers[sr] = Cohort(encode(recognizer, [piece for piece, _ in pieces]), [name for _, name in pieces])
        title = f"three readers, {len(pieces)} pieces of {seconds:.1f} s"
        pretrained_table(title, [(SpeakerScorer(cohort=readers[sr], centered=True), words, None)])
    pretrained_table(
        "S-norm by the other two",
        [(background(*others(*two), normalize=True), words.of(*two), None) for two in couples],
    )
    pretrained_table("S-norm by three readers", [(SpeakerScorer(cohort=readers[8000], normalize=True), words, None)])

    for share in (0, 0.25, 0.5, 0.75, 1):
        scoring.MEAN_SHARE = share
        found = []
        for ways in (
            [(SpeakerScorer(cohort=readers[8000], centered=True), words, None)],
            [(background(*others(*two), centered=True), words.of(*two), None) for two in couples],
            [(background(*others(name), centered=True), words, name) for name in names],
        ):
            pairs = [word_pairs(*way)[:2] for way in ways]
            each, pooled = [eer(*trials)[0] for trials in pairs], [np.concatenate(column) for column in zip(*pairs)]
            found.append(f"{100 * np.mean(each):.1f}% (one threshold {100 * eer(*pooled)[0]:.1f})")
        print(f"share {share} of the mean, pairs: readers, the other two, the other three:", *found, flush=True)
    scoring.MEAN_SHARE = 0.5

    speakers = np.array(readers[16000].speakers)
    first, second = np.triu_indices(len(speakers), 1)
    for title, scorer in (("plain", SpeakerScorer()), ("centered", background(*names, centered=True))):
        scores = scorer.trial_scores(readers[16000].vectors, first, second)
        same, others = scores[speakers[first] == speakers[second]], scores[speakers[first] != speakers[second]]
        found = f"same reader {same.min():.2f} to {same.max():.2f}, others at most {others.max():.2f}"
        print(f"{title:8s} pieces of 3 s: {found}")
    for centered, pooled in trials.items():
        threshold = round(find_threshold(*pooled["pairs"], far=0.05), 3)
        for kind, (labels, scores) in pooled.items():
            print(
                f"{'centered' if centered else 'plain':8s} at {threshold}, {kind}:",
                ErrorRates.measure(labels, scores, threshold, ""),
            )
        print("  in the package:", *DEFAULT_THRESHOLDS["resemblyzer"][centered])


def main() -> None:
    """Print a line for each network and loss."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=("strangers", "known", "readers", "pretrained"))
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--losses", nargs="+", default=LOSSES, choices=LOSSES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seconds", type=float, help="length of a window; by default that of a typical digit")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--takes", type=int, default=50, help="recordings of each digit and speaker to train on")
    parser.add_argument(
        "--speeds",
        nargs="*",
        type=float,
        default=[],
        help="train on each speaker at these speeds too, as further speakers",
    )
    parser.add_argument("--jobs", type=int, default=-1)
    parser.add_argument("--output", type=Path, help="keep finished runs here")
    arguments = parser.parse_args()
    if arguments.task == "pretrained":
        pretrained(arguments.takes)
        return
    options = {name: getattr(arguments, name) for name in ("epochs", "batch_size", "seconds", "takes", "speeds")}
    print(f"{arguments.task}, {options}, seeds {arguments.seeds}", flush=True)
    run = {"strangers": strangers, "known": known, "readers": readers}[arguments.task]
    ways = {"strangers": sorted({clip.speaker for clip in clips()}), "known": ["01234", "56789"], "readers": [None]}
    ways = [(way,) if way else () for way in ways[arguments.task]]
    for network, loss in itertools.product(arguments.networks, arguments.losses):
        with (
            tempfile.TemporaryDirectory() as folder,
            parallel_config("loky", n_jobs=arguments.jobs, inner_max_num_threads=1),
        ):
            settings = "-".join(f"{name}={value}" for name, value in options.items())  # other settings, other runs
            output = (arguments.output or Path(folder)) / f"{network}-{loss}-{settings}"
            runs = Parallel()(
                delayed(run)(network, loss, seed, options, output, *way) for seed in arguments.seeds for way in ways
            )
        if arguments.task == "readers":
            print(f"{network:10s} {loss:12s} {'; '.join(runs)}", flush=True)
        else:
            runs = [runs[start : start + len(ways)] for start in range(0, len(runs), len(ways))]
            print(table(network, loss, runs, arguments.task == "strangers"), flush=True)


if __name__ == "__main__":
    main()
