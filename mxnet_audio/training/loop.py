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
from mxnet_audio.training.criterion import Criterion, SpeakerCriterion, class_weights
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
    loss : dict of str to np.ndarray
        What the loss has learned, if it learns.
    """

    history: dict[str, list[float]] = field(default_factory=new_history)
    best: Tensors = field(default_factory=dict)
    optimizer: Tensors = field(default_factory=dict)
    average: Tensors = field(default_factory=dict)
    loss: Tensors = field(default_factory=dict)

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
    run = _Run(net, clips, progress, settings, recipe, ctx)
    history, saved = progress.history, progress.epochs

    def save() -> int:
        progress.optimizer = get_optimizer(run.trainer)
        progress.loss = run.criterion.tensors()
        checkpoint(progress)
        return progress.epochs

    def stopped() -> bool:
        answers = [callback(history) for callback in callbacks]  # none goes untold because one before it stops
        return any(map(bool, answers))

    size = clips.train.size + (clips.test.size if clips.test else 0)
    done = progress.epochs * size
    with tqdm(total=settings.epochs * size, initial=done, unit="clip", desc="training", disable=not show) as bar:
        stop = progress.epochs > 0 and stopped()
        while progress.epochs < settings.epochs and not stop:
            epoch = progress.epochs
            seed = (settings.random_state, epoch)
            mx.random.seed(int(np.random.SeedSequence(seed).generate_state(1)[0] >> 1))
            told = run.epoch(epoch, bar, saved)
            if not show:
                log.info("epoch %d of %d: %s", epoch + 1, settings.epochs, told)
            if progress.epochs % settings.checkpoint_interval == 0:
                saved = save()
            stop = stopped()
        early = stop and progress.epochs < settings.epochs and recipe.refresh_norms
        if progress.average or early:  # ended before its time, or to go on no further than it had come
            run.finish()
            run.judge_again(bar, saved)
            saved = -1
    if progress.epochs != saved:
        save()


class _Run:
    """One training run: what its epochs share."""

    def __init__(
        self,
        net: AudioNet,
        clips: Prepared,
        progress: Progress,
        settings: Settings,
        recipe: Recipe,
        ctx: mx.Context,
    ):
        self.net, self.clips, self.progress, self.recipe, self.ctx = net, clips, progress, recipe, ctx
        self.epochs = settings.epochs
        net.collect_params(".*(gamma|beta|bias)$").setattr("wd_mult", 0.0)
        rate = recipe.schedule.scheduler(settings.learning_rate, settings.epochs, len(clips.train))
        options = {"learning_rate": settings.learning_rate, "lr_scheduler": rate, "wd": recipe.weight_decay}
        weights = class_weights(clips.targets, net.classes) if recipe.balance == "weights" else None
        if recipe.loss == "softmax":
            self.criterion = Criterion(net.classes, recipe.label_smoothing, weights)
        else:
            self.criterion = SpeakerCriterion(
                recipe.loss, net.classes, net.scale, recipe.loss_options, weights, ctx, progress.loss
            )
        learned = [p for _, p in sorted(net.collect_params().items())] + self.criterion.parameters
        self.trainer = gluon.Trainer(learned, "adam", options, kvstore=None)
        if progress.optimizer:
            set_optimizer(self.trainer, progress.optimizer)
        self.learned = [p for p in learned if p.grad_req != "null"]
        self.average = WeightAverage(progress.average)

    def epoch(self, epoch: int, bar: tqdm, saved: int) -> str:
        """Learn, and judge; the figures go into the history, and come back in words."""
        history, first_averaged = self.progress.history, self.epochs - math.ceil(self.recipe.average * self.epochs)
        told = [("train", *self._pass(self.clips.train, "batch", self._learn, bar, saved))]
        if epoch >= first_averaged:
            if epoch == first_averaged:
                self.progress.average.clear()  # of a run that was to be shorter
            self.average.add(self.net)
        if epoch == self.epochs - 1:  # what is measured now is what stays
            self.finish()
        if self.clips.test:
            told.append(("test", *self._judged(bar, saved)))
        else:
            self._check(epoch)
        for side, loss, accuracy in told:
            history[f"loss_{side}"].append(loss)
            history[f"acc_{side}"].append(accuracy)
        if best_epoch(history) == epoch:
            self.progress.best = get_parameters(self.net)
        return "; on held-out clips: ".join(f"loss {loss:.3f}, accuracy {accuracy:.3f}" for _, loss, accuracy in told)

    def finish(self) -> None:
        """Take the average of the weights, and measure the norms anew."""
        if self.progress.average:
            self.average.apply(self.net)
        if self.recipe.average or self.recipe.refresh_norms:
            least = self.net.least_batch
            refresh_norms(self.net, (batch for batch in self.clips.train_plain if len(batch[0]) >= least), self.ctx)

    def judge_again(self, bar: tqdm, saved: int) -> None:
        """Let the history end with what the parameters are worth now."""
        history, last = self.progress.history, self.progress.epochs - 1
        was_best = best_epoch(history) == last
        if self.clips.test:
            history["loss_test"][-1], history["acc_test"][-1] = self._judged(bar, saved)
        if was_best or best_epoch(history) == last:  # what it was before is gone
            self.progress.best = get_parameters(self.net)

    def _judged(self, bar: tqdm, saved: int) -> tuple[float, float]:
        return self._pass(self.clips.test, "held-out batch", self._judge, bar, saved)

    def _learn(self, x: nd.NDArray, labels: nd.NDArray) -> tuple[nd.NDArray, nd.NDArray]:
        """Take a step; scores and losses were those before it. Of a last batch that is too small none is taken."""
        if len(x) < self.net.least_batch:
            return self._judge(x, labels)
        with autograd.record():
            scores, embedding = self.net(x)
            loss = self.criterion(scores, labels, embedding)
        loss.backward()
        if self.recipe.clip_gradient is not None:  # gradients are sums over the batch until the step
            gradients = [p.grad(self.ctx) for p in self.learned]
            gluon.utils.clip_global_norm(gradients, self.recipe.clip_gradient * len(x), check_isfinite=False)
        self.trainer.step(len(x))
        return scores, loss

    def _judge(self, x: nd.NDArray, labels: nd.NDArray) -> tuple[nd.NDArray, nd.NDArray]:
        with autograd.predict_mode():
            scores, _ = self.net(x)
            return scores, Criterion(self.net.classes)(scores, labels)

    def _pass(self, loader: AudioLoader, kind: str, judge: Callable, bar: tqdm, saved: int) -> tuple[float, float]:
        """Mean loss and accuracy of one pass over clips."""
        loss_sum = correct = seen = 0.0
        loader.epoch = epoch = self.progress.epochs
        # Closed at once, whatever happens: its threads must not outlive an interrupted epoch.
        with contextlib.closing(iter(loader)) as stream:
            for number, (x, y) in enumerate(stream):
                scores, loss = judge(x.as_in_context(self.ctx), y.as_in_context(self.ctx))
                loss_sum += float(loss.sum().asscalar())
                true = y if y.ndim == 1 else y.argmax(axis=1)  # of a mixed label, its greater part
                found, true = (self.clips.counts_as[one.asnumpy().astype(int)] for one in (scores.argmax(axis=1), true))
                correct += int((found == true).sum())
                seen += len(y)
                if not math.isfinite(loss_sum):
                    raise ModelError(_no_number(f"{kind} {number + 1}", loader.names(epoch, number), epoch, saved))
                bar.update(len(y))
                bar.set_postfix(
                    epoch=f"{epoch + 1}/{self.epochs}", loss=f"{loss_sum / seen:.3f}", acc=f"{correct / seen:.3f}"
                )
        return loss_sum / seen, correct / seen

    def _check(self, epoch: int) -> None:
        """Where nothing is held out, nobody else would notice what the last step did."""
        with contextlib.closing(iter(self.clips.train_plain)) as stream:
            x, y = next(stream)
        _, loss = self._judge(x.as_in_context(self.ctx), y.as_in_context(self.ctx))
        if not math.isfinite(float(loss.sum().asscalar())):
            raise ModelError(f"the loss is no longer a number after epoch {epoch + 1}: lower the learning rate")


def _no_number(batch: str, names: list[str], epoch: int, saved: int) -> str:
    """Say where the loss was lost."""
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    kept = f"the checkpoint after epoch {saved} is kept" if saved else "there is no checkpoint yet"
    where = f"epoch {epoch + 1}, {batch} ({shown})"
    return f"the loss is no longer a number in {where}: lower the learning rate; {kept}"
