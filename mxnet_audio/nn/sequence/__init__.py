"""Sequence encoders, with the names, parameters and defaults of Ludwig: sequences of vectors become one vector each.

========================  ================================================================================
name                      layers
========================  ================================================================================
``parallel_cnn``          convolutions of different filter sizes, in parallel
``stacked_cnn``           convolutions and pools, one after the other
``stacked_parallel_cnn``  stacks of parallel convolutions
``rnn``                   recurrent layers: rnn, lstm or gru
``cnnrnn``                convolutions and pools, then recurrent layers
``transformer``           transformer layers
``passthrough``           none
========================  ================================================================================

Inputs are padded to one length [shape=(batch, steps, bands)], and come with their lengths [shape=(batch,)]. What is
behind the length of a sequence never changes an output. The sequences that the layers compute are reduced to one vector
each (``reduce_output``), which fully connected layers take; without a reduction, they are the output, with their
lengths.

Notes
-----
Norms differ from Ludwig's in two points, because of the padding: batch norm takes the steps within the lengths only,
and layer norm of a convolution is over the filters of each step, where Ludwig's is over all filters and steps. A pool
of means takes the steps within the lengths, and not the zeros of its padding.

Examples
--------
>>> from mxnet_audio.engine import nd
>>> encoder = get_sequence_encoder("parallel_cnn", bands=80, steps=100, num_filters=32)
>>> encoder.initialize()
>>> encoder(nd.ones((2, 100, 80)), nd.array([100, 40])).shape
(2, 256)
"""

from __future__ import annotations

import inspect
from typing import Any

from mxnet_audio.nn.sequence.base import SequenceEncoder
from mxnet_audio.nn.sequence.cnnrnn import CNNRNN
from mxnet_audio.nn.sequence.names import check_keys, check_name
from mxnet_audio.nn.sequence.parallel_cnn import ParallelCNN
from mxnet_audio.nn.sequence.passthrough import Passthrough
from mxnet_audio.nn.sequence.rnn import RNN
from mxnet_audio.nn.sequence.stacked_cnn import StackedCNN
from mxnet_audio.nn.sequence.stacked_parallel_cnn import StackedParallelCNN
from mxnet_audio.nn.sequence.transformer import TransformerEncoder

__all__ = [
    "CNNRNN",
    "ENCODERS",
    "RNN",
    "ParallelCNN",
    "Passthrough",
    "SequenceEncoder",
    "StackedCNN",
    "StackedParallelCNN",
    "TransformerEncoder",
    "get_sequence_encoder",
]

ENCODERS: dict[str, type[SequenceEncoder]] = {
    "parallel_cnn": ParallelCNN,
    "stacked_cnn": StackedCNN,
    "stacked_parallel_cnn": StackedParallelCNN,
    "passthrough": Passthrough,
    "rnn": RNN,
    "cnnrnn": CNNRNN,
    "transformer": TransformerEncoder,
}


def get_sequence_encoder(type: str, bands: int, steps: int, **parameters: Any) -> SequenceEncoder:
    """Make a sequence encoder by its name.

    Parameters
    ----------
    type : str
        One of `ENCODERS`.
    bands : int > 0
        Length of the vectors of an input.
    steps : int > 0
        Most steps of an input.
    **parameters
        Parameters of the encoder, with Ludwig's names and defaults.

    Returns
    -------
    SequenceEncoder
        Not initialized.

    Raises
    ------
    ParameterError
        If there is no such encoder or parameter, or a value is out of range; the message has the nearest name.

    Examples
    --------
    >>> get_sequence_encoder("parallel_cnn", 80, 100, num_filtres=32)
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: parallel_cnn.num_filtres: no such key, did you mean num_filters?
    """
    encoder = ENCODERS[check_name("type", type, ENCODERS)]
    signature = inspect.signature(encoder).parameters.values()
    names = [one.name for one in signature if one.kind is one.KEYWORD_ONLY and one.name not in ("prefix", "params")]
    return encoder(bands, steps, **check_keys(type, parameters, names))
