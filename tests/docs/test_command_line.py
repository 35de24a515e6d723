"""The reference of the command is written without click, which typer no longer installs."""

import subprocess
import sys

from tests.docs.blocks import DOCS

CODE = """
import sys
sys.modules["click"] = None
import command_line
pages = [command_line.MARKER]
command_line.fill(None, "page", pages)
print(pages[0])
"""


def test_the_reference_needs_no_click():
    process = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, cwd=DOCS / "_extensions"
    )
    for part in ("## mxnet-audio predict", "## mxnet-audio speaker enroll", "{PATH}...", "| `--model-dir DIR` |"):
        assert part in process.stdout
    assert "embed\n" not in process.stdout
