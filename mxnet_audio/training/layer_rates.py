"""Learning rates by layer: early layers of a trained network change less than late ones."""

from __future__ import annotations

from mxnet_audio.engine import gluon
from mxnet_audio.nn.lora import ADAPTERS
from mxnet_audio.training.layers import layer_of, layers_below_head

__all__ = ["set_layer_rates"]


def set_layer_rates(net: gluon.Block, body_rate: float, layer_decay: float) -> None:
    """Set the factors of the learning rates: 1 for the head, and less for each layer before it.

    A layer is a part of the network with a number, such as ``body.blocks.3``, or else the block of a parameter. Learned
    sums of layers and adapters are as new as the head: their factors are 1, too.

    Parameters
    ----------
    net : gluon.Block
        Network whose parts are in the order of the computation, the last one ``head``.
    body_rate : float, above 0 and at most 1
        Factor of the last layer before the head.
    layer_decay : float, above 0 and at most 1
        Ratio of the factors of each layer and the next.

    Examples
    --------
    >>> from mxnet_audio.models import get_model
    >>> net = get_model("yamnet", classes=2)
    >>> set_layer_rates(net, 0.1, 0.5)
    >>> [part.weight.lr_mult for part in (net.head, net.body.blocks[12].pointwise, net.body.blocks[11].pointwise)]
    [1.0, 0.1, 0.05]
    """
    layers = reversed(layers_below_head(net))
    factors = {layer: body_rate * layer_decay**depth for depth, layer in enumerate(layers)}
    for name, parameter in net._collect_params_with_prefix().items():
        parameter.lr_mult = 1.0 if name.endswith(ADAPTERS) else factors.get(layer_of(name), 1.0)
