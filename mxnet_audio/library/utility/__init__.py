"""Loaders of the corpora by their well-known import paths."""
