"""An encoder of the hub in one runtime, timed on request, in a process of its own; `bench_encoders.py` runs it.

    python hub_runtimes.py RUNTIME ENCODER FOLDER THREADS

FOLDER holds `inputs.npz`, an array for each step, and for the runtimes of ONNX `model.onnx`. For each name of a step on
standard input, the network computes the embeddings of the array, and the seconds come back. Weights are random: the
time does not depend on them. Only the runtime mxnet needs mxnet_audio.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

# Windows in one pass of the network, of 30 and 10 s, as the package passes them (`BATCH_SECONDS` of its WindowEncoder).
WINDOWS = {"whisper": 1, "wav2vec2": 1}

# Base sizes; the defaults of transformers' configurations, except for Whisper. Of its decoder, one layer is made.
WHISPER_BASE = {"d_model": 512, "encoder_layers": 6, "encoder_attention_heads": 8, "encoder_ffn_dim": 2048}
WHISPER_BASE |= {"decoder_layers": 1, "decoder_attention_heads": 8}


def mxnet(encoder, folder, threads):
    """This package."""
    from mxnet_audio.engine import autograd, mx, nd
    from mxnet_audio.models import NETWORKS
    from mxnet_audio.weights import read_architecture

    architecture = read_architecture({"model_type": encoder})
    network = NETWORKS[encoder]
    net = network(0, network.longest_input(architecture), architecture=architecture)
    net.initialize(mx.init.Xavier())
    net.hybridize(static_alloc=True, static_shape=True)

    def run(x):
        with autograd.predict_mode():
            return net(nd.array(x), nd.array(lengths_of(x)))[1].asnumpy()

    return in_passes(run, encoder)


def torch_eager(encoder, folder, threads, compiled=False):
    """PyTorch and transformers, with fused attention."""
    import torch
    import transformers

    torch.set_num_threads(threads)
    if encoder == "whisper":
        config = transformers.WhisperConfig(**WHISPER_BASE)
        net = transformers.WhisperModel(config).get_encoder().eval()
    else:
        net = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config()).eval()
    forward = torch.compile(net) if compiled else net

    def run(x):
        with torch.inference_mode():
            x = torch.from_numpy(x[:, 0] if encoder == "whisper" else x[:, 0, 0])
            return forward(x).last_hidden_state.mean(dim=1).numpy()

    return run


def torch_compiled(encoder, folder, threads):
    """The same, compiled."""
    return torch_eager(encoder, folder, threads, compiled=True)


def torch_in_passes(encoder, folder, threads):
    """The same, compiled, with as many windows in one pass as the package has."""
    return in_passes(torch_compiled(encoder, folder, threads), encoder)


def onnx_runtime(encoder, folder, threads):
    """ONNX Runtime, with the exported network."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(Path(folder) / "model.onnx", options, providers=["CPUExecutionProvider"])
    return in_passes(lambda x: session.run(["embedding"], inputs_of(session.get_inputs(), x))[0], encoder)


def openvino(encoder, folder, threads):
    """OpenVINO, with the exported network."""
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(Path(folder) / "model.onnx", "CPU", settings)

    class Named:
        def __init__(self, port):
            self.name = port.any_name

    ports = [Named(port) for port in compiled.inputs]
    return in_passes(lambda x: compiled(inputs_of(ports, x))["embedding"], encoder)


def inputs_of(ports, x):
    """Return the inputs of an exported network by name: the array, and the lengths of its rows."""
    return {port.name: lengths_of(x) if port.name == "lengths" else x for port in ports}


def lengths_of(x):
    """Return the lengths of the rows of an array: all of each."""
    return np.full(len(x), x.shape[3], np.float32)


def in_passes(run, encoder):
    """Return a function that computes the embeddings of an array in passes of as many windows as the package has."""
    size = WINDOWS[encoder]
    return lambda x: np.concatenate([run(x[start : start + size]) for start in range(0, len(x), size)])


RUNTIMES = {
    "mxnet": mxnet,
    "PyTorch": torch_eager,
    "PyTorch compiled": torch_compiled,
    "PyTorch in passes": torch_in_passes,
    "ONNX Runtime": onnx_runtime,
    "OpenVINO": openvino,
}


def main():
    """Answer on standard output, as JSON, a line for each line of standard input."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # output of the libraries
    runtime, encoder, folder, threads = sys.argv[1:]
    inputs = np.load(Path(folder) / "inputs.npz")
    try:
        run = RUNTIMES[runtime](encoder, folder, int(threads))
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), file=answers)
        return
    for name in inputs:
        run(inputs[name])  # compiles, and allocates memory
    print(json.dumps({"steps": list(inputs)}), file=answers)
    for line in sys.stdin:
        x = inputs[line.strip()]
        start = time.perf_counter()
        run(x)
        print(json.dumps({"seconds": time.perf_counter() - start}), file=answers)


if __name__ == "__main__":
    main()
