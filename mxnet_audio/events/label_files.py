"""Label files of events: CSV, JSON, label tracks of Audacity, and selection tables of Raven."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from mxnet_audio.atomic import replacing, write_json
from mxnet_audio.checks import iterable_argument, one_of, path_argument, real_number, shown
from mxnet_audio.datasets.tables import csv_reader, table_text
from mxnet_audio.errors import DatasetError, ParameterError
from mxnet_audio.events.timeline import Event

__all__ = ["label_file_format", "read_events", "write_events"]

Events = Iterable[tuple[str, Event]]  # paths of recordings, and events

_SUFFIXES = {".selections.txt": "raven", ".txt": "audacity", ".csv": "csv", ".json": "json"}
_COLUMNS = ["path", "start", "end", "label", "score"]
_RAVEN_COLUMNS = [
    *("Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)"),
    *("Annotation", "Score", "Begin Path"),
]


def label_file_format(path: str | os.PathLike) -> str:
    """Return the format of a label file by its suffix: 'csv', 'json', 'audacity' or 'raven'.

    Raises
    ------
    ParameterError
        If the suffix is unknown.

    Examples
    --------
    >>> label_file_format("night.selections.txt"), label_file_format("night.CSV")
    ('raven', 'csv')
    """
    name = path_argument("path", path).name
    for suffix, kind in _SUFFIXES.items():
        if name.lower().endswith(suffix):
            return kind
    raise ParameterError(f"the name of a label file must end in one of {', '.join(_SUFFIXES)}, got {name}")


def write_events(path: str | os.PathLike, events: Events, *, max_frequency: float = 24000.0) -> int:
    """Write events to a label file, whose format is that of its suffix.

    The events can be an iterator: they are written while they are found, but for JSON.

    Parameters
    ----------
    path : str or os.PathLike
        File to write; it is replaced completely or not at all.

        - ``.csv``: the columns path, start, end, label and score.
        - ``.json``: a list of recordings, each with a list of its events.
        - ``.txt``: a label track of Audacity, of one recording: start, end and label, without scores.
        - ``.selections.txt``: a selection table of Raven, of one recording.

        Bytes of names that are not UTF-8 are written as escapes such as ``\\udcff``.
    events : iterable of (str, Event)
        Path of a recording, and an event of it; all events of a recording one after the other.
    max_frequency : float [Hz]
        Upper edge of the selections in Raven.

    Returns
    -------
    int
        Number of events.

    Raises
    ------
    OSError
        If the file cannot be written.
    ParameterError
        If the suffix is none of these, or the events are of several recordings and the format holds one.

    Examples
    --------
    >>> path = getfixture('tmp_path') / 'night.csv'
    >>> write_events(path, [('night.flac', Event(43383.0, 43384.5, 'Dog', 0.875))])
    1
    >>> print(path.read_text())
    path,start,end,label,score
    night.flac,43383.000,43384.500,Dog,0.8750
    <BLANKLINE>
    """
    kind = label_file_format(path)
    events = map(_checked, iterable_argument("events", events, "events"))
    if kind == "json":
        groups = groupby(events, key=lambda item: item[0])
        document = [{"path": name, "events": [event._asdict() for _, event in group]} for name, group in groups]
        write_json(path, document)
        return sum(len(entry["events"]) for entry in document)
    count = 0
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        if kind == "csv":
            rows: Any = csv.writer(file, lineterminator="\n")
            rows.writerow(_COLUMNS)
        else:
            rows = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
            events = _of_one_recording(events, path)
        if kind == "raven":
            rows.writerow(_RAVEN_COLUMNS)
        for recording, (start, end, label, score) in events:
            count += 1
            times, digits = [f"{start:.3f}", f"{end:.3f}"], "" if score is None else f"{score:.4f}"
            if kind == "csv":
                rows.writerow([recording, *times, label, digits])
            elif kind == "audacity":
                rows.writerow([*times, _in_line(label)])
            else:
                band = [0, f"{max_frequency:g}"]
                rows.writerow([count, "Spectrogram 1", 1, *times, *band, _in_line(label), digits, _in_line(recording)])
    return count


def _checked(item: tuple[str, Event]) -> tuple[str, Event]:
    """Return a recording and an event; raise ParameterError if it is something else, or a number is not finite."""
    try:
        recording, (start, end, _, score) = item
    except (TypeError, ValueError):
        raise ParameterError(f"events must be pairs of a path and an Event, got {shown(item)}") from None
    real_number("end of an event", end, real_number("start of an event", start, 0))
    if score is not None:
        real_number("score of an event", score)
    return str(recording), Event(*item[1])


def _in_line(text: object) -> str:
    """Return text without tabs and line breaks, which separate the cells."""
    return " ".join(str(text).split())


def _of_one_recording(events: Events, path: str | os.PathLike) -> Iterator[tuple[str, Event]]:
    first = None
    for recording, event in events:
        if first not in (None, recording):
            reason = f"a .txt file holds the events of one recording, got {first} and {recording}: use .csv or .json"
            raise ParameterError(reason, path)
        first = recording
        yield recording, event


def read_events(path: str | os.PathLike) -> list[tuple[str | None, Event]]:
    """Read a label file: CSV, or a label track of Audacity.

    Parameters
    ----------
    path : str or os.PathLike
        A ``.csv`` file, as `write_events` writes it, or a ``.txt`` file that Audacity has exported.

    Returns
    -------
    list of (str or None, Event)
        Path of the recording, and an event of it. A label track has no path. Labels are texts.

    Raises
    ------
    DatasetError
        If the file cannot be read, or a line is damaged; it is named.
    ParameterError
        If the suffix is none of these.

    Examples
    --------
    >>> path = getfixture('tmp_path') / 'night.txt'
    >>> _ = path.write_text("43383.000\\t43384.500\\tDog\\n")
    >>> read_events(path)
    [(None, Event(start=43383.0, end=43384.5, label='Dog', score=None))]
    """
    kind = one_of("format of a label file that is read", label_file_format(path), ["csv", "audacity"])
    path = path_argument("path", path)
    text = io.StringIO(table_text(path), newline="")
    table = csv_reader(text, ",") if kind == "csv" else csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE)
    found: list[tuple[str | None, Event]] = []
    try:
        columns = _columns(next(table, []), path) if kind == "csv" else [None, 0, 1, 2, None]
        for cells in table:
            # Audacity writes the band of a selection in a line of its own, which begins with a backslash.
            if any(map(str.strip, cells)) and cells[0] != "\\":
                found.append(_event(cells, columns, f"line {table.line_num}", path))
    except csv.Error as error:
        raise DatasetError(f"is not a table of text: {error} (line {table.line_num})", path) from error
    return found


def _columns(names: list[str], path: Path) -> list[int | None]:
    """Return the positions of path, start, end, label and score; None of a score that is missing."""
    lower = [name.strip().lower() for name in names]
    if missing := [name for name in _COLUMNS[:-1] if name not in lower]:
        raise DatasetError(f"has no column {', '.join(missing)}: the first row must name {', '.join(_COLUMNS)}", path)
    return [lower.index(name) if name in lower else None for name in _COLUMNS]


def _event(cells: list[str], columns: list[int | None], where: str, path: Path) -> tuple[str | None, Event]:
    recording, start, end, label, score = ("" if i is None or i >= len(cells) else cells[i] for i in columns)
    try:
        times = float(start), float(end)
        event = Event(*times, label.strip(), float(score) if score.strip() else None)
        if not 0 <= times[0] <= times[1] < math.inf or not math.isfinite(event.score or 0):
            raise ValueError
    except ValueError:
        raise DatasetError(f"{where}: expected start <= end [s] and a score, got {cells[:5]!r}", path) from None
    return (None if columns[0] is None else recording), event
