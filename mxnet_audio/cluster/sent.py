"""Models that workers do not have, sent to each of them once, also to those that join later."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin

__all__ = ["SentModel", "sent_folder"]


class SentModel(WorkerPlugin):
    """Plugin that writes the files of a model to a folder of each worker, and removes them with itself.

    Parameters
    ----------
    folder : str
        Name of the folder, see `sent_folder`.
    files : dict of str to bytes
        Content by name.
    """

    def __init__(self, folder: str, files: dict[str, bytes]):
        self.name = self.folder = folder  # Dask registers and removes plugins by their names
        self.files = files

    async def setup(self, worker: Any) -> None:
        """Write the files, in a thread."""
        await asyncio.to_thread(self._write, sent_folder(worker, self.folder))

    def _write(self, folder: Path) -> None:
        if folder.is_dir():
            return
        unfinished = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}")
        unfinished.mkdir(parents=True)
        for name, content in self.files.items():
            (unfinished / name).write_bytes(content)
        unfinished.rename(folder)

    async def teardown(self, worker: Any) -> None:
        """Remove the files."""
        await asyncio.to_thread(shutil.rmtree, sent_folder(worker, self.folder), ignore_errors=True)


def sent_folder(worker: Any, folder: str) -> Path:
    """Return the path of a folder of a worker for the files of a model."""
    return Path(worker.local_directory) / folder
