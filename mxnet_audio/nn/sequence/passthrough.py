"""The sequences themselves, or their reduction: Ludwig's encoder ``passthrough``."""

from __future__ import annotations

from mxnet_audio.checks import whole_number
from mxnet_audio.engine import gluon
from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.sequence.base import SequenceEncoder

__all__ = ["Passthrough"]


class Unchanged(gluon.nn.HybridBlock):
    """Body without any layer."""

    def hybrid_forward(self, F, x, lengths):
        return x, lengths


class Passthrough(SequenceEncoder):
    """Sequences as they are, or their reduction, without anything to learn.

    Parameters
    ----------
    bands, steps : int > 0
        Length of the vectors of an input, and most steps of it.
    encoding_size : int, optional
        Length of the vectors of the output, which can be `bands` only.
    reduce_output : {'sum', 'mean', 'avg', 'max', 'last', 'concat', None}
        Reduction over the steps. None keeps the sequences.

    Raises
    ------
    ParameterError
        If a parameter is out of range.

    Inputs
    ------
    x, lengths
        See `SequenceEncoder`.

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> Passthrough(1, 3, reduce_output="mean")(nd.array([[[1], [2], [99]]]), nd.array([2])).asnumpy()
    array([[1.5]], dtype=float32)
    """

    def __init__(
        self,
        bands: int,
        steps: int,
        *,
        encoding_size: int | None = None,
        reduce_output: str | None = None,
        prefix: str | None = None,
        params=None,
    ):
        super().__init__(bands, steps, reduce_output, prefix=prefix, params=params)
        if encoding_size is not None and whole_number("encoding_size", encoding_size) != self.bands:
            raise ParameterError(f"encoding_size must be {self.bands}, as the vectors are, got {encoding_size!r}")
        with self.name_scope():
            body = Unchanged()
        self._complete(body, self.bands, self.steps)
