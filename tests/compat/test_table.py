"""Tests of the table of known calls in ``docs/compat.md``: its names exist, and every row has a status."""

import importlib
import re
from pathlib import Path

import pytest

import mxnet_audio

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "compat.md").read_text()
STATUS = re.compile(r"(same|alias|path|other name|part|differs|replaced|refused|left out)\b")
NAME = re.compile(r"`((?:mxnet_audio\.)?[a-z_0-9]+(?:\.[A-Za-z_0-9]+)+)[`(]")
OBJECTS = {"classifier", "search", "recommender", "scores", "dataset", "mx"}  # variables of the examples, and MXNet
ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| known call"))
]


def resolve(name):
    """Return the object with a dotted name that is relative to the package."""
    parts = name.removeprefix("mxnet_audio.").split(".")
    found = mxnet_audio.data if parts[0] == "transforms" else mxnet_audio
    for part in parts:
        if not hasattr(found, part):
            importlib.import_module(f"{found.__name__}.{part}")  # a module that its package does not import
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:60])
def test_every_row_has_a_status(row):
    assert len(row) == 3
    assert STATUS.match(row[2])


def names():
    """List the dotted names of the middle column, without examples' variables and names of files."""
    found = {name for _, here, _ in ROWS for name in NAME.findall(here)}
    return sorted(n for n in found if n.split(".")[0] not in OBJECTS and not n.endswith((".json", ".py", ".npy")))


def test_the_table_is_found():
    assert len(ROWS) > 80 and len(names()) > 20


@pytest.mark.parametrize("name", names())
def test_the_name_exists(name):
    assert resolve(name) is not None
