"""Fixtures of the cross-validation tests: the corpus of the classifier's tests."""

from tests.library.conftest import corpus, options

__all__ = ["corpus", "options"]
