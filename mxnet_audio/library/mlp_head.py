"""Head of two layers for the embeddings of a frozen encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np

from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.inference.known_sounds import Standardization
from mxnet_audio.library.heads import FittedHead, Fold, Layers, calibrated, folded, head_scores
from mxnet_audio.models.encoder_net import MLP_UNITS
from mxnet_audio.training import Cosine, Settings

__all__ = ["fit_mlp"]

SCHEDULE = Cosine(warmup=0.05)


def fit_mlp(
    vectors: np.ndarray,
    targets: np.ndarray,
    classes: int,
    folds: Sequence[Fold],
    settings: Settings,
    *,
    ctx: mx.Context,
    after_epoch: Callable[[Layers], bool],
) -> FittedHead:
    """Train a head on all vectors, and calibrate it by heads that are trained on the folds.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, dim)]
        Embeddings of the training clips.
    targets : np.ndarray [shape=(n,) or (n, classes)]
        Class of each; or 1 for each label, else 0.
    classes : int
        Number of classes.
    folds : sequence of (np.ndarray, np.ndarray)
        Result of `heads.inner_folds`.
    settings : training.Settings
        Epochs, batch size, learning rate and seed.
    ctx : mxnet.Context
        Device.
    after_epoch : callable
        Called with the layers after each epoch on all vectors; training stops if it returns True. The folds are trained
        for as many epochs.

    Returns
    -------
    FittedHead
    """

    def epochs(rows: np.ndarray | slice) -> Iterator[Layers]:
        standardization = Standardization.of(vectors[rows])
        x = standardization.apply(vectors[rows])
        return (folded(layers, standardization) for layers in _train(x, targets[rows], classes, settings, ctx))

    done = 0
    for layers in epochs(slice(None)):
        done += 1
        if after_epoch(layers):
            break
    scores = [head_scores(next(islice(epochs(rows), done - 1, None)), vectors[left_out]) for rows, left_out in folds]
    return calibrated(layers, scores, vectors, targets, folds)


def _train(
    x: np.ndarray,
    targets: np.ndarray,
    classes: int,
    settings: Settings,
    ctx: mx.Context,
) -> Iterator[Layers]:
    """Train on standardized vectors [shape=(n, dim)], and yield the layers after each epoch."""
    mx.random.seed(settings.random_state)
    rng = np.random.default_rng(settings.random_state)
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(MLP_UNITS, activation="relu", in_units=x.shape[1]))
    net.add(gluon.nn.Dense(classes, in_units=MLP_UNITS))
    net.initialize(mx.init.Xavier(), ctx=ctx)
    batches = -(-len(x) // settings.batch_size)
    rate = SCHEDULE.scheduler(settings.learning_rate, settings.epochs, batches)
    options = {"learning_rate": settings.learning_rate, "lr_scheduler": rate}
    trainer = gluon.Trainer(net.collect_params(), "adam", options, kvstore=None)
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss() if targets.ndim == 1 else gluon.loss.SigmoidBinaryCrossEntropyLoss()
    data, labels = nd.array(x, ctx=ctx, dtype="float32"), nd.array(targets, ctx=ctx)
    for _ in range(settings.epochs):
        for rows in np.array_split(rng.permutation(len(x)), batches):
            batch = nd.array(rows, ctx=ctx)
            with autograd.record():
                loss = loss_of(net(data.take(batch)), labels.take(batch))
            loss.backward()
            trainer.step(len(rows))
        yield [(dense.weight.data(ctx).asnumpy(), dense.bias.data(ctx).asnumpy()) for dense in net]
