"""The steps from a source to a sample: opened where one is made of several, and what is kept of those done."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from mxnet_audio.data.transforms import MFCC, Compose, MelSpectrogram, Resample
from mxnet_audio.engine import gluon
from mxnet_audio.errors import DatasetError

__all__ = ["Held", "check_rates", "flat", "held_data", "takes_source"]

# Not HybridSequential, which is compiled as a whole: hybrid blocks alone fit in, and no transform of ours is one.
# Nor subclasses, which may do more than call their parts in turn.
_SEQUENCES = (Compose, gluon.nn.Sequential, gluon.data.vision.transforms.Compose)


def flat(steps: Iterable[Callable]) -> Iterator[Callable]:
    """Open our `Compose`, Gluon's and its ``nn.Sequential``, so that chance and sources are seen inside.

    Parameters
    ----------
    steps : iterable of callable

    Yields
    ------
    callable
        Those that they are made of, in turn.

    Examples
    --------
    >>> list(flat([Compose([abs, Compose([])]), len]))
    [<built-in function abs>, <built-in function len>]
    """
    for step in steps:
        if type(step) in _SEQUENCES:
            yield from flat(step.transforms if isinstance(step, Compose) else step)
        else:
            yield step


def check_rates(steps: tuple[Callable, ...]) -> None:
    """Refuse features that are made for another rate than their sounds come at.

    Parameters
    ----------
    steps : tuple of callable
        The first of which loads.

    Raises
    ------
    DatasetError

    Examples
    --------
    >>> from mxnet_audio.data.transforms import Load
    >>> check_rates((Load(sr=16000), MelSpectrogram(sr=16000)))
    """
    rate = getattr(steps[0], "sr", None)
    for step in steps[1:]:
        takes = {Resample: "orig_sr", MelSpectrogram: "sr", MFCC: "sr"}.get(type(step))
        wanted = None if takes is None else getattr(getattr(step, "config", step), takes)
        if rate is not None and wanted is not None and wanted != rate:
            mend = f"the sounds come at {rate} Hz: put Load(sr={wanted}) first"
            raise DatasetError(f"{type(step).__name__} is for {wanted} Hz, {mend}")
        rate = getattr(step, "target_sr", rate)


def takes_source(step: Callable) -> bool:
    """Whether a step is to be given what `audio.load` takes in place of an array."""
    return getattr(step, "takes_source", False)


class Held(NamedTuple):
    """Transformed data in the place of a source."""

    data: Any


def held_data(held: Held) -> Any:
    """Hand out a copy: a step of the user's may write into what it is given."""
    return copy.deepcopy(held.data)


held_data.takes_source = True
