"""Messages of Protocol Buffers, field by field, without a description of their types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

__all__ = ["fields", "varint"]

_Data = TypeVar("_Data", bytes, memoryview)
_SIZES = {1: 8, 5: 4}  # [bytes], of the wire types with a fixed size


def varint(data: bytes | memoryview, position: int) -> tuple[int, int]:
    """Read a number of seven bits a byte, lowest first.

    Parameters
    ----------
    data : bytes or memoryview
    position : int

    Returns
    -------
    value : int
    position : int
        Position after the number.

    Raises
    ------
    IndexError, ValueError
        If the data end within the number, or it has more than 64 bits.

    Examples
    --------
    >>> varint(bytes([0xAC, 0x02]), 0)
    (300, 2)
    """
    value = 0
    for shift in range(0, 70, 7):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number of more than 64 bits")


def fields(message: _Data) -> Iterator[tuple[int, Any]]:
    """Yield number and value of each field of a message.

    Parameters
    ----------
    message : bytes or memoryview

    Yields
    ------
    number : int
    value : int, or as `message`
        Of a number of variable length the number itself; otherwise the bytes, such as those of an inner message.

    Raises
    ------
    IndexError, KeyError, ValueError
        If the message is damaged.

    Examples
    --------
    >>> list(fields(bytes([0x08, 0x05, 0x12, 0x02]) + b"ab"))
    [(1, 5), (2, b'ab')]
    """
    position = 0
    while position < len(message):
        tag, position = varint(message, position)
        value: Any
        if tag & 7 == 0:
            value, position = varint(message, position)
        else:
            size, position = varint(message, position) if tag & 7 == 2 else (_SIZES[tag & 7], position)
            value = message[position : position + size]
            position += size
            if position > len(message):
                raise ValueError("a field ends after the end of its message")
        yield tag >> 3, value
