"""Unpack an archive into its place: the folder appears in one piece, and remembers what belongs to it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from mxnet_audio.datasets.archive import extract

__all__ = ["contents", "place", "whole"]

# In the unpacked folder: every file that the archive gave, and its size.
_MARKER = ".mxnet-audio.json"


def contents(home: Path) -> dict[str, int] | None:
    """Files that the archive gave, and their sizes; None where that is not known."""
    try:
        return dict(json.loads((home / _MARKER).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def whole(home: Path, files: dict[str, int]) -> bool:
    """Whether all the files are there in their sizes."""
    paths = ((home / name, size) for name, size in files.items())
    return all(path.is_file() and path.stat().st_size == size for path, size in paths)


def place(archive: Path, home: Path, check: Callable[[Path], None]) -> None:
    """Unpack an archive as the folder `home`.

    The work is done beside it. A run that is killed leaves no `home`, or the one that was there, and the next
    run clears up behind it.

    Parameters
    ----------
    archive : Path
        If all that it holds is one folder, that folder becomes `home`, whatever its name.
    home : Path
        If it exists it is completed, not replaced: the user may keep files of their own in it.
    check : callable
        ``check(folder)`` raises if what was unpacked is not what was wanted.

    Raises
    ------
    DatasetError
        If the archive is damaged or harmful.
    """
    temporary = home.with_name(f".{home.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        files = extract(archive, temporary)
        top = list(temporary.iterdir())
        inner = top[0] if len(top) == 1 and top[0].is_dir() else temporary
        skip = 0 if inner is temporary else len(inner.name) + 1
        files = {name[skip:]: size for name, size in files.items()}
        check(inner)
        (inner / _MARKER).write_text(json.dumps({"archive": archive.name, "files": files}), encoding="utf-8")
        if not home.exists():
            inner.rename(home)
            return
        for name in [*files, _MARKER]:  # the marker last: before it, nothing is claimed
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (inner / name).replace(home / name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
