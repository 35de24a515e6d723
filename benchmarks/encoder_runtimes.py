"""An encoder in one runtime, timed on request, in a process and an interpreter of its own; `bench_transfer.py` runs it.

    python encoder_runtimes.py RUNTIME ENCODER FOLDER

Only the runtime mxnet needs mxnet_audio, since the others need NumPy 2. FOLDER holds `inputs.npz`: the paths of sounds,
their samples at 16 kHz, their patches, and the parameters of the network. For each name of a step on standard input,
the step runs, and the seconds of CPU time come back; its outputs, one row a sound, are written to FOLDER.

Step `files` decodes and resamples (the peers by librosa), `samples` starts with samples at 16 kHz, and `network` with
the patches of the front end. One thread.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from published_outputs import GRAPHS, SCORES, graph_runner, voice_encoder

BATCH = 32  # patches in one pass of the network
SR = 16000


def cut(y, size, hop):
    """Cut a sound, or its frames on the last axis, into patches; if some remain, one more patch ends with the last."""
    starts = list(range(0, y.shape[-1] - size + 1, hop))
    if starts[-1] + size < y.shape[-1]:
        starts.append(y.shape[-1] - size)
    return np.stack([y[..., start : start + size] for start in starts])


def steps_of(inputs, patches_of, network, layout=None):
    """Return the steps of a peer.

    `patches_of` makes patches of samples; `network` makes outputs of a batch of patches; `layout` brings the stored
    patches [shape=(n, 1, bands, frames)] into the order of the network.
    """

    def mean(outputs):
        silence = inputs["silence"]  # number of a tag, or -1
        if silence < 0:
            return outputs.mean(axis=0)
        found = np.average(outputs, axis=0, weights=1.001 - outputs[:, silence])  # as `PatchEncoder` weights patches
        found[silence] = outputs[:, silence].min()
        return found

    def pooled(parts):
        patches = np.concatenate(parts)
        outputs = np.concatenate([network(patches[start : start + BATCH]) for start in range(0, len(patches), BATCH)])
        ends = np.cumsum([len(part) for part in parts])
        return np.stack([mean(part) for part in np.split(outputs, ends[:-1])])

    steps = {
        "files": lambda: pooled([patches_of(load(path)) for path in inputs["paths"]]),
        "samples": lambda: pooled([patches_of(y) for y in inputs["sounds"]]),
    }
    if layout is not None:
        stored = np.split(np.ascontiguousarray(layout(inputs["patches"])), len(inputs["sounds"]))
        steps["network"] = lambda: pooled(stored)
    return steps


def load(path):
    """Decode a file, and resample it."""
    import librosa

    return librosa.load(path, sr=SR)[0]


def mxnet(encoder, inputs):
    """This package."""
    from mxnet_audio.engine import nd
    from mxnet_audio.pretrained import load_encoder

    loaded = load_encoder(encoder)

    def outputs(sounds):
        return np.stack([output[1 if loaded.labels else 2] for output in loaded.forward_many(sounds)])

    def network(patches):
        scores, vectors = loaded.net.patch_outputs(nd.array(patches))
        return (vectors if scores is None else scores.sigmoid()).asnumpy()

    return steps_of(inputs, None, network, lambda patches: patches) | {
        "files": lambda: outputs(inputs["paths"].tolist()),
        "samples": lambda: outputs((y, SR) for y in inputs["sounds"]),
    }


def litert(encoder, inputs):
    """YAMNet's own file: int8, with its front end, one patch at a time."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tflite_runtime.interpreter import Interpreter
    interpreter = Interpreter(str(inputs["published"]), num_threads=1)
    interpreter.allocate_tensors()
    source, target = (
        details[0]["index"] for details in (interpreter.get_input_details(), interpreter.get_output_details())
    )

    def scores(y):
        interpreter.set_tensor(source, y)
        interpreter.invoke()
        return interpreter.get_tensor(target)[0]

    return steps_of(inputs, lambda y: cut(y, 15600, 7680), lambda patches: np.stack([scores(y) for y in patches]))


def torch_yamnet(encoder, inputs, compiled=False):
    """YAMNet in float32, channels last, and its front end by `torch.stft`."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    values = {name[1:]: torch.from_numpy(value) for name, value in inputs.items() if name.startswith("@")}
    layers = []
    names = ["body.stem"] + [f"body.blocks.{i}.{part}" for i in range(13) for part in ("depthwise", "pointwise")]
    for name in names:
        weight = values[f"{name}.weight"]
        stride = 2 if name == "body.stem" or name in [f"body.blocks.{i}.depthwise" for i in (1, 3, 5, 11)] else 1
        groups = len(weight) if "depthwise" in name else 1
        kernel = weight.shape[2]
        padding = kernel // 2 if stride == 1 else 0
        convolution = nn.Conv2d(weight.shape[1] * groups, len(weight), kernel, stride, padding, groups=groups)
        convolution.weight.data, convolution.bias.data = weight, values[f"{name}.bias"]
        layers += [convolution, nn.ReLU6()] if stride == 1 else [nn.ZeroPad2d((0, 1, 0, 1)), convolution, nn.ReLU6()]
    head = nn.Linear(1024, 521)
    head.weight.data, head.bias.data = values["head.weight"], values["head.bias"]
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head, nn.Sigmoid()).eval()
    net = torch.compile(net, options={"freezing": True}) if compiled else net.to(memory_format=torch.channels_last)
    window, filters = torch.hann_window(400), torch.from_numpy(inputs["filters"])

    def patches_of(y):
        y = nn.functional.pad(torch.from_numpy(y), (56, 56))
        spectrum = torch.stft(y, 512, 160, 400, window, center=False, return_complex=True)
        return cut(torch.log(filters @ spectrum.abs() + 0.001)[None].numpy(), 96, 48)

    def network(patches):
        with torch.inference_mode():
            return net(torch.from_numpy(patches).to(memory_format=torch.channels_last)).numpy()

    return steps_of(inputs, patches_of, network, lambda patches: patches)


def compiled_yamnet(encoder, inputs):
    """The same, compiled."""
    return torch_yamnet(encoder, inputs, compiled=True)


def torch_resemblyzer(encoder, inputs):
    """Resemblyzer's own code, one utterance at a time."""
    import torch

    torch.set_num_threads(1)
    net = voice_encoder()
    from resemblyzer import normalize_volume

    def vectors(sounds):
        levelled = (normalize_volume(y, -30, increase_only=True) for y in sounds)
        return np.stack([net.embed_utterance(y) for y in levelled])

    def network(patches):
        with torch.no_grad():
            return net(torch.from_numpy(patches)).numpy()

    return steps_of(inputs, None, network, lambda patches: patches[:, 0].swapaxes(1, 2)) | {
        "files": lambda: vectors(load(path) for path in inputs["paths"]),
        "samples": lambda: vectors(inputs["sounds"]),
    }


def tensorflow_musicnn(encoder, inputs):
    """The graph that musicnn ships, in TensorFlow, and its front end by librosa."""
    import librosa

    run = graph_runner(GRAPHS[encoder][0], {"scores": SCORES}, threads=1)

    def patches_of(y):
        mel = librosa.feature.melspectrogram(y=y, sr=SR, n_fft=512, hop_length=256, n_mels=96)
        return cut(np.log10(1 + 10000 * mel), 187, 187).swapaxes(1, 2)

    return steps_of(
        inputs, patches_of, lambda patches: run(patches)["scores"], lambda patches: patches[:, 0].swapaxes(1, 2)
    )


RUNTIMES = {
    "yamnet": {"mxnet": mxnet, "LiteRT": litert, "PyTorch": torch_yamnet, "PyTorch compiled": compiled_yamnet},
    "musicnn": {"mxnet": mxnet, "TensorFlow": tensorflow_musicnn},
    "resemblyzer": {"mxnet": mxnet, "PyTorch": torch_resemblyzer},
}


def main():
    """Answer on standard output, as JSON, a line for each line of standard input."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the libraries print
    runtime, encoder, folder = sys.argv[1:]
    with np.load(Path(folder) / "inputs.npz") as file:
        inputs = dict(file)
    try:
        steps = RUNTIMES[encoder][runtime](encoder, inputs)
        print(json.dumps({"steps": list(steps)}), file=answers)
        for line in sys.stdin:
            step = line.strip()
            start = time.process_time()
            outputs = steps[step]()
            seconds = time.process_time() - start
            np.save(Path(folder) / f"{runtime}-{step}.npy", outputs)
            print(json.dumps({"seconds": seconds}), file=answers)
    except Exception as error:  # whatever is not installed in this interpreter
        print(json.dumps({"missing": f"{type(error).__name__}: {error}"}), file=answers)


if __name__ == "__main__":
    main()
