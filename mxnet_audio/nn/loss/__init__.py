"""Losses for embeddings: cross-entropy with margins on cosines, a ring for the norm, centroids of the batch.

===============  ==================  ============================  =============================================
name             loss                inputs                        value
===============  ==================  ============================  =============================================
`softmax`        `SoftmaxLoss`       scores, label                 cross-entropy
`norm_softmax`   `NormSoftmaxLoss`   cosine, label                 cross-entropy of ``s * cosine``
`am_softmax`     `AMSoftmaxLoss`     cosine, label                 the same, with ``cosine - m`` for the label
`arc`            `ArcLoss`           cosine, label                 the same, with ``cos(angle + m)`` for the label
`ring`           `RingLoss`          scores, embedding, label      cross-entropy, plus the norm's distance to a ring
`ge2e`           `GE2ELoss`          embedding, label              cross-entropy over the speakers of the batch
===============  ==================  ============================  =============================================

Each returns one number per item [shape=(batch,)], computes in float32 whatever the type of the inputs, and has a finite
value and gradient at cosines of 1 and -1, and a rounding error beyond. As in Gluon, sample weights may follow the
inputs, and ``weight=`` scales the loss. A label outside ``range(classes)`` is not detected.

GluonAR's names (which are GluonFR's) are aliases: `arcface` and `arcloss` for `arc`, `ringloss` for `ring`, `cosloss`
and `cosface` for `am_softmax`. Its other losses are not part of this package.

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

from mxnet_audio.errors import ParameterError
from mxnet_audio.nn.loss.base import Loss, scale_for, unit
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
    "loss_name",
    "loss_names",
    "scale_for",
    "unit",
]

LOSSES: dict[str, type[Loss]] = {
    "softmax": SoftmaxLoss,
    "norm_softmax": NormSoftmaxLoss,
    "am_softmax": AMSoftmaxLoss,
    "arc": ArcLoss,
    "ring": RingLoss,
    "ge2e": GE2ELoss,
}
ALIASES = {"arcface": "arc", "arcloss": "arc", "ringloss": "ring", "cosloss": "am_softmax", "cosface": "am_softmax"}
BLOCK_OPTIONS = ("weight", "batch_axis", "prefix", "params")  # accepted by every loss


def loss_names() -> list[str]:
    """List the names of the losses, without aliases.

    Examples
    --------
    >>> loss_names()
    ['am_softmax', 'arc', 'ge2e', 'norm_softmax', 'ring', 'softmax']
    """
    return sorted(LOSSES)


def loss_name(name: str) -> str:
    """Return the name of a loss, given the name or an alias, in upper or lower case.

    Raises
    ------
    ParameterError
        If there is no such loss.

    Examples
    --------
    >>> loss_name('ArcFace')
    'arc'
    """
    lower = str(name).lower()
    found = ALIASES.get(lower, lower)
    if found not in LOSSES:
        raise ParameterError(f"loss must be one of {', '.join(loss_names())}, got {name!r}")
    return found


def get_loss(name: str, **kwargs) -> Loss:
    """Make a loss; its parameters, if it has any, are not yet initialized.

    Parameters
    ----------
    name : str
        One of `loss_names`, or an alias; upper and lower case are the same.
    **kwargs
        Arguments of the loss: ``classes``, and others.

    Returns
    -------
    Loss

    Raises
    ------
    ParameterError
        If the name or an argument is unknown, ``classes`` is missing, or a value is out of range.

    Examples
    --------
    >>> get_loss('am_softmax', classes=10, m=0.2)
    AMSoftmaxLoss(classes=10, m=0.2, s=4.0)
    >>> get_loss('am_softmax', classes=10, margin=0.2)
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: loss 'am_softmax' has no argument margin; it has classes, m, s, dtype
    """
    kind = LOSSES[loss_name(name)]
    parameters = inspect.signature(kind).parameters
    accepted = [key for key, parameter in parameters.items() if parameter.kind is not parameter.VAR_KEYWORD]
    if unknown := [key for key in kwargs if key not in (*accepted, *BLOCK_OPTIONS)]:
        raise ParameterError(f"loss {name!r} has no argument {', '.join(unknown)}; it has {', '.join(accepted)}")
    if parameters["classes"].default is inspect.Parameter.empty and "classes" not in kwargs:
        raise ParameterError(f"loss {name!r} needs classes, the number of classes")
    return kind(**kwargs)
