"""The documentation names only files, headings and extras that exist."""

import re
from importlib.metadata import metadata

import pytest

from tests.docs.blocks import PAGES, ROOT

PAGES = [*PAGES, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "demo").rglob("README.md"))]
LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(page):
    """Return the anchors of the headings, as GitHub and MyST make them."""
    headings = HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_linked_files_and_headings_exist(page):
    for link in LINK.finditer(page.read_text(encoding="utf-8")):
        target = page.parent / link["path"] if link["path"] else page
        assert target.exists(), link[0]
        assert link["anchor"] is None or link["anchor"] in anchors(target), link[0]


def test_extras_exist():
    extras = metadata("mxnet-audio").get_all("Provides-Extra")
    for page in PAGES:
        for group in re.findall(r"\.\[([a-z,]+)\]", page.read_text(encoding="utf-8")):
            assert set(group.split(",")) <= set(extras), page


def test_the_reference_has_every_public_room():
    public = re.findall(r"^from \. import (\w+) as", (ROOT / "mxnet_audio" / "__init__.pyi").read_text(), re.MULTILINE)
    listed = (ROOT / "docs" / "reference" / "index.md").read_text(encoding="utf-8").split()
    assert {f"mxnet_audio.{room}" for room in public} <= set(listed)
