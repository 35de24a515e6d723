"""Loop of training: Adam on the loss of a recipe, epoch by epoch, from the start or from a checkpoint."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from mxnet_audio.data import AudioLoader
from mxnet_audio.data.batch_arrays import as_inputs
from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.errors import ModelError
from mxnet_audio.models import AudioNet, EncoderNet, SequenceNet
from mxnet_audio.training.average import WeightAverage, combine_norms, refresh_norms
from mxnet_audio.training.callbacks import Callback
from mxnet_audio.training.criterion import BinaryCriterion, Criterion, SpeakerCriterion, class_weights, label_weights
from mxnet_audio.training.distributed import ALONE, Workers
from mxnet_audio.training.history import History, best_epoch, new_history
from mxnet_audio.training.layer_rates import set_layer_rates
from mxnet_audio.training.measure import Accuracy, MeanAveragePrecision
from mxnet_audio.training.prepare import Prepared
from mxnet_audio.training.recipe import Recipe
from mxnet_audio.training.settings import Settings
from mxnet_audio.training.state import (
    Tensors,
    decode_tensors,
    encode_tensors,
    get_optimizer,
    get_parameters,
    set_optimizer,
)

__all__ = ["Progress", "initialize", "run_epochs", "set_shapes"]

log = logging.getLogger(__name__)


@dataclass
class Progress:
    """State of a training run: all that is needed to resume it, apart from the network's parameters.

    Parameters
    ----------
    history : dict
        One value an epoch of each measure.
    best : dict of str to np.ndarray
        Parameters after the best epoch.
    optimizer : dict of str to np.ndarray
        State of the optimizer after the last epoch.
    average : dict of str to np.ndarray
        State of the `WeightAverage`.
    loss : dict of str to np.ndarray
        Parameters of the loss, if it has any.
    thresholds : dict of str to np.ndarray
        Thresholds by class of the last parameters (``last``) and of the best (``best``), if clips have several labels;
        empty without test clips.
    """

    history: History = field(default_factory=new_history)
    best: Tensors = field(default_factory=dict)
    optimizer: Tensors = field(default_factory=dict)
    average: Tensors = field(default_factory=dict)
    loss: Tensors = field(default_factory=dict)
    thresholds: Tensors = field(default_factory=dict)

    @property
    def epochs(self) -> int:
        """Number of completed epochs."""
        return len(self.history["loss_train"])

    def share(self, workers: Workers) -> None:
        """Replace the state by that of worker 0."""
        if not workers.first([self.epochs])[0]:
            return
        history = {measure: np.array(values) for measure, values in self.history.items()}
        own = {name: history if name == "history" else state for name, state in vars(self).items()}
        states = decode_tensors(workers.copy_bytes(encode_tensors(own)))
        self.history = {measure: states["history"][measure].tolist() for measure in new_history()}
        for name in vars(self).keys() - {"history"}:
            setattr(self, name, states.get(name, {}))


def initialize(net: AudioNet, random_state: int | None, ctx: mx.Context) -> None:
    """Initialize a network's parameters, the same for the same seed; None does not change MXNet's seed."""
    if random_state is not None:
        mx.random.seed(random_state)
    net.initialize(mx.init.Xavier(), ctx=ctx, force_reinit=True)
    if not isinstance(net, SequenceNet):  # a SequenceNet knows all shapes
        net(nd.zeros((1, *net.input_shape), ctx=ctx))  # parameters get shapes, and are created, with the first input
    _hybridize(net)


def set_shapes(net: AudioNet) -> None:
    """Infer the shapes of a network's parameters, in place of `initialize`; `set_parameters` must set all of them."""
    _hybridize(net)
    if not isinstance(net, EncoderNet | SequenceNet):  # these know all shapes
        net.infer_shape(nd.empty((1, *net.input_shape)))  # by the graph that the first input will pass


def _hybridize(net: AudioNet) -> None:
    net.hybridize(static_alloc=not isinstance(net, SequenceNet))  # a SequenceNet takes inputs of different lengths


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
    workers: Workers = ALONE,
    show: bool = True,
) -> None:
    """Train until all epochs are completed, including those of `progress`, or a callback stops the training.

    Each epoch sets its seed by its number, so that a resumed run gives the same results as an uninterrupted one.

    Several workers train on their shares of each batch. They begin with the parameters and the progress of worker 0,
    which alone saves checkpoints and calls the callbacks. Figures are those of all clips.

    Parameters
    ----------
    net : AudioNet
        Initialized network.
    clips : Prepared
        Training and test clips.
    progress : Progress
        State to start from; updated after each epoch.
    settings : Settings
        Number of epochs, batch size, learning rate, seed, and interval of checkpoints.
    recipe : Recipe
        Settings of training.
    ctx : mxnet.Context
        Device of the network.
    checkpoint : callable
        Called with `progress` at the interval of checkpoints, and at the end.
    callbacks : sequence of callable
        Called with the history after each epoch; see `mxnet_audio.training.callbacks`.
    workers : Workers
        Workers that train together.
    show : bool
        Show a progress bar. If False, each epoch is logged (INFO).

    Raises
    ------
    ModelError
        If the loss becomes NaN or infinite. Earlier checkpoints remain.
    AudioError
        If a clip that was usable before cannot be read any more.
    """
    if workers.count > 1:
        progress.share(workers)
    _Run(net, clips, progress, settings, recipe, ctx, checkpoint, callbacks, workers).run(show)


class _Run:
    """One training run."""

    def __init__(
        self,
        net: AudioNet,
        clips: Prepared,
        progress: Progress,
        settings: Settings,
        recipe: Recipe,
        ctx: mx.Context,
        checkpoint: Callable[[Progress], None],
        callbacks: Sequence[Callback],
        workers: Workers,
    ):
        self.net, self.clips, self.progress, self.settings, self.recipe = net, clips, progress, settings, recipe
        self.ctx, self.checkpoint, self.callbacks, self.workers = ctx, checkpoint, callbacks, workers
        self.average = WeightAverage(progress.average)
        self.saved = progress.epochs  # number of epochs in the last checkpoint
        self.criterion = self._make_criterion()
        self.plain_loss = BinaryCriterion() if clips.multi_label else Criterion(net.classes)
        net.collect_params(".*(gamma|beta|bias)$").setattr("wd_mult", 0.0)
        set_layer_rates(net, recipe.body_rate, recipe.layer_decay)
        parameters = [p for _, p in sorted(net.collect_params().items())] + self.criterion.parameters
        workers.copy_arrays([p.data(ctx) for p in parameters])
        self.trainer = self._make_trainer(parameters)
        self.learned = [p for p in parameters if p.grad_req != "null"]
        self.waiting: list[int] = []  # sizes of the batches whose gradients are added up for the next step
        for parameter in self.learned:
            parameter.grad_req = "add" if recipe.accumulate > 1 else "write"  # as after a run of another recipe

    def _make_criterion(self) -> Criterion | BinaryCriterion | SpeakerCriterion:
        net, recipe = self.net, self.recipe
        if self.clips.multi_label:
            balanced = label_weights(self.clips.targets) if recipe.balance == "weights" else None
            return BinaryCriterion(recipe.label_smoothing, balanced)
        weights = class_weights(self.clips.targets, net.classes) if recipe.balance == "weights" else None
        if recipe.loss == "softmax":
            return Criterion(net.classes, recipe.label_smoothing, weights)
        return SpeakerCriterion(
            recipe.loss, net.classes, net.scale, recipe.loss_options, weights, self.ctx, self.progress.loss
        )

    def _make_trainer(self, parameters: list[gluon.Parameter]) -> gluon.Trainer:
        settings, recipe = self.settings, self.recipe
        steps = math.ceil(len(self.clips.train) / recipe.accumulate)
        rate = recipe.schedule.scheduler(settings.learning_rate, settings.epochs, steps)
        options = {"learning_rate": settings.learning_rate, "lr_scheduler": rate, "wd": recipe.weight_decay}
        trainer = gluon.Trainer(parameters, "adam", options, kvstore=None)
        if self.progress.optimizer:
            set_optimizer(trainer, self.progress.optimizer)
        return trainer

    def run(self, show: bool) -> None:
        """Train, checkpoint and call back until the end."""
        progress, epochs = self.progress, self.settings.epochs
        size = self.clips.train.size + (self.clips.test.size if self.clips.test else 0)
        completed = progress.epochs * size
        with tqdm(total=epochs * size, initial=completed, unit="clip", desc="training", disable=not show) as self.bar:
            stop = progress.epochs > 0 and self._stopped()
            while progress.epochs < epochs and not stop:
                figures = self._epoch(progress.epochs)
                if not show and self.workers.rank == 0:
                    log.info("epoch %d of %d: %s", progress.epochs, epochs, figures)
                if progress.epochs % self.settings.checkpoint_interval == 0:
                    self._save()
                stop = self._stopped()
            stopped_early = stop and progress.epochs < epochs and self.recipe.refresh_norms
            # A remaining average belongs to a run that was stopped, or resumed after its last epoch.
            if progress.average or stopped_early:
                self._finish()
                self._test_again()
                self.saved = -1
        if progress.epochs != self.saved:
            self._save()

    def _save(self) -> None:
        if self.workers.rank == 0:
            self.progress.optimizer = get_optimizer(self.trainer)
            self.progress.loss = self.criterion.tensors()
            self.checkpoint(self.progress)
        self.saved = self.progress.epochs

    def _stopped(self) -> bool:
        """Call all callbacks, also those after one that stops the training."""
        callbacks = self.callbacks if self.workers.rank == 0 else ()
        answers = [callback(self.progress.history) for callback in callbacks]
        return bool(self.workers.first([any(answers)])[0])

    def _epoch(self, epoch: int) -> str:
        """Train and test for one epoch; record the figures in the history, and return them as text."""
        history, epochs = self.progress.history, self.settings.epochs
        # Workers draw other dropout masks; worker 0 the same as a single process.
        seed = (self.settings.random_state, epoch, *([self.workers.rank] if self.workers.rank else ()))
        mx.random.seed(int(np.random.SeedSequence(seed).generate_state(1)[0] >> 1))
        loss, measure = self._pass(self.clips.train, "batch", self._train_step)
        figures = [("train", loss, measure.value)]
        if self.waiting:
            self._update()
        combine_norms(self.net, self.ctx, self.workers)
        first_averaged = epochs - math.ceil(self.recipe.average * epochs)
        if epoch >= first_averaged:
            if epoch == first_averaged:
                self.progress.average.clear()  # of a resumed run that was planned shorter
            self.average.add(self.net)
        if epoch == epochs - 1:  # before the test, which must measure the final parameters
            self._finish()
        if self.clips.test:
            figures.append(("test", *self._test(self.clips.test)))
        else:
            self._check_loss(epoch)
        for side, *values in figures:
            for name, value in zip(("loss", "acc"), self.workers.first(values).tolist()):
                history[f"{name}_{side}"].append(value)
        if best_epoch(history) == epoch:
            self._keep_best()
        return "; on held-out clips: ".join(f"loss {loss:.3f}, {measure.name} {acc:.3f}" for _, loss, acc in figures)

    def _keep_best(self) -> None:
        progress = self.progress
        progress.best = get_parameters(self.net)
        if "last" in progress.thresholds:
            progress.thresholds["best"] = progress.thresholds["last"]

    def _finish(self) -> None:
        """Set the weights to their average, and measure the statistics of the norms again."""
        if self.progress.average:
            self.average.apply(self.net)
        if self.recipe.average or self.recipe.refresh_norms:
            smallest = self.net.min_batch_size
            batches = (batch for batch in self.clips.train_plain if batch is not None and len(batch[0]) >= smallest)
            refresh_norms(self.net, batches, self.ctx, self.workers)

    def _test_again(self) -> None:
        """Replace the last figures of the history by those of the current parameters."""
        history, last = self.progress.history, self.progress.epochs - 1
        was_best = best_epoch(history) == last
        if self.clips.test:
            history["loss_test"][-1], history["acc_test"][-1] = self._test(self.clips.test)
        if was_best or best_epoch(history) == last:  # the former parameters of this epoch are replaced
            self._keep_best()

    def _test(self, clips: AudioLoader) -> tuple[float, float]:
        loss, measure = self._pass(clips, "held-out batch", self._evaluate)
        if measure.thresholds is not None:
            self.progress.thresholds["last"] = measure.thresholds
        return loss, measure.value

    def _train_step(self, inputs: list[nd.NDArray], labels: nd.NDArray) -> tuple[nd.NDArray, nd.NDArray]:
        """Take a step; return scores and losses from before it. A last batch that is too small is only evaluated."""
        if len(labels) < self.net.min_batch_size:
            self._take_no_part()
            return self._evaluate(inputs, labels)
        if self.recipe.accumulate > 1 and not self.waiting:
            for parameter in self.learned:
                parameter.zero_grad()
        with autograd.record():
            scores, embedding = self.net(*inputs)
            loss = self.criterion(scores, labels, embedding)
        loss.backward()
        self._count(len(labels))
        return scores, loss

    def _take_no_part(self) -> None:
        """Take part in a step of the other workers without a gradient."""
        if self.workers.count > 1:
            if not any(self.waiting):
                for parameter in self.learned:
                    parameter.zero_grad()
                    parameter.data(self.ctx)._fresh_grad = True  # which the trainer asks for
            self._count(0)

    def _count(self, size: int) -> None:
        """Count a batch, and update the parameters after as many as make a step."""
        self.waiting.append(size)
        if len(self.waiting) == self.recipe.accumulate:
            self._update()

    def _update(self) -> None:
        """Change the parameters by the gradients of the batches since the last step."""
        gradients = [p.grad(self.ctx) for p in self.learned]
        size = self.workers.add_gradients(gradients, sum(self.waiting))
        self.waiting.clear()
        if not size:
            return
        if self.recipe.clip_gradient is not None:  # gradients are sums over the batches until the step
            gluon.utils.clip_global_norm(gradients, self.recipe.clip_gradient * size, check_isfinite=False)
        self.trainer.step(size)

    def _evaluate(self, inputs: list[nd.NDArray], labels: nd.NDArray) -> tuple[nd.NDArray, nd.NDArray]:
        """Return scores and cross-entropies."""
        with autograd.predict_mode():
            scores, _ = self.net(*inputs)
            return scores, self.plain_loss(scores, labels)

    def _pass(self, loader: AudioLoader, kind: str, step: Callable) -> tuple[float, Accuracy | MeanAveragePrecision]:
        """Return mean loss and measure of one pass over clips."""
        loss_sum = count = 0.0
        measure = self._new_measure()
        loader.epoch = epoch = self.progress.epochs
        # Closed at once in any case: its threads must not outlive an interrupted epoch.
        with contextlib.closing(iter(loader)) as stream:
            for number, batch in enumerate(stream):
                own = self._step_on(batch, step, measure)
                loss, size = self.workers.total(own).tolist()
                loss_sum += loss
                count += size
                if not math.isfinite(loss_sum):
                    raise ModelError(self._not_finite(f"{kind} {number + 1}", loader.names(epoch, number), epoch))
                self.bar.update(int(size))
                position = f"{epoch + 1}/{self.settings.epochs}"
                self.bar.set_postfix({**measure.so_far, "epoch": position, "loss": f"{loss_sum / count:.3f}"})
        measure.combine(self.workers)
        return loss_sum / count, measure

    def _new_measure(self) -> Accuracy | MeanAveragePrecision:
        return MeanAveragePrecision(self.net.classes) if self.clips.multi_label else Accuracy(self.clips.counts_as)

    def _step_on(
        self, batch: tuple[nd.NDArray, ...] | None, step: Callable, measure: Accuracy | MeanAveragePrecision
    ) -> tuple[float, int]:
        """Take a step on this worker's share of a batch; return the sum of its losses, and its size."""
        if batch is None:
            if step == self._train_step:
                self._take_no_part()
            return 0.0, 0
        *inputs, y = batch  # data, and their lengths if these differ
        scores, loss = step(as_inputs(inputs, self.ctx), y.as_in_context(self.ctx))
        loss_sum = float(loss.sum().asscalar())
        measure.add(scores, y)
        return loss_sum, len(y)

    def _check_loss(self, epoch: int) -> None:
        """Check the loss of one batch where no test set would show the effect of the last step."""
        with contextlib.closing(iter(self.clips.train_plain)) as stream:
            batch = next(stream)
        own, _ = self._step_on(batch, self._evaluate, self._new_measure())
        if not math.isfinite(self.workers.total([own])[0]):
            raise ModelError(f"the loss is NaN or infinite after epoch {epoch + 1}: lower the learning rate")

    def _not_finite(self, batch: str, names: list[str], epoch: int) -> str:
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        saved = f"the checkpoint after epoch {self.saved} remains" if self.saved else "there is no checkpoint yet"
        where = f"epoch {epoch + 1}, {batch} ({shown})"
        return f"the loss is NaN or infinite in {where}: lower the learning rate; {saved}"
