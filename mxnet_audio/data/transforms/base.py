"""What all transforms have in common: arrays of either kind, a key for caches, reproducible chance."""

from __future__ import annotations

import copy
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from mxnet_audio import audio
from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import FeatureError, InvalidAudioError

__all__ = ["Compose", "Draws", "RandomTransform", "Transform", "real", "samples", "spectrogram", "steps_of", "whole"]

_PACKAGE = __name__.partition(".")[0]


class Transform(gluon.Block, ABC):
    """A step from a sound to what a network is fed with. NumPy in gives NumPy out, NDArray in NDArray out.

    A class of your own names its parameters to ``super().__init__``, which makes attributes of them, and
    defines ``apply``. The input is never written to: caches hand out the same array again and again.

    Parameters
    ----------
    **parameters
        All that the result depends on.

    Attributes
    ----------
    random : bool
        Whether the same input may give something else the next time.
    takes_source : bool
        Whether it takes what `audio.load` takes (a path, bytes, …) in place of an array.

    Examples
    --------
    >>> class Invert(Transform):
    ...     def apply(self, x):
    ...         return -x
    >>> Invert()(np.ones(2))
    array([-1., -1.])
    >>> Invert()(nd.ones(2))
    <BLANKLINE>
    [-1. -1.]
    <NDArray 2 @cpu(0)>
    """

    random = False
    takes_source = False

    def __init__(self, **parameters: Any):
        super().__init__()
        for name, value in parameters.items():
            setattr(self, name, value)
        self._names = tuple(parameters)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._names)})"

    @property
    def key(self) -> str | None:
        """Class and parameters as a text, the same in every process: part of the name of a cached result.

        None where results must not be kept: of random ones, and of classes from elsewhere, whose code may change
        under the same name. Such a class overrides this to be cached, with a text that changes when it does.
        """
        ours = type(self).__module__.partition(".")[0] == _PACKAGE
        return None if self.random or not ours else repr(self)

    @abstractmethod
    def apply(self, x: Any) -> Any:
        """Transform a NumPy array (a sound's source, where ``takes_source``)."""

    def forward(self, x: Any) -> Any:
        """Call `apply`; an NDArray goes through NumPy and comes back to its device."""
        return _through_numpy(self.apply, x)


class RandomTransform(Transform):
    """A transform that draws.

    The draw is ``np.random.default_rng([seed, *entropy])``, so that what a loader passes as `entropy`, epoch and
    index, decides alone, and neither threads nor the order of calls do. Without `entropy` calls are counted.

    Parameters
    ----------
    seed : int >= 0, np.random.Generator or None
        A generator is drawn from once, now; None is another seed each time.
    **parameters
        As for `Transform`.

    Examples
    --------
    >>> class Flip(RandomTransform):
    ...     def apply(self, x, rng):
    ...         return x * rng.choice([-1, 1])
    >>> flip, x = Flip(seed=1), np.ones(1)
    >>> [flip(x, (0, index)).item() for index in (0, 1, 2, 1, 0)]
    [-1.0, 1.0, 1.0, 1.0, -1.0]
    """

    random = True

    def __init__(self, seed: int | np.random.Generator | None = None, **parameters: Any):
        super().__init__(**parameters)
        self._draws = Draws(seed)

    @abstractmethod
    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Transform a NumPy array with draws from `rng`."""

    def reseeded(self, seed: int | np.random.Generator | None) -> RandomTransform:
        """Make a copy that draws by another seed."""
        other = copy.copy(self)
        other._draws = Draws(seed)
        return other

    def forward(self, x: Any, entropy: Sequence[int] | None = None) -> Any:
        """Call `apply` with a generator for `entropy`."""
        return _through_numpy(self.apply, x, self._draws(entropy))


class Compose(Transform):
    """Transforms one after another; none at all is identity.

    Random ones among them also draw by their place, so that two of the same seed differ.

    Parameters
    ----------
    transforms : sequence of callable
        `Transform`, another `Compose`, Gluon's, or any function of one argument.

    Attributes
    ----------
    transforms : tuple of callable
    random : bool
        Whether one of them is.
    takes_source : bool
        Whether the first does.

    Raises
    ------
    FeatureError
        One cannot be called.

    Examples
    --------
    >>> from mxnet_audio.data.transforms import PadTrim, Scale
    >>> Compose([Scale(2), PadTrim(4)])(np.ones(3))
    array([0.5, 0.5, 0.5, 0. ], dtype=float32)
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]):
        super().__init__()
        self.transforms = steps_of(transforms)
        self.random = any(getattr(step, "random", False) for step in self.transforms)
        self.takes_source = bool(self.transforms) and getattr(self.transforms[0], "takes_source", False)
        self._calls = itertools.count()

    def __repr__(self) -> str:
        return f"{type(self).__name__}([{', '.join(map(repr, self.transforms))}])"

    @property
    def key(self) -> str | None:
        """The keys of all, None if one has none."""
        keys = [getattr(step, "key", None) for step in self.transforms]
        return None if None in keys or super().key is None else f"Compose([{', '.join(keys)}])"

    def apply(self, x: Any, entropy: Sequence[int] | None = None) -> Any:
        """Apply all in turn."""
        if self.random and entropy is None:
            entropy = (next(self._calls),)
        for place, step in enumerate(self.transforms):
            x = step(x, (*entropy, place)) if getattr(step, "random", False) else step(x)
        return x

    forward = apply  # each step deals with NDArrays itself


def steps_of(transforms: Callable | Sequence[Callable]) -> tuple[Callable[[Any], Any], ...]:
    """One transform, or several, as a tuple; FeatureError for what is none."""
    steps = (transforms,) if callable(transforms) else tuple(transforms)
    for step in steps:
        if isinstance(step, type):
            raise FeatureError(f"transforms: {step.__name__} is a class: write {step.__name__}(...)")
        if not callable(step):
            raise FeatureError(f"transforms: {step!r} cannot be called")
    return steps


class Draws:
    """Generators for a seed: one for each entropy, or for each call in turn.

    Parameters
    ----------
    seed : int >= 0, np.random.Generator or None
        As for `RandomTransform`.

    Raises
    ------
    FeatureError
        `seed` is none of these.

    Examples
    --------
    >>> draws = Draws(7)
    >>> draws((0, 3)).random() == draws((0, 3)).random(), draws().random() == draws().random()
    (True, False)
    """

    def __init__(self, seed: int | np.random.Generator | None = None):
        if seed is None or isinstance(seed, np.random.Generator):
            self.seed = int(np.random.default_rng(seed).integers(2**63))
        elif isinstance(seed, Integral) and seed >= 0:
            self.seed = int(seed)
        else:
            raise FeatureError(f"seed must be a whole number of 0 or more, a NumPy Generator or None, got {seed!r}")
        self._calls = itertools.count()  # its `next` is one step for CPython: threads share it

    def __call__(self, entropy: Sequence[int] | None = None) -> np.random.Generator:
        return np.random.default_rng([self.seed, *((next(self._calls),) if entropy is None else entropy)])


def samples(x: Any) -> np.ndarray:
    """Samples [shape=(..., n)] as float32; InvalidAudioError if there are none, or NaN, or integers."""
    x = np.asarray(x)
    if np.issubdtype(x.dtype, np.floating) and x.dtype != np.float32:
        with np.errstate(over="ignore"):  # infinite then, which the gate refuses
            x = x.astype(np.float32)
    audio.valid_audio(x if x.ndim < 3 else x.ravel())
    return x


def spectrogram(x: Any) -> np.ndarray:
    """Bands and frames [shape=(..., bands, frames)] as float32; InvalidAudioError if there are none."""
    x = np.asarray(x)
    if x.ndim < 2 or x.size == 0 or not np.issubdtype(x.dtype, np.number):
        raise InvalidAudioError(f"expected a spectrogram (..., bands, frames), got shape {x.shape} of {x.dtype}")
    return np.asarray(x, dtype=np.float32)


def whole(name: str, value: Any, least: int = 1) -> int:
    """A whole number of at least `least`, or FeatureError."""
    if isinstance(value, Real) and math.isfinite(value) and value == int(value) and value >= least:
        return int(value)
    raise FeatureError(f"{name} must be a whole number of {least} or more, got {value!r}")


def real(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number from `low` to `high`, or FeatureError."""
    if isinstance(value, Real) and math.isfinite(value) and low <= value <= high:
        return float(value)
    limits = "" if (low, high) == (-math.inf, math.inf) else f" from {low:g} to {high:g}"
    raise FeatureError(f"{name} must be a finite number{limits}, got {value!r}")


def _through_numpy(function: Callable, x: Any, *others: Any) -> Any:
    if not isinstance(x, nd.NDArray):
        return function(x, *others)
    y = function(x.asnumpy(), *others)
    return nd.array(y, ctx=x.context, dtype=y.dtype)
