"""Group of commands that reports errors in one line and by its exit code."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from mxnet_audio.cli.output import escaped, print_message
from mxnet_audio.errors import AudioError

__all__ = ["ErrorReportingGroup", "MessageHandler"]

_UsageError: Any = typer.BadParameter.__base__  # of click, or of the copy of click that comes with newer typers


class ErrorReportingGroup(TyperGroup):
    """Group of commands that ends with a one-line message on stderr and an exit code, in place of a traceback.

    Errors of the package and of the operating system exit with code 1, an interrupt with 130. Other exceptions are
    defects and are raised.
    """

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Parse the options before the command; ``--help`` and ``--version`` print here."""
        with _reported_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run the requested command."""
        logger = logging.getLogger("mxnet_audio")
        logger.handlers = [MessageHandler()]
        logger.setLevel(logging.INFO)
        with _reported_errors():
            return super().invoke(ctx)


@contextlib.contextmanager
def _reported_errors() -> Iterator[None]:
    """Print an error, and raise the exit code in its place."""
    try:
        yield
    except _UsageError as error:
        error.message = escaped(error.message)
        raise
    except AudioError as error:
        path = "" if error.path is None else f"{error.path}: "
        first, *others = error.reason.split("\n")  # such as each address that failed
        print_message(f"error: {path}{first}")
        for line in others:
            print_message(f"  {line.strip()}")
        raise typer.Exit(1) from None
    except BrokenPipeError:  # the reader of our output has closed it; typer exits quietly
        raise
    except OSError as error:
        path = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename
        print_message(f"error: {'' if path is None else f'{path}: '}{error.strerror or error}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        print_message("stopped")
        raise typer.Exit(130) from None


class MessageHandler(logging.Handler):
    """Print the library's log records on stderr, without a prefix."""

    def emit(self, record: logging.LogRecord) -> None:
        print_message(self.format(record))
