"""Loss and accuracy of fine-tuning, epoch by epoch: of a whole encoder, of adapters (LoRA), and of the head alone.

Spoken digits 5 to 9 of FSDD; two takes of each digit and speaker are held out. The head is fitted before each
training, so that the first epoch starts from it, and all see the learned sum of layers. Without ``--source`` the
encoder is a tiny Whisper, of the size of that of the tests (16 units, 2 layers), which is trained here first: from
random weights, on digits 0 to 4. It shows that each choice learns, not what published weights are worth. Adapters on
random weights learn next to nothing, since their convolutions, which stay as they are, lose the words.

The rates were chosen on takes 10 and 11 (``--test-takes 10 11``); the figures are those of takes 0 and 1.
"""

import argparse
import dataclasses
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from mxnet_audio import PretrainedAudioClassifier, training

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("MXNET_AUDIO_DATA") or HERE.parents[1] / "shared" / "data")
TINY = HERE.parent / "tests" / "models" / "hub" / "whisper"
KNOWN, NEW = "01234", "56789"  # digits of the published weights, and of the fine-tuning
FIRST_TAKE, RESERVED_TAKES = 2, (10, 11)  # to train on, and to choose settings by
SIX = ["query", "key", "value", "output", "ffn1", "ffn2"]
CHOICES = {
    "full": ({"trainable": True}, 0.01),
    "lora": ({"adapter": {"targets": SIX}}, 0.005),
    "head": ({}, 0.01),
}
RECIPE = dataclasses.replace(training.RECIPES["fine_tune"], features=(), mixup=0)  # losses on clips as they are
FIRST_EPOCHS, FIRST_RATE = 30, 0.03  # of the tiny Whisper; its layers have a tenth of the rate and less
# Published names of the parts of a layer.
PARTS = {
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.output": "self_attn.out_proj",
    "norm1": "self_attn_layer_norm",
    "norm2": "final_layer_norm",
    "ffn1": "fc1",
    "ffn2": "fc2",
}

Clip = tuple[str, str, int]  # path, digit, take


def clips(folder: Path) -> list[Clip]:
    """List all clips."""
    names = ((path, path.stem.split("_")) for path in sorted(folder.glob("*.wav")))
    return [(str(path), digit, int(take)) for path, (digit, _, take) in names]


def pairs(found: list[Clip], digits: str, takes: list[int]) -> list[tuple[str, str]]:
    """Return the clips of these digits and takes."""
    return [(path, digit) for path, digit, take in found if digit in digits and take in takes]


def tiny_model(folder: Path, train: list[tuple[str, str]]) -> Path:
    """Train a tiny Whisper, and write it as a published model."""
    classifier = PretrainedAudioClassifier("whisper", source=TINY, trainable=True)
    classifier.fit(
        train,
        folder / "classifier",
        test_size=0,
        epochs=FIRST_EPOCHS,
        learning_rate=FIRST_RATE,
        recipe=RECIPE,
        cache=False,
        progress=False,
    )
    model = shutil.copytree(TINY, folder / "published")
    save_file(published(training.get_parameters(classifier.model.net)), model / "model.safetensors")
    return model


def published(parameters: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the parameters of Whisper's encoder by their published names."""
    tensors = {}
    for name, value in parameters.items():
        part, _, kind = name.removeprefix("body.").rpartition(".")
        kind = {"gamma": "weight", "beta": "bias"}.get(kind, kind)
        if part.startswith("layers."):
            _, number, part = part.split(".", 2)
            tensors[f"encoder.layers.{number}.{PARTS[part]}.{kind}"] = value
        elif part.startswith("conv"):
            tensors[f"encoder.{part}.{kind}"] = value.squeeze(2) if value.ndim == 4 else value
        elif part == "norm":
            tensors[f"encoder.layer_norm.{kind}"] = value
        elif kind == "positions":
            tensors["encoder.embed_positions.weight"] = value
    return {name: np.ascontiguousarray(value) for name, value in tensors.items()}


def main() -> None:
    """Train, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--source", help="folder or hub name of a Whisper model")
    parser.add_argument("--data", type=Path, default=DATA / "fsdd")
    parser.add_argument("--takes", type=int, default=8, help="of each digit and speaker, to train on")
    parser.add_argument("--test-takes", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rate", type=float, help="learning rate, in place of that of each choice")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--choices", nargs="+", choices=CHOICES, default=list(CHOICES))
    args = parser.parse_args()
    found = clips(args.data)
    takes = [take for take in range(FIRST_TAKE, FIRST_TAKE + args.takes) if take not in RESERVED_TAKES]
    known, train = (pairs(found, digits, takes) for digits in (KNOWN, NEW))
    test = pairs(found, NEW, args.test_takes)
    with tempfile.TemporaryDirectory() as folder:
        source = args.source or tiny_model(Path(folder), known)
        print(f"{len(train)} clips to train on, {len(test)} to test on; chance is {1 / len(NEW)}")
        for choice in args.choices:
            options, rate = CHOICES[choice]
            histories = []
            for seed in range(args.seeds):
                classifier = PretrainedAudioClassifier("whisper", source=source, embedding="weighted:mean", **options)
                history = classifier.fit(
                    train,
                    Path(folder) / "model",
                    batch_size=16,
                    epochs=args.epochs,
                    learning_rate=args.rate or rate,
                    random_state=seed,
                    validation_pairs=test,
                    recipe=RECIPE,
                    cache=False,
                    progress=False,
                )
                histories.append(history)
            for name in ("loss_train", "loss_test", "acc_train", "acc_test"):
                values = np.mean([history[name] for history in histories], axis=0)
                print(f"{choice} {name:10}", " ".join(f"{value:.3f}" for value in values), flush=True)


if __name__ == "__main__":
    main()
