"""How to train: what is done to the clips, to the loss and to the weights. What each default is worth was measured."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mxnet_audio.data.transforms import FromSamples, Load, RandomCrop, TimeShift, ToImage
from mxnet_audio.data.transforms.base import steps_of
from mxnet_audio.errors import ModelError
from mxnet_audio.features import AudioFeatureConfig
from mxnet_audio.training.schedule import Constant, Cosine, Schedule, Step

__all__ = ["RECIPES", "Recipe", "recipe_of"]


@dataclass(frozen=True)
class Recipe:
    """How to train. As it is made without arguments it is the bare loop: Adam at a constant rate, nothing else.

    Parameters
    ----------
    sound : sequence of callable
        Transforms of the samples, at the features' rate; features are then made of them anew in each epoch.
    random_crop : bool
        Another piece of a sound that is longer than the input, each time, in place of its middle. Like `sound`,
        it makes features anew in each epoch.
    features : sequence of callable
        Transforms of the network's input [shape=(1, bands, frames)]; features that were made once serve all epochs.
    mixup : float >= 0
        ``alpha`` of `mxnet_audio.data.Mixup`; 0 mixes nothing.
    label_smoothing : float, 0 or more and below 1
        Share of the probability that goes to all classes alike (arXiv 1512.00567).
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
    label_smoothing: float = 0.0
    balance: Literal["batches", "weights"] | None = None
    schedule: Schedule = dataclasses.field(default_factory=Constant)
    weight_decay: float = 0.0
    clip_gradient: float | None = None
    average: float = 0.0
    refresh_norms: bool = False
    views: int = 1

    def __post_init__(self):
        for name in ("sound", "features"):
            object.__setattr__(self, name, steps_of(getattr(self, name)))
        for name, legal, known in (
            ("mixup", 0 <= self.mixup < math.inf, "0 or more"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "0 or more and below 1"),
            ("balance", self.balance in (None, "batches", "weights"), "'batches', 'weights' or None"),
            ("schedule", isinstance(self.schedule, Schedule), "a Schedule, such as Cosine()"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more"),
            ("clip_gradient", self.clip_gradient is None or 0 < self.clip_gradient < math.inf, "above 0, or None"),
            ("average", 0 <= self.average <= 1, "a share, 0 to 1"),
            ("views", operator.index(self.views) >= 1, "1 or more"),
        ):
            if not legal:
                raise ModelError(f"recipe: {name} is {known}, not {getattr(self, name)!r}")

    def from_samples(self, config: AudioFeatureConfig, seed: int) -> list[Callable]:
        """Steps from a file to a network's input, by way of samples that are cropped and transformed.

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
        fit = [RandomCrop(config.n_samples, seed)] if self.random_crop else []
        return [Load(config.sr), *fit, *_seeded(self.sound, seed), FromSamples(config), ToImage(config.time_axis)]

    def of_input(self, seed: int) -> list[Callable]:
        """Transforms of the network's input; those that are random draw by `seed`."""
        return _seeded(self.features, seed)

    def identity(self) -> dict[str, Any]:
        """What must be the same for a run to go on as if never interrupted, in JSON's own types."""
        named = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain = (int, float, str, bool, type(None))
        return {name: value if isinstance(value, plain) else repr(value) for name, value in named.items()}


# What is in the defaults helped on ESC-10's folds 1 to 3 (two to train on, the third to test on), and what is not did
# not: README.md says by how much.
RECIPES = {
    "plain": Recipe(),
    "spectrogram": Recipe(features=(TimeShift(0.5),), schedule=Cosine(warmup=0.05), average=0.1),
    "waveform": Recipe(
        features=(TimeShift(0.5),), weight_decay=1e-4, schedule=Step(every=20, factor=0.1), refresh_norms=True
    ),
}


def _seeded(steps: Sequence[Callable], seed: int) -> list[Callable]:
    return [step.reseeded(seed) if hasattr(step, "reseeded") else step for step in steps]


def recipe_of(recipe: Recipe | str) -> Recipe:
    """A recipe by its name; ModelError if there is none of that name.

    Examples
    --------
    >>> recipe_of('plain') == Recipe()
    True
    """
    if isinstance(recipe, Recipe):
        return recipe
    if recipe not in RECIPES:
        raise ModelError(f"no recipe {recipe!r}; there are {', '.join(sorted(RECIPES))}, or make a training.Recipe")
    return RECIPES[recipe]
