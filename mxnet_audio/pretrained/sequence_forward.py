"""Network for sound of up to a window at once, as functions of NumPy arrays."""

from __future__ import annotations

import threading

import numpy as np

from mxnet_audio.engine import autograd, mx, nd
from mxnet_audio.models import SequenceNet

__all__ = ["SequenceForward"]


class SequenceForward:
    """Network that `WindowEncoder` calls with NumPy arrays; it computes in one thread at a time.

    Parameters
    ----------
    net : SequenceNet
        Network with its parameters.
    tags : {'sigmoid', 'softmax'} or None
        Function from the network's scores to those of the published tags; None if it has none.
    model_ctx, data_ctx : mxnet.Context
        Device of the network, and device on which batches are put first.
    """

    def __init__(self, net: SequenceNet, tags: str | None, *, model_ctx: mx.Context, data_ctx: mx.Context):
        self.net, self.tags, self.model_ctx, self.data_ctx = net, tags, model_ctx, data_ctx
        self._lock = threading.Lock()

    def __call__(self, x: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        """Compute the scores [shape=(n, tags)], None if there are none, and vectors [shape=(n, dim)] of inputs.

        Parameters
        ----------
        x : np.ndarray [shape=(n, 1, bands, frames)], float32
        lengths : np.ndarray [shape=(n,)]
            Number of frames of each.
        """
        with self._lock, autograd.predict_mode():
            scores, vectors = self.net(*self._put(x, lengths))
            if self.tags is None:
                return None, vectors.asnumpy()
            return getattr(scores, self.tags)().asnumpy(), vectors.asnumpy()

    def sequences(self, x: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute the numbers of steps [shape=(n,)] and the sequences of vectors [shape=(n, steps, dim)] of inputs."""
        with self._lock, autograd.predict_mode():
            steps, sequences = self.net.sequences(*self._put(x, lengths))
            return steps.asnumpy(), sequences.asnumpy()

    def _put(self, x: np.ndarray, lengths: np.ndarray) -> tuple[nd.NDArray, nd.NDArray]:
        arrays = (nd.array(array, ctx=self.data_ctx, dtype=np.float32) for array in (x, lengths))
        x, lengths = (array.as_in_context(self.model_ctx) for array in arrays)
        return x, lengths
