"""Base of the sequence encoders: from sequences of vectors to one vector each, or to other sequences."""

from __future__ import annotations

from collections.abc import Sequence

from mxnet_audio.checks import whole_number
from mxnet_audio.engine import gluon
from mxnet_audio.nn.reduce import Reduce, steps_within
from mxnet_audio.nn.sequence.fully_connected import FullyConnected
from mxnet_audio.nn.sequence.layers import FullyConnectedSettings
from mxnet_audio.nn.sequence.names import check_name

__all__ = ["REDUCTIONS", "JoinSteps", "SequenceEncoder"]

REDUCTIONS = ("sum", "mean", "avg", "max", "last", "concat", None)


class JoinSteps(gluon.nn.HybridBlock):
    """Join the vectors of a sequence, one after the other, zeros behind the end, up to a number of steps.

    Parameters
    ----------
    steps : int
        Number of steps of the output; it is the same whatever the number of steps of the input is.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, any steps, dim)]
        Sequences; what is behind `steps` is cut off.
    lengths : NDArray or Symbol [shape=(batch,)]
        Number of steps of each.

    Outputs
    -------
    NDArray or Symbol [shape=(batch, steps * dim)]

    Examples
    --------
    >>> from mxnet_audio.engine import nd
    >>> JoinSteps(3)(nd.array([[[1], [9]]]), nd.array([1])).asnumpy()
    array([[1., 0., 0.]], dtype=float32)
    """

    def __init__(self, steps: int, **kwargs):
        super().__init__(**kwargs)
        self._steps = steps
        self.join = Reduce("concat")

    def hybrid_forward(self, F, x, lengths):
        x = F.expand_dims(x, axis=1)  # the operator takes four axes
        x = F.pad(x, mode="constant", constant_value=0, pad_width=(0, 0, 0, 0, 0, self._steps, 0, 0))
        x = F.squeeze(F.slice_axis(x, axis=2, begin=0, end=self._steps), axis=1)
        return self.join(x, lengths)


class SequenceEncoder(gluon.nn.HybridBlock):
    """Base of the sequence encoders.

    A body computes sequences from sequences. They are reduced to one vector each, which fully connected layers take.
    What is behind the length of a sequence never changes an output.

    A subclass makes the body, a block from ``(x, lengths)`` to ``(x', lengths')``, within its name scope, and hands it
    over with `_complete`.

    Parameters
    ----------
    bands : int > 0
        Length of the vectors of an input.
    steps : int > 0
        Most steps of an input.
    reduce_output : {'sum', 'mean', 'avg', 'max', 'last', 'concat', None}
        Reduction over the steps. None keeps the sequences, and there are no fully connected layers.

    Raises
    ------
    ParameterError
        If a parameter is out of range, or does not fit another; it is named.

    Attributes
    ----------
    bands, steps, reduce_output
        As given.
    output_dim : int
        Length of the vectors of the output.
    output_steps : int
        Most steps of an output that is not reduced.
    min_steps : int
        Fewest steps of an array: shorter arrays must be padded to it. The lengths can be less.

    Inputs
    ------
    x : NDArray or Symbol [shape=(batch, steps, bands)]
        Sequences.
    lengths : NDArray or Symbol [shape=(batch,)], float32
        Number of steps of each.

    Outputs
    -------
    NDArray or Symbol [shape=(batch, output_dim)]
        Without a reduction a pair instead: sequences [shape=(batch, steps', output_dim)], zeros behind the ends, and
        their lengths [shape=(batch,)].
    """

    output_dim: int
    output_steps: int
    min_steps = 1

    def __init__(self, bands: int, steps: int, reduce_output: str | None, **kwargs):
        super().__init__(**kwargs)
        self.bands, self.steps = whole_number("bands", bands), whole_number("steps", steps)
        self.reduce_output = check_name("reduce_output", reduce_output, REDUCTIONS)

    def _complete(
        self,
        body: gluon.nn.HybridBlock,
        output_dim: int,
        output_steps: int,
        layers: Sequence[FullyConnectedSettings] = (),
    ) -> None:
        """Set the body, and make the reduction and the fully connected layers.

        Parameters
        ----------
        body : HybridBlock
            Block from sequences and lengths to sequences and lengths.
        output_dim : int
            Length of the vectors of its output.
        output_steps : int
            Most steps of its output.
        layers : sequence of FullyConnectedSettings
            Layers behind the reduction.
        """
        self.output_dim, self.output_steps = output_dim, output_steps
        with self.name_scope():
            self.body = body
            if self.reduce_output is None:
                self.reduce = self.fully_connected = None
                return
            if self.reduce_output == "concat":
                self.reduce, output_dim = JoinSteps(output_steps), output_dim * output_steps
            else:
                self.reduce = Reduce("mean" if self.reduce_output == "avg" else self.reduce_output)
            self.fully_connected = FullyConnected(output_dim, layers)
            self.output_dim = self.fully_connected.output_dim

    def hybrid_forward(self, F, x, lengths):
        x, lengths = self.body(x, lengths)
        if self.reduce is None:
            return F.broadcast_mul(x, F.expand_dims(steps_within(F, x, lengths), axis=2)), lengths
        return self.fully_connected(self.reduce(x, lengths))
