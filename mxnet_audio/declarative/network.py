"""Network of a declarative run: an encoder for each input, a combiner, and a decoder for each output."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mxnet_audio.declarative.batches import Batch
from mxnet_audio.declarative.columns import Columns
from mxnet_audio.declarative.combiner import ConcatCombiner, Decoder, fc_settings
from mxnet_audio.declarative.encoders import PretrainedEncoder, SequenceEncoder
from mxnet_audio.declarative.outputs import Output
from mxnet_audio.engine import gluon, mx, nd
from mxnet_audio.errors import ParameterError
from mxnet_audio.models import SequenceNet
from mxnet_audio.nn.sequence import get_sequence_encoder
from mxnet_audio.nn.sequence.base import JoinSteps
from mxnet_audio.nn.sequence.fully_connected import FullyConnected
from mxnet_audio.pretrained import AudioEncoder

if TYPE_CHECKING:
    from mxnet_audio.declarative.config import RunConfig

__all__ = ["InputEncoder", "RunNetwork", "make_network"]

MOST_WEIGHTS = 2**31 - 1  # 8 GiB, and the most numbers that one array of MXNet can hold


@dataclass(frozen=True)
class InputEncoder:
    """Encoder of one input.

    Parameters
    ----------
    name : str
        Name of the input.
    block : HybridBlock or None
        Block from the arrays of the input to vectors [shape=(batch, dim)]; tied inputs have the same. None if the input
        consists of vectors.
    dim : int
        Length of the vectors.
    takes_lengths : bool
        Whether the lengths of the sequences are an array of the input, too.
    steps : int, optional
        Most steps of the output, if the encoder keeps the sequence: it is a pair of sequences and lengths.
    net : SequenceNet, optional
        Network with published weights in the block.
    """

    name: str
    block: gluon.nn.HybridBlock | None
    dim: int
    takes_lengths: bool = False
    steps: int | None = None
    net: SequenceNet | None = None


class RunNetwork(gluon.nn.HybridBlock):
    """Network of a declarative run.

    Parameters
    ----------
    inputs : sequence of InputEncoder
        Encoders, in the order of the inputs. One that keeps the sequence is the only one.
    combiner : HybridBlock
        Block from the vectors of all inputs, one after the other, to the combined vector.
    decoders : sequence of HybridBlock
        Blocks from the combined vector, or a sequence of such, to the scores of each output.

    Inputs
    ------
    *arrays : NDArray or Symbol
        Arrays of all inputs, as `arrays_of` lists them.

    Outputs
    -------
    list of NDArray or Symbol
        The scores of each output [shape=(batch, units)], and the combined vector [shape=(batch, dim)], of a sequence
        [shape=(batch, steps, dim)].

    Attributes
    ----------
    inputs : tuple of InputEncoder
    """

    def __init__(
        self,
        inputs: Sequence[InputEncoder],
        combiner: gluon.nn.HybridBlock,
        decoders: Sequence[gluon.nn.HybridBlock],
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.inputs = tuple(inputs)
        with self.name_scope():
            self.encoders, self.decoders = gluon.nn.HybridSequential(), gluon.nn.HybridSequential()
            self.encoders.add(*dict.fromkeys(one.block for one in inputs if one.block is not None))  # tied ones once
            self.combiner = combiner
            self.decoders.add(*decoders)

    @property
    def nets(self) -> dict[str, SequenceNet]:
        """Networks with published weights that are trained, by the name of the input."""
        return {one.name: one.net for one in self.inputs if one.net is not None}

    def arrays_of(self, batch: Batch, data_ctx: mx.Context, model_ctx: mx.Context) -> list[nd.NDArray]:
        """Return the arrays of a batch, in the order of the inputs, on the device of the network."""
        arrays: list[np.ndarray] = []
        for encoder in self.inputs:
            value = batch.inputs[encoder.name]
            x, *lengths = value if isinstance(value, tuple) else (value,)
            if encoder.takes_lengths and not lengths:
                lengths = [np.full(len(x), x.shape[-1])]
            if (missing := getattr(encoder.block, "min_steps", 0) - x.shape[1]) > 0:
                x = np.pad(x, ((0, 0), (0, missing), (0, 0)))
            arrays += [x, *lengths]
        return [nd.array(x, ctx=data_ctx, dtype=np.float32).as_in_context(model_ctx) for x in arrays]

    def hybrid_forward(self, F, *arrays):
        remaining, vectors, lengths = list(arrays), [], []
        for encoder in self.inputs:
            parts = [remaining.pop(0) for _ in range(1 + encoder.takes_lengths)]
            output = parts[0] if encoder.block is None else encoder.block(*parts)
            x, *lengths = output if encoder.steps is not None else (output,)
            vectors.append(x)
        joined = vectors[0] if len(vectors) == 1 else F.concat(*vectors, dim=1)
        if lengths:  # of sequences, which the layers of the combiner take step by step
            flat = self.combiner(F.reshape(joined, shape=(-3, 0)))
            combined = F.reshape_like(flat, joined, lhs_begin=0, lhs_end=1, rhs_begin=0, rhs_end=2)
        else:
            combined = self.combiner(joined)
        return [*(decoder(combined, *lengths) for decoder in self.decoders), combined]


class _Pretrained(gluon.nn.HybridBlock):
    """Network with published weights, as a block from its inputs to its embedding, or to sequences and lengths."""

    def __init__(self, net: SequenceNet, *, keeps_sequence: bool, **kwargs: Any):
        super().__init__(**kwargs)
        self._keeps_sequence = keeps_sequence
        self.net = net

    def hybrid_forward(self, F, x, lengths):
        if not self._keeps_sequence:
            return self.net(x, lengths)[1]
        steps, sequences = _sequences_of(self.net, x, lengths)
        return sequences, steps


class _Flat(gluon.nn.HybridBlock):
    """Encoder that keeps sequences, and their steps as one vector."""

    def __init__(self, encoder: gluon.nn.HybridBlock, steps: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.min_steps = getattr(encoder, "min_steps", 0)
        self.encoder, self.join = encoder, JoinSteps(steps)

    def hybrid_forward(self, F, x, lengths):
        return self.join(*self.encoder(x, lengths))


class _CategoryEmbedding(gluon.nn.HybridBlock):
    """Trained vector of each category, from one-hot vectors."""

    def __init__(self, classes: int, units: int, dropout: float, **kwargs: Any):
        super().__init__(**kwargs)
        self._dropout = dropout
        with self.name_scope():
            self.embedding = gluon.nn.Dense(units, in_units=classes, use_bias=False)

    def hybrid_forward(self, F, x):
        x = self.embedding(x)
        return F.Dropout(x, p=self._dropout) if self._dropout else x


def make_network(
    config: RunConfig, columns: Columns, outputs: Sequence[Output], pretrained: Mapping[str, AudioEncoder]
) -> RunNetwork:
    """Make the network of a configuration; its parameters are not initialized.

    Parameters
    ----------
    config : RunConfig
    columns : Columns
        Sizes of the inputs.
    outputs : sequence of Output
    pretrained : mapping of str to AudioEncoder
        Encoders with published weights, by the name of the input feature.

    Raises
    ------
    ParameterError
        If the layers of an encoder do not fit its input, which is named, or there are too many weights.
    """
    roots = config.shared_encoders
    encoders: dict[str, InputEncoder] = {}
    for feature in config.input_features:
        root = roots.get(feature.name, feature.name)
        if root not in encoders:
            owner = next(one for one in config.input_features if one.name == root)
            encoders[root] = _input_encoder(owner, columns[root], pretrained.get(root), config.combiner.flatten_inputs)
        encoders[feature.name] = replace(encoders[root], name=feature.name)
    inputs = [encoders[feature.name] for feature in config.input_features]
    combiner = ConcatCombiner(sum(one.dim for one in inputs), config.combiner)
    steps = inputs[0].steps
    decoders = [Decoder(combiner.output_dim, one.units, one.feature, steps) for one in outputs]
    network = RunNetwork(inputs, combiner, decoders)
    weights = sum(math.prod(one.shape) for one in network.collect_params().values())
    if weights > MOST_WEIGHTS:
        raise ParameterError(
            f"the network has {weights:,} weights, more than {MOST_WEIGHTS:,}: use fewer or smaller layers, "
            "flatten_inputs: false, or another reduce_output and reduce_input than concat"
        )
    return network


def _input_encoder(feature: Any, encoding: Any, encoder: AudioEncoder | None, flatten: bool) -> InputEncoder:
    """Make the encoder of an input."""
    settings, name = feature.encoder, feature.name
    if isinstance(settings, PretrainedEncoder):
        assert encoder is not None
        return _pretrained_encoder(name, settings, encoder, flatten)
    if isinstance(settings, SequenceEncoder):
        try:
            block = get_sequence_encoder(settings.type, encoding.bands, encoding.steps, **settings.parameters())
        except ParameterError as error:
            raise ParameterError(f"encoder of {name!r}: {error.reason}") from error
        if settings.reduce_output is not None:  # type: ignore[attr-defined]
            return InputEncoder(name, block, block.output_dim, takes_lengths=True)
        return _sequences(name, block, block.output_dim, block.output_steps, flatten)
    width = encoding.width
    if settings.type == "dense" and feature.type == "category":
        embedding = _CategoryEmbedding(width, settings.embedding_size, settings.dropout)
        return InputEncoder(name, embedding, settings.embedding_size)
    if settings.type == "dense":
        dense = FullyConnected(width, fc_settings(settings, "num_layers"))
        return InputEncoder(name, dense, dense.output_dim)
    return InputEncoder(name, None, width)


def _sequences(name: str, block: gluon.nn.HybridBlock, dim: int, steps: int, flatten: bool) -> InputEncoder:
    """Make the encoder of an input that keeps the sequence, or makes one vector of it."""
    if flatten:
        return InputEncoder(name, _Flat(block, steps), dim * steps, takes_lengths=True)
    return InputEncoder(name, block, dim, takes_lengths=True, steps=steps)


def _pretrained_encoder(name: str, settings: PretrainedEncoder, encoder: AudioEncoder, flatten: bool) -> InputEncoder:
    """Make the encoder of an input with published weights; vectors of a frozen one are computed beforehand."""
    if not settings.trainable:
        return InputEncoder(name, None, encoder.embedding_dim)
    published = encoder.net
    assert isinstance(published, SequenceNet)  # others are not trainable
    shape, options = published.input_shape, {"embedding": published.embedding, "architecture": published.architecture}
    net = type(published)(0, shape, **options)  # without a head, and layers behind the embedding's
    if getattr(settings, "reduce_output", "mean") is not None:
        made = InputEncoder(name, _Pretrained(net, keeps_sequence=False), encoder.embedding_dim, takes_lengths=True)
    else:
        made = _sequences(name, _Pretrained(net, keeps_sequence=True), net.dim, _most_steps(net), flatten)
    return replace(made, net=net)


def _most_steps(net: SequenceNet) -> int:
    """Return the number of steps of the sequence of the longest input."""
    x, lengths = mx.sym.var("x"), mx.sym.var("lengths")
    _, sequences = _sequences_of(net, x, lengths)
    return sequences.infer_shape_partial(x=(1, *net.input_shape), lengths=(1,))[1][0][1]


def _sequences_of(net: SequenceNet, x: Any, lengths: Any) -> tuple[Any, Any]:
    """Return the lengths and the sequences that the embedding of a network is reduced from."""
    steps, states = net._states(x, lengths)  # `net.sequences` checks arrays, which symbols are not
    return steps, net._chosen(states)
