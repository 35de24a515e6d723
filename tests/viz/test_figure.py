"""Pictures hold only what can be shown, and leave no state behind."""

import io
import subprocess
import sys

from mxnet_audio.metrics import ClassificationReport
from mxnet_audio.viz import plot_confusion, printable, save
from mxnet_audio.viz.figure import shown


def test_names_are_drawn_as_they_stand():
    """No formula between dollars, which would fail, and nothing that SVG cannot hold."""
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


def test_only_what_cannot_be_shown_is_replaced():
    kept = "no-break\u00a0space, zero\u200dwidth joiner, ideographic\u3000space, \u00e9\u266a"
    assert printable(kept) == kept and shown(kept) == kept
    assert printable("a\x00\n\udcff\ufffeb") == "a\ufffd\ufffd\ufffd\ufffdb"
