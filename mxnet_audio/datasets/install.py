"""Installation of an archive as a corpus folder, atomically and with a record of its files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from mxnet_audio.atomic import read_json, write_json
from mxnet_audio.datasets.archive import extract

__all__ = ["has_leftovers", "install", "installed_files", "is_complete", "remove_leftovers"]

# In the installed folder: the name of the archive, its files and their sizes.
_RECORD = ".mxnet-audio.json"


def installed_files(home: Path) -> dict[str, int] | None:
    """Return the files of the archive and their sizes [bytes]; None if there is no record of them."""
    try:
        files = read_json(home / _RECORD)["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return files if files and isinstance(files, dict) else None


def is_complete(home: Path, files: dict[str, int]) -> bool:
    """Return True if all files exist with their sizes."""
    paths = ((os.path.join(home, name), size) for name, size in files.items())  # noqa: PTH118
    # Not methods of Path, which raise OSError for the names of a damaged record.
    return all(os.path.isfile(path) and os.path.getsize(path) == size for path, size in paths)  # noqa: PTH113, PTH202


def has_leftovers(home: Path) -> bool:
    """Return True if an installation is in progress, or was killed."""
    return _unpacking(home).exists()


def remove_leftovers(home: Path) -> None:
    """Delete what a killed installation has left, or a file or link of that name, which would lead elsewhere."""
    leftovers = _unpacking(home)
    if leftovers.is_symlink() or leftovers.is_file():
        leftovers.unlink()
    shutil.rmtree(leftovers, ignore_errors=True)


def install(archive: Path, home: Path, check: Callable[[Path], None]) -> None:
    """Extract an archive as the folder `home`.

    The archive is extracted beside `home` and moved when it is complete. If the process is killed, `home` is missing
    or unchanged, and the next call deletes the leftovers. The caller holds a lock: two installations must not run at
    the same time.

    Parameters
    ----------
    archive : Path
        If it consists of a single folder, this folder becomes `home`, whatever its name.
    home : Path
        If it exists, missing files are added and the others replaced; other files in it are kept.
    check : callable
        ``check(folder)`` raises an exception if the extracted files are not the expected ones.

    Raises
    ------
    DatasetError
        If the archive is damaged or unsafe.
    """
    remove_leftovers(home)
    temporary = _unpacking(home)
    try:
        files = extract(archive, temporary)
        items = list(temporary.iterdir())
        inner = items[0] if len(items) == 1 and items[0].is_dir() else temporary
        prefix = "" if inner is temporary else f"{inner.name}/"
        files = {name.removeprefix(prefix): size for name, size in files.items()}
        check(inner)
        write_json(inner / _RECORD, {"archive": archive.name, "files": files})
        if not home.exists():
            inner.rename(home)
            return
        for name in [*files, _RECORD]:  # the record last: until then the folder counts as incomplete
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (inner / name).replace(home / name)
    finally:
        remove_leftovers(home)


def _unpacking(home: Path) -> Path:
    return home.with_name(f".{home.name}.unpacking")
