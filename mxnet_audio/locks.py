"""Locks between processes and threads that write to one folder, with a message for those who wait."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["locked"]

logger = logging.getLogger(__name__)

_PATIENCE = 3.0  # [s] of waiting without a message


@contextmanager
def locked(path: str | os.PathLike, work: str) -> Iterator[None]:
    """Hold the lock of a file, after other processes and threads have released it.

    The thread that holds the lock can take it again. The lock ends with the process, also if it is killed. The file
    stays: who deletes it may delete the lock of another.

    Parameters
    ----------
    path : str or os.PathLike
        File of the lock, created if it is missing, with its folder.
    work : str
        Work that is waited for, for the message that is logged after some seconds: "the download of esc50 to data".

    Raises
    ------
    OSError
        If the file cannot be written to.

    Examples
    --------
    >>> folder = getfixture('tmp_path')
    >>> with locked(folder / '.index.lock', "the update of the index"):
    ...     _ = (folder / 'index').write_text('complete')
    """
    from filelock import FileLock, Timeout  # who only reads needs no lock

    lock = FileLock(path, is_singleton=True)
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout:
        logger.warning("waiting for another process to finish %s", work)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
