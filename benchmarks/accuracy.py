"""Accuracy on real recordings that share no source, or no speaker, with those trained on; and search by the vectors.

``python benchmarks/accuracy.py esc10``     leave one of the four folds out, all four ways
``python benchmarks/accuracy.py speakers``  spoken digits: train on three speakers, test on the fourth, all four ways
``python benchmarks/accuracy.py digits``    spoken digits in the official split: takes 0 to 4 are the test set

Parameters are those that `fit` ends with; each fold is run once with each seed, two at a time, one thread each. With
``--output DIR`` finished runs are kept there, and the same call goes on.
"""

import argparse
import os
import re
import statistics
import tempfile
from pathlib import Path

from mxnet_audio import AudioFeatureConfig, cross_validate
from mxnet_audio.library import classifiers
from mxnet_audio.training import RECIPES

DATA = Path(os.environ.get("MXNET_AUDIO_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
DIGITS = AudioFeatureConfig(sr=8000, n_fft=512, hop_length=128, n_mels=64, n_frames=64)  # 1 s
# Epochs, clips to a step, and what else `fit` is told, by corpus.
OPTIONS = {
    "esc10": {"epochs": 80, "batch_size": 8},
    "speakers": {"epochs": 30, "batch_size": 16},
    "digits": {"epochs": 30, "batch_size": 16},
}


def clips(corpus: str) -> tuple[list, list]:
    """Pairs, and the fold of each."""
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
    """Accuracy on the official test set, a line for all seeds."""
    train, test = ([pair for pair, fold in zip(pairs, folds) if fold == side] for side in ("train", "test"))
    found = []
    for seed in seeds:
        classifier = classifiers()[network]()
        with tempfile.TemporaryDirectory() as folder:
            classifier.fit(train, folder, validation_pairs=test, random_state=seed, **options)
        found.append(classifier.evaluate(test).accuracy)
    return f"{network}: accuracy {statistics.mean(found):.4f}, by seed {', '.join(f'{one:.4f}' for one in found)}"


def own(corpus: str, network: str) -> dict:
    """What `fit` is told for one network: its input, and fewer epochs of `m5`, of long clips."""
    if network == "m5":
        return {"input_shape": (1, 1, 40000), "epochs": 30} if corpus == "esc10" else {"input_shape": (1, 1, 8000)}
    return {"input_shape": (1, 96, 235)} if corpus == "esc10" else {"feature_config": DIGITS}


def main() -> None:
    """Print a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", choices=OPTIONS)
    parser.add_argument("--networks", nargs="+", default=sorted(classifiers()), choices=sorted(classifiers()))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--folds", nargs="+", help="only these of the corpus, to train on and to test on")
    parser.add_argument("--recipe", choices=sorted(RECIPES), help="[default: the network's own]")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--output", type=Path, help="keep finished runs here, a folder for each network")
    arguments = parser.parse_args()
    pairs, folds = clips(arguments.corpus)
    if arguments.folds:
        pairs, folds = zip(*((pair, fold) for pair, fold in zip(pairs, folds) if str(fold) in arguments.folds))
    given = {"epochs": arguments.epochs, "batch_size": arguments.batch_size, "learning_rate": arguments.learning_rate}
    given = {name: value for name, value in given.items() if value is not None}
    for network in arguments.networks:
        recipe = RECIPES[arguments.recipe or classifiers()[network].recipe]
        options = OPTIONS[arguments.corpus] | own(arguments.corpus, network) | given
        every = options | {"progress": False, "recipe": recipe, "nb_classes": 10}
        print(f"{arguments.corpus}, {options}, {recipe}", flush=True)
        if arguments.corpus == "digits":
            print(official(network, pairs, folds, arguments.seeds, every), flush=True)
            continue
        kept = arguments.output and arguments.output / network
        print(
            cross_validate(
                network, pairs, folds, seeds=arguments.seeds, n_jobs=arguments.jobs, output_dir=kept, **every
            )
        )


if __name__ == "__main__":
    main()
