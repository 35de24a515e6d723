"""The guide to the keys is the one that is written from the models, and has each key."""

import importlib.util

from tests.declarative.test_config_errors import SECTIONS
from tests.docs.blocks import DOCS


def generator():
    """Return the module that writes the page."""
    spec = importlib.util.spec_from_file_location("declarative_keys", DOCS / "_extensions" / "declarative_keys.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date():
    module = generator()
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run python docs/_extensions/declarative_keys.py"


def test_the_page_has_every_key():
    page = generator().page()
    missing = {
        f"{section.__name__}.{key}"
        for section in SECTIONS
        for key in {**section.model_fields, **section.UNSUPPORTED}
        if f"`{key}`" not in page and key != "type"
    }
    assert not missing
