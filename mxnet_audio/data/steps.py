"""Steps from a source to a sample: opened if nested, their rates checked, their results held in memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from mxnet_audio.data.transforms import MFCC, Compose, MelSpectrogram, Resample
from mxnet_audio.data.transforms.base import as_steps
from mxnet_audio.engine import gluon
from mxnet_audio.errors import AudioError, DatasetError, ParameterError

__all__ = ["CopyTransformed", "Transformed", "call_named", "check_rates", "flatten", "takes_source"]

# Not HybridSequential, which is compiled as a whole: only hybrid blocks fit in, and none of our transforms is one.
# Nor subclasses, which may do more than call their parts in turn.
_SEQUENCES = (Compose, gluon.nn.Sequential, gluon.data.vision.transforms.Compose)


def flatten(transforms: Callable | Iterable[Callable]) -> tuple[Callable[..., Any], ...]:
    """Open nested transforms, so that random ones and those that take a source are found.

    `Compose`, Gluon's own, and ``gluon.nn.Sequential`` are replaced by their parts.

    Parameters
    ----------
    transforms : callable or iterable of callable

    Returns
    -------
    tuple of callable

    Raises
    ------
    ParameterError
        If one of them cannot be called.

    Examples
    --------
    >>> flatten([Compose([abs, Compose([])]), len])
    (<built-in function abs>, <built-in function len>)
    """
    flat: tuple[Callable[..., Any], ...] = ()
    for step in as_steps(transforms):
        flat += flatten(_parts(step)) if type(step) in _SEQUENCES else (step,)
    return flat


def check_rates(steps: tuple[Callable, ...]) -> None:
    """Refuse steps that are made for another rate than that of their input.

    Parameters
    ----------
    steps : tuple of callable
        Steps of which the first one loads.

    Raises
    ------
    ParameterError
        If a rate differs.

    Examples
    --------
    >>> from mxnet_audio.data.transforms import Load
    >>> check_rates((Load(sr=16000), MelSpectrogram(sr=16000)))
    """
    rate = getattr(steps[0], "sr", None)
    for step in steps[1:]:
        expected = _input_rate(step)
        if rate is not None and expected is not None and expected != rate:
            mend = f"put Load(sr={expected}) first"
            raise ParameterError(f"{type(step).__name__} expects {expected} Hz, but its input has {rate} Hz: {mend}")
        rate = getattr(step, "target_sr", rate)


def takes_source(step: Callable) -> bool:
    """Return True if a step is given a source, as `audio.load` takes it, in place of an array."""
    return getattr(step, "takes_source", False)


def call_named(step: Callable, *arguments: Any, name: Callable[[], str]) -> Any:
    """Call a step. If it fails, raise an AudioError that names the sound.

    Parameters
    ----------
    step : callable
    *arguments
        Arguments of the step.
    name : callable
        Function that returns the name of the sound; called only if needed.

    Returns
    -------
    Result of the step

    Raises
    ------
    AudioError
        The step's own error, with the name if it names no file; a DatasetError for exceptions of other types.

    Examples
    --------
    >>> call_named(len, 3, name=lambda: "a.wav")
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.DatasetError: a.wav: <built-in function len> failed: TypeError: object of type 'int' has no len()
    """
    cause: Exception
    try:
        return step(*arguments)
    except AudioError as error:
        if error.path is not None:
            raise
        kind, reason, cause = type(error), error.reason, error
    except Exception as error:
        # Gluon's messages have many lines.
        reason = " ".join(f"{step!r} failed: {type(error).__name__}: {error}".split())
        kind, cause = DatasetError, error
    raise kind(reason, name()) from cause


class Transformed(NamedTuple):
    """Transformed data, used as the source of an item."""

    data: Any


class CopyTransformed:
    """Return a copy of `Transformed` data, since later steps may write to their input."""

    takes_source = True

    def __repr__(self) -> str:
        return "CopyTransformed()"

    def __call__(self, source: Transformed) -> Any:
        return copy.deepcopy(source.data)


def _parts(sequence: Any) -> tuple[Callable, ...]:
    return tuple(sequence.transforms) if isinstance(sequence, Compose) else tuple(sequence)


def _input_rate(step: Any) -> int | None:
    if type(step) is Resample:
        return step.orig_sr
    return step.config.sr if type(step) in (MelSpectrogram, MFCC) else None
