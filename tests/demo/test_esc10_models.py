"""The card of the bundled models is what its template gives."""

import re
import runpy
import string

from tests.demo_scripts import DEMO


def test_card_agrees_with_the_template():
    template = runpy.run_path(str(DEMO / "esc10_models.py"), run_name="esc10_models")["CARD"]
    pattern, names = "", set()
    for text, name, _, _ in string.Formatter().parse(template):
        pattern += re.escape(text)
        if name is not None:
            pattern += f"(?P={name})" if name in names else f"(?P<{name}>.+?)"
            names.add(name)
    card = (DEMO / "models" / "esc10" / "README.md").read_text(encoding="utf-8")
    fields = re.fullmatch(pattern, card, re.DOTALL)
    assert fields is not None
    assert fields["box"] == "demo/models/esc10" and fields["clips"] == "320"
    assert [row.split("`")[1] for row in fields["rows"].splitlines()] == ["cifar10", "m5", "resnet_v2"]
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", card):
        assert (DEMO / "models" / "esc10" / link).exists(), link
