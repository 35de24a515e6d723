"""Make tests/models/published_outputs.npz: outputs of the published networks, computed by their own runtimes.

    python benchmarks/published_outputs.py YAMNET.tflite [--output tests/models/published_outputs.npz]

The tests compare the Gluon networks with these arrays. Run the program by hand, in an environment of its own: it needs
tensorflow, ai-edge-litert, torch, librosa, and the files of two packages without their requirements
(`pip install --no-deps musicnn==0.1.0 Resemblyzer==0.1.4`). The networks that run are the published ones: musicnn's
shipped TensorFlow graphs (the .meta files, not the package's code, which has the wrong pools for MSD_vgg),
Resemblyzer's own `VoiceEncoder`, and YAMNet's TFLite file.

All inputs are made by `spectra` and `waveforms`, which need NumPy alone, so a test loads this file and repeats them:

    patches = spectra(1, 3, 187, 96, peak=4.0)            musicnn, musicnn_mtt, musicnn_vgg, musicnn_vgg_mtt
    partials = spectra(2, 4, 160, 40, peak=1.0) ** 4      resemblyzer: power, without a logarithm
    sounds = waveforms(96, 3, 15_600)                     yamnet: one patch each, 16 kHz
    utterance = waveforms(4, 1, 50_239)[0]                resemblyzer: 314 frames, three partials (0, 77, 154)

The arrays, all float32 (spectra are [item, frame, band], as the published networks read them):

    musicnn_scores       (3, 50)      sigmoid of the tags; also musicnn_mtt_, musicnn_vgg_ and musicnn_vgg_mtt_scores
    musicnn_max_pool     (3, 753)     feature maps, maximum over time; also musicnn_mtt_max_pool
    musicnn_penultimate  (3, 200)     last hidden layer after its batch norm; also musicnn_mtt_penultimate
    musicnn_vgg_pool5    (3, 256)     in the order time (2), mel (1), channel (128); also musicnn_vgg_mtt_pool5
    resemblyzer_partials (4, 256)     one unit vector for each of `partials`
    resemblyzer_mean     (256,)       their mean, made unit again
    resemblyzer_sound    (256,)       `embed_utterance(utterance)`: the package's front end and partials as well
    yamnet_log_mel       (3, 96, 64)  the spectra that the file's own front end computes of `sounds`
    yamnet_embedding     (3, 1024)    int8 in the file, de-quantized (a step is 0.022)
    yamnet_scores        (3, 521)     int8 in the file, de-quantized (a step is 1/256)
    yamnet_float_embedding, yamnet_float_scores: the same of the file's de-quantized weights in float32, by torch

YAMNet in int8 rounds its logits to steps of 0.35. So int8 and float differ by the network's own rounding: the worst of
521 scores by 0.005 to 0.034 in 8 of 10 sounds of `waveforms`, by 0.015 to 0.06 in recordings. The seed of `sounds` is
one of the few where all agree within 0.006. The float arrays are the sharp test of a float network.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np

SCORES = "model/Sigmoid:0"
# Published name of each graph, and the tensors to keep of it.
MUSICNN_FEATURES = {"max_pool": "model/Max:0", "penultimate": "model/batch_normalization_10/batchnorm/add_1:0"}
VGG_FEATURES = {"pool5": "model/Flatten/flatten/Reshape:0"}
GRAPHS = {
    "musicnn": ("MSD_musicnn", MUSICNN_FEATURES),
    "musicnn_mtt": ("MTT_musicnn", MUSICNN_FEATURES),
    "musicnn_vgg": ("MSD_vgg", VGG_FEATURES),
    "musicnn_vgg_mtt": ("MTT_vgg", VGG_FEATURES),
}


def spectra(seed: int, items: int, frames: int, bands: int, peak: float) -> np.ndarray:
    """Return [items, frames, bands] float32 from 0 to `peak`: 40 smooth events each, weaker in the high bands."""
    random = np.random.default_rng(seed)
    level, time, band, length, width = random.random((5, items, 40, 1, 1))
    along = np.exp(-np.square((np.arange(frames)[:, None] / frames - time) / (0.01 + 0.2 * length**2)))
    across = np.exp(-np.square((np.arange(bands) / bands - band) / (0.01 + 0.1 * width**2)))
    image = (level * (1.2 - band) * along * across).sum(axis=1) + 0.05 * random.random((items, frames, bands))
    return (peak * image / image.max(axis=(1, 2), keepdims=True)).astype(np.float32)


def waveforms(seed: int, items: int, samples: int) -> np.ndarray:
    """Return [items, samples] float32 at 16 kHz, peak 0.9: 8 fading harmonic notes, and more noise item by item."""
    random = np.random.default_rng(seed)
    start, pitch, level = random.random((3, items, 8, 1, 1))
    seconds = np.arange(samples) / 16_000
    since = np.maximum(seconds - start * samples / 16_000, 0)
    harmonic = np.arange(1, 9)[:, None]
    notes = np.sin(2 * np.pi * 110 * 2 ** (3 * pitch) * harmonic * since) * np.exp(-harmonic * since * 3) / harmonic
    noise = 0.02 * 5.0 ** np.arange(items)[:, None] * random.standard_normal((items, samples))
    sound = ((0.2 + level) * notes).sum(axis=(1, 2)) + noise
    return (0.9 * sound / np.abs(sound).max(axis=1, keepdims=True)).astype(np.float32)


def graph_runner(graph_name: str, wanted: dict[str, str], threads: int = 0) -> Callable:
    """Return a function from patches to the wanted tensors of one of musicnn's shipped TensorFlow graphs."""
    import tensorflow as tf

    folder = Path(str(distribution("musicnn").locate_file("musicnn"))) / graph_name
    meta = tf.compat.v1.MetaGraphDef()
    meta.ParseFromString((folder / ".meta").read_bytes())
    # Of the training graph, only what the outputs and the restoring of variables need; today's TensorFlow refuses
    # the shapes noted at its gradients.
    nodes = [name.split(":")[0] for name in wanted.values()] + [meta.saver_def.restore_op_name]
    meta.graph_def.CopyFrom(tf.compat.v1.graph_util.extract_sub_graph(meta.graph_def, nodes))
    meta.collection_def.clear()
    placeholders = [node for node in meta.graph_def.node if node.op == "Placeholder"]
    training = next(node.name for node in placeholders if node.attr["dtype"].type == tf.bool.as_datatype_enum)
    limits = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    with tf.Graph().as_default():
        session = tf.compat.v1.Session(config=limits)
        tf.compat.v1.train.import_meta_graph(meta).restore(session, f"{folder}/")
    return lambda patches: session.run(wanted, {"model/Placeholder:0": patches, f"{training}:0": False})


def graph_outputs(graph_name: str, features: dict[str, str], patches: np.ndarray) -> dict[str, np.ndarray]:
    """Run one of musicnn's shipped TensorFlow graphs."""
    outputs = graph_runner(graph_name, {"scores": SCORES} | features)(patches)
    return {name: array.reshape(len(patches), -1) for name, array in outputs.items()}


def voice_encoder() -> Any:
    """Return Resemblyzer's encoder."""
    # Only the package's voice detector, which is not used here, needs these two; SciPy no longer has the second.
    sys.modules["webrtcvad"] = MagicMock()
    sys.modules["scipy.ndimage.morphology"] = MagicMock()
    from resemblyzer.voice_encoder import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False)


def voice_outputs(partials: np.ndarray, utterance: np.ndarray) -> dict[str, np.ndarray]:
    """Run Resemblyzer's encoder on mel spectra, and on a sound."""
    import torch

    encoder = voice_encoder()
    with torch.no_grad():
        vectors = encoder(torch.from_numpy(partials)).numpy()
    mean = vectors.mean(axis=0)
    return {
        "partials": vectors,
        "mean": mean / np.linalg.norm(mean),
        "sound": encoder.embed_utterance(utterance),
    }


def yamnet_outputs(path: str, sounds: np.ndarray) -> dict[str, np.ndarray]:
    """Run YAMNet's TFLite file on each sound, in int8 as published, and in float32 with its weights de-quantized."""
    import torch
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=1, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    details = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    numbers = {tensor["name"]: index for index, tensor in details.items()}
    wanted = {
        "log_mel": numbers["log_mel_spectrogram"],
        "embedding": numbers["tower0/network/layer28/reduce_mean"],
        "scores": interpreter.get_output_details()[0]["index"],
    }

    def read(index: int) -> torch.Tensor:
        parameters = details[index]["quantization_parameters"]
        array, scales = interpreter.get_tensor(index), parameters["scales"]
        if scales.size == 0:
            return torch.from_numpy(array)
        shape = [1] * array.ndim
        shape[parameters["quantized_dimension"]] = -1
        zero_points = parameters["zero_points"].reshape(shape).astype(np.float64)
        return torch.from_numpy(((array - zero_points) * scales.reshape(shape)).astype(np.float32))

    results = []
    for sound in sounds:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sound)
        interpreter.invoke()
        results.append({name: read(index).squeeze() for name, index in wanted.items()})
    outputs = {name: torch.stack([result[name] for result in results]) for name in wanted}

    image = outputs["log_mel"][:, None]
    for operation in interpreter._get_ops_details():
        if operation["op_name"] in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            _, kernel, bias = (read(index) for index in operation["inputs"])
            depthwise = operation["op_name"] == "DEPTHWISE_CONV_2D"
            kernel = kernel.permute((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
            # The strides follow from the sizes; TensorFlow pads even sizes after the end only where it strides.
            stride = image.shape[2] // details[operation["outputs"][0]]["shape"][1]
            margin = kernel.shape[2] // 2
            image = torch.nn.functional.pad(image, (margin * (2 - stride), margin) * 2)
            groups = len(kernel) if depthwise else 1
            image = torch.nn.functional.conv2d(image, kernel, bias, int(stride), groups=groups)
            image = torch.nn.functional.relu6(image)
    outputs["float_embedding"] = image.mean((2, 3))
    weight, bias = read(numbers["tower0/network/layer29/fc/MatMul"]), read(numbers["network/layer29/fc/biases"])
    outputs["float_scores"] = torch.sigmoid(outputs["float_embedding"] @ weight.T + bias)
    return {name: tensor.numpy() for name, tensor in outputs.items()}


def main() -> None:
    """Compute all arrays, look at them, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("yamnet", help="yamnet_audio_classifier_with_metadata.tflite")
    default = Path(__file__).resolve().parents[1] / "tests" / "models" / "published_outputs.npz"
    parser.add_argument("--output", type=Path, default=default)
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    patches = spectra(1, 3, 187, 96, peak=4.0)
    results = {name: graph_outputs(*graph, patches) for name, graph in GRAPHS.items()}
    results["resemblyzer"] = voice_outputs(spectra(2, 4, 160, 40, peak=1.0) ** 4, waveforms(4, 1, 50_239)[0])
    results["yamnet"] = yamnet_outputs(arguments.yamnet, waveforms(96, 3, 15_600))

    arrays = {
        f"{model}_{name}": array.astype(np.float32)
        for model, outputs in results.items()
        for name, array in outputs.items()
    }
    for name, array in arrays.items():
        if not np.isfinite(array).all() or array.std() == 0:
            raise SystemExit(f"{name} is not plausible: {array}")
        print(f"{name:28} {array.shape!s:12} {array.min():9.4f} to {array.max():9.4f}")
    np.savez_compressed(arguments.output, **arrays)
    print(f"{arguments.output}: {arguments.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
