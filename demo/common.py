"""What the demos share: their arguments, and the clips that they work on."""

import argparse
from pathlib import Path

from mxnet_audio import datasets
from mxnet_audio.engine import context
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.library.utility.gtzan_loader import download_gtzan_genres_if_not_found
from mxnet_audio.library.utility.urbansound8k_loader import download_urbansound8k_if_not_found

HERE = Path(__file__).parent
MODELS = HERE / "models"
GTZAN = HERE / "very_large_data" / "gtzan"
URBANSOUND8K = HERE / "very_large_data" / "urbansound8k"


def arguments(description, epochs=None):
    """Parse the command line; `epochs` is the default of demos that train."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, metavar="DIR", help="your own folder of class folders")
    parser.add_argument("--models", type=Path, metavar="DIR", default=MODELS, help="where models are kept")
    parser.add_argument("--gpu", type=int, metavar="N", help="number of the GPU to use; the CPU by default")
    if epochs is not None:
        parser.add_argument("--epochs", type=int, default=epochs)
        parser.add_argument("--batch-size", type=int, default=8)
        parser.add_argument("--seconds", type=float, default=None, help="length of the input")
        parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parsed = parser.parse_args()
    parsed.ctx = context(parsed.gpu)
    return parsed


def clips(args, part="train"):
    """Pairs (path, label): of your own folder, or of GTZAN's fault-filtered `part` (train, valid or test)."""
    if args.data is not None:
        return datasets.folder(args.data)
    download_gtzan_genres_if_not_found(str(GTZAN))
    return datasets.get("gtzan").pairs(GTZAN, folds=[part])


def urbansound8k_clips(args, folds):
    """Pairs of your own folder, or of UrbanSound8K's official `folds`."""
    if args.data is not None:
        return datasets.folder(args.data)
    download_urbansound8k_if_not_found(str(URBANSOUND8K))
    return datasets.get("urbansound8k").pairs(URBANSOUND8K, folds=folds)


def training_options(args, seconds):
    """Arguments of `fit` that come from the command line; `seconds` is the corpus' own length of clip."""
    frames = AudioFeatureConfig().frames_in(args.seconds or seconds)
    return {
        "batch_size": args.batch_size,
        "epochs": args.epochs,
        "resume": args.resume,
        "input_shape": (1, 96, frames),
        "nb_classes": None,
        "checkpoint_interval": 2,
    }
