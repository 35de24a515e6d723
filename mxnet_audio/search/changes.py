"""Merge of two changes of one document of JSON types: what either of them added or removed is kept."""

from __future__ import annotations

from typing import Any

__all__ = ["merged"]

_MISSING = object()


def merged(base: Any, mine: Any, theirs: Any) -> Any:
    """Merge two documents that were made from the same one.

    Dictionaries are merged key by key. Of lists, what one side appended follows the list of the other side. Of other
    values that both sides have changed, mine is kept.

    Parameters
    ----------
    base : object
        Document that both sides began with, of JSON types.
    mine, theirs : object
        The document of each side.

    Returns
    -------
    object

    Examples
    --------
    >>> merged({"heard": ["a"]}, {"heard": ["a", "b"]}, {"heard": ["a", "c"], "name": "x"})
    {'heard': ['a', 'c', 'b'], 'name': 'x'}
    >>> merged({"heard": ["a"]}, {}, {"heard": ["a", "c"]})
    {'heard': ['c']}
    """
    if mine == base:
        return theirs
    if theirs == base:
        return mine
    if isinstance(mine, dict) and isinstance(theirs, dict):
        base = base if isinstance(base, dict) else {}
        sides = (base, mine, theirs)
        values = {key: merged(*(side.get(key, _MISSING) for side in sides)) for key in {**theirs, **mine}}
        return {key: value for key, value in values.items() if value is not _MISSING}
    before, ours, others = ([] if value is _MISSING else value for value in (base, mine, theirs))
    if isinstance(before, list) and isinstance(ours, list) and isinstance(others, list):
        count = len(before)
        if ours[:count] == before:
            return others + ours[count:]
        if others[:count] == before:
            return ours + others[count:]
    return mine
