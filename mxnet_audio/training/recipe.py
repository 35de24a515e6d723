"""How to train: what is done to the clips, to the loss and to the weights. What each default is worth was measured."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from types import FunctionType
from typing import Any, Literal

import numpy as np

from mxnet_audio.data.steps import flat
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
)
from mxnet_audio.data.transforms.base import steps_of
from mxnet_audio.errors import FeatureError, ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.nn.loss import get_loss
from mxnet_audio.training.schedule import Constant, Cosine, Schedule, Step

__all__ = ["RECIPES", "Recipe", "get_recipe"]


@dataclass(frozen=True)
class Recipe:
    """How to train. As it is made without arguments it is the bare loop: Adam at a constant rate, nothing else.

    Parameters
    ----------
    sound : sequence of callable
        Transforms of the samples, at the features' rate; features are then made of them anew in each epoch.
    random_crop : bool
        Another piece of a sound that is longer than the input, each time, in place of its middle; a shorter one
        anywhere in the input, in place of its start. Like `sound`, and after it, on samples.
    features : sequence of callable
        Transforms of the network's input [shape=(1, bands, frames)]; features that were made once serve all epochs.
    mixup : float >= 0
        ``alpha`` of `mxnet_audio.data.Mixup`; 0 mixes nothing.
    splice : float, 0 to 1
        ``share`` of `mxnet_audio.data.Splice`; 0 splices nothing. Not with mixup.
    label_smoothing : float, 0 or more and below 1
        Share of the probability that goes to all classes alike (arXiv 1512.00567).
    loss : str
        What is made small: 'softmax' (cross-entropy), or for voices another of `mxnet_audio.nn.loss_names`. Those that
        work on angles ask for a network whose scores are cosines; none but 'softmax' goes with mixup or smoothing.
    loss_options : mapping
        Arguments of that loss, such as ``{"m": 0.2, "s": None}``.
    balance : {'batches', 'weights'}, optional
        For corpora of unequal classes: clips of small ones are drawn as often as those of large ones, or weigh as much
        in the loss.
    schedule : Schedule
        `Constant`, `Step` or `Cosine`.
    weight_decay : float >= 0
        Of Adam, as a part of the gradient; of weights only, not of biases and norms.
    clip_gradient : float > 0, optional
        Greatest norm of the gradient of all parameters together.
    average : float, 0 to 1
        Share of the epochs, the last ones, whose weights are averaged (arXiv 1803.05407) for the final parameters.
    refresh_norms : bool
        Whether the norms' statistics are measured anew at the end, over the training clips as they are, without
        augmentation; it goes without saying where weights are averaged.
    views : int > 0
        To predict, average over so many windows of a sound that is longer than the input, or shifts of one that is not.

    Raises
    ------
    ModelError
        If a value is out of range.

    Examples
    --------
    >>> Recipe(mixup=0.3, schedule=Cosine(warmup=0.05)).identity()['schedule']
    'Cosine(warmup=0.05)'
    >>> Recipe(mixup=-1)
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ModelError: recipe: mixup is 0 or more, not -1
    """

    sound: tuple[Callable[[Any], Any], ...] = ()
    random_crop: bool = False
    features: tuple[Callable[[Any], Any], ...] = ()
    mixup: float = 0.0
    splice: float = 0.0
    label_smoothing: float = 0.0
    loss: str = "softmax"
    loss_options: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)
    balance: Literal["batches", "weights"] | None = None
    schedule: Schedule = dataclasses.field(default_factory=Constant)
    weight_decay: float = 0.0
    clip_gradient: float | None = None
    average: float = 0.0
    refresh_norms: bool = False
    views: int = 1

    def __post_init__(self):
        for name in ("sound", "features"):
            try:
                steps = tuple(flat(steps_of(getattr(self, name))))
            except (FeatureError, TypeError) as error:
                raise ModelError(f"recipe: {name} is transforms, not {getattr(self, name)!r} ({error})") from error
            object.__setattr__(self, name, steps)
        for name, legal, known in (
            ("mixup", lambda value: 0 <= value < math.inf, "0 or more"),
            ("splice", lambda value: 0 <= value <= 1, "a share, 0 to 1"),
            ("label_smoothing", lambda value: 0 <= value < 1, "0 or more and below 1"),
            ("weight_decay", lambda value: 0 <= value < math.inf, "0 or more"),
            ("clip_gradient", lambda value: 0 < value < math.inf, "above 0, or None"),
            ("average", lambda value: 0 <= value <= 1, "a share, 0 to 1"),
            ("views", lambda value: value >= 1 and value == int(value), "a whole number of 1 or more"),
        ):
            value = getattr(self, name)
            if name == "clip_gradient" and value is None:
                continue
            if not isinstance(value, Real) or isinstance(value, bool) or not legal(value):
                raise ModelError(f"recipe: {name} is {known}, not {value!r}")
            object.__setattr__(self, name, int(value) if name == "views" else float(value))  # JSON knows no others
        if self.mixup and self.splice:
            raise ModelError("recipe: mixup and splice do not go together")
        if self.balance not in (None, "batches", "weights"):
            raise ModelError(f"recipe: balance is 'batches', 'weights' or None, not {self.balance!r}")
        if not isinstance(self.schedule, Schedule):
            raise ModelError(f"recipe: schedule is a Schedule, such as Cosine(), not {self.schedule!r}")
        given = self.loss_options.items()
        options = {name: value.item() if isinstance(value, np.generic) else value for name, value in given}
        object.__setattr__(self, "loss_options", options)  # NumPy's numbers are none to JSON
        get_loss(self.loss, classes=2, **options)  # says now what is wrong with them
        if self.loss != "softmax" and (self.mixup or self.label_smoothing):
            raise ModelError(f"recipe: mixup and label_smoothing go with the loss 'softmax', not with {self.loss!r}")

    def from_samples(self, config: AudioFeatureConfig, seed: int) -> list[Callable]:
        """Steps from a file to a network's input, by way of samples that are transformed and cropped.

        Parameters
        ----------
        config : AudioFeatureConfig
            What is made of the samples.
        seed : int >= 0
            By which the random ones draw.

        Returns
        -------
        list of callable
            Empty where nothing is done to samples: features that were made once will do.
        """
        if not (self.sound or self.random_crop):
            return []
        first, last = [], []
        if self.random_crop:  # of long sound no more is transformed than is needed, should it come out faster
            first, last = [RandomCrop(2 * config.n_samples, seed, pad=False)], [RandomCrop(config.n_samples, seed)]
        steps = [Load(config.sr), *first, *_seeded(self.sound, seed), *last]
        return [*steps, ExtractFeatures(config), ToImage(config.time_axis)]

    def of_input(self, seed: int) -> list[Callable]:
        """Transforms of the network's input; those that are random draw by `seed`."""
        return _seeded(self.features, seed)

    def identity(self) -> dict[str, Any]:
        """What must be the same for a run to go on as if never interrupted, in JSON's own types."""
        named = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name in ("sound", "features"):
            named[name] = [_named(step) for step in named[name]]
        # What goes without saying: runs from before there was a choice lack it.
        if self.loss == "softmax":
            del named["loss"], named["loss_options"]
        if not self.splice:
            del named["splice"]
        return {**named, "schedule": repr(self.schedule)}


def _named(step: Callable) -> str:
    """A transform in words that are the same in every process: a function's have no address in them."""
    return f"{step.__module__}.{step.__qualname__}" if isinstance(step, FunctionType) else repr(step)


# What is in the defaults helped on ESC-10's folds 1 to 3 (two to train on, the third to test on), and what is not did
# not: README.md says by how much.
RECIPES = {
    "plain": Recipe(),
    "spectrogram": Recipe(features=(TimeShift(0.5),), schedule=Cosine(warmup=0.05), average=0.1),
    "waveform": Recipe(
        features=(TimeShift(0.5), SpeedPerturbation()),
        weight_decay=1e-4,
        schedule=Step(every=20, factor=0.1),
        average=0.1,
    ),
    # For words, and speakers whom it was not trained on. Gain counts where features tell loud from soft.
    "speech": Recipe(
        sound=(SpeedPerturbation(keep_length=False), Gain(-10, 10)),
        random_crop=True,
        features=(TimeMasking(0.15), FrequencyMasking(0.15)),
        mixup=0.3,
        schedule=Cosine(warmup=0.05),
        average=0.1,
    ),
    # For speakers: at another speed a voice would be another's, and how loud it is their networks do not hear. Splices
    # and wide masks are for few speakers, whose words would be learned along with the voices; the margin is that of
    # ECAPA-TDNN's paper, its scale of 30 is for its 5,994 speakers.
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


def _seeded(steps: Sequence[Callable], seed: int) -> list[Callable]:
    return [step.reseeded(seed) if hasattr(step, "reseeded") else step for step in steps]


def get_recipe(recipe: Recipe | str) -> Recipe:
    """A recipe by its name; ModelError if there is none of that name.

    Examples
    --------
    >>> get_recipe('plain') == Recipe()
    True
    """
    if isinstance(recipe, Recipe):
        return recipe
    if not isinstance(recipe, str) or recipe not in RECIPES:
        raise ModelError(f"no recipe {recipe!r}; there are {', '.join(sorted(RECIPES))}, or make a training.Recipe")
    return RECIPES[recipe]
