"""Sound files that are named on the command line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import typer

from mxnet_audio.cli.output import print_message, print_result
from mxnet_audio.errors import AudioDecodeError, AudioError

__all__ = ["BulkJob", "Sources", "require_file", "skipped_files", "with_channel"]

Sources: TypeAlias = list[tuple[str, Any]]  # names and sounds


def _is_missing(path: str | os.PathLike) -> bool:
    """Return True if there is no such file; False for other problems, which the decoder reports."""
    try:
        os.stat(path)  # noqa: PTH116 - bytes that are not UTF-8 are kept
    except FileNotFoundError:
        return True
    except OSError:
        pass
    return False


def _missing_error(path: str | os.PathLike) -> AudioDecodeError:
    from mxnet_audio.audio.source import missing_reason  # imports NumPy, which help texts do not need

    return AudioDecodeError(missing_reason(path), path)


def require_file(path: str | os.PathLike) -> None:
    """Raise AudioDecodeError if there is no such file, before a model is loaded to read it."""
    if _is_missing(path):
        raise _missing_error(path)


class BulkJob:
    """Job over many files: a file that fails is reported and skipped, and the command ends with exit code 1.

    Parameters
    ----------
    as_json : bool
        Print the result as JSON.

    Attributes
    ----------
    done : int
        Number of files that were processed.
    skipped : list of dict
        Path and reason of each file that was skipped.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.done = 0
        self.skipped: list[dict[str, str]] = []

    def find(self, paths: Iterable[str | os.PathLike], must_exist: bool = True) -> list[str]:
        """List the given files and the sound files in the given folders, each once.

        Missing files are skipped, unless `must_exist` is False. The command exits if no file remains; with
        ``--json`` only in `finish`, since the document describes the model, too, which must be loaded first.
        """
        from mxnet_audio.audio import find_audio

        files: dict[str, None] = {}
        for path in paths:
            if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises if a folder must not be entered
                found = find_audio(path, on_skip=self._skip_entry)
                if not found:
                    self.skip(path, AudioDecodeError("no sound files in this folder", path))
                files.update(dict.fromkeys(found))
            elif must_exist and _is_missing(path):
                self.skip(path, _missing_error(path))
            else:
                files[str(path)] = None
        if not files and not self.as_json:
            self.finish({})
        return list(files)

    def find_sources(self, paths: Iterable[str | os.PathLike], channel: str | int) -> Sources:
        """List the sounds of a channel, or of each channel, of the files that `find` lists."""
        from mxnet_audio.audio import channel_sources
        from mxnet_audio.audio.source import source_name

        return [(str(source_name(source)), source) for source in channel_sources(self.find(paths), channel)]

    def skip(self, path: str | os.PathLike, error: Exception) -> None:
        """Skip a file and print the reason."""
        reason = getattr(error, "reason", str(error))
        self.skipped.append({"path": str(path), "reason": reason})
        print_message(f"skipped {path}: {reason}")

    def _skip_entry(self, error: AudioError) -> None:
        """Skip an entry of a folder; the error names it."""
        self.skip(error.path or "", error)

    def add_skipped(self, errors: Iterable[tuple[Any, AudioError]]) -> None:
        """Add files that the library left out, and has reported in its log."""
        self.skipped += skipped_files(errors)

    def finish(self, document: Mapping[str, Any], text: str | Iterable[object] = "") -> None:
        """Print the result, and exit with code 1 if a file was skipped, or none was processed.

        Parameters
        ----------
        document : dict
            Result as JSON; ``skipped`` is added.
        text : str or iterable
            Result, or the rest of it, as a line or as several.
        """
        print_result({**document, "skipped": self.skipped}, text if self.done else "", self.as_json)
        if self.skipped:
            print_message(f"{self.done} done, {len(self.skipped)} skipped")
        if self.skipped or not self.done:
            raise typer.Exit(1)


def with_channel(pairs: list[tuple[str, Any]], channel: str | int) -> list[tuple[Any, Any]]:
    """Return labelled files as labelled sounds of one channel."""
    from mxnet_audio.audio import channel_sources

    sources = channel_sources([path for path, _ in pairs], channel)
    return [(source, label) for source, (_, label) in zip(sources, pairs)]


def skipped_files(errors: Iterable[tuple[Any, AudioError]]) -> list[dict[str, str]]:
    """Return path and reason of each skipped file, for JSON."""
    return [{"path": str(path), "reason": error.reason} for path, error in errors]
