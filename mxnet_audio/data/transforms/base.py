"""Base classes of transforms: NumPy arrays and NDArrays alike, keys for caches, reproducible random draws."""

from __future__ import annotations

import copy
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from mxnet_audio.engine import gluon, nd
from mxnet_audio.errors import ParameterError

__all__ = ["Compose", "Draws", "RandomTransform", "Seed", "Transform", "as_steps"]

Seed = int | np.random.Generator | None

_PACKAGE = __name__.partition(".")[0]


class Transform(gluon.Block, ABC):
    """Base of transforms of sound. A NumPy array gives a NumPy array, an NDArray gives an NDArray.

    A subclass passes its parameters to ``super().__init__``, which makes them attributes, and defines ``apply``.
    ``apply`` must not write to its input, since caches return the same array repeatedly.

    Parameters
    ----------
    prefix, params : optional
        As for `gluon.Block`.
    **parameters
        All values that the result depends on.

    Attributes
    ----------
    random : bool
        True if the same input may give another result next time.
    takes_source : bool
        True if it takes anything that `audio.load` takes (a path, bytes, …) in place of an array.

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

    def __init__(self, *, prefix: str | None = None, params: Any = None, **parameters: Any):
        super().__init__(prefix=prefix, params=params)
        for name, value in parameters.items():
            setattr(self, name, value)
        self._names = tuple(parameters)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._names)})"

    @property
    def key(self) -> str | None:
        """Class and parameters as text, the same in every process; part of the name of a cached result.

        None if results must not be cached: for random transforms, and for classes outside this package, whose code
        may change under the same name. To be cached, such a class overrides this with text that changes when its
        code does.
        """
        in_package = type(self).__module__.partition(".")[0] == _PACKAGE
        return None if self.random or not in_package else repr(self)

    @abstractmethod
    def apply(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Transform a NumPy array, or a source if ``takes_source``."""

    def forward(self, x: Any) -> Any:
        """Call `apply`. An NDArray is converted to NumPy and the result returned to its device."""
        return _through_numpy(self.apply, x)


class RandomTransform(Transform):
    """Base of random transforms.

    Draws come from ``np.random.default_rng([seed, *entropy])``. A loader passes the epoch and the index of the sample
    as `entropy`, so that results depend on neither threads nor the order of calls. Without `entropy`, calls are
    counted.

    Parameters
    ----------
    seed : int >= 0, np.random.Generator or None
        Seed of all draws. A generator gives one number, now; None is another seed each time.
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

    def __init__(self, seed: Seed = None, **parameters: Any):
        super().__init__(**parameters)
        self._draws = Draws(seed)

    @abstractmethod
    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Transform a NumPy array with draws from `rng`."""

    def reseeded(self, seed: Seed) -> RandomTransform:
        """Return a copy with another seed."""
        other = copy.copy(self)
        other._draws = Draws(seed)
        return other

    def forward(self, x: Any, entropy: Sequence[int] | None = None) -> Any:
        """Call `apply` with a generator for `entropy`."""
        return _through_numpy(self.apply, x, self._draws(entropy))


class Compose(Transform):
    """Transforms applied in turn; an empty list returns its input.

    The position of a random transform is part of its entropy, so that two with the same seed draw differently.

    Parameters
    ----------
    transforms : sequence of callable
        `Transform`, another `Compose`, Gluon's transforms, or any function of one argument.

    Attributes
    ----------
    transforms : tuple of callable
    random : bool
        True if one of the transforms is random.
    takes_source : bool
        True if the first transform takes a source.

    Raises
    ------
    ParameterError
        If one of them cannot be called.

    Examples
    --------
    >>> from mxnet_audio.data.transforms import PadTrim, Scale
    >>> Compose([Scale(2), PadTrim(4)])(np.ones(3))
    array([0.5, 0.5, 0.5, 0. ], dtype=float32)
    """

    def __init__(self, transforms: Iterable[Callable[[Any], Any]]):
        super().__init__()
        self.transforms = as_steps(transforms)
        self.random = any(getattr(step, "random", False) for step in self.transforms)
        self.takes_source = bool(self.transforms) and getattr(self.transforms[0], "takes_source", False)
        self._calls = itertools.count()

    def __repr__(self) -> str:
        return f"{type(self).__name__}([{', '.join(map(repr, self.transforms))}])"

    @property
    def key(self) -> str | None:
        """Keys of all transforms; None if one has none."""
        keys = [getattr(step, "key", None) for step in self.transforms]
        return None if None in keys or super().key is None else f"Compose([{', '.join(map(str, keys))}])"

    def apply(self, x: Any, entropy: Sequence[int] | None = None) -> Any:
        """Apply all transforms in turn."""
        if self.random and entropy is None:
            entropy = (next(self._calls),)
        for position, step in enumerate(self.transforms):
            x = step(x, (*(entropy or ()), position)) if getattr(step, "random", False) else step(x)
        return x

    forward = apply  # each transform handles NDArrays itself


class Draws:
    """Random generators of one seed: one for each entropy, or for each call in turn.

    Parameters
    ----------
    seed : int >= 0, np.random.Generator or None
        As for `RandomTransform`.

    Raises
    ------
    ParameterError
        If `seed` is none of these.

    Examples
    --------
    >>> draws = Draws(7)
    >>> draws((0, 3)).random() == draws((0, 3)).random(), draws().random() == draws().random()
    (True, False)
    """

    def __init__(self, seed: Seed = None):
        if seed is None or isinstance(seed, np.random.Generator):
            self.seed = int(np.random.default_rng(seed).integers(2**63))
        elif isinstance(seed, Integral) and seed >= 0:
            self.seed = int(seed)
        else:
            raise ParameterError(f"seed must be a whole number >= 0, a NumPy Generator or None, got {seed!r}")
        self._calls = itertools.count()  # `next` of it is atomic in CPython, so threads can share it

    def __call__(self, entropy: Sequence[int] | None = None) -> np.random.Generator:
        return np.random.default_rng([self.seed, *((next(self._calls),) if entropy is None else entropy)])


def as_steps(transforms: Callable | Iterable[Callable]) -> tuple[Callable[..., Any], ...]:
    """Return one transform, or several, as a tuple.

    Parameters
    ----------
    transforms : callable or iterable of callable

    Returns
    -------
    tuple of callable

    Raises
    ------
    ParameterError
        If one of them cannot be called, or is a class.

    Examples
    --------
    >>> as_steps(abs), as_steps([abs, len])
    ((<built-in function abs>,), (<built-in function abs>, <built-in function len>))
    """
    if callable(transforms):
        steps: tuple[Callable[..., Any], ...] = (transforms,)
    elif isinstance(transforms, Iterable):
        steps = tuple(transforms)
    else:
        raise ParameterError(f"transforms: {transforms!r} cannot be called")
    for step in steps:
        if isinstance(step, type):
            raise ParameterError(f"transforms: {step.__name__} is a class: write {step.__name__}(...)")
        if not callable(step):
            raise ParameterError(f"transforms: {step!r} cannot be called")
    return steps


def _through_numpy(function: Callable, x: Any, *arguments: Any) -> Any:
    if not isinstance(x, nd.NDArray):
        return function(x, *arguments)
    y = function(x.asnumpy(), *arguments)
    return nd.array(y, ctx=x.context, dtype=y.dtype)
