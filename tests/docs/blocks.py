"""Code blocks of Markdown pages: find them, run them, and compare their output with the output that is shown."""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest
from typer.testing import CliRunner

from mxnet_audio import weights
from mxnet_audio.cli import app
from tests.docs.serving import Servers

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in DOCS.rglob("*.md") if not {"_build", "auto_tutorials", "generated"} & {*page.parts}),
]
RUN, SHOWN = {"bash", "console", "python"}, {"csv", "text", "yaml"}

FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+) -->\n)?"
    r"(?:^<!-- weights: (?P<weights>[^\n]+) -->\n)?"
    r"^```(?P<kind>[^\n]+)\n(?P<text>.*?)^```\n"
    r"(?:\n^```text\n(?P<output>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)
COMMAND = re.compile(r"^\$ (?P<command>(?:[^\n]*\\\n)*[^\n]*)\n(?P<output>(?:(?!\$ )[^\n]*\n)*)", re.MULTILINE)
DECIMAL = re.compile(r"-?\b\d+\.\d+\b")
OTHER_MACHINES = re.compile(rf"{DECIMAL.pattern}|\d+(?=\.wav)|(?<=the best \()\d+")  # may differ on another one
CHECKER = doctest.OutputChecker()
LENIENT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    """A fenced block of a page, with the block of text after it.

    `reason` says why it is not run, if it is not; `weights` names the published weights that it needs.
    """

    kind: str
    text: str
    output: str | None
    reason: str | None
    weights: str | None

    def missing_weights(self) -> list[str]:
        """List the weights that it needs and that are not on this machine: nothing is downloaded by the tests."""
        return [name for name in re.findall(r"\w+", self.weights or "") if not weights.available(name)]


def blocks_of(page: Path) -> list[Block]:
    """List the blocks of a page, without directives such as ``{toctree}``."""
    found = [Block(**match.groupdict()) for match in FENCE.finditer(page.read_text(encoding="utf-8"))]
    return [block for block in found if not block.kind.startswith("{")]


def run_page(page: Path) -> set[str]:
    """Run the blocks of a page in order: Python in one namespace, commands from the current folder.

    Blocks that need published weights are left out where these are missing; return the names of the missing ones.
    """
    with Servers() as servers:
        return run_blocks(page, servers)


def run_blocks(page: Path, servers: Servers) -> set[str]:
    """Run the blocks of a page; see `run_page`."""
    names: dict = {"__name__": page.stem}
    missing: set[str] = set()
    for block in blocks_of(page):
        if block.reason is not None or block.kind not in RUN:
            continue
        if block.missing_weights():
            missing.update(block.missing_weights())
            continue
        if block.kind == "python":
            compare(block.text, block.output, servers.shown(run_python(servers.real(block.text), names)))
            continue
        folder = Path.cwd()
        try:
            for command, output in commands(block):
                printed = run_command(servers.real(command), servers, error=output.startswith("error:"))
                compare(command, output or None, servers.shown(printed))
        finally:
            os.chdir(folder)
    return missing


def commands(block: Block) -> list[tuple[str, str]]:
    """List the commands of a block, each with the output that is shown."""
    if block.kind == "bash":
        return [(line, "") for line in block.text.splitlines() if shlex.split(line, comments=True)]
    return [(match["command"].replace("\\\n", " "), match["output"]) for match in COMMAND.finditer(block.text)]


def run_python(text: str, names: dict) -> str:
    """Return what a block prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, "<documentation>", "exec"), names)
    return printed.getvalue()


def run_command(command: str, servers: Servers, error: bool = False) -> str:
    """Return the output of a command: of `mxnet-audio` and of scripts in this process, of `make` a dry run."""
    program, *words = shlex.split(command, comments=True)
    if (program, *words[:1], words[-1:]) == ("mxnet-audio", "serve", ["&"]):
        return servers.start(words[1:-1])
    if program == "cd":
        os.chdir(words[0])
        return ""
    if program == "mxnet-audio":
        result = CliRunner().invoke(app, words, prog_name="mxnet-audio")
        assert result.exit_code == (1 if error else 0), f"{command}: {result.output}"
        return result.stderr if error else result.stdout
    if program == "make":  # makes environments: a dry run shows that the target exists
        run = ["make", "--dry-run", *words]
        return subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout and ""
    if program == "grep":  # of the requirements, which are in a clone
        shutil.copy(ROOT / "requirements.txt", ".")
        return subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout
    if program == "curl":
        if shutil.which(program) is None:
            pytest.skip("no curl on this machine")
        return subprocess.run([program, "--silent", *words], capture_output=True, text=True, check=True).stdout
    if program in ("mkdir", "mv", "rm"):
        return subprocess.run([program, *words], capture_output=True, text=True, check=True).stdout
    if program == "python":
        return run_script(words)
    assert program == "pip", f"no way to run {command!r}"  # its extras are checked by test_links
    return ""


def run_script(words: list[str]) -> str:
    """Return what a script prints."""
    modules, printed = set(sys.modules), io.StringIO()
    script = Path(words[0]).resolve()
    path = [str(script.parent), *sys.path]
    with (
        mock.patch.object(sys, "argv", words),
        mock.patch.object(sys, "path", path),
        contextlib.redirect_stdout(printed),
    ):
        runpy.run_path(str(script), run_name="__main__")
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) and Path(sys.modules[name].__file__).parent == script.parent:
            del sys.modules[name]
    return printed.getvalue()


def compare(source: str, want: str | None, got: str) -> None:
    """Assert that a block prints what is shown.

    ``...`` stands for anything. Training gives slightly other results on other processors, so decimals may differ by a
    quarter, and the numbers of files and of the best epoch are not compared.
    """
    if want is None:
        return
    shown, printed = (OTHER_MACHINES.sub("0", text) for text in (want, got))
    same = CHECKER.check_output(shown, printed, LENIENT)
    if same and "..." not in want:
        values = zip(DECIMAL.findall(want), DECIMAL.findall(got))
        same = all(abs(float(one) - float(other)) <= 0.1 + 0.25 * abs(float(one)) for one, other in values)
    assert same, f"{source}\nshown:\n{want}\nprinted:\n{got}"
