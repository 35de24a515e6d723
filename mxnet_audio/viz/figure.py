"""What all pictures share: their colours, their names, and how they are written."""

from __future__ import annotations

import os
import unicodedata
import warnings
from collections.abc import Hashable, Sequence
from typing import BinaryIO

from matplotlib.figure import Figure

__all__ = ["COLOURS", "MARKERS", "cycled", "new_figure", "printable", "save", "saved", "shown"]

# Paul Tol's "muted" scheme: ten colours that remain apart with every kind of colour blindness.
COLOURS = (
    "#332288", "#CC6677", "#117733", "#DDCC77", "#88CCEE",
    "#882255", "#44AA99", "#AA4499", "#999933", "#777777",
)  # fmt: skip
# Seven shapes beside ten colours: 70 classes differ, and no two are told apart by colour alone.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def save(figure: Figure, file: str | os.PathLike | BinaryIO, format: str = "png") -> None:
    """Write a picture.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What one of the functions here returned.
    file : str, os.PathLike or binary file object
    format : {'png', 'svg', 'webp', ...}
        What matplotlib can write.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> save(Figure(), file, "svg")
    >>> b"<svg" in file.getvalue()
    True
    """
    with warnings.catch_warnings():
        # A label in a script that no font here has is drawn as boxes; a warning would not change that.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(file, format=format, bbox_inches="tight", pad_inches=0.12)


def printable(text: object) -> str:
    """Text that can be shown: without control characters, halves of characters, and those that do not exist.

    Examples
    --------
    >>> printable("a\\x00b"), printable("half a\\u00a0loaf")
    ('a\ufffdb', 'half a\\xa0loaf')
    """
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs", "Cn") else c for c in str(text))


def shown(label: Hashable) -> str:
    """A label as matplotlib draws it as it stands: no mathematics between dollars."""
    return printable(label).replace("$", r"\$")


def cycled(items: Sequence, n: int) -> list:
    """The first n of the items, from the start again where they run out."""
    return [items[i % len(items)] for i in range(n)]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size [inches]."""
    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def saved(figure: Figure, path: str | os.PathLike | None) -> Figure:
    """The figure, written as PNG where there is a path."""
    if path is not None:
        save(figure, path)
    return figure
