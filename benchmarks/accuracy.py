"""Accuracy on real recordings that share no source, or no speaker, with the training set; for ESC-10 also of search.

``python benchmarks/accuracy.py esc10``     leave each of the four folds out once
``python benchmarks/accuracy.py speakers``  spoken digits: train on three speakers, test on the fourth, all four ways;
                                            then adapt to the fourth with half of its clips, without labels, and test
                                            on the other half
``python benchmarks/accuracy.py digits``    spoken digits in the official split: takes 0 to 4 are the test set

The parameters measured are those that `fit` ends with. Each fold is run once with each seed, two runs at a time, one
thread each. With ``--output DIR``, finished runs of esc10 and speakers are kept there, and the same call continues.
"""

import argparse
import os
import re
import statistics
import tempfile
from pathlib import Path

from joblib import Parallel, delayed, parallel_config

from mxnet_audio import AudioFeatureConfig, cross_validate
from mxnet_audio.library import classifiers
from mxnet_audio.training import RECIPES

DATA = Path(os.environ.get("MXNET_AUDIO_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
# 0.96 s; 0 dB is the peak of each clip.
DIGITS = AudioFeatureConfig(sr=8000, n_fft=256, hop_length=80, n_mels=40, fmin=60, ref="max", top_db=40, n_frames=96)
NETWORKS = ("cifar10", "m5", "resnet_v2")  # without published weights; `transfer.py` measures the others
# Arguments of `fit`, by corpus.
OPTIONS = {
    "esc10": {"epochs": 80, "batch_size": 8},
    "speakers": {"epochs": 12, "batch_size": 16},
    "digits": {"epochs": 20, "batch_size": 16},
}


def clips(corpus: str) -> tuple[list, list]:
    """Return the (path, label) pairs of a corpus, and the fold of each."""
    if corpus == "esc10":
        paths = sorted((DATA / "esc10").glob("*/*.ogg"))
        return [(path, path.parent.name) for path in paths], [int(path.name[0]) for path in paths]
    names = [
        (path, *re.fullmatch(r"(\d)_(\w+)_(\d+)", path.stem).groups()) for path in sorted((DATA / "fsdd").glob("*.wav"))
    ]
    by_speaker = corpus == "speakers"
    folds = [speaker if by_speaker else ("test" if int(take) < 5 else "train") for _, _, speaker, take in names]
    return [(path, digit) for path, digit, _, _ in names], folds


def official(network: str, pairs: list, folds: list, seeds: list, options: dict) -> str:
    """Return a line with the accuracy on the official test set, for all seeds."""
    train, test = ([pair for pair, fold in zip(pairs, folds) if fold == side] for side in ("train", "test"))
    accuracies = []
    for seed in seeds:
        classifier = classifiers()[network]()
        with tempfile.TemporaryDirectory() as folder:
            classifier.fit(train, folder, validation_pairs=test, random_state=seed, **options)
        accuracies.append(classifier.evaluate(test).accuracy)
    by_seed = ", ".join(f"{accuracy:.4f}" for accuracy in accuracies)
    return f"{network}: accuracy {statistics.mean(accuracies):.4f}, by seed {by_seed}"


def held_out_speaker(
    network: str, pairs: list, folds: list, speaker: str, seed: int, options: dict, folder: Path
) -> tuple:
    """Return the accuracy on a speaker left out of training, as trained and after adapting to half of its clips."""
    train, test = ([pair for pair, fold in zip(pairs, folds) if (fold == speaker) == side] for side in (False, True))
    classifier = classifiers()[network]()
    model_dir = folder / f"{speaker}-seed-{seed}"
    classifier.fit(train, model_dir, validation_pairs=test[::10], random_state=seed, resume=True, **options)
    before, after = classifier.evaluate(test).accuracy, []
    for adapt_to, test_on in ((test[::2], test[1::2]), (test[1::2], test[::2])):
        classifier.load_model(model_dir)
        classifier.adapt([path for path, _ in adapt_to])
        after.append(classifier.evaluate(test_on).accuracy)
    return before, statistics.mean(after)


def held_out_speakers(
    network: str, pairs: list, folds: list, seeds: list, options: dict, jobs: int | None, output: Path | None
) -> str:
    """Return a table with a line for each speaker, over all seeds, and one for their mean."""
    speakers = sorted(set(folds))
    with tempfile.TemporaryDirectory() as folder, parallel_config("loky", n_jobs=jobs or -1, inner_max_num_threads=1):
        runs = [(speaker, seed) for seed in seeds for speaker in speakers]
        folder = output or Path(folder)
        results = Parallel()(delayed(held_out_speaker)(network, pairs, folds, *run, options, folder) for run in runs)
        found = dict(zip(runs, results))
    lines = [f"{network}: accuracy as trained, and adapted without labels; seeds {', '.join(map(str, seeds))}"]
    for name, members in [*((speaker, [speaker]) for speaker in speakers), ("mean", speakers)]:
        by_seed = [[statistics.mean(found[m, seed][when] for m in members) for seed in seeds] for when in (0, 1)]
        cells = [f"{statistics.mean(one):.3f} ({', '.join(f'{value:.3f}' for value in one)})" for one in by_seed]
        lines.append(f"{name:10s} {'   '.join(cells)}")
    return "\n".join(lines)


def network_options(corpus: str, network: str) -> dict:
    """Return arguments of `fit` for one network: its input, its recipe, and fewer epochs for `m5` on long clips."""
    if network == "m5":
        return {"input_shape": (1, 1, 40000), "epochs": 30} if corpus == "esc10" else {"input_shape": (1, 1, 8000)}
    return {"input_shape": (1, 96, 235)} if corpus == "esc10" else {"feature_config": DIGITS, "recipe": "speech"}


def main() -> None:
    """Print a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", choices=OPTIONS)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--folds", nargs="+", help="use only these folds of the corpus")
    parser.add_argument(
        "--recipe",
        choices=sorted(RECIPES),
        help="[default: the network's own; for digits and speakers 'speech', except for m5]",
    )
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--output", type=Path, help="keep finished runs here, in a folder for each network")
    arguments = parser.parse_args()
    pairs, folds = clips(arguments.corpus)
    if arguments.folds:
        pairs, folds = zip(*((pair, fold) for pair, fold in zip(pairs, folds) if str(fold) in arguments.folds))
    given = {name: vars(arguments)[name] for name in ("epochs", "batch_size", "learning_rate", "recipe")}
    given = {name: value for name, value in given.items() if value is not None}
    for network in arguments.networks:
        options = (
            {"recipe": classifiers()[network].recipe}
            | OPTIONS[arguments.corpus]
            | network_options(arguments.corpus, network)
            | given
        )
        every = options | {"progress": False, "nb_classes": 10}
        print(f"{arguments.corpus}, {options}, {RECIPES[options['recipe']]}", flush=True)
        if arguments.corpus == "digits":
            print(official(network, pairs, folds, arguments.seeds, every), flush=True)
            continue
        output = arguments.output and arguments.output / network
        if arguments.corpus == "speakers":
            print(held_out_speakers(network, pairs, folds, arguments.seeds, every, arguments.jobs, output), flush=True)
            continue
        print(
            cross_validate(
                network, pairs, folds, seeds=arguments.seeds, n_jobs=arguments.jobs, output_dir=output, **every
            )
        )


if __name__ == "__main__":
    main()
