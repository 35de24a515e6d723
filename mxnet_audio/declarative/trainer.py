"""Training of a declarative run: rounds of steps, with an evaluation and a checkpoint after each."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Generator

import numpy as np
from tqdm import tqdm

from mxnet_audio.declarative.batches import Batch, EncodedTable
from mxnet_audio.declarative.config import COMBINED
from mxnet_audio.declarative.fitted import FittedRun, Record, needs_memory
from mxnet_audio.declarative.optimizers import make_optimizer, scheduled_rate
from mxnet_audio.declarative.progress import Progress, plateau_reductions
from mxnet_audio.declarative.splits import Split
from mxnet_audio.engine import autograd, gluon, mx, nd
from mxnet_audio.errors import DatasetError, ModelError, ParameterError
from mxnet_audio.nn.freezing import batch_norms
from mxnet_audio.training.state import get_optimizer, get_parameters, set_optimizer, set_parameters

__all__ = ["RunTrainer"]

log = logging.getLogger(__name__)

LARGE_LOSS = 1000.0  # much more than that of outputs that are classes or normalized numbers
SCALING = (
    "inputs or outputs may need to be scaled. Try encoder: {reduce_output: mean, norm: batch} of sounds, and "
    "preprocessing: {normalization: zscore} of numbers"
)


class RunTrainer:
    """Training of a run, from the start or from a checkpoint.

    Parameters
    ----------
    run : FittedRun
        Run with its initial parameters, or those of the checkpoint.
    table : EncodedTable
        Rows of the data set.
    split : Split
        Rows to train on, to choose by and to report on; all of them are usable.
    progress : Progress
        State to start from; it is updated after each round.
    checkpoint : callable
        Called after each round.
    """

    def __init__(
        self,
        run: FittedRun,
        table: EncodedTable,
        split: Split,
        progress: Progress,
        checkpoint: Callable[[], None],
    ):
        self._run, self._table, self._split, self._progress = run, table, split, progress
        self._checkpoint, self._settings, self._seed = checkpoint, run.config.trainer, run.config.random_seed
        settings = self._settings
        self._epoch_steps = math.ceil(len(split.train) / settings.batch_size)
        self._total = settings.train_steps or settings.epochs * self._epoch_steps
        per_epoch = settings.checkpoints_per_epoch
        self._round_steps = settings.steps_per_checkpoint or math.ceil(self._epoch_steps / (per_epoch or 1))
        parameters = [parameter for _, parameter in sorted(run.network._collect_params_with_prefix().items())]
        self._learned = [parameter for parameter in parameters if parameter.grad_req != "null"]
        if progress.step > self._total:
            reason = f"epochs must be >= {math.ceil(progress.step / self._epoch_steps)}, which are done already"
            raise ParameterError(f"trainer: {reason}; or start again with overwrite (--overwrite of the command)")
        optimizer = make_optimizer(settings.optimizer.type, settings.optimizer.parameters())
        self._trainer = gluon.Trainer(parameters, optimizer, kvstore=None)
        if progress.optimizer:
            set_optimizer(self._trainer, progress.optimizer)
        self._has_validation = bool(split.validation)
        self._has_norms = bool(batch_norms(run.network, trained=True))

    def train(self, show: bool) -> None:
        """Train until all steps are completed, or the validation stops the training; then set the best parameters.

        Parameters
        ----------
        show : bool
            Show a progress bar. If False, each round is logged (INFO).

        Raises
        ------
        ModelError
            If the loss becomes NaN or infinite, or a batch does not fit in memory. Earlier checkpoints remain.
        DatasetError
            If the measure to validate by is not defined on the validation rows.
        AudioError
            If a sound cannot be read any more that was usable before.
        """
        progress, total = self._progress, self._total
        with (
            tqdm(total=total, initial=progress.step, unit="step", desc="training", disable=not show) as bar,
            contextlib.closing(self._batches(progress.step)) as batches,
        ):
            while progress.step < total and not self._is_stopped():
                with needs_memory(self._run.config):
                    self._round(batches, bar)
                figures = self._figures()
                bar.set_postfix_str(figures)
                if not show:
                    log.info("round %d (step %d of %d): %s", len(progress.steps), progress.step, total, figures)
                progress.optimizer = get_optimizer(self._trainer)
                self._checkpoint()
        if progress.best:
            set_parameters(self._run.network, progress.best)

    def _is_stopped(self) -> bool:
        rounds, patience = len(self._progress.steps), self._settings.early_stop
        return self._has_validation and 0 < patience <= rounds - 1 - self._progress.best_round(self._settings)

    def _batches(self, step: int) -> Generator[Batch, None, None]:
        """Yield the training batches after a number of steps, without end."""
        settings, (epoch, skipped) = self._settings, divmod(step, self._epoch_steps)
        while True:
            seed = (self._seed, epoch) if settings.should_shuffle else None
            count = 0
            with contextlib.closing(self._table.batches(self._split.train, settings.batch_size, seed)) as stream:
                for count, batch in enumerate(stream, start=1):
                    if count > skipped:
                        yield batch
            if count < self._epoch_steps:
                raise self._table.skipped[-1][2]
            epoch, skipped = epoch + 1, 0

    def _round(self, batches: Generator[Batch, None, None], bar: tqdm) -> None:
        """Train for a round, and evaluate."""
        run, split, settings, progress = self._run, self._split, self._settings, self._progress
        start = progress.step
        end = min(self._total, (start // self._round_steps + 1) * self._round_steps)
        # A seed for each round, so that a resumed training gives the same results as an uninterrupted one.
        mx.random.seed(int(np.random.SeedSequence((self._seed, start)).generate_state(1)[0] >> 1))
        record = Record(run.outputs)
        for step, batch in zip(range(start, end), batches):
            self._step(step, batch, record)
            bar.update()
        parameters = get_parameters(run.network)
        if not all(np.isfinite(value).all() for value in parameters.values()):
            raise self._not_finite(end - 1)
        parts = {"training": split.train, "validation": split.validation, "test": split.test}
        if not settings.evaluate_training_set:
            del parts["training"]
        measures = {} if settings.evaluate_training_set else {"training": record.measures()}
        for part, rows in parts.items():
            if rows:
                measures[part] = run.record(self._table, rows).measures()
        progress.add(end, measures)
        if not start and (loss := measures["training"][COMBINED]["loss"]) > LARGE_LOSS:
            log.warning("the loss of the first round is %.0f: %s", loss, SCALING)
        if self._has_validation and math.isnan(progress.validated(settings)[-1]):
            measure = f"{settings.validation_metric} of {settings.validation_field}"
            raise DatasetError(
                f"{measure} is not defined on the validation rows: choose another validation_metric, or more rows to "
                "validate on"
            )
        if progress.best_round(settings) == len(progress.steps) - 1:
            progress.best = parameters

    def _step(self, step: int, batch: Batch, record: Record) -> None:
        """Take a step. A batch of one row is only evaluated if norms need more."""
        run, settings, network = self._run, self._settings, self._run.network
        inputs, targets = run.put(batch)
        is_trained = len(batch.rows) > 1 or settings.batch_size == 1 or not self._has_norms
        with autograd.record() if is_trained else autograd.predict_mode():
            *scores, _ = network(*inputs)
            losses = [output.loss(y, t) for output, y, t in zip(run.outputs, scores, targets)]
            total = nd.add_n(*(output.weight * loss.mean() for output, loss in zip(run.outputs, losses)))
            if is_trained and settings.regularization_lambda and settings.regularization_type:
                total = total + settings.regularization_lambda * self._penalty(settings.regularization_type)
        record.add(batch, scores, losses)
        if not math.isfinite(total.asscalar()):
            raise self._not_finite(step)
        if is_trained:
            total.backward()
            self._clip()
            self._trainer.set_learning_rate(self._rate(step))
            self._trainer.step(1)

    def _not_finite(self, step: int) -> ModelError:
        done = self._progress.step
        saved = f"the checkpoint after step {done} remains" if done else "there is no checkpoint yet"
        where = f"step {step + 1} (epoch {step // self._epoch_steps + 1})"
        return ModelError(f"the loss is NaN or infinite in {where}: lower the learning rate; {saved}")

    def _penalty(self, kind: str) -> nd.NDArray:
        """Return the sum of all parameters, absolute or squared, or of both."""
        values = [parameter.data(self._run.model_ctx) for parameter in self._learned]
        terms = [value.abs().sum() for value in values] if kind in ("l1", "l1_l2") else []
        terms += [value.square().sum() for value in values] if kind in ("l2", "l1_l2") else []
        return nd.add_n(*terms)

    def _clip(self) -> None:
        """Limit the gradients."""
        if (clipping := self._settings.gradient_clipping) is None:
            return
        gradients = [parameter.grad(self._run.model_ctx) for parameter in self._learned]
        for norm in (clipping.clipglobalnorm, clipping.clipnorm):
            if norm is not None:
                gluon.utils.clip_global_norm(gradients, norm, check_isfinite=False)
        if clipping.clipvalue is not None:
            for gradient in gradients:
                gradient[:] = gradient.clip(-clipping.clipvalue, clipping.clipvalue)

    def _rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        settings, scheduler = self._settings, self._settings.learning_rate_scheduler
        rate = scheduled_rate(
            scheduler, settings.learning_rate, step, total=self._total, steps_per_round=self._round_steps
        )
        if not scheduler.reduce_on_plateau:
            return rate
        statistics = self._progress.statistics.get(scheduler.reduce_eval_split, {})
        metric = scheduler.reduce_eval_metric
        values = statistics.get(str(settings.validation_field), {}).get(metric, [])
        most, patience = scheduler.reduce_on_plateau, scheduler.reduce_on_plateau_patience
        return rate * scheduler.reduce_on_plateau_rate ** plateau_reductions(values, metric, patience, most)

    def _figures(self) -> str:
        """Return the last losses and the measure to validate by as text."""
        parts = [f"loss {self._progress.statistics['training'][COMBINED]['loss'][-1]:.3f}"]
        settings = self._settings
        if values := self._progress.validated(settings):
            parts.append(f"validation: {settings.validation_field} {settings.validation_metric} {values[-1]:.3f}")
        return ", ".join(parts)
