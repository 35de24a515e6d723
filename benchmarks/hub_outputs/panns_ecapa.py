"""Make tests/models/hub/panns.npz and ecapa.npz: outputs of PANNs and of SpeechBrain's ECAPA-TDNN.

    python benchmarks/hub_outputs/panns_ecapa.py FOLDER [--output tests/models/hub]

FOLDER has PANNs' models.py and pytorch_utils.py (https://github.com/qiuqiangkong/audioset_tagging_cnn, folder pytorch).
Run the program by hand, in an environment with torch, torchlibrosa and speechbrain.

Weights and inputs are not stored: `seeded` makes them again from their names, and needs NumPy alone, so a test loads
this file. The keys of panns.npz begin with the name of the network: cnn14, cnn10, cnn6, mobilenetv1.

    versions            JSON: versions of the packages, and SHA-256 of models.py
    NET/state           JSON: names and shapes of the published tensors
    NET/embedding       (2, dim)        for `spectrum(NET, 0)` and `spectrum(NET, 1)`, of 67 and 45 frames
    NET/logits          (2, 527)        before the sigmoid
    NET/block_…         (2, maps)       mean of the output of each block
    NET/gradient.input  (67, 64)        gradient of sum(logits * seeded("NET/probe")) of the first spectrum
    NET/gradient.…      as the tensor   the same, by names of tensors

Those of ecapa.npz with "full" (1024 channels) and "small" (64 channels), for `spectrum(NET, 0)`, of 67 frames:

    versions            as above
    NET/state           as above
    NET/voice           (192,)
    small/block_…       (channels, 67)  output of each block
    small/gradient.input, small/gradient.…   gradients of sum(voice * seeded("small/probe"))
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import zlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

FRAMES = (67, 45)  # of the spectra
BANDS = {"full": 80, "small": 80}  # of PANNs: 64


def seeded(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the float32 weights of a name and shape: those of layers keep the scale of their inputs."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        return random.uniform(0.5, 1.5, shape).astype(np.float32)
    if len(shape) > 1:
        return (random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
    return (0.2 * random.standard_normal(shape)).astype(np.float32)


def state(names: dict[str, list[int]], prefix: str) -> dict[str, np.ndarray]:
    """Return the weights of these names and shapes; counters of batch norms are 1."""
    return {
        name: np.int64(1) if name.endswith("num_batches_tracked") else seeded(f"{prefix}/{name}", tuple(shape))
        for name, shape in names.items()
    }


def spectrum(net: str, number: int) -> np.ndarray:
    """Return an input of a network [shape=(frames, bands)]."""
    frames, bands = FRAMES[number], BANDS.get(net, 64)
    return np.random.RandomState(number).uniform(-2, 3, (frames, bands)).astype(np.float32)


def load(model: Any, net: str) -> str:
    """Set the weights of a model; return the names and shapes of its tensors as JSON."""
    import torch

    names = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    model.load_state_dict({name: torch.as_tensor(value) for name, value in state(names, net).items()})
    model.eval()
    return json.dumps(names)


def recorded(modules: dict[str, Any]) -> dict[str, Any]:
    """Return a dictionary that holds the last output of each module once the model has run."""
    outputs: dict[str, Any] = {}
    for name, module in modules.items():
        module.register_forward_hook(lambda module, inputs, output, name=name: outputs.update({name: output}))
    return outputs


def gradients(net: str, result: Any, x: Any, model: Any, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the gradients of the sum of a result times its probe, with respect to the input and some weights."""
    import torch

    loss = (result * torch.as_tensor(seeded(f"{net}/probe", tuple(result.shape)))).sum()
    parameters = dict(model.named_parameters())
    found = torch.autograd.grad(loss, [x, *(parameters[name] for name in names)])
    return {
        f"{net}/gradient.{name}": gradient.squeeze().numpy() if name == "input" else gradient.numpy()
        for name, gradient in zip(("input", *names), found)
    }


def panns(folder: Path) -> dict[str, np.ndarray]:
    """Run the four networks; the spectrogram replaces their front end."""
    import torch

    sys.path.insert(0, str(folder))
    import models

    arrays = {}
    for name in ("Cnn14", "Cnn10", "Cnn6", "MobileNetV1"):
        net = name.lower()
        model = getattr(models, name)(32000, 1024, 320, 64, 50, 14000, 527)
        arrays[f"{net}/state"] = load(model, net)
        model.spectrogram_extractor = model.logmel_extractor = torch.nn.Identity()
        blocks = {child: module for child, module in model.named_children() if child.startswith("conv_block")}
        if not blocks:
            blocks = {f"features.{number}": block for number, block in enumerate(model.features)}
        outputs = recorded({**blocks, "logits": model.fc_audioset})
        found: dict[str, list] = {}
        for number in range(len(FRAMES)):
            x = torch.as_tensor(spectrum(net, number))[None, None].requires_grad_()
            result = model(x)
            found.setdefault("embedding", []).append(result["embedding"])
            found.setdefault("logits", []).append(outputs["logits"])
            for number_, child in enumerate(blocks):
                found.setdefault(f"block_{number_}", []).append(outputs[child].mean(dim=(2, 3)))
            if number == 0:
                first = next(
                    name for name, _ in model.named_parameters() if name.endswith(("conv1.weight", "0.0.weight"))
                )
                arrays |= gradients(net, outputs["logits"], x, model, ("bn0.weight", first, "fc1.bias"))
        arrays |= {f"{net}/{key}": torch.cat(values).detach().numpy() for key, values in found.items()}
    return arrays


def ecapa() -> dict[str, np.ndarray]:
    """Run SpeechBrain's network with many and with few channels."""
    import torch
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
    from speechbrain.processing.features import InputNormalization

    arrays = {}
    for net, channels in (("full", 1024), ("small", 64)):
        model = ECAPA_TDNN(80, lin_neurons=192, channels=[channels] * 4 + [3 * channels])
        arrays[f"{net}/state"] = load(model, net)
        outputs = recorded({f"block_{number}": block for number, block in enumerate((*model.blocks, model.mfa))})
        x = torch.as_tensor(spectrum(net, 0))[None].requires_grad_()
        lengths = torch.ones(1)
        voice = model(InputNormalization(norm_type="sentence", std_norm=False)(x, lengths), lengths)[0, 0]
        arrays[f"{net}/voice"] = voice.detach().numpy()
        if net == "small":
            arrays |= {f"{net}/{key}": value[0].detach().numpy() for key, value in outputs.items()}
            names = (
                "blocks.0.conv.conv.bias",
                "blocks.2.res2net_block.blocks.3.conv.conv.weight",
                "asp_bn.norm.weight",
            )
            arrays |= gradients(net, voice, x, model, names)
    return arrays


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, default=Path("tests/models/hub"))
    arguments = parser.parse_args()
    versions = {name: version(name) for name in ("torch", "torchlibrosa", "speechbrain", "numpy")}
    versions["models.py"] = hashlib.sha256((arguments.folder / "models.py").read_bytes()).hexdigest()
    print(versions)
    for name, arrays in (("panns", panns(arguments.folder)), ("ecapa", ecapa())):
        np.savez_compressed(arguments.output / f"{name}.npz", versions=json.dumps(versions), **arrays)


if __name__ == "__main__":
    main()
