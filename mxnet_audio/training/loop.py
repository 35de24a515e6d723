"""The one fit loop: Adam on cross-entropy by a recipe, epoch by epoch, from a checkpoint or from the start."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from mxnet_audio.data import AudioLoader
from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.errors import ModelError
from mxnet_audio.models import AudioNet
from mxnet_audio.training.average import WeightAverage, refresh_norms
from mxnet_audio.training.callbacks import Callback
from mxnet_audio.training.criterion import Criterion, class_weights
from mxnet_audio.training.history import best_epoch, new_history
from mxnet_audio.training.prepare import Prepared
from mxnet_audio.training.recipe import Recipe
from mxnet_audio.training.settings import Settings
from mxnet_audio.training.state import Tensors, get_optimizer, get_parameters, set_optimizer

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
    average : dict of str to np.ndarray
        State of the `WeightAverage`.
    """

    history: dict[str, list[float]] = field(default_factory=new_history)
    best: Tensors = field(default_factory=dict)
    optimizer: Tensors = field(default_factory=dict)
    average: Tensors = field(default_factory=dict)

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
    clips: Prepared,
    progress: Progress,
    settings: Settings,
    recipe: Recipe,
    *,
    ctx: mx.Context,
    checkpoint: Callable[[Progress], None],
    callbacks: Sequence[Callback] = (),
    show: bool = True,
) -> None:
    """Train until the epochs are done, those of `progress` included, or a callback ends it.

    Every epoch seeds itself by its number, so a run that goes on from a checkpoint does just what an unbroken one does.

    Parameters
    ----------
    net : AudioNet
        Initialised network.
    clips : Prepared
        What to learn from, and what to measure on.
    progress : Progress
        Where to start; updated as epochs end.
    settings : Settings
        How long to train, how fast, and how often to call `checkpoint`.
    recipe : Recipe
        How to train.
    ctx : mxnet.Context
        Where the network computes.
    checkpoint : callable
        Called with `progress` every so many epochs, and at the end.
    callbacks : sequence of callable
        Called with the history after each epoch; see `mxnet_audio.training.callbacks`.
    show : bool
        Whether to show a progress bar; without, each epoch is logged (INFO).

    Raises
    ------
    ModelError
        If the loss stops being a number. Earlier checkpoints stay.
    AudioError
        If a clip that could be read at the start cannot be read any more.
    """
    net.collect_params(".*(gamma|beta|bias)$").setattr("wd_mult", 0.0)
    rate = recipe.schedule.scheduler(settings.learning_rate, settings.epochs, len(clips.train))
    options = {"learning_rate": settings.learning_rate, "lr_scheduler": rate, "wd": recipe.weight_decay}
    trainer = gluon.Trainer(net.collect_params(), "adam", options, kvstore=None)
    learned = [p for p in net.collect_params().values() if p.grad_req != "null"]
    if progress.optimizer:
        set_optimizer(trainer, progress.optimizer)
    weights = class_weights(clips.targets, net.classes) if recipe.balance == "weights" else None
    criterion = Criterion(net.classes, recipe.label_smoothing, weights)
    average = WeightAverage(progress.average)
    first_averaged = settings.epochs - math.ceil(recipe.average * settings.epochs)
    saved = progress.epochs
    history = progress.history

    def measure(loader: AudioLoader, learn: bool, bar: tqdm) -> tuple[float, float]:
        """Mean loss and accuracy of one pass over clips."""
        loss_sum = correct = seen = 0.0
        judge = criterion if learn else Criterion(net.classes)
        loader.epoch = epoch = progress.epochs
        # Closed at once, whatever happens: its threads must not outlive an interrupted epoch.
        with contextlib.closing(iter(loader)) as stream:
            for number, (x, y) in enumerate(stream):
                x, target = x.as_in_context(ctx), y.as_in_context(ctx)
                with autograd.record() if learn else autograd.predict_mode():
                    scores, _ = net(x)
                    loss = judge(scores, target)
                if learn:
                    loss.backward()
                    if recipe.clip_gradient is not None:  # gradients are sums over the batch until the step
                        limit = recipe.clip_gradient * len(y)
                        gluon.utils.clip_global_norm([p.grad(ctx) for p in learned], limit, check_isfinite=False)
                    trainer.step(len(y))
                loss_sum += float(loss.sum().asscalar())
                true = y if y.ndim == 1 else y.argmax(axis=1)  # of a mixed label, its greater part
                correct += int((scores.argmax(axis=1).asnumpy() == true.asnumpy()).sum())
                seen += len(y)
                if not math.isfinite(loss_sum):
                    raise ModelError(_no_number(loader, epoch, number, saved))
                bar.update(len(y))
                bar.set_postfix(
                    epoch=f"{epoch + 1}/{settings.epochs}", loss=f"{loss_sum / seen:.3f}", acc=f"{correct / seen:.3f}"
                )
        return loss_sum / seen, correct / seen

    def stopped() -> bool:
        """Tell all callbacks, and whether one ends it."""
        answers = [callback(history) for callback in callbacks]  # none goes untold because one before it stops
        return any(answer is True for answer in answers)

    size = clips.train.size + (clips.test.size if clips.test else 0)
    done = progress.epochs * size
    with tqdm(total=settings.epochs * size, initial=done, unit="clip", desc="training", disable=not show) as bar:
        stop = progress.epochs > 0 and stopped()
        while progress.epochs < settings.epochs and not stop:
            epoch = progress.epochs
            seed = (settings.random_state, epoch)
            mx.random.seed(int(np.random.SeedSequence(seed).generate_state(1)[0] >> 1))
            loss_train, acc_train = measure(clips.train, learn=True, bar=bar)
            if epoch >= first_averaged:
                average.add(net)
            if epoch == settings.epochs - 1:  # what is measured now is what stays
                if recipe.average:
                    average.apply(net)
                if recipe.average or recipe.refresh_norms:
                    refresh_norms(net, clips.calm, ctx)
            told = [("train", loss_train, acc_train)]
            if clips.test:
                told.append(("test", *measure(clips.test, learn=False, bar=bar)))
            for side, loss, accuracy in told:
                history[f"loss_{side}"].append(loss)
                history[f"acc_{side}"].append(accuracy)
            if not show:
                figures = [f"loss {loss:.3f}, accuracy {accuracy:.3f}" for _, loss, accuracy in told]
                measured = "; on held-out clips: ".join(figures)
                log.info("epoch %d of %d: %s", epoch + 1, settings.epochs, measured)
            if best_epoch(history) == epoch:
                progress.best = get_parameters(net)
            if progress.epochs % settings.checkpoint_interval == 0:
                progress.optimizer = get_optimizer(trainer)
                checkpoint(progress)
                saved = progress.epochs
            stop = stopped()
    if progress.epochs > saved:
        progress.optimizer = get_optimizer(trainer)
        checkpoint(progress)


def _no_number(loader: AudioLoader, epoch: int, batch: int, saved: int) -> str:
    """Say where the loss was lost."""
    names = loader.names(epoch, batch)
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    kept = f"the checkpoint after epoch {saved} is kept" if saved else "there is no checkpoint yet"
    where = f"epoch {epoch + 1}, batch {batch + 1} ({shown})"
    return f"the loss is no longer a number in {where}: lower the learning rate; {kept}"
