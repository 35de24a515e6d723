"""ONNX Runtime, imported here only and with its telemetry off: sessions of exported files, checked before their use."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Sequence
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from mxnet_audio.checks import iterable_argument, whole_number
from mxnet_audio.errors import ModelError, ParameterError
from mxnet_audio.inference.onnx_file import PRODUCER, check_graph, is_exported, is_intact, parameters
from mxnet_audio.inference.onnx_metadata import Description
from mxnet_audio.inference.parts import check_outputs

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, RunOptions, SessionOptions

__all__ = ["OnnxSession"]

_OUTPUTS = ["probabilities", "embedding"]
_TOLERANCE = 0.01  # of the sum of probabilities, which are rounded
_MOST_NUMBERS = 1 << 28  # of an input: 1 GiB
_MOST_MEMORY = 2 << 30  # [bytes], of the network for one input


class OnnxSession:
    """Exported network in ONNX Runtime.

    A file may have been changed and given a checksum that fits. So its network is run once in bounded memory, and the
    outputs are checked, before it is used.

    Parameters
    ----------
    data : bytes
        Content of the file.
    providers : sequence of str, optional
        Execution providers, the first choice first; the CPU by default.
    threads : int > 0, optional
        Number of threads; chosen by ONNX Runtime by default.

    Raises
    ------
    ModelError
        If the file is damaged, of another tool or of a newer format, or its outputs are not what it describes, or NaN
        or infinity; or if ONNX Runtime is not installed.
    ParameterError
        If ONNX Runtime lacks a provider, or `threads` is below 1.

    Attributes
    ----------
    description : Description
        Metadata of the file.
    embedding_dim : int
        Length of an embedding.
    """

    def __init__(self, data: bytes, providers: Sequence[str] | None = None, threads: int | None = None):
        onnxruntime = _import()
        threads = None if threads is None else whole_number("threads", threads)
        requested = [providers] if isinstance(providers, str) else providers or ["CPUExecutionProvider"]
        requested = list(iterable_argument("providers", requested, "names"))
        available = onnxruntime.get_available_providers()
        if missing := [str(provider) for provider in requested if provider not in available]:
            raise ParameterError(f"providers must be among {', '.join(available)}; missing here: {', '.join(missing)}")
        if not data:
            raise ModelError("damaged: it is empty")
        if not is_exported(data):  # checked first: ONNX Runtime may fail in any way on other and on damaged files
            raise ModelError(f"not an .onnx file written by {PRODUCER}")
        if not is_intact(data):
            raise ModelError("damaged, or changed since it was written: its SHA-256 differs from the one it contains")
        check_graph(data)
        with _naming("damaged, or cut off"):
            self._session: InferenceSession = onnxruntime.InferenceSession(
                data, _options(threads, bounded=True), providers=["CPUExecutionProvider"]
            )
            metadata = self._session.get_modelmeta().custom_metadata_map
        self.description = Description.of(metadata)
        self._outputs = _OUTPUTS if self.description.labels else _OUTPUTS[1:]
        shape = self._described_input()
        self._run_options: RunOptions | None = onnxruntime.RunOptions()
        self._run_options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")  # frees what it took
        x = np.random.default_rng(0).normal(0, 0.1, (1, *shape))
        probabilities, vectors = self.run(x, np.array(shape[-1:]))
        self.embedding_dim: int = vectors.shape[1]
        self._head = self._described_head(data, probabilities, vectors)
        with _naming("cannot be run"):
            self._session = onnxruntime.InferenceSession(data, _options(threads), providers=requested)
        self._run_options = None

    def run(self, x: np.ndarray, lengths: np.ndarray | None = None) -> tuple[np.ndarray | None, np.ndarray]:
        """Compute the outputs of the network.

        Parameters
        ----------
        x : np.ndarray [shape=(n, samples) or (n, 1, bands, frames)]
        lengths : np.ndarray [shape=(n,)], optional
            Number of frames of each, for networks that take inputs of different lengths; by default all.

        Returns
        -------
        probabilities : np.ndarray [shape=(n, classes)], float32, or None
            None if the network has no classes.
        vectors : np.ndarray [shape=(n, dim)], float32

        Raises
        ------
        ModelError
            If the network cannot be run, or its outputs are not as described, or NaN or infinity.
        """
        windows = self.description.windows
        inputs = {self._input: np.ascontiguousarray(x, np.float32)}
        if windows is not None:
            if x.shape[-1] > windows.max_input:
                raise ModelError(f"damaged: its windows are of more than {windows.max_input} frames")
            lengths = np.full(len(x), x.shape[-1]) if lengths is None else lengths
            inputs["lengths"] = np.ascontiguousarray(lengths, np.float32)
        with _naming("cannot be run"):
            outputs = self._session.run(self._outputs, inputs, self._run_options)
        for name, output in zip(self._outputs, outputs):
            if not isinstance(output, np.ndarray):  # a list, if the graph returns a sequence
                raise ModelError(f"damaged: {name} are a {type(output).__name__}, not an array")
            if output.dtype != np.float32 or output.ndim != 2 or len(output) != len(x) or not output.size:
                raise ModelError(f"damaged: {name} of {len(x)} inputs are {output.dtype} of shape {output.shape}")
        *scores, vectors = outputs
        check_outputs(embeddings=vectors)
        if not scores:
            return None, vectors
        probabilities, classes = scores[0], len(self.description.labels)
        check_outputs(probabilities=probabilities)
        if self.description.multi_label:
            off = max(-probabilities.min(), probabilities.max() - 1)
        else:
            off = np.abs(probabilities.sum(axis=1) - 1).max()
        if probabilities.shape[1] != classes or off > _TOLERANCE:
            raise ModelError(f"damaged: its outputs are not the probabilities of {classes} classes")
        return probabilities, vectors

    def classify(self, vectors: np.ndarray) -> np.ndarray:
        """Compute probabilities [shape=(n, classes)] from pooled embeddings [shape=(n, dim)], by `Windows.head`."""
        scores = vectors.astype(np.float32)
        for number, (weight, bias) in enumerate(self._head):
            scores = (np.maximum(scores, 0) if number else scores) @ weight.T + bias
        if self.description.multi_label:
            probabilities = np.exp(-np.logaddexp(0, -scores))  # sigmoid
        else:
            powers = np.exp(scores - scores.max(axis=1, keepdims=True))
            probabilities = powers / powers.sum(axis=1, keepdims=True)
        check_outputs(embeddings=vectors, probabilities=probabilities)
        return probabilities

    def _described_input(self) -> list[int]:
        """Return the shape of an item of the input; ModelError if it differs from the description.

        If inputs can have any length, it is that of a sixteenth of a window: a whole one may take many seconds.
        """
        description, windows = self.description, self.description.windows
        first, *others = self._session.get_inputs() or [None]
        if first is None or [one.name for one in others] != ([] if windows is None else ["lengths"]):
            raise ModelError("damaged: its inputs are not as described")
        self._input, (batch, *shape) = first.name, first.shape or [None]
        described = [description.n_samples] if description.front_end else [1, *shape[1:3]]
        if windows is not None:
            described[-1] = windows.max_input
            if shape and not isinstance(shape[-1], int):  # any length
                shape[-1] = described[-1] = max(windows.min_input, windows.max_input // 16)
        whole = all(isinstance(size, int) and size > 0 for size in shape)
        if self._input != ("samples" if description.front_end else "features") or shape != described or not whole:
            raise ModelError(f"damaged: its input is {self._input} of shape {shape}, not as described")
        if isinstance(batch, int) or math.prod(shape) > _MOST_NUMBERS:
            raise ModelError(f"damaged: {batch} inputs of shape {shape} cannot be computed")
        return shape

    def _described_head(
        self, data: bytes, probabilities: np.ndarray | None, vectors: np.ndarray
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return weights and biases of the head; ModelError if they do not compute what the graph computes."""
        names = [] if self.description.windows is None else self.description.windows.head
        found = parameters(data, {name for layer in names for name in layer}) if names else {}
        self._head = [(found[weight], found[bias]) for weight, bias in names]
        if names:
            with _naming("damaged: its head cannot be computed"):
                off = np.abs(self.classify(vectors) - probabilities).max()
            if not off <= _TOLERANCE:
                raise ModelError("damaged: its head is not that of its graph")
        return self._head


def _import() -> ModuleType:
    """Import ONNX Runtime, which since version 1.32 would send measurements of its use to its makers."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read during the import
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError("to run it, pip install onnxruntime") from error
    return onnxruntime


def _options(threads: int | None, bounded: bool = False) -> SessionOptions:
    """Return the options of a session; if it is bounded, too large arrays are errors."""
    onnxruntime = _import()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # it warns about many graphs, and errors are raised
    options.intra_op_num_threads = threads or 0
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if bounded:
        _make_bounded_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")  # not bounded
        # Optimizations compute constants in memory that is not bounded.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


@cache
def _make_bounded_memory() -> None:
    """Make the memory that sessions can share, once in this process."""
    ort = _import()
    memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    with contextlib.suppress(RuntimeError):  # there is one already
        ort.create_and_register_allocator(memory, ort.OrtArenaCfg({"max_mem": _MOST_MEMORY}))


@contextlib.contextmanager
def _naming(problem: str) -> Iterator[None]:
    """Turn errors of ONNX Runtime, which are of many types without a common base, into a `ModelError`."""
    try:
        yield
    except Exception as error:
        raise ModelError(f"{problem} ({' '.join(str(error).split())})") from error
