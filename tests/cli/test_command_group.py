"""Errors of commands: one line on stderr and an exit code."""

from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from mxnet_audio.cli.command_group import ErrorReportingGroup
from mxnet_audio.errors import FeatureError, ModelError, ParameterError

DOWNLOAD = "error: a: could not be downloaded\n  first: 404\n  second: 404\n"


def fail_with(error):
    """Run a command that raises an error."""
    app = typer.Typer(cls=ErrorReportingGroup, pretty_exceptions_enable=False)
    app.callback()(lambda: None)

    @app.command()
    def fail():
        raise error

    return CliRunner().invoke(app, ["fail"])


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ModelError("no model here", "modèles"), "error: modèles: no model here\n"),
        (ParameterError("batch_size must be >= 1, got 0"), "error: batch_size must be >= 1, got 0\n"),
        (FeatureError("n_fft must be >= 1, got 0"), "error: n_fft must be >= 1, got 0\n"),
        (PermissionError(13, "Permission denied", "/root/x"), "error: /root/x: Permission denied\n"),
        (OSError("disk on fire"), "error: disk on fire\n"),
        (ModelError("no\x1b[1m", "a\nb"), "error: a\\nb: no\\x1b[1m\n"),
        (ModelError("could not be downloaded\n  first: 404\n  second: 404", "a"), DOWNLOAD),
        (PermissionError(13, "Permission denied", "a\nb"), "error: a\\nb: Permission denied\n"),
        (OSError(5, "Input/output error", b"\xff"), "error: \\xff: Input/output error\n"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_become_a_line_each(error, message):
    result = fail_with(error)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", message)


def test_errors_of_options_before_the_command():
    def show_version(_):
        raise OSError(28, "No space left on device")

    app = typer.Typer(cls=ErrorReportingGroup, pretty_exceptions_enable=False)

    @app.callback()
    def options(version: Annotated[bool, typer.Option(callback=show_version)] = False):
        pass

    app.command()(lambda: None)
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stderr) == (1, "error: No space left on device\n")


def test_wrong_usage_is_shown_without_control_characters():
    result = fail_with(typer.BadParameter("got \x1b[2J"))
    assert result.exit_code == 2 and "\x1b" not in result.stderr and "got \\x1b[2J" in result.stderr


def test_interrupt():
    assert fail_with(KeyboardInterrupt()).exit_code == 130


def test_defects_are_not_hidden():
    for error in (ZeroDivisionError(), ValueError("of no argument")):
        assert fail_with(error).exception is error
