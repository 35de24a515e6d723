"""Head of a model on an encoder: fitted to embeddings, moved to another mean."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from mxnet_audio import training
from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import ModelError
from mxnet_audio.library.heads import Layers, cross_entropy, fit_linear, head_scores, inner_folds
from mxnet_audio.library.mlp_head import fit_mlp
from mxnet_audio.library.trained_model import TrainedModel
from mxnet_audio.models import EncoderNet
from mxnet_audio.training.measure import mean_average_precision

__all__ = ["copy_body", "dense_layers", "fit_head", "group_numbers", "move_embeddings", "refitted"]


def fit_head(
    model: TrainedModel,
    vectors: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray | None,
    settings: training.Settings,
    *,
    test: tuple[np.ndarray, np.ndarray] | None = None,
    counts_as: np.ndarray | None = None,
    callbacks: Sequence[training.Callback] = (),
) -> None:
    """Fit the head of a model; its `history`, `thresholds`, `extras` and `notes` change, too.

    Parameters
    ----------
    model : TrainedModel
        Model with the parameters of the encoder.
    vectors : np.ndarray [shape=(n, dim)]
        Embeddings of the training clips.
    targets : np.ndarray [shape=(n,) or (n, classes)]
        Class of each; or 1 for each label, else 0.
    groups : np.ndarray [shape=(n,)], int, or None
        Recording, artist or speaker of each.
    settings : training.Settings
        Settings of an MLP, and the seed.
    test : tuple of vectors and targets, optional
        Clips to measure on.
    counts_as : np.ndarray [shape=(classes,)], optional
        Class that each class counts as for the accuracy; by default itself.
    callbacks : sequence of callable
        Called with the history after each epoch of an MLP, or once. An MLP stops if one returns True.

    Raises
    ------
    ModelError
        If the loss becomes infinite or NaN.
    """
    classes, folds = len(model.labels), inner_folds(targets, groups, settings.random_state)
    counts = np.arange(classes) if counts_as is None else counts_as
    sides = {"train": (vectors, targets), **({} if test is None else {"test": test})}
    history = training.new_history()

    def measure(layers: Layers) -> None:
        for side, (x, y) in sides.items():
            scores = head_scores(layers, x)
            history[f"loss_{side}"].append(cross_entropy(scores, y))
            if y.ndim == 1:
                accuracy = float(np.mean(counts[scores.argmax(axis=1)] == counts[y]))
            else:
                accuracy = mean_average_precision(y > 0, scores)
            history[f"acc_{side}"].append(accuracy)

    def after_epoch(layers: Layers) -> bool:
        measure(layers)
        if not math.isfinite(history["loss_train"][-1]):
            epoch = len(history["loss_train"])
            raise ModelError(f"the loss is NaN or infinite after epoch {epoch}: lower the learning rate")
        answers = [callback(history) for callback in callbacks]
        return any(answers)

    if model.net.head_name == "mlp":
        fitted = fit_mlp(vectors, targets, classes, folds, settings, ctx=model.model_ctx, after_epoch=after_epoch)
        for values in history.values():
            del values[-1:]
        measure(fitted.layers)  # again, since they are calibrated now
    else:
        fitted = fit_linear(vectors, targets, classes, folds)
        after_epoch(fitted.layers)
    for dense, (weight, bias) in zip(dense_layers(model.net), fitted.layers):
        dense.weight.set_data(nd.array(weight))
        dense.bias.set_data(nd.array(bias))
    model.history, model.thresholds = history, fitted.thresholds
    model.extras = {"vectors": {"vectors": vectors, "targets": targets}}
    if groups is not None:
        model.extras["vectors"]["groups"] = groups
    if fitted.known is not None:
        model.extras["known"] = fitted.known.to_tensors()
    model.notes["encoder"] = {**model.notes["encoder"], **fitted.settings}


def refitted(
    old: TrainedModel, labels: list[int | str], vectors: np.ndarray, targets: np.ndarray, groups: np.ndarray | None
) -> TrainedModel:
    """Return a model on the encoder of another, whose head is fitted with the same settings to other clips.

    Parameters
    ----------
    old : TrainedModel
        Model with the encoder and the settings.
    labels : list of int or str
        Classes.
    vectors, targets, groups
        As for `fit_head`.
    """
    net = old.net
    model = TrainedModel(
        old.network,
        labels,
        old.feature_config,
        head=net.head_name,
        embedding=net.embedding,
        architecture=old.architecture,
        model_ctx=old.model_ctx,
        data_ctx=old.data_ctx,
    )
    copy_body(net, model.net)
    model.base, model.notes = old.base, dict(old.notes)
    names = ("batch_size", "epochs", "learning_rate", "random_state")
    settings = training.Settings(checkpoint_interval=1, **{name: old.notes["training"][name] for name in names})
    fit_head(model, vectors, targets, groups, settings)
    return model


def move_embeddings(model: TrainedModel, mean: np.ndarray) -> None:
    """Change the head of a model so that it takes embeddings with another mean [shape=(dim,)].

    The embeddings of the training clips, and what is known of them, move to that mean, too.
    """
    stored = model.extras["vectors"]
    shift = mean - stored["vectors"].mean(axis=0)
    first = dense_layers(model.net)[0]
    bias = first.bias.data(model.model_ctx).asnumpy() - first.weight.data(model.model_ctx).asnumpy() @ shift
    first.bias.set_data(nd.array(bias))
    model.extras = {**model.extras, "vectors": {**stored, "vectors": stored["vectors"] + shift}}
    if known := model.extras.get("known"):
        model.extras["known"] = {**known, "center": known["center"] + shift}
    model.__dict__.pop("id", None)  # it is another model now


def dense_layers(net: EncoderNet) -> list[gluon.nn.Dense]:
    """Return the layers of a head."""
    head: Any = net.head
    return list(head) if net.head_name == "mlp" else [head]


def copy_body(source: EncoderNet, net: EncoderNet) -> None:
    """Copy the parameters of a network, except its head, into another one of the same kind."""
    tensors = training.get_parameters(source)
    for name, parameter in net._collect_params_with_prefix().items():
        if not name.startswith("head."):
            parameter.set_data(nd.array(tensors[name]))


def group_numbers(groups: Sequence[Hashable] | None) -> np.ndarray | None:
    """Return a number for each group, the same in every process.

    Examples
    --------
    >>> a, b, c = group_numbers(["Ann", "Ben", "Ann"])
    >>> a == c, a == b
    (True, False)
    """
    if groups is None:
        return None
    digests = (hashlib.sha256(str(group).encode()).digest() for group in groups)
    return np.array([int.from_bytes(digest[:8], "big", signed=True) for digest in digests])
