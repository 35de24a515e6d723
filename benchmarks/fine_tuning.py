"""Loss and accuracy of fine-tuning, epoch by epoch: of a whole encoder, of adapters (LoRA), and of the head alone.

Spoken digits of FSDD, held out by take (of speakers that are learned, too) or by speaker. The head is fitted before
each training, and all see the learned sum of layers. Without ``--source`` the encoder is a tiny wav2vec 2.0 of random
weights, the one of the tests, without dropout: it shows that each choice learns, not what published weights are worth.
"""

import argparse
import dataclasses
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from mxnet_audio import PretrainedAudioClassifier, training

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("MXNET_AUDIO_DATA") or HERE.parents[1] / "shared" / "data")
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
TEST_TAKES = 2  # the first ones
CHOICES = {
    "full": {"trainable": True},
    "lora": {"adapter": "lora"},
    "head": {},
}
DROPOUTS = ("hidden_dropout", "attention_dropout", "activation_dropout")
RECIPE = dataclasses.replace(training.RECIPES["fine_tune"], features=(), mixup=0)  # losses on clips as they are


def clips(folder: Path, digits: int, takes: int) -> list[tuple[str, str, str, int]]:
    """List path, digit, speaker and take of the first takes of each digit and speaker."""
    found = []
    for path in sorted(folder.glob("*.wav")):
        digit, speaker, take = path.stem.split("_")
        if int(digit) < digits and int(take) < takes + TEST_TAKES:
            found.append((str(path), digit, speaker, int(take)))
    return found


def splits(found: list[tuple[str, str, str, int]], unseen: str) -> dict[str, tuple[list, list]]:
    """Return training and test clips by the way they are split."""
    held_out = {
        "take": [take < TEST_TAKES for *_, take in found],
        "speaker": [speaker == unseen for *_, speaker, _ in found],
    }
    return {
        name: tuple(
            [(path, digit) for (path, digit, *_), out in zip(found, flags) if out == side] for side in (False, True)
        )
        for name, flags in held_out.items()
    }


def random_model(folder: Path) -> Path:
    """Copy the tests' model of random weights, without dropout, which means nothing in so small a network."""
    shutil.copytree(HERE.parent / "tests" / "models" / "hub" / "wav2vec2", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | dict.fromkeys(DROPOUTS, 0.0)))
    return folder


def features(classifier: PretrainedAudioClassifier, seconds: float):
    """Return the features of the encoder, of a shorter window."""
    return classifier.published_features.model_copy(update={"audio_file_length_limit_in_s": seconds})


def main() -> None:
    """Train, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--source", help="folder or hub name of a wav2vec 2.0 model")
    parser.add_argument("--data", type=Path, default=DATA / "fsdd")
    parser.add_argument("--digits", type=int, default=10)
    parser.add_argument("--takes", type=int, default=5, help="of each digit and speaker, to train on")
    parser.add_argument("--seconds", type=float, default=0.4, help="longest part of a clip to train on")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--learning-rate", type=float, default=0.003)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--choices", nargs="+", choices=CHOICES, default=list(CHOICES))
    args = parser.parse_args()
    found = clips(args.data, args.digits, args.takes)
    with tempfile.TemporaryDirectory() as folder:
        source = args.source or random_model(Path(folder) / "random")
        for split, (train, test) in splits(found, unseen=found[-1][2]).items():
            print(f"held out by {split}: {len(train)} clips to train on, {len(test)} to test on, {args.digits} digits")
            for choice in args.choices:
                histories = []
                for seed in range(args.seeds):
                    options = {"source": source, "embedding": "weighted:mean", **CHOICES[choice]}
                    classifier = PretrainedAudioClassifier("wav2vec2", **options)
                    history = classifier.fit(
                        train,
                        Path(folder) / "model",
                        batch_size=16,
                        epochs=args.epochs,
                        learning_rate=args.learning_rate,
                        random_state=seed,
                        validation_pairs=test,
                        feature_config=features(classifier, args.seconds),
                        recipe=RECIPE,
                        progress=False,
                    )
                    histories.append(history)
                for name in ("loss_train", "loss_test", "acc_train", "acc_test"):
                    values = np.mean([history[name] for history in histories], axis=0)
                    print(f"  {choice} {name:10}", " ".join(f"{value:.3f}" for value in values), flush=True)


if __name__ == "__main__":
    main()
