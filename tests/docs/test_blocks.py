"""Every code block of README.md and of the documentation runs, and prints the output that is shown."""

from functools import wraps
from pathlib import Path

import pytest

from mxnet_audio import Cifar10AudioClassifier
from tests.docs.blocks import PAGES, ROOT, RUN, SHOWN, blocks_of, run_page

SLOW = {
    "README.md",
    "docs/corpora.md",
    "docs/get-started.md",
    *(
        f"docs/guides/{name}.md"
        for name in (
            "classify",
            "cluster",
            "cross-validate",
            "declarative",
            "milvus",
            "pretrained",
            "search",
            "speakers",
        )
    ),
}


UNTRAINED = {"docs/get-started.md"}  # pages that train the model of the folder as if there were none
TRAINED = {"README.md", "docs/guides/classify.md", *UNTRAINED}  # pages that train this model
NARROW = {"docs/corpora.md", "docs/guides/speakers.md"}  # pages that train a resnet18, whose figures are not compared


def resuming(fit):
    """Return a method that continues a run in the folder of the model, if there is one, or was."""

    @wraps(fit)
    def resume(*args, **options):
        if Path("trained").exists():
            Path("trained").rename("models")
        return fit(*args, **options | {"resume": True})

    return resume


def name_of(page):
    return str(page.relative_to(ROOT))


def has_code(page):
    return any(block.kind in RUN and block.reason is None for block in blocks_of(page))


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] if name_of(page) in SLOW else []) for page in PAGES if has_code(page)],
    ids=name_of,
)
def test_blocks_run_and_print_what_is_shown(page, workspace, monkeypatch, request):
    if name_of(page) in NARROW:
        request.getfixturevalue("narrow_resnet18")
    if name_of(page) in UNTRAINED:
        Path("models").rename("trained")
    if name_of(page) in TRAINED:  # nothing is left to do, but all that was given is checked
        monkeypatch.setattr(Cifar10AudioClassifier, "fit", resuming(Cifar10AudioClassifier.fit))
    if missing := run_page(page):
        pytest.skip(f"the other blocks have run; no weights of {', '.join(sorted(missing))}")


def test_blocks_that_need_missing_weights_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv("MXNET_AUDIO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    page = tmp_path / "page.md"
    page.write_text("<!-- weights: yamnet -->\n```python\nraise ValueError\n```\n\n```python\nprint(1)\n```\n")
    assert run_page(page) == {"yamnet"}
    page.write_text(page.read_text() + "\n```text\n2\n```\n")
    with pytest.raises(AssertionError, match="printed:\n1"):
        run_page(page)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_is_of_a_kind_that_is_checked(page):
    assert {block.kind for block in blocks_of(page)} <= RUN | SHOWN


def test_readme_is_short():
    assert 60 <= len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120
