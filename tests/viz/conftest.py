"""Fixtures of the report's tests: corpus and trained classifier of the classifier's tests."""

from tests.library.conftest import classifier, corpus, model_dir, options

__all__ = ["classifier", "corpus", "model_dir", "options"]
