"""Group of commands that reports errors in one line and by its exit code."""

from __future__ import annotations

import logging
from typing import Any

import typer
from typer.core import TyperGroup

from mxnet_audio.cli.output import print_message
from mxnet_audio.errors import AudioError

__all__ = ["ErrorReportingGroup"]


class ErrorReportingGroup(TyperGroup):
    """Group of commands that ends with a one-line message on stderr and an exit code, in place of a traceback.

    Errors of the package and of the operating system exit with code 1, an interrupt with 130. Other exceptions are
    defects and are raised.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the requested command."""
        logger = logging.getLogger("mxnet_audio")
        logger.handlers = [_MessageHandler()]
        logger.setLevel(logging.INFO)
        try:
            return super().invoke(ctx)
        except AudioError as error:
            print_message(f"error: {error}")
            raise typer.Exit(1) from None
        except BrokenPipeError:  # the reader of our output has closed it; typer exits quietly
            raise
        except OSError as error:
            print_message(f"error: {error.filename or ''}{': ' if error.filename else ''}{error.strerror or error}")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            print_message("stopped")
            raise typer.Exit(130) from None


class _MessageHandler(logging.Handler):
    """Print the library's log records on stderr, without a prefix."""

    def emit(self, record: logging.LogRecord) -> None:
        print_message(self.format(record))
