"""Random weights in place of published ones, for networks that are trained from scratch."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from mxnet_audio import weights
from mxnet_audio.engine import mx
from mxnet_audio.models import NETWORKS, EncoderNet, SequenceNet

__all__ = ["random_weights"]

SEED = 0


def random_weights(name: str, source: Any, revision: str | None) -> weights.Loaded:
    """Return a network's description with random weights, which are the same each time.

    Matrices and kernels are uniform as by X. Glorot and Y. Bengio (2010), everything else as before training.

    Parameters
    ----------
    name, source, revision
        As for `mxnet_audio.weights.load`: the settings are those of the model at `source`, or the defaults.

    Returns
    -------
    Loaded
        Without published classes.

    Raises
    ------
    ModelError
        If the settings at `source` cannot be read.
    ParameterError
        If there are no such weights.

    Examples
    --------
    >>> random_weights("panns_cnn6", None, None).tensors["body.dense.weight"].shape
    (512, 512)
    """
    described = weights.load(name, source, revision=revision, tensors=False)
    network: Any = NETWORKS[described.record.network]
    if issubclass(network, SequenceNet):
        architecture = described.architecture
        net: EncoderNet | SequenceNet = network(0, network.longest_input(architecture), architecture=architecture)
    else:
        net = network(0, network.patch_shape())
    net.collect_params().setattr("grad_req", "null")  # gradients would take as much memory again
    net.initialize(mx.init.Zero())
    rng = np.random.default_rng(SEED)
    tensors = {}
    for parameter, value in net._collect_params_with_prefix().items():
        tensors[parameter] = value.data().asnumpy()
        if value.shape and len(value.shape) > 1 and not tensors[parameter].any():
            outputs, *inputs = value.shape
            limit = np.float32((6 / (outputs * math.prod(inputs[1:]) + math.prod(inputs))) ** 0.5)
            tensors[parameter] = limit * (2 * rng.random(value.shape, np.float32) - 1)
    return dataclasses.replace(described, tensors=tensors, labels=[])
