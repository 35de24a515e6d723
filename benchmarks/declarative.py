"""Accuracy and time of whole runs from one configuration, `mxnet_audio.declarative`.

``python benchmarks/declarative.py esc10``  ESC-10 from a CSV file, leave each of the four folds out once: `fbank` with
                                            sequence encoders, `yamnet` as the encoder, and the classifier `cifar10`
``python benchmarks/declarative.py pairs``  spoken digits in two tied columns, are both by the same speaker: takes held
                                            out, and speakers held out, of whom training has no recording; chance 0.5
``python benchmarks/declarative.py mixes``  two clips of ESC-10 of different classes mixed, as sets: folds 1 to 4 tested
                                            on once, the next one for the thresholds

No epoch is chosen on the test rows, but the settings of part pairs were, after others had been tested: part esc10
trains for a fixed number of epochs, the others keep the best epoch on validation rows. Each fold is run once with each
seed, two runs at a time, one thread each; the seconds of a run include decoding, features and the test. ``--as-ludwig``
takes Ludwig's defaults of the encoders in place of the chosen settings. All else that is chosen is in this file.
"""

import argparse
import csv
import itertools
import math
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from accuracy import DATA, clips
from joblib import Parallel, delayed, parallel_config

from mxnet_audio import AudioModel, Cifar10AudioClassifier
from mxnet_audio.audio import load

CHOSEN = {
    "parallel_cnn": {"type": "parallel_cnn", "reduce_output": "mean", "dropout": 0.2},
    "cnnrnn": {"type": "cnnrnn", "cell_type": "gru", "reduce_output": "mean", "dropout": 0.2},
    "transformer": {"type": "transformer", "reduce_output": "mean"},
    "rnn": {"type": "rnn", "cell_type": "gru", "bidirectional": True, "reduce_output": "mean"},
    "stacked_cnn": {"type": "stacked_cnn", "reduce_output": "mean", "dropout": 0.2},
    "stacked_parallel_cnn": {"type": "stacked_parallel_cnn", "reduce_output": "mean", "dropout": 0.2},
    "yamnet": {"type": "yamnet", "embedding": "mean_std"},
}
# The level of each band, which "per_file" removes, tells speakers apart.
PAIRS = {"type": "parallel_cnn", "num_filters": 48, "norm": "batch", "reduce_output": "mean"}
PAIRS |= {"fc_layers": [{"output_size": 64}]}
LEARNING_RATES = {"transformer": 0.0003, "yamnet": 0.003}  # of the others 0.001
EPOCHS = {"esc10": 30, "pairs": 20, "mixes": 20}  # some ten minutes a part, with one seed, on two cores
SYSTEMS = {
    "esc10": ("parallel_cnn", "cnnrnn", "transformer", "yamnet", "cifar10"),
    "pairs": ("parallel_cnn",),
    "mixes": ("parallel_cnn", "yamnet"),
}
FBANK = {"type": "fbank", "norm": "per_file"}
RATE = 16000  # of the sounds of ESC-10


def configuration(part: str, system: str, inputs: list, output: dict, seed: int, options: argparse.Namespace) -> dict:
    """Return a configuration with the same encoder for all inputs."""
    of_pairs = part == "pairs" and system == "parallel_cnn"
    encoder = {"type": system} if options.as_ludwig else PAIRS if of_pairs else CHOSEN[system]
    features = {} if system == "yamnet" else {"type": "fbank"} if options.as_ludwig or of_pairs else FBANK
    if system != "yamnet" and part != "pairs":
        features = features | {"sr": RATE, "audio_file_length_limit_in_s": 5.0}
    if system == "transformer" and not options.as_ludwig:
        features = features | {"window_shift_in_s": 0.04}  # half the frames, a third of the time
    if system != "yamnet" and part == "pairs":
        features = features | {"num_filter_bands": 40, "audio_file_length_limit_in_s": 1.0}
    first, *others = [{"name": name, "type": "audio"} for name in inputs]
    has_validation = part != "esc10"
    return {
        "input_features": [first | {"encoder": encoder}, *(other | {"tied": first["name"]} for other in others)],
        "output_features": [output],
        "combiner": {"num_fc_layers": 2, "output_size": 128} if others else {},
        "defaults": {"audio": {"preprocessing": features}} if features else {},
        "preprocessing": {"split": {"type": "fixed", "column": "split"}},
        "trainer": {
            "epochs": options.epochs or EPOCHS[part],
            "batch_size": 16,
            "learning_rate": LEARNING_RATES.get(system, 0.001),
            "learning_rate_scheduler": {"decay": None if options.as_ludwig or has_validation else "linear"},
            "early_stop": -1,
        },
        "random_seed": seed,
    }


def trained(config: dict, dataset) -> tuple:
    """Return the report on the test rows, and the seconds of the run."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        results = AudioModel(config).train(
            dataset, Path(folder) / "model", cache=Path(folder) / "cache", progress=False
        )
        return results.reports[config["output_features"][0]["name"]], time.perf_counter() - start


def esc10(system: str, fold: int, seed: int, options: argparse.Namespace) -> dict:
    """Train on the other folds, and test on one."""
    pairs, folds = clips("esc10")
    if system == "cifar10":
        sides = [[pair for pair, other in zip(pairs, folds) if (other == fold) == side] for side in (False, True)]
        classifier = Cifar10AudioClassifier()
        with tempfile.TemporaryDirectory() as folder:
            start, arguments = time.perf_counter(), {"epochs": options.epochs or EPOCHS["esc10"], "batch_size": 8}
            arguments |= {"cache": Path(folder) / "cache", "input_shape": (1, 96, 235), "nb_classes": 10}
            classifier.fit(
                sides[0], Path(folder) / "model", test_size=0, random_state=seed, progress=False, **arguments
            )
            report = classifier.evaluate(sides[1])
            return {"accuracy": report.accuracy, "seconds": time.perf_counter() - start}
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "clips.csv"
        with table.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["path", "label", "split"])
            sides = ("test" if other == fold else "train" for other in folds)
            rows.writerows((path, label, side) for (path, label), side in zip(pairs, sides))
        output = {"name": "label", "type": "category"}
        report, seconds = trained(configuration("esc10", system, ["path"], output, seed, options), table)
    return {"accuracy": report.accuracy, "seconds": seconds}


def pairs(system: str, fold: str, seed: int, options: argparse.Namespace) -> dict:
    """Train on pairs of recordings by some speakers, and test on pairs of others, or of others' takes."""
    recordings: dict = {}  # by speaker, and part: takes 0 to 4 are the test set, 5 to 9 validate
    for path in sorted((DATA / "fsdd").glob("*.wav")):
        _, speaker, take = path.stem.split("_")
        part = "test" if int(take) < 5 else "validation" if int(take) < 10 else "train"
        recordings.setdefault(speaker, {}).setdefault(part, []).append(str(path))
    held_out = [] if fold == "takes" else fold.split("+")
    known = [speaker for speaker in recordings if speaker not in held_out]
    rng, rows = np.random.default_rng(seed), []
    for part, count in (("train", options.rows), ("validation", options.rows // 4), ("test", 400)):
        speakers = (held_out or known) if part == "test" else known
        for number in range(count):  # half of them by the same speaker
            one = speakers[rng.integers(len(speakers))]
            others = [speaker for speaker in speakers if speaker != one] or known  # of one who is held out
            two = one if number % 2 else others[rng.integers(len(others))]
            first = str(rng.choice(recordings[one][part]))
            second = str(rng.choice([path for path in recordings[two][part] if path != first]))
            rows.append({"one": first, "two": second, "same": one == two, "split": part})
    output = {"name": "same", "type": "binary"}
    report, seconds = trained(configuration("pairs", system, ["one", "two"], output, seed, options), rows)
    return {"accuracy": report.accuracy, "ROC AUC": report.roc_auc, "seconds": seconds}


def mixes(system: str, fold: int, seed: int, options: argparse.Namespace) -> dict:
    """Train on mixes of clips of two folds, and test on mixes of clips of one."""
    pairs, folds = clips("esc10")
    part_of = {fold: "test", fold % 4 + 1: "validation"}
    sounds = [(label, part_of.get(own, "train"), load(path, sr=RATE)[0]) for (path, label), own in zip(pairs, folds)]
    rng, rows = np.random.default_rng(seed), []
    for part, count in (("train", options.rows), ("validation", options.rows // 4), ("test", 200)):
        of_part = [(label, y / (np.sqrt(np.mean(y**2)) + 1e-9)) for label, own, y in sounds if own == part]
        while sum(row["split"] == part for row in rows) < count:
            (label, y), (other, x) = (of_part[index] for index in rng.choice(len(of_part), 2, replace=False))
            if label == other:
                continue
            mixed = y[: len(x)] + 10 ** (rng.uniform(-6, 6) / 20) * x[: len(y)]  # levels within 6 dB
            mixed = (0.5 / np.abs(mixed).max() * mixed).astype(np.float32)
            rows.append({"sound": (mixed, RATE), "labels": [label, other], "split": part})
    output = {"name": "labels", "type": "set"}
    report, seconds = trained(configuration("mixes", system, ["sound"], output, seed, options), rows)
    return {"mean AP": report.mean_average_precision, "micro F1": report.micro_f1, "seconds": seconds}


def folds_of(part: str, given: list | None) -> list:
    """Return the folds of a part: of pairs, "takes", each speaker, and each two speakers."""
    if part != "pairs":
        return [int(fold) for fold in given or (1, 2, 3, 4)]
    speakers = sorted({path.stem.split("_")[1] for path in (DATA / "fsdd").glob("*.wav")})
    return given or ["takes", *speakers, *map("+".join, itertools.combinations(speakers, 2))]


def summary(system: str, group: str, runs: list[dict]) -> str:
    """Return a line with the means of all runs, with the standard deviations over them."""
    cells = []
    for name in runs[0]:
        values = [run[name] for run in runs if not math.isnan(run[name])]
        digits = 0 if name == "seconds" else 3
        spread = f" ± {statistics.pstdev(values):.3f}" if digits else ""
        cells.append(f"{name} {statistics.mean(values):.{digits}f}{spread}")
    return f"{system:21s} {group:16s} {', '.join(cells)} ({len(runs)} runs)"


def main() -> None:
    """Print a table of the folds, and means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=EPOCHS)
    parser.add_argument("--systems", nargs="+", choices=[*CHOSEN, "cifar10"])
    parser.add_argument("--folds", nargs="+", help="use only these; of pairs takes, george, george+jackson, …")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, help=f"[default: {EPOCHS}]")
    parser.add_argument("--rows", type=int, default=600, help="of the training set, of pairs and mixes")
    parser.add_argument("--as-ludwig", action="store_true", help="encoders and features with Ludwig's defaults")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    run = {"esc10": esc10, "pairs": pairs, "mixes": mixes}[options.part]
    folds = folds_of(options.part, options.folds)
    print(f"{options.part}, seeds {options.seeds}, {'Ludwig' if options.as_ludwig else 'chosen settings'}", flush=True)
    for system in options.systems or SYSTEMS[options.part]:
        chosen = [(fold, seed) for fold in folds for seed in options.seeds]
        with parallel_config("loky", n_jobs=options.jobs, inner_max_num_threads=1):
            results = dict(zip(chosen, Parallel()(delayed(run)(system, *one, options) for one in chosen)))
        groups = {"all": folds}
        if options.part == "pairs":  # means of speakers alone, since takes are another question
            groups = {
                "takes": ["takes"],
                "one speaker": [fold for fold in folds if "+" not in fold and fold != "takes"],
            }
            groups |= {"two speakers": [fold for fold in folds if "+" in fold]}
        for fold in folds:
            print(summary(system, f"{fold}", [results[fold, seed] for seed in options.seeds]), flush=True)
        for group, members in groups.items():
            if found := [results[fold, seed] for fold in members if fold in folds for seed in options.seeds]:
                print(summary(system, f"mean, {group}", found), flush=True)


if __name__ == "__main__":
    main()
