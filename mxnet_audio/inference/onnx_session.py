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
from mxnet_audio.inference.onnx_metadata import PRODUCER, Description, check_graph, is_exported, is_intact
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
        self._input, shape = self._described_input()
        self._run_options: RunOptions | None = onnxruntime.RunOptions()
        self._run_options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")  # frees what it took
        _, vectors = self.run(np.random.default_rng(0).normal(0, 0.1, (1, *shape)))
        self.embedding_dim: int = vectors.shape[1]
        with _naming("cannot be run"):
            self._session = onnxruntime.InferenceSession(data, _options(threads), providers=requested)
        self._run_options = None

    def run(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute the outputs of the network.

        Parameters
        ----------
        x : np.ndarray [shape=(n, samples) or (n, 1, bands, frames)]

        Returns
        -------
        probabilities : np.ndarray [shape=(n, classes)], float32
        vectors : np.ndarray [shape=(n, dim)], float32

        Raises
        ------
        ModelError
            If the network cannot be run, or its outputs are not as described, or NaN or infinity.
        """
        with _naming("cannot be run"):
            inputs = {self._input: np.ascontiguousarray(x, np.float32)}
            probabilities, vectors = self._session.run(_OUTPUTS, inputs, self._run_options)
        for name, output in zip(_OUTPUTS, (probabilities, vectors)):
            if not isinstance(output, np.ndarray):  # a list, if the graph returns a sequence
                raise ModelError(f"damaged: {name} are a {type(output).__name__}, not an array")
            if output.dtype != np.float32 or output.ndim != 2 or len(output) != len(x) or not output.size:
                raise ModelError(f"damaged: {name} of {len(x)} inputs are {output.dtype} of shape {output.shape}")
        check_outputs(probabilities=probabilities, embeddings=vectors)
        classes = len(self.description.labels)
        if probabilities.shape[1] != classes or np.abs(probabilities.sum(axis=1) - 1).max() > _TOLERANCE:
            raise ModelError(f"damaged: its outputs are not the probabilities of {classes} classes")
        return probabilities, vectors

    def _described_input(self) -> tuple[str, list[int]]:
        """Return the name of the input and the shape of one item; ModelError if they differ from the description."""
        inputs, front_end = self._session.get_inputs(), self.description.front_end
        if len(inputs) != 1:
            raise ModelError(f"damaged: it has {len(inputs)} inputs instead of one")
        name, (batch, *shape) = inputs[0].name, inputs[0].shape or [None]
        described = [self.description.n_samples] if front_end else [1, *shape[1:3]]
        whole = all(isinstance(size, int) and size > 0 for size in shape)
        if name != ("samples" if front_end else "features") or shape != described or not whole:
            raise ModelError(f"damaged: its input is {name} of shape {shape}, not as described")
        if isinstance(batch, int) or math.prod(shape) > _MOST_NUMBERS:
            raise ModelError(f"damaged: {batch} inputs of shape {shape} cannot be computed")
        return name, shape


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
    if bounded:
        _make_bounded_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
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
