"""The tutorials run, on even less data than in the documentation."""

import re
import runpy

import pytest

from tests.docs.blocks import DOCS

SMALL = {"CLIPS_PER_CLASS": 6, "CLIPS_PER_FOLD": 1, "EPOCHS": 1, "RECORDINGS": 8, "SONGS_PER_STYLE": 8}
TUTORIALS = sorted((DOCS / "tutorials").glob("*.py"))


@pytest.mark.usefixtures("narrow_resnet18")
@pytest.mark.parametrize("script", TUTORIALS, ids=lambda script: script.stem)
def test_tutorial_runs(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    text, replaced = re.subn(
        r"^([A-Z_]+) = \d+",
        lambda match: f"{match[1]} = {SMALL.get(match[1], match[0].split()[-1])}",
        script.read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    assert replaced >= 2
    small = tmp_path / script.name
    small.write_text(text, encoding="utf-8")
    runpy.run_path(str(small), run_name="__main__")
    assert capsys.readouterr().out
