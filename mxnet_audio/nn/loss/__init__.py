"""Losses that draw embeddings of one class together: margins on the cosine, a ring for the norm, centroids.

===============  ==================  ============================  ==========================================
name             loss                called with                   makes small
===============  ==================  ============================  ==========================================
`softmax`        `SoftmaxLoss`       scores, label                 cross-entropy
`norm_softmax`   `NormSoftmaxLoss`   cosine, label                 cross-entropy of ``s * cosine``
`am_softmax`     `AMSoftmaxLoss`     cosine, label                 the same, with ``cosine - m`` for the target
`arc`            `ArcLoss`           cosine, label                 the same, with ``cos(angle + m)``
`ring`           `RingLoss`          scores, embedding, label      cross-entropy, and the norm's way to a ring
`ge2e`           `GE2ELoss`          embedding, label              cross-entropy over the speakers of the batch
===============  ==================  ============================  ==========================================

Each gives one number per item [shape=(batch,)], is computed in float32 whatever comes in, and has a finite value and
gradient at cosines of 1 and -1, and a rounding beyond. A label that is no class from 0 on is not noticed.

Examples
--------
>>> from mxnet_audio.engine import nd
>>> loss = get_loss('arc', classes=2)
>>> loss
ArcLoss(classes=2, m=0.5, s=64.0, easy_margin=True)
>>> loss(nd.array([[0.9, 0.1], [0.1, 0.9]]), nd.array([0, 1])).shape
(2,)
"""

from __future__ import annotations

import inspect

from mxnet_audio.engine import gluon
from mxnet_audio.errors import ModelError
from mxnet_audio.nn.loss.base import scale_for, unit
from mxnet_audio.nn.loss.embeddings import GE2ELoss, RingLoss
from mxnet_audio.nn.loss.margins import AMSoftmaxLoss, ArcLoss, NormSoftmaxLoss, SoftmaxLoss

__all__ = [
    "LOSSES",
    "AMSoftmaxLoss",
    "ArcLoss",
    "GE2ELoss",
    "NormSoftmaxLoss",
    "RingLoss",
    "SoftmaxLoss",
    "get_loss",
    "loss_names",
    "scale_for",
    "unit",
]

LOSSES = {
    "softmax": SoftmaxLoss,
    "norm_softmax": NormSoftmaxLoss,
    "am_softmax": AMSoftmaxLoss,
    "arc": ArcLoss,
    "ring": RingLoss,
    "ge2e": GE2ELoss,
}


def loss_names() -> list[str]:
    """Names that `get_loss` knows.

    Examples
    --------
    >>> loss_names()
    ['am_softmax', 'arc', 'ge2e', 'norm_softmax', 'ring', 'softmax']
    """
    return sorted(LOSSES)


def get_loss(name: str, **kwargs) -> gluon.loss.Loss:
    """Make a loss, its parameters, if it has any, not yet initialised.

    Parameters
    ----------
    name : str
        One of `loss_names`.
    **kwargs
        Its settings: ``classes``, and what else there is.

    Raises
    ------
    ModelError
        If the name or a setting is not known, ``classes`` is missing, or a value is out of range.

    Examples
    --------
    >>> get_loss('am_softmax', classes=10, m=0.2)
    AMSoftmaxLoss(classes=10, m=0.2, s=4.0)
    >>> get_loss('am_softmax', classes=10, margin=0.2)
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ModelError: loss 'am_softmax' has no margin; it takes classes, m, s
    """
    if name not in LOSSES:
        raise ModelError(f"no loss {name!r}; there are {', '.join(loss_names())}")
    takes = [key for key in inspect.signature(LOSSES[name]).parameters if key not in ("prefix", "params")]
    if unknown := [key for key in kwargs if key not in (*takes, "prefix", "params")]:
        raise ModelError(f"loss {name!r} has no {', '.join(unknown)}; it takes {', '.join(takes)}")
    if "classes" not in kwargs:
        raise ModelError(f"loss {name!r} needs classes, their number")
    return LOSSES[name](**kwargs)
