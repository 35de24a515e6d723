"""Events of timelines, against results by hand and a plain loop."""

import numpy as np
import pytest

from mxnet_audio import events
from mxnet_audio.errors import ParameterError
from mxnet_audio.events import Event, find_events, label_thresholds
from mxnet_audio.inference import TimedPrediction

LABELS = ["dog", "rain", "siren"]


def windows(rows, length=1.0, hop=1.0):
    """Timeline with a window for each row of scores; None is digital silence."""
    return [
        TimedPrediction(i * hop, i * hop + length, None, None if row is None else np.float32(row), labels=LABELS)
        for i, row in enumerate(rows)
    ]


def test_windows_are_merged_by_label():
    timeline = windows([(0.5, 0.9, 0), (0.6, 0.1, 0), (0.1, 0.1, 0), (0.7, 0.1, 0), None, (0.75, 0.2, 0)])
    found = list(find_events(timeline, 0.5))
    score = {value: float(np.float32(value)) for value in (0.6, 0.9, 0.7, 0.75)}
    assert found == [
        Event(0, 1, "rain", score[0.9]),
        Event(0, 2, "dog", score[0.6]),
        Event(3, 4, "dog", score[0.7]),
        Event(5, 6, "dog", score[0.75]),
    ]
    assert sorted(found) == found
    assert list(find_events(timeline, 0.5, max_gap=1)) == [found[0], Event(0, 6, "dog", score[0.75])]
    assert list(find_events(timeline, 0.5, min_duration=2)) == [found[1]]
    assert [event.label for event in find_events(timeline, 0.5, labels=["rain"])] == ["rain"]
    assert list(find_events(timeline, {"dog": 0.75, "siren": 0.1})) == [found[3]]
    assert list(find_events([], 0.5)) == []


def test_windows_that_overlap_or_touch_are_one_event():
    third = 1 / 3  # sums of it are rounded
    timeline = windows([(0.9, 0, 0)] * 30, third, third)
    (event,) = find_events(timeline, 0.9)
    assert (event.start, event.end) == (0, pytest.approx(10))
    (event,) = find_events(windows([(0, 0, 0), (0.9, 0, 0), (0, 0, 0), (0.9, 0, 0), (0, 0, 0)], 2, 1), 0.5)
    assert (event.start, event.end) == (1, 5)


def by_hand(scores, threshold, hop, length, max_gap, min_duration):
    """Events of each label by a search for runs in its own column."""
    found = []
    for column, label in enumerate(LABELS):
        runs = []
        for row in np.flatnonzero(scores[:, column] >= np.float32(threshold)):
            start, end, score = row * hop, row * hop + length, scores[row, column]
            if runs and start - runs[-1][1] <= max_gap + 1e-6:
                runs[-1] = [runs[-1][0], end, max(runs[-1][2], score)]
            else:
                runs.append([start, end, score])
        found += [Event(s, e, label, float(score)) for s, e, score in runs if e - s >= min_duration - 1e-6]
    return sorted(found)


@pytest.mark.parametrize("hop", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("max_gap", [0.0, 0.75])
def test_against_a_search_by_columns(hop, max_gap):
    scores = np.random.default_rng(0).random((400, 3)).astype(np.float32)
    found = find_events(iter(windows(scores, 0.5, hop)), 0.7, max_gap=max_gap, min_duration=1.0)
    assert sorted(found) == by_hand(scores, 0.7, hop, 0.5, max_gap, 1.0)


def test_events_come_while_the_timeline_is_read():
    read = []

    def timeline():
        for window in windows([(0.9, 0, 0), (0, 0, 0), (0, 0, 0)] * 1000):
            read.append(window.start)
            yield window

    found = find_events(timeline(), 0.5)
    assert read == [] and next(found).end == 1 and len(read) == 3


def test_wrong_arguments():
    timeline = windows([(0.5, 0.5, 0.5)])
    for arguments in (
        {"threshold": 0},
        {"threshold": 1.5},
        {"threshold": "high"},
        {"threshold": {"dog": 2}},
        {"min_duration": -1},
        {"max_gap": float("nan")},
        {"labels": "dog"},
    ):
        with pytest.raises(ParameterError):
            find_events(timeline, **arguments)
    for arguments in ({"labels": ["dgo"]}, {"threshold": {"dgo": 0.5}}):
        with pytest.raises(ParameterError, match="did you mean dog"):
            list(find_events(timeline, **arguments))
    with pytest.raises(ParameterError):
        find_events(None)
    with pytest.raises(ParameterError):
        list(find_events([TimedPrediction(0, 1, None, np.ones(2), labels=["dog"])], 0.5))
    assert events.label_thresholds(LABELS, 0.3, ["rain"]) == {"rain": 0.3}


def test_labels_can_be_an_iterator_and_no_text():
    assert label_thresholds(["dog", "rain"], 0.25, iter(["dog"])) == {"dog": 0.25}
    with pytest.raises(ParameterError):
        label_thresholds(["dog", "rain"], 0.25, "dog")
