"""Regular files that are opened without following links."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

__all__ = ["open_regular"]


def open_regular(path: str) -> BinaryIO:
    """Open a regular file for reading.

    Parameters
    ----------
    path : str
        Absolute path.

    Returns
    -------
    binary file object

    Raises
    ------
    OSError
        If the file, or a folder on the way to it, is a link; if it is not a regular file, such as a pipe; or if it
        is missing or must not be read.
    ValueError
        If the path has a null character.
    """
    file = os.fdopen(_open_without_links(path), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError("not a regular file")
    return file


def _open_without_links(path: str) -> int:
    # A pipe would block.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    if os.open not in os.supports_dir_fd:  # Windows, where only administrators make links
        return os.open(path, flags)
    root, *folders, name = Path(path).parts
    steps = os.O_DIRECTORY | os.O_NOFOLLOW | getattr(os, "O_PATH", os.O_RDONLY)
    folder = os.open(root, os.O_DIRECTORY | getattr(os, "O_PATH", os.O_RDONLY))
    try:
        for part in folders:
            inner = os.open(part, steps, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(name, flags, dir_fd=folder)
    finally:
        os.close(folder)
