"""Command-line arguments and clips of the demo scripts."""

import argparse
from pathlib import Path

from mxnet_audio import datasets
from mxnet_audio.engine import context
from mxnet_audio.library.utility.gtzan_loader import download_gtzan_genres_if_not_found
from mxnet_audio.library.utility.urbansound8k_loader import download_urbansound8k_if_not_found
from mxnet_audio.models import default_features

HERE = Path(__file__).parent
MODELS = HERE / "models"
GTZAN = HERE / "very_large_data" / "gtzan"
URBANSOUND8K = HERE / "very_large_data" / "urbansound8k"


def arguments(description, epochs=None, test_fold=None):
    """Parse the command line.

    `epochs` is the default of scripts that train, `test_fold` the default of those that test on a fold.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, metavar="DIR", help="your own folder of class folders")
    parser.add_argument("--models", type=Path, metavar="DIR", default=MODELS, help="folder for models")
    parser.add_argument("--gpu", type=int, metavar="N", help="number of the GPU; the CPU by default")
    if epochs is not None:
        parser.add_argument("--epochs", type=int, default=epochs)
        parser.add_argument("--batch-size", type=int, default=8)
        parser.add_argument("--seconds", type=float, default=None, help="length of the input")
        parser.add_argument("--resume", action="store_true", help="resume from the last checkpoint")
    if test_fold is not None:
        parser.add_argument("--test-fold", type=int, choices=range(1, 11), default=test_fold, metavar="1..10")
    parsed = parser.parse_args()
    parsed.ctx = context(parsed.gpu)
    return parsed


def clips(args, part="train"):
    """List pairs (path, label) of your own folder, or of GTZAN's fault-filtered `part` (train, valid or test)."""
    if args.data is not None:
        return datasets.folder(args.data)
    download_gtzan_genres_if_not_found(str(GTZAN))
    return datasets.get("gtzan").pairs(GTZAN, folds=[part])


def urbansound8k_clips(args):
    """List training and test pairs by UrbanSound8K's official folds; for your own folder, the test pairs are None."""
    if args.data is None:
        download_urbansound8k_if_not_found(str(URBANSOUND8K))
    elif not list(args.data.glob("**/UrbanSound8K.csv")):  # not a copy of the corpus
        return datasets.folder(args.data), None
    home, corpus = args.data or URBANSOUND8K, datasets.get("urbansound8k")
    train_folds = [fold for fold in corpus.folds if fold != args.test_fold]
    return corpus.pairs(home, folds=train_folds), corpus.pairs(home, folds=[args.test_fold])


def training_options(args, classifier_class, seconds):
    """Return the arguments of `fit` that the command line sets; `seconds` is the length of the corpus' clips."""
    config = default_features(classifier_class.network)
    seconds = args.seconds or seconds
    shape = (1, round(config.sr * seconds)) if config.type == "raw" else (config.n_mels, config.frames_in(seconds))
    return {
        "batch_size": args.batch_size,
        "epochs": args.epochs,
        "resume": args.resume,
        "input_shape": (1, *shape),
        "checkpoint_interval": 2,
    }
