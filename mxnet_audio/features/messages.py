"""Messages about wrong values of a configuration, in place of pydantic's."""

from __future__ import annotations

import re
from typing import Any

from mxnet_audio.checks import nearest, shown

__all__ = ["wrong_value"]

# Messages by the start of pydantic's types of errors.
_KINDS = {
    "int_": "must be a whole number",
    "float_": "must be a number",
    "bool_": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_": "must be a mapping of keys to values",
}
_SUBJECT = re.compile(r"^\w+ should ")  # of pydantic's messages
_QUOTED = re.compile(r"'([^']*)'")


def wrong_value(details: Any) -> str:
    """Return the message of one of pydantic's errors: the values that can be, and the given one.

    Examples
    --------
    >>> context = {"expected": "'slaney' or 'per_file'"}
    >>> wrong_value({"type": "literal_error", "ctx": context, "input": "perfile", "msg": ""})
    "must be 'slaney' or 'per_file', got 'perfile', did you mean per_file?"
    """
    given = details["input"]
    if details["type"] == "literal_error":
        expected = details["ctx"]["expected"]
        return f"must be {expected}, got {shown(given)}{nearest(given, filter(None, _QUOTED.findall(expected)))}"
    kind = next((kind for start, kind in _KINDS.items() if details["type"].startswith(start)), details["msg"])
    return f"{re.sub(_SUBJECT, 'must ', kind)}, got {shown(given)}"
