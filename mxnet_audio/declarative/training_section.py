"""Section ``trainer`` of a configuration: epochs, optimizer, learning rate, evaluation and checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, model_validator

from mxnet_audio.declarative.section import (
    Count,
    Dropped,
    NoFlag,
    NonNegative,
    Positive,
    PositiveCount,
    Refused,
    Replaced,
    Section,
    Share,
    TypeChoice,
    Unsupported,
    or_nothing,
    problem,
    refuse_values,
)

__all__ = ["GradientClipping", "LearningRateScheduler", "Optimizer", "Trainer"]

Beta: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
_NO_AMSGRAD = {"amsgrad": Refused("use adamax", (False,))}


class _Optimizer(Section):
    """Keys of all optimizers."""

    HINTS: ClassVar[Mapping[str, str]] = dict.fromkeys(("lr", "learning_rate"), "give it as trainer.learning_rate")
    weight_decay: NonNegative = 0.0

    def parameters(self) -> dict[str, Any]:
        """Return all keys but the type."""
        return self.model_dump(exclude={"type"})


class Sgd(_Optimizer):
    """Stochastic gradient descent."""

    UNSUPPORTED: ClassVar[Unsupported] = {"dampening": Refused("the whole gradient is added to the momentum", (0,))}
    type: Literal["sgd"] = "sgd"
    momentum: Beta = 0.0
    nesterov: bool = False


class Adam(_Optimizer):
    """Adam."""

    UNSUPPORTED: ClassVar[Unsupported] = _NO_AMSGRAD
    type: Literal["adam"] = "adam"
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    eps: NonNegative = 1e-8


class AdamW(_Optimizer):
    """Adam with decoupled weight decay."""

    UNSUPPORTED: ClassVar[Unsupported] = _NO_AMSGRAD
    type: Literal["adamw"] = "adamw"
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    eps: NonNegative = 1e-8


class Adamax(_Optimizer):
    """Adamax."""

    type: Literal["adamax"] = "adamax"
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    eps: NonNegative = 1e-8


class Nadam(_Optimizer):
    """Adam with Nesterov momentum."""

    type: Literal["nadam"] = "nadam"
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    eps: NonNegative = 1e-8
    momentum_decay: NonNegative = 0.004


class Adadelta(_Optimizer):
    """AdaDelta."""

    type: Literal["adadelta"] = "adadelta"
    rho: Share = 0.9
    eps: NonNegative = 1e-6


class Adagrad(_Optimizer):
    """AdaGrad."""

    type: Literal["adagrad"] = "adagrad"
    initial_accumulator_value: NonNegative = 0.0
    lr_decay: NonNegative = 0.0
    eps: NonNegative = 1e-10


class Rmsprop(_Optimizer):
    """RMSProp."""

    type: Literal["rmsprop"] = "rmsprop"
    momentum: Beta = 0.0
    alpha: Share = 0.99
    eps: NonNegative = 1e-8
    centered: bool = False

    @model_validator(mode="after")
    def _check_momentum(self) -> Rmsprop:
        if self.momentum and not self.centered:
            raise problem("momentum", "needs centered: true, since MXNet's RMSProp has no momentum without it")
        return self


_TYPES = ("sgd", "adam", "adamw", "adamax", "nadam", "adadelta", "adagrad", "rmsprop")
_OTHER_TYPES = {
    **{f"{name}_8bit": f"use {name!r}" for name in ("sgd", "adam", "adamw", "adagrad", "rmsprop")},
    **dict.fromkeys(("lbfgs", "radam", "adafactor", "ftrl", "paged_adam", "paged_adam_8bit"), "use 'adam'"),
    **dict.fromkeys(("schedule_free_adamw", "paged_adamw", "paged_adamw_8bit", "muon", "soap"), "use 'adamw'"),
    **dict.fromkeys(("lamb", "lamb_8bit", "lars", "lars_8bit"), "use 'adamw' or 'sgd'"),
    **dict.fromkeys(("lion", "lion_8bit", "paged_lion", "paged_lion_8bit"), "use 'adamw'"),
}
Optimizer: TypeAlias = Annotated[
    Sgd | Adam | AdamW | Adamax | Nadam | Adadelta | Adagrad | Rmsprop,
    Field(discriminator="type"),
    TypeChoice("adam", _TYPES, _OTHER_TYPES),
]


class GradientClipping(Section):
    """Limits of the gradients. The last two keys limit each weight's array, and each value."""

    clipglobalnorm: Positive | None = 0.5
    """Largest norm of all gradients together."""
    clipnorm: Positive | None = None
    """Largest norm of all gradients together, in place of clipglobalnorm."""
    clipvalue: Positive | None = None
    """Largest size of a value."""


_OTHER_DECAYS = dict.fromkeys(
    ("one_cycle", "inverse_sqrt", "polynomial", "wsd"), "use 'linear', 'exponential' or 'cosine'"
)
_OF_OTHER_DECAY = "its decay is not supported"


class LearningRateScheduler(Section):
    """Course of the learning rate."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        "max_lr": Dropped(f"{_OF_OTHER_DECAY}: one_cycle"),
        "pct_start": Dropped(f"{_OF_OTHER_DECAY}: one_cycle"),
        "div_factor": Dropped(f"{_OF_OTHER_DECAY}: one_cycle"),
        "final_div_factor": Dropped(f"{_OF_OTHER_DECAY}: one_cycle"),
        "inverse_sqrt_warmup_steps": Dropped(f"{_OF_OTHER_DECAY}: inverse_sqrt"),
        "polynomial_power": Dropped(f"{_OF_OTHER_DECAY}: polynomial"),
        "polynomial_end_lr": Dropped(f"{_OF_OTHER_DECAY}: polynomial"),
        "wsd_warmup_fraction": Dropped(f"{_OF_OTHER_DECAY}: wsd"),
        "wsd_stable_fraction": Dropped(f"{_OF_OTHER_DECAY}: wsd"),
        "wsd_decay_fraction": Dropped(f"{_OF_OTHER_DECAY}: wsd"),
    }
    decay: Annotated[Literal["linear", "exponential", "cosine"] | None, refuse_values(_OTHER_DECAYS)] = None
    """Fall of the learning rate after the warm-up."""
    decay_rate: Share = 0.96
    """Factor of exponential decay."""
    decay_steps: PositiveCount = 10000
    """Steps until the factor of exponential decay is reached."""
    staircase: bool = False
    """True applies the factor all decay_steps, false step by step."""
    reduce_on_plateau: Count = 0
    """Number of times that the learning rate is reduced when the metric does not improve."""
    reduce_on_plateau_patience: Count = 10
    """Evaluations without an improvement before it is reduced."""
    reduce_on_plateau_rate: Share = 0.1
    """Factor of a reduction."""
    warmup_evaluations: NonNegative = 0.0
    """Evaluations until the learning rate has risen to its value."""
    warmup_fraction: Share = 0.0
    """Part of all steps until the learning rate has risen to its value."""
    reduce_eval_metric: str = "loss"
    """Metric of validation_field that must improve."""
    reduce_eval_split: Literal["training", "validation"] = "training"
    """Rows that this metric is computed on."""
    t_0: PositiveCount | None = None
    """Steps of the first period of cosine decay; by default those of an evaluation."""
    t_mult: PositiveCount = 1
    """Factor from period to period."""
    eta_min: Share = 0.0
    """Lowest learning rate of cosine decay."""


_BATCH_SIZE, _LEARNING_RATE = 128, 0.001  # for Ludwig's auto
_PLATEAU = "the batch size is constant"
_ONE_PROCESS = Dropped("training has one process")
_ONE_OUTPUT_WEIGHTS = "use loss.weight of the outputs"
_PRETRAINING = "use a pretrained encoder"
_IN_SCHEDULER = {
    "decay_steps": "decay_steps",
    "decay_rate": "decay_rate",
    "staircase": "staircase",
    "reduce_learning_rate_on_plateau": "reduce_on_plateau",
    "reduce_learning_rate_on_plateau_patience": "reduce_on_plateau_patience",
    "reduce_learning_rate_on_plateau_rate": "reduce_on_plateau_rate",
    "reduce_learning_rate_eval_metric": "reduce_eval_metric",
    "reduce_learning_rate_eval_split": "reduce_eval_split",
    "learning_rate_warmup_epochs": "warmup_evaluations",
    "decay": "decay",
}


class Trainer(Section):
    """Training of the network."""

    UNSUPPORTED: ClassVar[Unsupported] = {
        "type": Refused("there is one trainer", ("trainer", "ecd")),
        "eval_steps": Refused("evaluations use all rows", (None,)),
        "effective_batch_size": Refused("use batch_size", ("auto",)),
        "max_batch_size": Dropped("it limits batch_size: auto, which is 128"),
        "gradient_accumulation_steps": Refused("use batch_size", ("auto", 1)),
        "increase_batch_size_on_plateau": Refused(_PLATEAU, (0,)),
        "increase_batch_size_on_plateau_patience": Dropped(_PLATEAU),
        "increase_batch_size_on_plateau_rate": Dropped(_PLATEAU),
        "increase_batch_size_on_plateau_max": Dropped(_PLATEAU),
        "increase_batch_size_eval_metric": Dropped(_PLATEAU),
        "increase_batch_size_eval_split": Dropped(_PLATEAU),
        "learning_rate_scaling": _ONE_PROCESS,
        "bucketing_field": Refused("sounds of similar length are in a batch already", (None,)),
        "use_mixed_precision": Refused("networks are trained in float32", (False,)),
        "compile": Refused("networks are hybridized already", (False,)),
        "enable_gradient_checkpointing": Refused("use a smaller batch_size", (False,)),
        "layers_to_freeze_regex": Refused("use trainable: false of the encoder", (None,)),
        "skip_all_evaluation": Refused("the best checkpoint is chosen by evaluations", (False,)),
        "enable_profiling": Refused("use mxnet.profiler", (False,)),
        "profiler": Dropped("there is no enable_profiling"),
        "loss_balancing": Refused(_ONE_OUTPUT_WEIGHTS, ("none",)),
        "loss_balancing_alpha": Dropped("there is no loss_balancing"),
        "loss_balancing_lr": Dropped("there is no loss_balancing"),
        "loss_balancing_preference_vector": Dropped("there is no loss_balancing"),
        "loss_balancing_tchebycheff_weight": Dropped("there is no loss_balancing"),
        "contrastive_pretrain_epochs": Refused(_PRETRAINING, (0,)),
        "contrastive_pretrain_temperature": Dropped("there is no contrastive_pretrain_epochs"),
        "contrastive_pretrain_projection_dim": Dropped("there is no contrastive_pretrain_epochs"),
        "contrastive_pretrain_learnable_temperature": Dropped("there is no contrastive_pretrain_epochs"),
        "modality_dropout": Refused("use dropout of the encoders", (0,)),
        "model_soup": Refused("the best checkpoint is kept", (None,)),
        "model_soup_top_k": Dropped("there is no model_soup"),
        **{old: Refused(f"give it as learning_rate_scheduler.{new}") for old, new in _IN_SCHEDULER.items()},
    }
    HINTS: ClassVar[Mapping[str, str]] = {
        "lr": "did you mean learning_rate?",
        "patience": "did you mean early_stop?",
        "momentum": "give it as optimizer.momentum",
        "weight_decay": "give it as optimizer.weight_decay",
    }
    epochs: PositiveCount = 100
    """Passes through the training rows."""
    train_steps: PositiveCount | None = None
    """Most steps, in place of epochs."""
    batch_size: Annotated[PositiveCount, Replaced("auto", _BATCH_SIZE)] = _BATCH_SIZE
    """Rows of a step; auto, Ludwig's default, is 128."""
    eval_batch_size: Annotated[PositiveCount | None, Replaced("auto", None)] = None
    """Rows of a step of an evaluation; by default batch_size."""
    learning_rate: Annotated[Positive, Field(le=1), Replaced("auto", _LEARNING_RATE)] = _LEARNING_RATE
    """Highest learning rate; auto is 0.001."""
    learning_rate_scheduler: Annotated[LearningRateScheduler, or_nothing] = LearningRateScheduler()
    """Course of the learning rate."""
    optimizer: Optimizer = Adam()
    """Method that changes the weights."""
    regularization_type: Literal["l1", "l2", "l1_l2"] | None = "l2"
    """Penalty of the weights."""
    regularization_lambda: Share = 0.0
    """Factor of the penalty."""
    gradient_clipping: GradientClipping | None = GradientClipping()
    """Limits of the gradients; null for none."""
    should_shuffle: bool = True
    """False takes the training rows in order."""
    steps_per_checkpoint: Count = 0
    """Steps from one evaluation and checkpoint to the next; 0 for one each epoch."""
    checkpoints_per_epoch: Count = 0
    """Evaluations and checkpoints of an epoch, in place of steps_per_checkpoint."""
    early_stop: Annotated[int, Field(ge=-1, le=2**31 - 1), NoFlag, Replaced(None, -1)] = 5
    """Evaluations without an improvement before training stops; -1, 0 or null never stops it."""
    evaluate_training_set: bool = False
    """True evaluates the training rows, too."""
    validation_field: str | None = None
    """Output whose metric decides, or combined, the sum of all losses; by default the first output."""
    validation_metric: str | None = None
    """Metric that decides; by default the first of the output's type."""

    @model_validator(mode="after")
    def _check_checkpoints(self) -> Trainer:
        if self.steps_per_checkpoint and self.checkpoints_per_epoch:
            raise problem("checkpoints_per_epoch", "contradicts steps_per_checkpoint: give one of them")
        return self
