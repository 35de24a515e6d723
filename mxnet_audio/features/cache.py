"""Features kept on disk, so that a file is decoded and transformed once."""

from __future__ import annotations

import hashlib
import logging
import os
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import platformdirs
from safetensors import SafetensorError
from safetensors.numpy import load as parse_tensors
from safetensors.numpy import save as format_tensors

from mxnet_audio.atomic import replacing
from mxnet_audio.features.config import AudioFeatureConfig

__all__ = ["FeatureCache"]

logger = logging.getLogger(__name__)

_VERSION = 1  # raised when the same configuration begins to give other numbers
_SUFFIX = ".features"
_OLD = 3600.0  # seconds after which an unfinished file has no writer any more


class FeatureCache:
    """A folder of features, one file for each sound file and configuration.

    An entry is found by the sound's real path, size and time of change and by the configuration, so a changed
    file or configuration misses. Entries are written beside their place and renamed: concurrent writers and
    a kill in mid-write leave nothing half-done. Each carries a checksum; a damaged one is a miss and is
    written anew. Where the folder cannot be written (permission, full disk) a warning is logged once and
    everything goes on without.

    Parameters
    ----------
    directory : str or os.PathLike, optional
        Default: the folder ``features`` in the user's cache directory of ``mxnet-audio``, such as
        ``~/.cache/mxnet-audio/features``.

    Examples
    --------
    >>> import soundfile, tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> soundfile.write(folder / "a.wav", np.ones(800), 8000)
    >>> cache, config = FeatureCache(folder / "cache"), AudioFeatureConfig(n_mels=2)
    >>> cache.get(folder / "a.wav", config) is None
    True
    >>> cache.put(folder / "a.wav", config, np.zeros((2, 5), np.float32))
    >>> cache.get(folder / "a.wav", config).shape
    (2, 5)
    """

    def __init__(self, directory: str | os.PathLike | None = None):
        if directory is None:
            directory = platformdirs.user_cache_path("mxnet-audio") / "features"
        self.directory = Path(directory)
        self._warned = False
        self._swept = False

    def __repr__(self) -> str:
        return f"FeatureCache({str(self.directory)!r})"

    def get(self, path: str | os.PathLike, config: AudioFeatureConfig) -> np.ndarray | None:
        """Read an entry.

        Parameters
        ----------
        path : str or os.PathLike
            The sound file.
        config : AudioFeatureConfig
            How its features are made.

        Returns
        -------
        np.ndarray [shape=(n_mels, frames)], float32, or None
            None when there is none, or none that is whole and of the configuration's shape.
        """
        entry = self._entry(path, config)
        return None if entry is None else _read(entry, config)

    def put(self, path: str | os.PathLike, config: AudioFeatureConfig, array: np.ndarray) -> None:
        """Write an entry, in place of an older one.

        Parameters
        ----------
        path : str or os.PathLike
            The sound file.
        config : AudioFeatureConfig
            How ``array`` was made.
        array : np.ndarray [shape=(n_mels, frames)], float32
            The features.
        """
        entry = self._entry(path, config)
        if entry is not None:
            self._write(entry, array)

    def fetch(
        self, path: str | os.PathLike, config: AudioFeatureConfig, compute: Callable[[], np.ndarray]
    ) -> np.ndarray:
        """Read an entry, or compute and write it.

        Parameters
        ----------
        path : str or os.PathLike
            The sound file.
        config : AudioFeatureConfig
            How its features are made.
        compute : callable
            Makes them; what it raises passes through and nothing is written.

        Returns
        -------
        np.ndarray [shape=(n_mels, frames)], float32
        """
        entry = self._entry(path, config)
        if entry is None:
            return compute()
        array = _read(entry, config)
        if array is None:
            array = compute()
            # A file that changed meanwhile must not leave its old features under its new identity.
            if self._entry(path, config) == entry:
                self._write(entry, array)
        return array

    def _entry(self, path: str | os.PathLike, config: AudioFeatureConfig) -> Path | None:
        """Where an entry lies; None when the sound file cannot be found (whoever loads it will say so)."""
        try:
            real = os.path.realpath(path)
            stat = os.stat(real)  # noqa: PTH116 - `Path.resolve` raises RuntimeError for a loop of links
        except (OSError, ValueError):
            return None
        identity = "\0".join(map(str, (real, stat.st_size, stat.st_mtime_ns, config.key(), _VERSION)))
        name = hashlib.sha256(os.fsencode(identity)).hexdigest()
        return self.directory / name[:2] / f"{name}{_SUFFIX}"

    def _write(self, entry: Path, array: np.ndarray) -> None:
        try:
            entry.parent.mkdir(parents=True, exist_ok=True)
            self._sweep()
            with replacing(entry, sync=False) as temporary:  # a damaged entry is only a miss
                temporary.write_bytes(_packed(array))
        except OSError as error:
            if not self._warned:
                self._warned = True
                logger.warning("features are not cached in %s: %s", self.directory, error)

    def _sweep(self) -> None:
        """Once for each cache object: remove what killed writers left behind."""
        if self._swept:
            return
        self._swept = True
        for temporary in self.directory.glob("??/.*.tmp"):
            with suppress(OSError):
                if time.time() - temporary.stat().st_mtime > _OLD:
                    temporary.unlink()


def _packed(array: np.ndarray) -> bytes:
    """A safetensors file with its CRC-32 behind it.

    Not ``.npy``: NumPy parses its header with `ast`, which threads cannot do at the same time on CPython 3.11
    (python/cpython#106905).
    """
    data = format_tensors({"features": np.ascontiguousarray(array, dtype=np.float32)})
    return data + zlib.crc32(data).to_bytes(4, "little")


def _read(entry: Path, config: AudioFeatureConfig) -> np.ndarray | None:
    try:
        data = entry.read_bytes()
    except OSError:
        return None
    if zlib.crc32(data[:-4]).to_bytes(4, "little") != data[-4:]:
        return None
    try:
        array = parse_tensors(data[:-4])["features"]
    except (SafetensorError, KeyError):  # whole, but written by something else
        return None
    frames = config.n_frames or array.shape[-1]
    if array.dtype != np.float32 or array.shape != (config.n_mels, frames):
        return None
    return array
