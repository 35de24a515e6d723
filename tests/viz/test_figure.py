"""Figures: text that can be drawn, no global state, and few imports."""

import io
import subprocess
import sys

import pytest

from mxnet_audio.errors import ParameterError
from mxnet_audio.metrics import ClassificationReport
from mxnet_audio.viz import plot_confusion, printable, save
from mxnet_audio.viz.figure import literal

REPORT = ClassificationReport(["a", "b"], [[1, 0], [0, 1]])


def test_names_are_drawn_literally():
    """Dollar signs make no formula, which would fail, and characters that SVG cannot hold are replaced."""
    report = ClassificationReport(["$\\bad$", "a\x01\udcff"], [[1, 0], [0, 1]])
    file = io.BytesIO()
    save(plot_confusion(report), file, "svg")
    assert b"$\\bad$" in file.getvalue()
    assert b"\x01" not in file.getvalue()


def test_neither_mxnet_nor_pyplot_is_imported():
    code = (
        "import sys, mxnet_audio.viz, mxnet_audio.metrics;"
        "print([m for m in ('mxnet', 'matplotlib.pyplot', 'librosa') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_only_characters_that_cannot_be_drawn_are_replaced():
    text = "no-break\u00a0space, zero\u200dwidth joiner, ideographic\u3000space, \u00e9\u266a"
    assert printable(text) == text and literal(text) == text
    assert printable("a\x00\n\udcff\ufffeb") == "a\ufffd\ufffd\ufffd\ufffdb"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ParameterError, match="nodir: "):
        plot_confusion(REPORT, tmp_path / "nodir" / "r.png")


@pytest.mark.parametrize("name", ["r.xyz", "r.XYZ"])
def test_an_unknown_suffix_is_refused_with_the_formats(name, tmp_path):
    with pytest.raises(ParameterError, match=r"'png'.*'svg'.*got 'xyz'"):
        plot_confusion(REPORT, tmp_path / name)
    with pytest.raises(ParameterError, match=r"'png'.*'svg'.*got 'nonsense'"):
        save(plot_confusion(REPORT), tmp_path / "r.png", format="nonsense")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name, start", [("r", b"\x89PNG"), ("r.png", b"\x89PNG"), ("r.PNG", b"\x89PNG"), ("r.svg", b"<?xml")]
)
def test_the_suffix_decides_the_format(name, start, tmp_path):
    plot_confusion(REPORT, str(tmp_path / name))
    assert (tmp_path / name).read_bytes().startswith(start)


def test_formats_may_be_in_capitals():
    file = io.BytesIO()
    save(plot_confusion(REPORT), file, "PNG")
    assert file.getvalue().startswith(b"\x89PNG")
