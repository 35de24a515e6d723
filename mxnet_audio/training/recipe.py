"""Recipes of training: augmentation, loss, schedule and averaging of weights, as one object or by name."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from types import FunctionType
from typing import Any, Literal

import numpy as np

from mxnet_audio.data.steps import flatten
from mxnet_audio.data.transforms import (
    ExtractFeatures,
    FrequencyMasking,
    Gain,
    Load,
    RandomCrop,
    SpeedPerturbation,
    TimeMasking,
    TimeShift,
    ToImage,
    Transform,
)
from mxnet_audio.errors import ParameterError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.nn.loss import get_loss, loss_name
from mxnet_audio.training.open_input import OpenInput
from mxnet_audio.training.schedule import Constant, Cosine, Schedule, Step

__all__ = ["RECIPES", "Recipe", "get_recipe"]

# For each number of a recipe: its range, and a test of it.
RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
    "mixup": (">= 0", lambda value: 0 <= value < math.inf),
    "splice": ("between 0 and 1", lambda value: 0 <= value <= 1),
    "label_smoothing": (">= 0 and < 1", lambda value: 0 <= value < 1),
    "weight_decay": (">= 0", lambda value: 0 <= value < math.inf),
    "clip_gradient": ("> 0, or None", lambda value: 0 < value < math.inf),
    "average": ("between 0 and 1", lambda value: 0 <= value <= 1),
    "body_rate": ("> 0 and <= 1", lambda value: 0 < value <= 1),
    "layer_decay": ("> 0 and <= 1", lambda value: 0 < value <= 1),
    "accumulate": ("a whole number >= 1", lambda value: value >= 1 and value.is_integer()),
    "views": ("a whole number >= 1, or None", lambda value: value >= 1 and value.is_integer()),
}


@dataclass(frozen=True, eq=False, repr=False)
class Recipe:
    """Settings of training. The default is the bare loop: Adam at a constant rate, and nothing else.

    Recipes are equal if their settings are; transforms of this package are compared by class and parameters.

    Parameters
    ----------
    sound : callable or sequence of callable
        Transforms of the samples, at the rate of the features. The features are then computed again in each epoch.
    random_crop : bool
        Take a random part of a sound that is longer than the input, in place of its middle, and put a shorter one at a
        random position, in place of the start; not so for features of encoders from the hub, which expect sound at the
        start. Like `sound`, and after it, this works on samples.
    features : callable or sequence of callable
        Transforms of the network's input [shape=(1, bands, frames)]; the features are computed once for all epochs.
    mixup : float >= 0
        ``alpha`` of `mxnet_audio.data.Mixup`; 0 is without mixup.
    splice : float, 0 to 1
        ``share`` of `mxnet_audio.data.Splice`; 0 is without. It cannot be combined with mixup.
    label_smoothing : float, 0 or more and below 1
        Share of the probability that is spread over all classes (arXiv 1512.00567).
    loss : str
        'softmax' (cross-entropy; the binary one if clips have several labels) or, for speakers, another of
        `mxnet_audio.nn.loss_names` or their aliases. Losses on angles need a network with a cosine head. Mixup, label
        smoothing and several labels need 'softmax'.
    loss_options : mapping
        Arguments of the loss, such as ``{"m": 0.2, "s": None}``.
    balance : {'batches', 'weights'}, optional
        For classes of unequal size: draw clips of all classes equally often, or weight them equally in the loss. If
        clips have several labels, the rarest label counts as the class to draw; the weights make clips with and without
        a label count equally.
    schedule : Schedule
        Schedule of the learning rate: `Constant`, `Step` or `Cosine`.
    weight_decay : float >= 0
        Weight decay of Adam, as part of the gradient; for weights, not for biases and norms.
    body_rate : float, above 0 and at most 1
        Factor of the learning rate of all layers but the head, for networks that are trained already.
    layer_decay : float, above 0 and at most 1
        Ratio of the learning rates of successive layers below the head, so that the first ones change the least (arXiv
        1801.06146).
    clip_gradient : float > 0, optional
        Maximum norm of the gradient of all parameters together.
    accumulate : int > 0
        Number of batches whose gradients make one step, as if they were one batch: for networks so large that only
        small batches fit into memory. The last step of an epoch takes the batches that remain. Batch norms normalize
        each batch by itself.
    average : float, 0 to 1
        Share of the epochs, counted from the last, whose weights are averaged for the final parameters (arXiv
        1803.05407).
    refresh_norms : bool
        Measure the statistics of the batch norms again at the end, on the training clips without augmentation. This is
        always done where weights are averaged.
    views : int > 0, optional
        Number of views that a prediction is averaged over: parts of a sound that is longer than the input, time shifts
        of a shorter one. By default as many parts as cover a longer sound, at most 10, and one view of a sound that is
        shorter, or up to a tenth longer.

    Raises
    ------
    ParameterError
        If a value is out of range, or two contradict each other.

    Examples
    --------
    >>> Recipe(mixup=0.3, schedule=Cosine(warmup=0.05))
    Recipe(mixup=0.3, schedule=Cosine(warmup=0.05))
    >>> Recipe(mixup=-1)
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: recipe: mixup must be >= 0, got -1
    """

    sound: Sequence[Callable[[Any], Any]] | Callable[[Any], Any] = ()
    random_crop: bool = False
    features: Sequence[Callable[[Any], Any]] | Callable[[Any], Any] = ()
    mixup: float = 0.0
    splice: float = 0.0
    label_smoothing: float = 0.0
    loss: str = "softmax"
    loss_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    balance: Literal["batches", "weights"] | None = None
    schedule: Schedule = dataclasses.field(default_factory=Constant)
    weight_decay: float = 0.0
    body_rate: float = 1.0
    layer_decay: float = 1.0
    clip_gradient: float | None = None
    accumulate: int = 1
    average: float = 0.0
    refresh_norms: bool = False
    views: int | None = None

    def __post_init__(self):
        for name in ("sound", "features"):
            object.__setattr__(self, name, _checked_steps(name, getattr(self, name)))
        for name in RANGES:
            object.__setattr__(self, name, _checked_number(name, getattr(self, name)))
        if self.mixup and self.splice:
            raise ParameterError("recipe: mixup and splice cannot be combined")
        if self.balance not in (None, "batches", "weights"):
            raise ParameterError(f"recipe: balance must be 'batches', 'weights' or None, got {self.balance!r}")
        if not isinstance(self.schedule, Schedule):
            raise ParameterError(f"recipe: schedule must be a Schedule, such as Cosine(), got {self.schedule!r}")
        self._check_loss()

    def _check_loss(self) -> None:
        """Check the loss and its options; aliases become names, and NumPy's numbers become Python's, as JSON needs."""
        if not isinstance(self.loss_options, Mapping) or "classes" in self.loss_options:
            reason = "must be a mapping of arguments of the loss, without classes"
            raise ParameterError(f"recipe: loss_options {reason}, got {self.loss_options!r}")
        items = self.loss_options.items()
        options = {name: value.item() if isinstance(value, np.generic) else value for name, value in items}
        object.__setattr__(self, "loss", loss_name(self.loss))
        object.__setattr__(self, "loss_options", options)
        get_loss(self.loss, classes=2, **options)
        if self.loss != "softmax" and (self.mixup or self.label_smoothing):
            raise ParameterError(f"recipe: mixup and label_smoothing need loss='softmax', got {self.loss!r}")

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Recipe) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        """Name the settings that differ from the default."""
        settings = [f"{name}={value!r}" for name, value in vars(self).items() if value != _DEFAULTS[name]]
        return f"Recipe({', '.join(settings)})"

    def _key(self) -> tuple:
        settings = {**vars(self), "loss_options": tuple(sorted(self.loss_options.items()))}
        for name in ("sound", "features"):
            settings[name] = tuple(_step_key(step) for step in settings[name])
        return tuple(settings.values())

    def waveform_steps(
        self, config: AudioFeatureConfig, seed: int, open_input: OpenInput | None = None
    ) -> list[Callable]:
        """Return the steps from a file to a network's input, with transforms and crops of the samples.

        Parameters
        ----------
        config : AudioFeatureConfig
            Features to compute from the samples.
        seed : int >= 0
            Seed of the random steps.
        open_input : OpenInput, optional
            Step from samples to inputs of different lengths, at most that of `config`. By default all inputs have that
            length.

        Returns
        -------
        list of callable
            Empty if the samples are not changed, so that features can be computed once for all epochs.
        """
        if not (self.sound or self.random_crop):
            return []
        steps: list[Callable] = _reseeded(self.sound, seed)
        if self.random_crop:
            if config.n_samples is None:
                raise ParameterError("recipe: random_crop needs features of one length")
            # Features of published transformers keep the start of a sound, and pad behind it as in prediction.
            keeps_start = config.time_axis == -1 and config.kept_part == "start"
            last = RandomCrop(config.n_samples, seed, pad=open_input is None and not keeps_start)
            # Of a long sound, transform only twice the length needed, since it may be sped up.
            steps = [RandomCrop(2 * config.n_samples, seed, pad=False), *steps, last]
        if open_input is None:
            return [Load(config.sr), *steps, ExtractFeatures(config), ToImage(config.time_axis)]
        return [Load(config.sr) if self.random_crop else open_input.load_window, *steps, open_input]

    def input_steps(self, seed: int) -> list[Callable]:
        """Return the transforms of the network's input, the random ones with this seed."""
        return _reseeded(self.features, seed)

    def identity(self) -> dict[str, Any]:
        """Return the settings that must be equal for a run to be resumed, in JSON's types."""
        settings = dict(vars(self))
        for name in ("sound", "features"):
            settings[name] = [_step_name(step) for step in settings[name]]
        # Runs of earlier versions, which had no choice of these, lack them: left out where they are the default.
        if self.loss == "softmax":
            del settings["loss"], settings["loss_options"]
        if not self.splice:
            del settings["splice"]
        for name in ("body_rate", "layer_decay", "accumulate"):
            if settings[name] == 1:
                del settings[name]
        if self.views is None:
            del settings["views"]
        return {**settings, "schedule": repr(self.schedule)}


def _checked_steps(name: str, steps: Any) -> tuple[Callable, ...]:
    try:
        return flatten(steps)
    except (ParameterError, TypeError) as error:
        raise ParameterError(f"recipe: {name} must be transforms, got {steps!r} ({error})") from error


def _checked_number(name: str, value: Any) -> float | int | None:
    """Return a number as int or float, since JSON has no NumPy numbers."""
    bounds, fits = RANGES[name]
    if name in ("clip_gradient", "views") and value is None:
        return None
    if not isinstance(value, Real) or isinstance(value, bool) or not fits(float(value)):
        raise ParameterError(f"recipe: {name} must be {bounds}, got {value!r}")
    return int(float(value)) if name in ("accumulate", "views") else float(value)


def _step_key(step: Callable) -> Any:
    """Return what a step is compared by: class and parameters of a transform, a callable of another kind itself."""
    return (type(step), step.key or repr(step)) if isinstance(step, Transform) else step


def _step_name(step: Callable) -> str:
    """Return a step as text that is the same in every process, hence without the address of a function."""
    return f"{step.__module__}.{step.__qualname__}" if isinstance(step, FunctionType) else repr(step)


def _reseeded(steps: Sequence[Callable] | Callable, seed: int) -> list[Callable]:
    return [step.reseeded(seed) if hasattr(step, "reseeded") else step for step in flatten(steps)]


_DEFAULTS = vars(Recipe())

# Each of these settings improved the accuracy on ESC-10's folds 1 to 3 (two to train on, the third to test on); others
# did not. The figures are in the documentation.
RECIPES = {
    "plain": Recipe(),
    "spectrogram": Recipe(features=(TimeShift(0.5),), schedule=Cosine(warmup=0.05), average=0.1),
    "waveform": Recipe(
        features=(TimeShift(0.5), SpeedPerturbation()),
        weight_decay=1e-4,
        schedule=Step(every=20, factor=0.1),
        average=0.1,
    ),
    # For words, also by speakers outside the training clips. Gain matters where features depend on loudness.
    "speech": Recipe(
        sound=(SpeedPerturbation(keep_length=False), Gain(-10, 10)),
        random_crop=True,
        features=(TimeMasking(0.15), FrequencyMasking(0.15)),
        mixup=0.3,
        schedule=Cosine(warmup=0.05),
        average=0.1,
    ),
    # For encoders with published weights.
    "fine_tune": Recipe(
        features=(TimeMasking(0.1), FrequencyMasking(0.1)),
        mixup=0.2,
        schedule=Cosine(warmup=0.1),
        body_rate=0.1,
        layer_decay=0.8,
        average=0.2,
    ),
    # For speakers: another speed would make another voice, and speaker networks do not depend on loudness. Splices and
    # wide masks are for few speakers, whose words would otherwise be learned along with the voices. The margin is that
    # of ECAPA-TDNN's paper, whose scale of 30 is for its 5,994 speakers.
    "voice": Recipe(
        random_crop=True,
        features=(TimeMasking(0.3), FrequencyMasking(0.5)),
        splice=0.25,
        loss="arc",
        loss_options={"m": 0.2, "s": None},
        schedule=Cosine(warmup=0.05),
        average=0.1,
    ),
}


def get_recipe(recipe: Recipe | str | None, default: Recipe | str | None = None) -> Recipe:
    """Return a recipe, given itself or its name; where there is a default, it is also None or 'default'.

    Raises
    ------
    ParameterError
        If there is no recipe of that name.

    Examples
    --------
    >>> get_recipe('plain') == Recipe()
    True
    """
    if default is not None and (recipe is None or recipe == "default"):
        recipe = default
    if isinstance(recipe, Recipe):
        return recipe
    if not isinstance(recipe, str) or recipe not in RECIPES:
        names = sorted(RECIPES) if default is None else ["default", *sorted(RECIPES)]
        raise ParameterError(f"recipe must be a Recipe or one of {', '.join(names)}, got {recipe!r}")
    return RECIPES[recipe]
