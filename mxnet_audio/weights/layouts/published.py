"""Published tensors that a layout takes one after the other, by name and shape."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from mxnet_audio.errors import ModelError

__all__ = ["Published"]


class Published:
    """Published tensors, and which of them a layout has taken.

    Parameters
    ----------
    network : str
        Name of the network, for messages.
    tensors : mapping of str to np.ndarray
        Tensors by their published names.

    Examples
    --------
    >>> published = Published("panns_cnn6", {"fc1.bias": np.zeros(512), "counter": np.zeros(())})
    >>> published.take("fc1.bias", (512,)).shape
    (512,)
    >>> published.ignored(r"counter")
    ['counter']
    """

    def __init__(self, network: str, tensors: Mapping[str, np.ndarray]):
        self._network, self._tensors = network, tensors
        self._taken: set[str] = set()

    def take(self, name: str, shape: tuple[int, ...], axes: tuple[int, ...] | None = None) -> np.ndarray:
        """Take a tensor.

        Parameters
        ----------
        name : str
        shape : tuple of int
            Shape that the published tensor must have.
        axes : tuple of int, optional
            Published axes in our order. Default: as they are.

        Returns
        -------
        np.ndarray
            float32, contiguous, read-only.

        Raises
        ------
        ModelError
            If the tensor is missing or has another shape.
        """
        if name not in self._tensors:
            raise ModelError(f"these are not the weights of {self._network}: the tensor {name!r} is missing")
        tensor = self._tensors[name]
        if tensor.shape != shape:
            raise ModelError(
                f"these are not the weights of {self._network}: the tensor {name!r} must have shape {shape}, "
                f"got {tensor.shape}"
            )
        self._taken.add(name)
        taken = np.ascontiguousarray(tensor if axes is None else tensor.transpose(axes), np.float32).view()
        taken.setflags(write=False)
        return taken

    def ignored(self, pattern: str) -> list[str]:
        """List the tensors that were not taken.

        Parameters
        ----------
        pattern : str
            Regular expression that the whole name of a tensor must match if the network can do without it.

        Returns
        -------
        list of str
            Their names, sorted.

        Raises
        ------
        ModelError
            If the network needs one of them: it is named.
        """
        left = sorted(self._tensors.keys() - self._taken)
        for name in left:
            if not re.fullmatch(pattern, name):
                raise ModelError(f"these are not the weights of {self._network}: the tensor {name!r} is not part of it")
        return left
