"""The one fit loop: Adam on softmax cross-entropy, epoch by epoch, from a checkpoint or from the start."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from mxnet_audio.data import AudioLoader
from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.errors import ModelError
from mxnet_audio.models import AudioNet
from mxnet_audio.training.history import best_epoch, new_history, stalled
from mxnet_audio.training.recipe import Recipe
from mxnet_audio.training.state import get_optimizer, get_parameters, set_optimizer

__all__ = ["Progress", "initialize", "run_epochs"]

log = logging.getLogger(__name__)


@dataclass
class Progress:
    """How far a training run has come: all that is needed to go on, beside the parameters themselves.

    Parameters
    ----------
    history : dict
        One value an epoch of each measure.
    best : dict of str to np.ndarray
        Parameters after the best epoch.
    optimizer : dict of str to np.ndarray
        State of the optimiser after the last epoch.
    """

    history: dict[str, list[float]] = field(default_factory=new_history)
    best: dict[str, np.ndarray] = field(default_factory=dict)
    optimizer: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def epochs(self) -> int:
        """Number of epochs done."""
        return len(self.history["loss_train"])


def initialize(net: AudioNet, random_state: int | None, ctx: mx.Context) -> None:
    """Give a network its first parameters, the same for the same seed; None leaves MXNet's seed alone."""
    if random_state is not None:
        mx.random.seed(random_state)
    net.initialize(mx.init.Xavier(), ctx=ctx, force_reinit=True)
    net(nd.zeros((1, *net.input_shape), ctx=ctx))  # shapes are known, and parameters made, from the first input on
    net.hybridize(static_alloc=True)


def run_epochs(
    net: AudioNet,
    train: AudioLoader,
    test: AudioLoader,
    progress: Progress,
    recipe: Recipe,
    *,
    ctx: mx.Context,
    checkpoint: Callable[[Progress], None],
    show: bool = True,
) -> None:
    """Train until the recipe's epochs are done, those of `progress` included, or no more is to be had.

    Every epoch seeds itself by its number, so a run that goes on from a checkpoint does just what an unbroken one does.

    Parameters
    ----------
    net : AudioNet
        Initialised network.
    train, test : AudioLoader
        What to learn from, and what to measure on.
    progress : Progress
        Where to start; updated as epochs end.
    recipe : Recipe
        How to train.
    ctx : mxnet.Context
        Where the network computes.
    checkpoint : callable
        Called with `progress` every so many epochs, and at the end.
    show : bool
        Whether to show a progress bar; without, each epoch is logged (INFO).

    Raises
    ------
    ModelError
        If the loss stops being a number. Earlier checkpoints stay.
    AudioError
        If a clip that could be read at the start cannot be read any more.
    """
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": recipe.learning_rate}, kvstore=None)
    if progress.optimizer:
        set_optimizer(trainer, progress.optimizer)
    saved = progress.epochs
    history = progress.history

    def measure(clips: AudioLoader, learn: bool, bar: tqdm) -> tuple[float, float]:
        """Mean loss and accuracy of one pass over clips."""
        loss_sum = correct = seen = 0.0
        criterion = gluon.loss.SoftmaxCrossEntropyLoss()
        clips.epoch = progress.epochs
        # Closed at once, whatever happens: its threads must not outlive an interrupted epoch.
        with contextlib.closing(iter(clips)) as stream:
            for x, y in stream:
                x, target = x.as_in_context(ctx), y.as_in_context(ctx)
                with autograd.record() if learn else autograd.predict_mode():
                    scores, _ = net(x)
                    loss = criterion(scores, target)
                if learn:
                    loss.backward()
                    trainer.step(len(y))
                loss_sum += float(loss.sum().asscalar())
                correct += int((scores.argmax(axis=1).asnumpy() == y.asnumpy()).sum())
                seen += len(y)
                if not math.isfinite(loss_sum):
                    reason = f"the loss is no longer a number in epoch {clips.epoch}: lower the learning rate"
                    raise ModelError(reason)
                bar.update(len(y))
                bar.set_postfix(
                    epoch=f"{clips.epoch}/{recipe.epochs}", loss=f"{loss_sum / seen:.3f}", acc=f"{correct / seen:.3f}"
                )
        return loss_sum / seen, correct / seen

    total = recipe.epochs * (train.size + test.size)
    done = progress.epochs * (train.size + test.size)
    with tqdm(total=total, initial=done, unit="clip", desc="training", disable=not show) as bar:
        while progress.epochs < recipe.epochs and not stalled(history, recipe.early_stopping):
            epoch = progress.epochs
            seed = (recipe.random_state, epoch)
            mx.random.seed(int(np.random.SeedSequence(seed).generate_state(1)[0] >> 1))
            loss_train, acc_train = measure(train, learn=True, bar=bar)
            loss_test, acc_test = measure(test, learn=False, bar=bar)
            for name, value in (
                ("loss_train", loss_train),
                ("loss_test", loss_test),
                ("acc_train", acc_train),
                ("acc_test", acc_test),
            ):
                history[name].append(value)
            if not show:
                log.info(
                    "epoch %d of %d: loss %.3f, accuracy %.3f; on held-out clips: loss %.3f, accuracy %.3f",
                    *(epoch + 1, recipe.epochs, loss_train, acc_train, loss_test, acc_test),
                )
            if best_epoch(history) == epoch:
                progress.best = get_parameters(net)
            if progress.epochs % recipe.checkpoint_interval == 0:
                progress.optimizer = get_optimizer(trainer)
                checkpoint(progress)
                saved = progress.epochs
    if progress.epochs > saved:
        progress.optimizer = get_optimizer(trainer)
        checkpoint(progress)
