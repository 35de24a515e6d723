"""What all commands share: how they answer, how they fail, and how they find files and the model."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from mxnet_audio.cli.options import MODELS, Network
from mxnet_audio.errors import AudioDecodeError, AudioError, ModelError
from mxnet_audio.library import BUNDLED_MODELS

if TYPE_CHECKING:
    from mxnet_audio.inference.predictor import Predictor

__all__ = ["Bulk", "CarefulGroup", "device", "emit", "interactive", "load_model", "note"]


class CarefulGroup(TyperGroup):
    """A user's mistake, or the machine's, ends in one line on stderr and an exit code, not in a traceback."""

    def invoke(self, ctx: typer.Context) -> Any:
        """Run the command that was asked for."""
        logger = logging.getLogger("mxnet_audio")
        logger.handlers = [_Notes()]
        logger.setLevel(logging.INFO)
        try:
            return super().invoke(ctx)
        except AudioError as error:
            note(f"error: {error}")
            raise typer.Exit(1) from None
        except BrokenPipeError:  # whoever read our output has seen enough; typer knows how to leave quietly
            raise
        except OSError as error:
            note(f"error: {error.filename or ''}{': ' if error.filename else ''}{error.strerror or error}")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            note("stopped")
            raise typer.Exit(130) from None


class _Notes(logging.Handler):
    """What the library says while it works goes to stderr, as it stands."""

    def emit(self, record: logging.LogRecord) -> None:
        note(self.format(record))


def interactive() -> bool:
    """Whether progress bars have a terminal to move on; in a log or a pipe they would only fill it."""
    return sys.stderr.isatty()


def note(message: str) -> None:
    """Say something beside the result: on stderr."""
    typer.echo(message, err=True)


def emit(document: Mapping, text: str, as_json: bool) -> None:
    """Give the result: strict JSON for machines, or text for people, on stdout."""
    typer.echo(json.dumps(_strict(document), allow_nan=False, indent=1) if as_json else text)


def _strict(value: Any) -> Any:
    """Return the value in JSON's own types; what is not a finite number becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):  # NumPy's arrays and scalars, without importing it
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value


class Bulk:
    """A job over many files: one that fails is named and passed over; only if all fail does the job."""

    def __init__(self) -> None:
        self.done = 0
        self.skipped: list[dict[str, str]] = []

    def find(self, paths: Iterable[Path]) -> list[str]:
        """List the given files as they are, and the sound files in the given folders; each once."""
        from mxnet_audio.audio import find_audio

        files: dict[str, None] = {}
        for path in paths:
            found = find_audio(path) if path.is_dir() else [str(path)]
            if not found:
                self.skip(path, AudioDecodeError("no sound files in this folder", path))
            files.update(dict.fromkeys(found))
        return list(files)

    def skip(self, path: str | os.PathLike, error: AudioError) -> None:
        """Go on without a file, and say so."""
        self.skipped.append({"path": str(path), "reason": error.reason})
        note(f"skipped {path}: {error.reason}")

    def finish(self, document: Mapping | None, text: str | None = None) -> None:
        """Give the result with what was skipped, and fail if nothing was done.

        Parameters
        ----------
        document : dict or None
            The result for machines, if they asked.
        text : str or None
            What remains to be said to people.
        """
        if document is not None:
            emit({**document, "skipped": self.skipped}, "", as_json=True)
        elif text and self.done:
            typer.echo(text)
        if self.skipped:
            note(f"{self.done} done, {len(self.skipped)} skipped")
        if not self.done:
            raise typer.Exit(1)


def device(gpu: int | None) -> Any:
    """Return MXNet's context for ``--gpu``."""
    from mxnet_audio.engine import context

    return context(gpu)


def load_model(model_dir: Path | None, network: Network | None, gpu: int | None, exported: bool = True) -> Predictor:
    """Load the trained classifier of a directory onto a device; or, where `exported` will do, an .onnx file.

    No directory is the usual one or, where nobody has trained a model, the one that comes with a clone.
    """
    if model_dir is None and not MODELS.exists() and BUNDLED_MODELS.is_dir():
        network = network or Network.cifar10
        note(
            f"no folder {MODELS} here: taking {network.value} of {BUNDLED_MODELS}, which knows the ten sounds of ESC-10"
        )
        model_dir = BUNDLED_MODELS
    model_dir = model_dir or MODELS
    if not model_dir.is_dir() and (model_dir.is_file() or model_dir.suffix.lower() == ".onnx"):
        if not exported:
            raise ModelError("this takes the folder of a trained model, not a file", model_dir)
        if gpu is not None:
            raise ModelError("an .onnx file is run on the CPU: leave --gpu out", model_dir)
        from mxnet_audio.inference.onnx_classifier import OnnxAudioClassifier

        classifier = OnnxAudioClassifier(model_dir)
        if network is not None and network.value != (found := classifier.description.network):
            raise ModelError(f"a {found} model, not {network.value}", model_dir)
        return classifier
    from mxnet_audio.library import load_classifier

    return load_classifier(model_dir, network and network.value, model_ctx=device(gpu))
