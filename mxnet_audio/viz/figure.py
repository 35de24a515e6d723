"""Basics of all figures: colors, text that can be drawn, and writing to files."""

from __future__ import annotations

import os
import unicodedata
import warnings
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from matplotlib.figure import Figure

from mxnet_audio.checks import one_of
from mxnet_audio.errors import ParameterError

__all__ = ["COLORS", "MARKERS", "cycled", "literal", "new_figure", "printable", "save", "saved", "split_path"]

# Paul Tol's "muted" scheme: ten colors that can be distinguished with every kind of color blindness.
COLORS = (
    "#332288", "#CC6677", "#117733", "#DDCC77", "#88CCEE",
    "#882255", "#44AA99", "#AA4499", "#999933", "#777777",
)  # fmt: skip
# Seven shapes with ten colors: 70 classes differ, neighbors never by color alone.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def save(figure: Figure, file: str | os.PathLike | BinaryIO, format: str = "png") -> None:
    """Write a figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Figure to write.
    file : str, os.PathLike or binary file object
        File to write to.
    format : {'png', 'svg', 'webp', ...}
        Any format that matplotlib can write.

    Raises
    ------
    ParameterError
        If the format is unknown, or the folder of the file is missing.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> save(Figure(), file, "svg")
    >>> b"<svg" in file.getvalue()
    True
    """
    format = one_of("format", str(format).lower(), sorted(figure.canvas.get_supported_filetypes()))
    if isinstance(file, (str, os.PathLike)) and not Path(file).parent.is_dir():
        raise ParameterError("the folder of the figure is missing", Path(file).parent)
    with warnings.catch_warnings():
        # Characters that no installed font has are drawn as boxes; a warning would not change that.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(file, format=format, bbox_inches="tight", pad_inches=0.12)


def printable(text: object) -> str:
    """Return text with control characters, surrogates and unassigned characters replaced.

    Examples
    --------
    >>> printable("a\\x00b"), printable("half a\\u00a0loaf")
    ('a\ufffdb', 'half a\\xa0loaf')
    """
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs", "Cn") else c for c in str(text))


def literal(label: Hashable) -> str:
    """Return a label that matplotlib draws literally, without formulas between dollar signs."""
    return printable(label).replace("$", r"\$")


def cycled(items: Sequence, n: int) -> list:
    """Return the first n items, starting again where there are fewer."""
    return [items[i % len(items)] for i in range(n)]


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size [inches]."""
    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def saved(figure: Figure, path: str | os.PathLike | None) -> Figure:
    """Return the figure, after writing it if a path is given, in the format of its suffix (by default PNG)."""
    if path is not None:
        suffix = Path(path).suffix[1:] if isinstance(path, (str, os.PathLike)) else ""
        save(figure, path, suffix or "png")
    return figure


def split_path(argument: Any, path: str | os.PathLike | None) -> tuple[Any, str | os.PathLike | None]:
    """Return a second argument and the path, where a path may also be given as the second argument.

    Examples
    --------
    >>> split_path("roc.png", None), split_path(16000, "spec.png")
    ((None, 'roc.png'), (16000, 'spec.png'))
    """
    is_path = isinstance(argument, (str, os.PathLike)) or hasattr(argument, "write")
    return (None, argument) if is_path else (argument, path)
