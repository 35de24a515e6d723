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
            return net(nd.array(x))[1].asnumpy()

    return run


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


def onnx_runtime(encoder, folder, threads):
    """ONNX Runtime, with the exported network."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(Path(folder) / "model.onnx", options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(["embedding"], inputs_of(session.get_inputs(), x))[0]


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
    return lambda x: compiled(inputs_of(ports, x))["embedding"]


def inputs_of(ports, x):
    """Return the inputs of an exported network by name: the array, and the lengths of its rows."""
    lengths = np.full(len(x), x.shape[3], np.float32)
    return {port.name: lengths if port.name == "lengths" else x for port in ports}


RUNTIMES = {
    "mxnet": mxnet,
    "PyTorch": torch_eager,
    "PyTorch compiled": torch_compiled,
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
