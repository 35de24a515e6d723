"""Events of a timeline: windows whose score reaches a threshold are merged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mxnet_audio.checks import iterable_argument, nearest, real_number, shown
from mxnet_audio.datasets.labels import Label
from mxnet_audio.errors import ParameterError
from mxnet_audio.inference.results import TimedPrediction

__all__ = ["Event", "find_events", "label_thresholds"]

ROUNDING = 1e-6  # [s], of the times of windows that touch


class Event(NamedTuple):
    """Part of a recording in which a label applies.

    Attributes
    ----------
    start, end : float [s]
        Start of its first window, and end of its last.
    label : int or str
    score : float or None
        Highest score of its windows; None if it was read from a file without scores.
    """

    start: float
    end: float
    label: Label
    score: float | None = None


def find_events(
    timeline: Iterable[TimedPrediction],
    threshold: float | Mapping[Label, float] = 0.5,
    *,
    labels: Iterable[Label] | None = None,
    min_duration: float = 0.0,
    max_gap: float = 0.0,
) -> Iterator[Event]:
    """Find the events of a recording: consecutive windows of one label are merged.

    The timeline is read as a stream, in constant memory. Events of several labels can overlap.

    Parameters
    ----------
    timeline : iterable of TimedPrediction
        Windows in order, as `iter_timeline` of a classifier or an `AudioTagger` yields them.
    threshold : float > 0, or mapping of labels to such numbers
        Lowest score at which a label applies, at most 1. Of a mapping, only its labels are looked for.
    labels : iterable of int or str, optional
        Labels to look for; all by default.
    min_duration : float >= 0 [s]
        Shortest event; shorter ones are left out.
    max_gap : float >= 0 [s]
        Longest time between two windows of one event. Windows that overlap or touch are always merged.

    Yields
    ------
    Event
        In the order in which they end; ``sorted`` orders them by their start.

    Raises
    ------
    ParameterError
        If an argument is out of range, or the timeline has no such label.

    Examples
    --------
    >>> scores = np.float32([[0.75, 0.25], [0.5, 0.125], [0.125, 0.5], [0.5, 0.25]])
    >>> windows = [TimedPrediction(i, i + 1, None, row, labels=["dog", "rain"]) for i, row in enumerate(scores)]
    >>> list(find_events(windows, 0.5))
    [Event(start=0, end=2, label='dog', score=0.75), Event(start=2, end=3, label='rain', score=0.5), \
Event(start=3, end=4, label='dog', score=0.5)]
    >>> list(find_events(windows, 0.5, labels=["dog"], max_gap=1.0))
    [Event(start=0, end=4, label='dog', score=0.75)]
    """
    iterable_argument("timeline", timeline, "windows")
    min_duration = real_number("min_duration", min_duration, 0)
    max_gap = real_number("max_gap", max_gap, 0)
    labels = None if labels is None else list(iterable_argument("labels", labels, "labels"))
    _check_thresholds(threshold)
    events = _merged(timeline, threshold, labels, max_gap + ROUNDING)
    return (event for event in events if event.end - event.start >= min_duration - ROUNDING)


def label_thresholds(
    known: Sequence[Label],
    threshold: float | Mapping[Label, float] | None = None,
    labels: Iterable[Label] | None = None,
    defaults: Sequence[float] | np.ndarray | None = None,
) -> dict[Label, float]:
    """Return the threshold of each label that is looked for, as `find_events` takes them.

    Parameters
    ----------
    known : sequence of int or str
        Labels of the model.
    threshold : float > 0, or mapping of labels to such numbers, optional
        As for `find_events`; by default `defaults`.
    labels : iterable of int or str, optional
        Labels to look for; an integer label may be given as text.
    defaults : sequence of float, optional
        Threshold of each label of the model, if it has them; 0.5 by default.

    Raises
    ------
    ParameterError
        If a threshold is out of range, or a label is not among the model's.

    Examples
    --------
    >>> label_thresholds(["dog", "rain"], {"dog": 0.5})
    {'dog': 0.5}
    >>> label_thresholds(["dog", "rain"], labels=["rain"], defaults=[0.25, 0.75])
    {'rain': 0.75}
    >>> label_thresholds(["dog", "rain"], 0.5, ["rian"])
    Traceback (most recent call last):
    ...
    mxnet_audio.errors.ParameterError: labels must be among those of the model, got 'rian', did you mean rain?
    """
    if labels is not None:
        labels = list(iterable_argument("labels", labels, "labels"))
    if threshold is None:
        threshold = dict(zip(known, [0.5] * len(known) if defaults is None else map(float, defaults)))
    else:
        _check_thresholds(threshold)
    by_label = threshold if isinstance(threshold, Mapping) else dict.fromkeys(known, threshold)
    by_text = {str(label): label for label in known}
    for label in (*by_label, *(labels or ())):
        if str(label) not in by_text:
            raise ParameterError(
                f"labels must be among those of the model, got {shown(label)}{nearest(label, by_text)}"
            )
    chosen = {by_text[str(label)]: float(value) for label, value in by_label.items()}
    wanted = chosen if labels is None else {by_text[str(label)] for label in labels}
    return {label: value for label, value in chosen.items() if label in wanted}


def _check_thresholds(threshold: float | Mapping[Label, float]) -> None:
    if isinstance(threshold, Mapping):
        for label, value in threshold.items():
            real_number(f"threshold of {shown(label)}", value, maximum=1, above=0)
    else:
        real_number("threshold", threshold, maximum=1, above=0)


def _merged(
    timeline: Iterable[TimedPrediction],
    threshold: float | Mapping[Label, float],
    labels: list[Label] | None,
    max_gap: float,
) -> Iterator[Event]:
    known: list[Label] = []
    columns = thresholds = np.empty(0)
    open_events: dict[Label, Event] = {}
    for window in timeline:
        for event in [event for event in open_events.values() if window.start - event.end > max_gap]:
            yield open_events.pop(event.label)
        if window.probabilities is None:  # digital silence
            continue
        if list(window.labels) != known:
            known = list(window.labels)
            chosen = label_thresholds(known, threshold, labels)
            columns = np.array([known.index(label) for label in chosen], int)
            thresholds = np.array(list(chosen.values()), np.float32)  # as the scores are
        if len(known) != len(window.probabilities):
            raise ParameterError(f"labels must be given, one for each of {len(window.probabilities)} scores")
        for column in columns[window.probabilities[columns] >= thresholds].tolist():
            label, score = known[column], float(window.probabilities[column])
            last = open_events.get(label, Event(window.start, window.end, label, score))
            end, highest = max(last.end, window.end), max(last.score or 0.0, score)
            open_events[label] = Event(last.start, end, label, highest)
    yield from open_events.values()
