"""Whole runs from one configuration, in the names of Ludwig: from a table of sounds and labels to a model."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
