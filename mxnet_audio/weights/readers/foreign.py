"""Common part of the readers: element types, sizes that are checked before memory is used, and one kind of error."""

from __future__ import annotations

import contextlib
import math
import operator
import os
from collections.abc import Iterator, Sequence

import numpy as np

from mxnet_audio import atomic
from mxnet_audio.errors import ModelError

__all__ = ["BFLOAT16", "array", "contents", "naming_damage"]

_LFS_POINTER = b"version https://git-lfs.github.com/"
BFLOAT16 = "bfloat16"  # NumPy has no such type
_LARGEST = 16 << 30  # [bytes], of a file that is read into memory


@contextlib.contextmanager
def naming_damage(path: str | os.PathLike, kind: str) -> Iterator[None]:
    """Turn the errors that damaged bytes cause into one ModelError with the file's name.

    Parameters
    ----------
    path : str or os.PathLike
    kind : str
        Kind of the file, such as ``'PyTorch file'``.
    """
    try:
        yield
    except ModelError as error:
        raise error if error.path is not None else ModelError(error.reason, path) from error
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror or error})", error.filename or path) from error
    except Exception as error:  # parsers of damaged bytes fail in too many ways to list
        cause = str(error) or type(error).__name__
        raise ModelError(f"damaged, or no {kind} ({cause}): get it again", path) from error


def contents(path: str | os.PathLike) -> bytes:
    """Read a regular file into memory.

    Raises
    ------
    ModelError
        If Git LFS has left its pointer in place of the file.
    OSError
        If it is missing, of another kind, or too large.
    """
    data = atomic.contents(path, _LARGEST)
    if data.startswith(_LFS_POINTER):
        raise ModelError("a pointer of Git LFS, not the file: run `git lfs pull` in its folder, or download it", path)
    return data


def array(data: bytes | memoryview, dtype: str, shape: Sequence[int]) -> np.ndarray:
    """Return little-endian bytes as an array; bfloat16 becomes float32.

    Parameters
    ----------
    data : bytes
        Exactly the bytes of the array.
    dtype : str
        NumPy's name of the element type, or `BFLOAT16`.
    shape : sequence of int

    Raises
    ------
    ValueError
        If the number of bytes is another one than the shape needs.
    """
    shape = tuple(map(operator.index, shape))
    stored = np.dtype("uint16" if dtype == BFLOAT16 else dtype).newbyteorder("<")
    if min(shape, default=0) < 0 or len(data) != math.prod(shape) * stored.itemsize:
        raise ValueError(f"{len(data)} bytes for a {dtype} array of shape {shape}")
    values = np.frombuffer(data, stored).reshape(shape)
    if dtype == BFLOAT16:  # the upper half of a float32
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values
