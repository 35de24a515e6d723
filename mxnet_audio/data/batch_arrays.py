"""Arrays of a batch: samples split into data and labels, and memory of MXNet that NumPy fills."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from mxnet_audio.engine import mx, nd
from mxnet_audio.errors import DatasetError

__all__ = ["as_inputs", "common_shape", "empty_batch", "label_batch", "split_samples"]

_INTEGER_TYPES = (np.uint8, np.int8, np.int32, np.int64)  # of MXNet


def split_samples(samples: Sequence) -> tuple[list[np.ndarray], list | None]:
    """Split samples into data and labels.

    Parameters
    ----------
    samples : sequence of (data, label), or of data
        Data: np.ndarray or NDArray.

    Returns
    -------
    data : list of np.ndarray
    labels : list or None
        None if the samples have no labels.

    Raises
    ------
    DatasetError
        If there are no samples, one is empty, or one is not a pair like the others.
    """
    if not len(samples):
        raise DatasetError("the batch has no samples")
    paired = isinstance(samples[0], (tuple, list))
    if paired and (other := next((sample for sample in samples if len(sample) != 2), None)):
        raise DatasetError(f"a sample must be data or (data, label), got {len(other)} parts")
    data = [sample[0] for sample in samples] if paired else samples
    rows = [x.asnumpy() if isinstance(x, nd.NDArray) else np.asarray(x) for x in data]
    if not all(row.size for row in rows):
        raise DatasetError("a sample has no data")
    return rows, [sample[1] for sample in samples] if paired else None


def common_shape(rows: list[np.ndarray]) -> tuple[int, ...]:
    """Return the shape of all rows.

    Raises
    ------
    DatasetError
        If they have several shapes.
    """
    shapes = sorted({row.shape for row in rows})
    if len(shapes) > 1:
        shown = f"samples of {len(shapes)} shapes, such as {shapes[:2]}, cannot be stacked"
        raise DatasetError(f"{shown}: use Pad, or features of one rate and length")
    return shapes[0]


def label_batch(labels: Any) -> nd.NDArray:
    """Stack labels, numbers or arrays, in their own type, as Gluon's default batchify function does.

    Parameters
    ----------
    labels : sequence of numbers, np.ndarray or NDArray

    Returns
    -------
    NDArray [shape=(batch, ...)]
        Integer types that MXNet lacks become int64.

    Raises
    ------
    DatasetError
        If they have several shapes, or are not numbers.
    """
    if isinstance(labels[0], nd.NDArray):
        return nd.stack(*labels)
    try:
        labels = np.asarray(labels)
    except ValueError:
        raise DatasetError("labels of several shapes cannot be stacked") from None
    if labels.dtype.kind not in "biuf":
        raise DatasetError(f"labels must be numbers, got {labels.flat[0]!r}")
    if labels.dtype.kind in "iu" and labels.dtype not in _INTEGER_TYPES:
        labels = labels.astype(np.int64)
    batch, memory = empty_batch(labels.shape, labels.dtype)
    memory[...] = labels
    return batch


def empty_batch(shape: tuple[int, ...], dtype: Any = np.float32) -> tuple[nd.NDArray, np.ndarray]:
    """Return an NDArray on the CPU, and its memory as a NumPy array, to be filled before MXNet uses it.

    A copy (`nd.array`) takes four times as long as the stacking itself. `nd.from_numpy`, as fast as this, calls
    Python from MXNet's own threads when the array is freed, which aborts the process at the interpreter's end.

    Parameters
    ----------
    shape : tuple of int
    dtype : data type

    Returns
    -------
    batch : NDArray
    memory : np.ndarray
        A view of the same memory, which keeps `batch` alive.
    """
    batch = nd.empty(shape, ctx=mx.cpu(), dtype=dtype)
    pointer = ctypes.c_void_p()
    mx.base.check_call(mx.base._LIB.MXNDArrayGetData(batch.handle, ctypes.byref(pointer)))
    interface = {"version": 3, "shape": shape, "typestr": np.dtype(dtype).str, "data": (pointer.value, False)}
    return batch, np.asarray(SimpleNamespace(__array_interface__=interface, owner=batch))


def as_inputs(arrays: Iterable[nd.NDArray], ctx: mx.Context) -> list[nd.NDArray]:
    """Return data, and their lengths if there are any, as a network takes them: on its device, in float32."""
    return [array.as_in_context(ctx).astype(np.float32, copy=False) for array in arrays]
