"""The documentation of pretrained encoders agrees with the registry of their weights."""

import re

import pytest

from mxnet_audio import weights
from tests.docs.blocks import DOCS

CARDS = (DOCS / "encoders.md").read_text(encoding="utf-8")
GUIDES = "".join((DOCS / "guides" / f"{name}.md").read_text(encoding="utf-8") for name in ("pretrained", "hub"))


@pytest.fixture
def filled(monkeypatch):
    """Return the page of the model cards as it is built."""
    monkeypatch.syspath_prepend(DOCS / "_extensions")
    import model_cards

    pages = [CARDS]
    model_cards.fill(None, "encoders", pages)
    return pages[0]


def test_every_record_has_a_card_with_its_facts(filled):
    cards = re.split(r"^#{2,3} (?=\w+$)", filled, flags=re.MULTILINE)[1:]
    assert [card.split("\n")[0] for card in cards] == weights.names()
    for card, record in zip(cards, map(weights.record, weights.names())):
        facts = [record.citation, record.licence, record.network, record.front_end, record.summary, record.command]
        facts += [f"`{name}` {width}" for name, width in record.embeddings.items()]
        for file in record.files:
            facts += [file.name, file.sha256, file.md5, *file.urls]
            facts += [] if file.size is None else [f"{file.size:,} bytes"]
        facts += [record.size_text, record.repository, *record.other_repositories]
        assert [fact for fact in facts if fact not in card] == []
    assert "<!-- facts" not in filled


def test_the_card_of_music_names_the_other_licence():
    remark = re.search("CC BY[-A-Z0-9. ]+", weights.record("musicnn").remark)[0]
    assert remark in " ".join(CARDS.split())


@pytest.mark.parametrize("name", weights.names())
def test_a_guide_has_the_numbers_of_every_record(name):
    record = weights.record(name)
    row = re.search(rf"^\| \[`{name}`\].*$", GUIDES, re.MULTILINE)[0]
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert record.domain.removesuffix("e") in cells[1]  # "voices"
    assert str(record.n_tags) in cells[2] or record.n_tags == 0
    assert cells[3] == ", ".join(f"`{layer}` {width}" for layer, width in record.embeddings.items())
    assert cells[5] == record.size_text
    assert cells[6].startswith(record.licence)
