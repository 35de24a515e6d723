"""Results as strict JSON, and text without characters that would disturb a terminal."""

import json
import logging
import re
from pathlib import Path

import numpy as np
import pytest

from mxnet_audio import cli
from mxnet_audio.cli.command_group import MessageHandler
from mxnet_audio.cli.output import escaped, print_lines, print_message, print_result

BAD_NAME = "a\nerror: b\r\x1b[2J\x07\u202egpj\u2028\x9b31m\udcff.wav"
SHOWN = r"a\nerror: b\r\x1b[2J\x07\u202egpj\u2028\x9b31m\xff.wav"


def test_json_is_strict(capsys, tmp_path):
    values = {
        "nan": float("nan"),
        "vector": np.float32([1, np.inf]),
        "label": np.int64(3),
        "path": tmp_path,
        4: ("ü",),
    }
    print_result(values, "", as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document == {"nan": None, "vector": [1.0, None], "label": 3, "path": str(tmp_path), "4": ["ü"]}


def test_names_are_escaped_in_text_and_kept_in_json(capsys):
    handler = MessageHandler()
    print_lines(BAD_NAME, "ü ♪")
    print_result({}, [BAD_NAME], as_json=False)
    print_message(BAD_NAME)
    handler.emit(logging.LogRecord("mxnet_audio", logging.WARNING, "", 0, "left out: %s", (BAD_NAME,), None))
    out, err = capsys.readouterr()
    assert out == f"{SHOWN}\nü ♪\n{SHOWN}\n" and err == f"{SHOWN}\nleft out: {SHOWN}\n"
    print_result({"path": BAD_NAME}, BAD_NAME, as_json=True)
    out = capsys.readouterr().out
    assert out.isascii() and json.loads(out)["path"] == BAD_NAME


@pytest.mark.parametrize(("first", "last"), [(0, 0x1F), (0x7F, 0x9F), (0x202A, 0x202E), (0x2066, 0x2069)])
def test_all_of_a_kind_are_escaped(first, last):
    characters = "".join(map(chr, range(first, last + 1))).replace("\t", "")
    assert escaped(characters).isascii() and escaped(characters).isprintable()


def test_commands_print_by_these_functions_only():
    printing = re.compile(r"typer\.s?echo|\bprint\(|std(out|err)\.write")
    texts = {path.name: path.read_text() for path in Path(cli.__file__).parent.rglob("*.py")}
    assert [name for name, text in texts.items() if printing.search(text)] == ["output.py"]
